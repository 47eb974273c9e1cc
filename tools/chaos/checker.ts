/**
 * Says whether what candidates have done under chaos, and what every replica of the journal holds
 * at the end, can both be true of a journal that keeps its promises.
 *
 * What nobody could promise is counted: a run in which no candidate was deposed or no outcome was
 * unknown has shown nothing about those.
 */
import type { Line } from './history.ts'

/** An entry as a replica has it; the key is what the commit says. */
export type ReplicaEntry = {
  readonly position: number
  readonly epoch: number
  readonly hash: string
  readonly key: string
}

/** All that one server has, or why it could not be read as a whole journal. */
export type Replica = {
  readonly server: string
  readonly entries: readonly ReplicaEntry[]
  readonly broken?: string
}

/** What was counted. */
export type Counts = {
  readonly attempts: number
  readonly acknowledged: number
  readonly entries: number
  readonly epochs: number
  readonly takeOvers: number
  readonly unknown: number
  readonly unknownCommitted: number
  readonly deposedAttempts: number
  /** Of these, how many reached the ensemble and were refused there. */
  readonly deposedRefusedRemotely: number
}

/** The verdict: no violation means that all promises were kept. */
export type Verdict = { readonly violations: readonly string[]; readonly counts: Counts }

type Of<Type extends Line['type']> = Extract<Line, { type: Type }>

/** Examples of one kind that are told; the rest is counted. */
const examplesMax = 5

/** Compares the history, which is in order of time, with the replicas. */
export function judge(history: readonly Line[], replicas: readonly Replica[]): Verdict {
  const violations = [
    ...replicas.flatMap(replica => judgeReplica(history, replica)),
    ...judgeEqual(replicas),
    ...judgeFailures(history, replicas),
    ...judgeEpochs(history),
    ...judgeLeases(history)
  ]
  return { violations, counts: count(history, replicas) }
}

/** One replica alone: whole, in order, with all that was acknowledged and nothing unheard of. */
function judgeReplica(history: readonly Line[], replica: Replica): readonly string[] {
  const { server, entries, broken } = replica
  const found: string[] = broken === undefined ? [] : [`${server}: cannot be read: ${broken}`]
  const attempts = new Map(of(history, 'attempt').map(line => [line.key, line]))
  const seen = new Set<string>()
  let epoch = 0
  for (const [index, entry] of entries.entries()) {
    const { position, key } = entry
    if (position !== index + 1) found.push(`${server}: ${position} stands where ${index + 1} must`)
    if (entry.epoch < epoch) found.push(`${server}: epoch ${entry.epoch} after ${epoch}`)
    if (seen.has(key)) found.push(`${server}: ${key} is there twice`)
    const attempt = attempts.get(key)
    if (attempt?.epoch !== entry.epoch) found.push(`${server}: nobody has tried ${key} so`)
    epoch = Math.max(epoch, entry.epoch)
    seen.add(key)
  }
  for (const { key, epoch: its, position } of of(history, 'acknowledged')) {
    const entry = entries[position - 1]
    const isThere = entry?.key === key && entry.epoch === its
    if (!isThere) found.push(`${server}: acknowledged ${key} is not at ${position}`)
  }
  for (const { key, at, epoch: its } of deposedAttempts(history)) {
    if (seen.has(key)) found.push(`${server}: ${key} of epoch ${its}, tried at ${at}, got through`)
  }
  for (const { epoch: its, head } of of(history, 'leads')) {
    const isEarly = entries.slice(0, head).some(entry => entry.epoch >= its)
    const isLate = entries.slice(head).some(entry => entry.epoch < its)
    if (isEarly || isLate) found.push(`${server}: epoch ${its} did not begin after ${head}`)
  }
  return shortened(found)
}

function judgeEqual(replicas: readonly Replica[]): readonly string[] {
  const [first, ...others] = replicas
  return others.flatMap(other => {
    const differs = first!.entries.findIndex(({ hash }, at) => other.entries[at]?.hash !== hash)
    const isEqual = differs < 0 && other.entries.length === first!.entries.length
    const at = differs < 0 ? first!.entries.length : differs
    return isEqual ? [] : [`${other.server} differs from ${first!.server} from ${at + 1} on`]
  })
}

/** What was refused for certain is not there. */
function judgeFailures(history: readonly Line[], replicas: readonly Replica[]): readonly string[] {
  const there = keysOf(replicas)
  const certain = of(history, 'failed').filter(({ code }) => code !== 'unavailable')
  return shortened(
    certain
      .filter(({ key }) => there.has(key))
      .map(({ key, code }) => `${key} was refused (${code}) and is there`)
  )
}

/** Each epoch was raised once. */
function judgeEpochs(history: readonly Line[]): readonly string[] {
  const found: string[] = []
  const raised = new Map<number, string>()
  for (const { epoch, by } of of(history, 'leads')) {
    if (raised.has(epoch)) found.push(`epoch ${epoch} is of ${raised.get(epoch)} and of ${by}`)
    raised.set(epoch, by)
  }
  return shortened(found)
}

type Hold = { readonly by: string; readonly from: number; readonly to: number }

/** No two could be certain at one moment that they may act. */
function judgeLeases(history: readonly Line[]): readonly string[] {
  const holds = holdsOf(history).toSorted((a, b) => a.from - b.from)
  const found: string[] = []
  let last: Hold | undefined
  for (const hold of holds) {
    if (last && last.by !== hold.by && hold.from <= last.to) {
      const shared = (Math.min(last.to, hold.to) - hold.from).toFixed(1)
      found.push(`${last.by} and ${hold.by} held the lease together for ${shared} ms`)
    }
    if (!last || hold.to > last.to) last = hold
  }
  return shortened(found)
}

function holdsOf(history: readonly Line[]): readonly Hold[] {
  const open = new Map<string, Hold>()
  const closed: Hold[] = []
  for (const { by, at, holds } of of(history, 'holds')) {
    const hold = open.get(by)
    if (holds) open.set(by, { by, from: hold?.from ?? at, to: at })
    else if (hold) {
      closed.push(hold)
      open.delete(by)
    }
  }
  return [...closed, ...open.values()]
}

/** Attempts in an epoch of which a later one's first commit had been acknowledged already. */
function deposedAttempts(history: readonly Line[]): readonly Of<'attempt'>[] {
  const found: Of<'attempt'>[] = []
  let newest = 0
  for (const line of history) {
    if (line.type === 'acknowledged') newest = Math.max(newest, line.epoch)
    if (line.type === 'attempt' && line.epoch < newest) found.push(line)
  }
  return found
}

function count(history: readonly Line[], replicas: readonly Replica[]): Counts {
  const leads = of(history, 'leads').toSorted((a, b) => a.epoch - b.epoch)
  const there = keysOf(replicas)
  const failed = of(history, 'failed')
  const unknown = failed.filter(({ code }) => code === 'unavailable')
  const deposed = new Set(deposedAttempts(history).map(({ key }) => key))
  const remote = failed.filter(line => line.code === 'stale' && line.remote)
  return {
    attempts: of(history, 'attempt').length,
    acknowledged: of(history, 'acknowledged').length,
    entries: Math.max(0, ...replicas.map(({ entries }) => entries.length)),
    epochs: leads.length,
    takeOvers: leads.filter(({ by }, at) => at > 0 && leads[at - 1]!.by !== by).length,
    unknown: unknown.length,
    unknownCommitted: unknown.filter(({ key }) => there.has(key)).length,
    deposedAttempts: deposed.size,
    deposedRefusedRemotely: remote.filter(({ key }) => deposed.has(key)).length
  }
}

const keysOf = (replicas: readonly Replica[]): ReadonlySet<string> =>
  new Set(replicas.flatMap(({ entries }) => entries.map(({ key }) => key)))

const of = <Type extends Line['type']>(history: readonly Line[], type: Type): readonly Of<Type>[] =>
  history.filter((line): line is Of<Type> => line.type === type)

const shortened = (found: readonly string[]): readonly string[] =>
  found.length <= examplesMax
    ? found
    : [...found.slice(0, examplesMax), `… and ${found.length - examplesMax} more like these`]
