/**
 * Chance that can be asked for in any order: each number depends on the seed and on what it is for,
 * not on how many were drawn before. So two runs that skip different stretches of time see the same
 * lost packets and the same late beats.
 */

/** What a number is drawn for: whose it is, which of his, and which draw of that. */
export type Purpose = readonly [whose: number, which: number, draw: number]

/** A number from 0 (may be) to 1 (may not). */
export function chanceAt(seed: number, [whose, which, draw]: Purpose): number {
  let mixed = stirred(seed ^ 0x9e3779b9, whose)
  mixed = stirred(mixed, which)
  mixed = stirred(mixed, draw)
  return (mixed >>> 0) / 2 ** 32
}

function stirred(state: number, value: number): number {
  let mixed = Math.imul(state ^ (value | 0), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  mixed = Math.imul(mixed ^ (mixed >>> 16) ^ 0x27d4eb2f, 0x9e3779b1)
  return mixed ^ (mixed >>> 15)
}

/** How long until the next of what happens so often on average. */
export const waitOf = (everyMs: number, chance: number): number => -everyMs * Math.log(1 - chance)

/** A lognormal value: half of all are below the median; the larger sigma, the longer its tail. */
export function lognormal(
  { median, sigma }: { readonly median: number; readonly sigma: number },
  [one, other]: readonly [number, number]
): number {
  const normal = Math.sqrt(-2 * Math.log(1 - one)) * Math.cos(2 * Math.PI * other)
  return median * Math.exp(sigma * normal)
}
