/**
 * Audits an admission without its plans: from who sits where, each host is lost in turn, and those
 * who were on it go, in the order of their numbers, to whichever other host has most memory left.
 * It is a rule of its own, as simple as Ganeti's; it may leave somebody over where a plan exists.
 */
import type { Admission } from '../../../controller/core/engine/admission.ts'

/** Hosts whose loss the rule does not survive. */
export function stuckHosts({ layout }: Admission): number {
  const { hosts, dimensions, amount, limit, used } = layout
  const memory = layout.problem.dimensions.findIndex(({ hard }) => hard)
  let stuck = 0
  for (let lost = 0; lost < hosts; lost += 1) {
    const free = Float64Array.from({ length: hosts }, (_, host) =>
      host === lost || layout.open[host] === 0
        ? -1
        : limit[host * dimensions + memory]! - used[host * dimensions + memory]!
    )
    const isStuck = layout.residents.of(lost).some(demand => {
      const mine = amount[demand * dimensions + memory]!
      let best = 0
      for (let host = 1; host < hosts; host += 1) if (free[host]! > free[best]!) best = host
      free[best]! -= mine
      return free[best]! < 0
    })
    if (isStuck) stuck += 1
  }
  return stuck
}
