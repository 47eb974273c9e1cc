import { Fault } from '#shared/fault.ts'
import type { ZooKeeperSession } from '#shared/zookeeper/session.ts'
import type { CandidateCard } from '../../core/ports.ts'
import { tracePath } from './zookeeper-trace.ts'

/** Holds the znodes of those who stand. */
export const candidatesPath = '/remuda/candidates'

/** Path of a candidate's znode. */
export const candidatePath = (name: string): string => `${candidatesPath}/${name}`

/** Writes a card as JSON; nothing where none is shown yet. */
export const encodeCard = (card: CandidateCard | undefined): Uint8Array =>
  Buffer.from(card ? JSON.stringify(card) : '')

/** Reads a card; undefined when it is none that we can read. */
export function decodeCard(bytes: Uint8Array): CandidateCard | undefined {
  if (bytes.length === 0) return undefined
  let card: Partial<Record<keyof CandidateCard, unknown>> | null
  try {
    card = JSON.parse(Buffer.from(bytes).toString())
  } catch {
    return undefined
  }
  const texts = [
    card?.name,
    card?.apiUrl,
    card?.meshKey,
    card?.doorEndpoint,
    card?.doorKey,
    card?.version,
    card?.since
  ]
  const isCard =
    texts.every(text => typeof text === 'string') &&
    Number.isSafeInteger(card?.position) &&
    Number.isSafeInteger(card?.epoch) &&
    typeof card?.leads === 'boolean'
  return isCard ? (card as CandidateCard) : undefined
}

/** Names of those who stand, in the order in which they have begun to. */
export async function listCandidates(session: ZooKeeperSession): Promise<readonly string[]> {
  const names = (await session.children(candidatesPath)) ?? []
  return names.toSorted((a, b) => numberOf(a) - numberOf(b))
}

/** Makes the znodes that candidates need, where there are none. */
export async function makeCandidates(session: ZooKeeperSession): Promise<void> {
  for (const path of ['/remuda', candidatesPath, tracePath]) {
    try {
      await session.transact([{ op: 'create', path, bytes: new Uint8Array() }])
    } catch (thrown) {
      if (!(thrown instanceof Fault && thrown.code === 'conflict')) throw thrown
    }
  }
}

const numberOf = (name: string): number => Number(name.slice(name.lastIndexOf('-') + 1))
