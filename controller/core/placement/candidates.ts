import type { Ms } from '#shared/units.ts'
import { capacityOf } from '../capacity.ts'
import { phaseOf } from '../liveness.ts'
import type { View } from '../view.ts'
import type { Candidate } from './pipeline.ts'

/** All hosts as placement sees them at a moment. */
export function candidatesOf(view: View, now: Ms): readonly Candidate[] {
  return [...view.all('host').values()]
    .filter(host => !host.decided.deletedAt)
    .map(host => {
      const heard = view.heard(host.name)
      const pools = heard.report?.pools.filter(pool => pool.phase === 'ready') ?? []
      return {
        host,
        phase: phaseOf(host, heard, now),
        capacity: capacityOf(view, host),
        drivers: heard.report?.facts?.drivers ?? [],
        poolFreeMib: new Map(pools.map(pool => [pool.name, pool.freeMib]))
      }
    })
}
