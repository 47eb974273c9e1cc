/**
 * How many more of some sizes fit, by letting them in one after another as admission would, until
 * it refuses: so what is answered is what could really be created, with the proof for each loss.
 */
import { Admission, type AdmissionRules, type Asked } from './admission.ts'
import type { Problem } from './problem.ts'

/** What fits of one size, after those before it have come in. */
export type Tier = {
  readonly count: number
  /** Why no more. */
  readonly because: 'room' | 'reserve' | 'places'
}

/** Lets as many in as fit of each size in turn; the largest size should come first. */
export function tiersOf(
  problem: Problem,
  rules: AdmissionRules,
  sizes: readonly Asked[]
): readonly Tier[] {
  const admission = new Admission(problem, rules)
  return sizes.map(size => {
    for (let count = 0; ; count += 1) {
      const answer = admission.admit(size)
      if ('because' in answer) return { count, because: answer.because }
    }
  })
}

/** A problem after losses, and who is nowhere then. */
export type Bereaved = { readonly problem: Problem; readonly stranded: readonly number[] }

/**
 * The problem as it would be once hosts are lost one after another, whoever was there started at a
 * refuge, and the refuges of all were planned anew.
 */
export function afterLosses(
  problem: Problem,
  rules: AdmissionRules,
  lost: readonly number[]
): Bereaved {
  let now = problem
  const stranded: number[] = []
  for (const host of lost) {
    const places = problem.first.length
    const hostsAlone = Array.from(problem.open, (_, each) => each)
    const { refuges } = new Admission(now, { ...rules, places, losses: [hostsAlone] })
    const first = Array.from(now.first)
    const second = Array.from(now.second)
    for (const [demand, seat] of first.entries()) {
      if (second[demand] === host) second[demand] = -1
      if (seat !== host) continue
      first[demand] = refuges[0]!.refuge[demand]!
      if (first[demand] === second[demand]) second[demand] = -1
      if (first[demand] === -1) stranded.push(demand)
    }
    now = { ...now, first, second, open: Array.from(now.open).with(host, 0) }
  }
  return { problem: now, stranded }
}
