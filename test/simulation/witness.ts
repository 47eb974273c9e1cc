/**
 * What the ensemble itself can testify to, at the moment at which something happens there: who is
 * first among the candidates raises the epoch, and nobody else; and what is written is written in
 * the epoch that is. Programs may find out later, or never, that they were wrong.
 */
import { candidatePath, candidatesPath } from '../../controller/io/election/zookeeper-cards.ts'
import {
  decodeEpoch,
  decodeLink,
  epochPath,
  headPath
} from '../../controller/io/journal/zookeeper-znodes.ts'
import type { Actor, Change, ZnodeTree } from '../world/znode-tree.ts'

/** One who may read everything. */
export const anybody: Actor = { session: 0n, secret: 'fake:secret' }

/** Candidacies in the order of their numbers, with the sessions that they go with. */
export function candidacies(
  tree: ZnodeTree
): readonly { readonly path: string; readonly owner: bigint }[] {
  const names = tree.children(candidatesPath, anybody) ?? []
  return names.map(candidatePath).flatMap(path => {
    const node = tree.read(path, anybody)
    return node ? [{ path, owner: node.stat.owner }] : []
  })
}

/** Where it happens, and whom problems are told. */
export type Witnessed = {
  readonly ensemble: { readonly tree: ZnodeTree }
  readonly problem: (because: string) => void
  head: number
  /** Called when somebody has become first, with the path of the candidacy. */
  onFirst: ((path: string) => void) | undefined
}

/** Looks at what a session has just changed. */
export function witness(cloud: Witnessed, changes: readonly Change[], actor: Actor): void {
  const { tree } = cloud.ensemble
  for (const { path, what } of changes) {
    if (what === 'children') {
      const [first] = cloud.onFirst && path === candidatesPath ? candidacies(tree) : []
      if (first) cloud.onFirst?.(first.path)
      continue
    }
    if (path === epochPath) {
      const [first] = candidacies(tree)
      // Who founds the cloud does so before anybody stands.
      if (!first || first.owner === actor.session) continue
      cloud.problem(`session ${actor.session} changed the epoch, but ${first.path} is first`)
    } else if (path === headPath) {
      const { position, epoch } = decodeLink(headPath, tree.read(headPath, anybody)!.bytes)
      cloud.head = position
      const now = decodeEpoch(tree.read(epochPath, anybody)!.bytes).epoch
      if (epoch === now) continue
      cloud.problem(`entry ${position} was written in epoch ${epoch}, it is ${now}`)
    }
  }
}
