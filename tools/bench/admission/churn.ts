/** Fills a cloud to a share of what its reserve leaves, then lets demands come and go. */
import type { Admission, Asked } from '../../../controller/core/engine/admission.ts'
import type { Chance } from './wishes.ts'

/** What came of it. */
export type Churned = {
  /** Admissions in a second of processor time while the cloud was filled. */
  readonly fillRate: number
  /** The same while as many go as come, their going counted in. */
  readonly rate: number
  /** What each admission took by the wall, for those that came one by one or at once. Unit: ms. */
  readonly times: readonly number[]
  readonly newcomers: number
  readonly refused: number
}

/** So many come in at most until it is looked again how full it is. */
const stepMost = 500

/** How it is filled. */
export type Filling = {
  /** Share of all memory but the largest host's. */
  readonly full: number
  readonly most: number
  /** So many come at once; 1: one by one. */
  readonly batch: number
  readonly rounds: number
}

/** A newcomer, to be exported. */
export type Newcomer = { readonly place: number; readonly asked: Asked }

/** Plays it. */
export function churn(
  admission: Admission,
  wish: () => Asked,
  given: Filling & { readonly chance: Chance }
): Churned & { readonly present: readonly Newcomer[] } {
  const { batch, rounds, chance } = given
  const present: Newcomer[] = []
  let refused = 0
  const comeIn = (wishes: readonly Asked[]): void => {
    const answers =
      wishes.length === 1
        ? [admission.admit(wishes[0]!)]
        : admission.admitAll(wishes, { whole: false })
    for (const [at, answer] of answers.entries()) {
      if ('place' in answer) present.push({ place: answer.place, asked: wishes[at]! })
      else refused += 1
    }
  }
  const wishes = (count: number) => Array.from({ length: count }, wish)
  const started = process.threadCpuUsage()
  const step = Math.max(batch, Math.min(stepMost, admission.layout.hosts))
  let tries = 0
  while (present.length < given.most && takenOf(admission) < given.full && tries < given.most) {
    for (let more = 0; more < step; more += batch) comeIn(wishes(batch))
    tries += step
  }
  const fillRate = (present.length / threadMs(started)) * 1_000
  const times: number[] = []
  const again = process.threadCpuUsage()
  let came = 0
  for (let round = 0; round < rounds; round += batch) {
    for (let gone = 0; gone < batch && present.length > 0; gone += 1) {
      const at = Math.floor(chance() * present.length)
      const [last, one] = [present.pop()!, present[at] ?? present.at(-1)]
      if (at < present.length) present[at] = last
      admission.remove(at < present.length ? one!.place : last.place)
    }
    const next = wishes(batch)
    const before = present.length
    const startedAt = performance.now()
    comeIn(next)
    times.push((performance.now() - startedAt) / batch)
    came += present.length - before
  }
  const rate = (came / threadMs(again)) * 1_000
  return {
    ...{ fillRate, rate, refused, times },
    ...{ newcomers: present.length, present }
  }
}

/** The share that is taken of all memory but the largest host's. */
function takenOf({ layout }: Admission): number {
  const { hosts, dimensions, limit, used } = layout
  let [all, most, taken] = [0, 0, 0]
  for (let host = 0; host < hosts; host += 1) {
    all += limit[host * dimensions]!
    most = Math.max(most, limit[host * dimensions]!)
    taken += used[host * dimensions]!
  }
  return taken / (all - most)
}

/** Processor time of this thread. Unit: ms. */
export function threadMs(before: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1_000
}
