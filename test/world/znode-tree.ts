/**
 * The tree of znodes as ZooKeeper keeps it: versions, numbers, sessions and secrets, and
 * transactions of which all happens or nothing. It knows neither time nor connections.
 */
import { Fault } from '#shared/fault.ts'
import { refusedPart } from '#shared/zookeeper/faults.ts'
import type { Node, Operation, Outcome, Stat, Version } from '#shared/zookeeper/session.ts'

type Znode = {
  readonly bytes: Uint8Array
  readonly created: bigint
  readonly modified: bigint
  readonly version: number
  readonly owner: bigint
  /** Whose it is; undefined: everybody's, like the root. */
  readonly secret: string | undefined
  /** How many were ever created below; numbers of sequential names are counted by it. */
  readonly creations: number
  readonly children: Set<string>
}

/** What happened to a znode: it came, went or got other bytes (`self`), or what is below did. */
export type Change = { readonly path: string; readonly what: 'self' | 'children' }

/** Who does it. */
export type Actor = { readonly session: bigint; readonly secret: string }

const rootNode = (): Znode => ({
  bytes: new Uint8Array(),
  created: 0n,
  modified: 0n,
  version: 0,
  owner: 0n,
  secret: undefined,
  creations: 0,
  children: new Set()
})

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/'
const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)

/** One copy of the tree, which all servers of the fake ensemble share. */
export class ZnodeTree {
  readonly #nodes = new Map<string, Znode>([['/', rootNode()]])
  #transaction = 0n
  /** How to take back what the transaction has done so far, last things first. */
  #undo: (() => void)[] = []

  /** The tree as it is now, for a server that falls behind. */
  copy(): ZnodeTree {
    const copy = new ZnodeTree()
    for (const [path, node] of this.#nodes) {
      copy.#nodes.set(path, { ...node, children: new Set(node.children) })
    }
    return copy
  }

  /** Undefined: there is no such znode. Fault `forbidden` for another's. */
  read(path: string, actor: Actor): Node | undefined {
    const node = this.#nodes.get(path)
    if (node === undefined) return undefined
    permit(node, actor, path)
    return { bytes: new Uint8Array(node.bytes), stat: statOf(node) }
  }

  children(path: string, actor: Actor): readonly string[] | undefined {
    const node = this.#nodes.get(path)
    if (node === undefined) return undefined
    permit(node, actor, path)
    return [...node.children].toSorted()
  }

  /** Does all parts, or throws the Fault of the first that cannot be done. */
  transact(
    operations: readonly Operation[],
    actor: Actor
  ): { readonly outcomes: readonly Outcome[]; readonly changes: readonly Change[] } {
    this.#undo = []
    this.#transaction++
    try {
      const changes: Change[] = []
      const outcomes = operations.map((operation, part) =>
        this.#apply(operation, { part, actor, changes })
      )
      return { outcomes, changes }
    } catch (thrown) {
      for (const takeBack of this.#undo.toReversed()) takeBack()
      throw thrown
    }
  }

  /** Removes what goes with a session. */
  end(session: bigint): readonly Change[] {
    this.#undo = []
    this.#transaction++
    const gone = [...this.#nodes].filter(([, { owner }]) => owner === session)
    return gone.flatMap(([path]) => this.#remove(path))
  }

  #apply(operation: Operation, step: Step): Outcome {
    const { path } = operation
    if (operation.op === 'create') return this.#create(operation, step)
    const node = this.#nodes.get(path)
    if (node === undefined) throw missing(operation.op, path, step.part)
    const allowed = operation.op === 'remove' ? this.#nodes.get(parentOf(path))! : node
    permit(allowed, step.actor, path, step.part)
    if (operation.version !== 'any' && operation.version !== node.version) {
      throw stale(operation.op, path, { wanted: operation.version, is: node.version }, step.part)
    }
    switch (operation.op) {
      case 'check':
        return {}
      case 'set': {
        const version = node.version + 1
        const bytes = new Uint8Array(operation.bytes)
        this.#put(path, { ...node, bytes, version, modified: this.#transaction })
        step.changes.push({ path, what: 'self' })
        return { version }
      }
      case 'remove':
        if (node.children.size > 0) {
          const why = `it has ${node.children.size} children`
          throw refusedPart(step.part, 'conflict', `cannot remove ${path}: ${why}`)
        }
        step.changes.push(...this.#remove(path))
        return {}
      default:
        return operation satisfies never
    }
  }

  #create(operation: Operation & { readonly op: 'create' }, step: Step): Outcome {
    const { mode = 'persistent' } = operation
    const parentPath = parentOf(operation.path)
    const parent = this.#nodes.get(parentPath)
    if (parent === undefined) throw missing('create', operation.path, step.part)
    permit(parent, step.actor, parentPath, step.part)
    const number = mode === 'ephemeral-sequential' ? `${parent.creations}`.padStart(10, '0') : ''
    const path = operation.path + number
    if (this.#nodes.has(path)) {
      throw refusedPart(step.part, 'conflict', `cannot create ${path}: it is there already`)
    }
    if (parent.owner !== 0n) {
      const why = `${parentPath} goes with a session and may have no children`
      throw refusedPart(step.part, 'invalid', `cannot create ${path}: ${why}`)
    }
    this.#put(path, {
      bytes: new Uint8Array(operation.bytes),
      created: this.#transaction,
      modified: this.#transaction,
      version: 0,
      owner: mode === 'persistent' ? 0n : step.actor.session,
      secret: step.actor.secret,
      creations: 0,
      children: new Set()
    })
    this.#put(parentPath, { ...parent, creations: parent.creations + 1 })
    this.#place(parent, nameOf(path), true)
    step.changes.push({ path, what: 'self' }, { path: parentPath, what: 'children' })
    return { path }
  }

  #remove(path: string): readonly Change[] {
    const parentPath = parentOf(path)
    this.#place(this.#nodes.get(parentPath)!, nameOf(path), false)
    this.#put(path, undefined)
    return [
      { path, what: 'self' },
      { path, what: 'children' },
      { path: parentPath, what: 'children' }
    ]
  }

  #put(path: string, node: Znode | undefined): void {
    const before = this.#nodes.get(path)
    this.#undo.push(() => this.#replace(path, before))
    this.#replace(path, node)
  }

  #replace(path: string, node: Znode | undefined): void {
    if (node === undefined) this.#nodes.delete(path)
    else this.#nodes.set(path, node)
  }

  #place(parent: Znode, name: string, present: boolean): void {
    const move = (there: boolean) => parent.children[there ? 'add' : 'delete'](name)
    this.#undo.push(() => move(!present))
    move(present)
  }
}

type Step = { readonly part: number; readonly actor: Actor; readonly changes: Change[] }

const statOf = (node: Znode): Stat => ({
  created: node.created,
  modified: node.modified,
  version: node.version,
  childrenVersion: node.creations * 2 - node.children.size,
  owner: node.owner,
  bytes: node.bytes.length,
  children: node.children.size
})

function permit(node: Znode, actor: Actor, path: string, part?: number): void {
  if (node.secret === undefined || node.secret === actor.secret) return
  const sentence = `cannot reach ${path}: it belongs to another secret`
  throw part === undefined
    ? new Fault('forbidden', sentence)
    : refusedPart(part, 'forbidden', sentence)
}

const missing = (op: Operation['op'], path: string, part: number): Fault =>
  refusedPart(
    part,
    'not-found',
    `cannot ${op} ${path}: ${op === 'create' ? parentOf(path) : 'it'} is missing`
  )

const stale = (
  op: Operation['op'],
  path: string,
  version: { readonly wanted: Version; readonly is: number },
  part: number
): Fault =>
  refusedPart(
    part,
    'stale',
    `cannot ${op} ${path}: it is at version ${version.is}, not ${version.wanted}`
  )
