/** What the API shows of a host that is emptied, out of service, or filled again. */
import type { DepartureStatus, Host } from '#shared/model/host.ts'
import type { Departure } from './departure.ts'
import { departuresOf, homecomersOf } from './drain.ts'
import { wayOf } from './instance-state.ts'
import { defaultTenant } from './subject.ts'
import type { Moment, View } from './view.ts'

/** Instances that are shown of one host. */
const shownMax = 50

/** Undefined: it is simply in use. */
export function dutyShown(view: View, host: Host, now: Moment): object | undefined {
  const { duty, returning } = host.decided
  if (duty) {
    const { state, since, by, parallel, cold, had = [], stillMsMax, reboot, tries } = duty
    const isHere = (id: string): boolean => view.get('instance', id)?.decided.host === host.name
    const departures = departuresOf(view, { host, cold, tries }, { now })
    return {
      ...{ state, since, by, parallel, cold, total: had.length },
      done: had.filter(id => !isHere(id)).length,
      ...(stillMsMax !== undefined && { stillMsMax }),
      ...(reboot && { rebootsSince: reboot.at }),
      instances: shownOf(view, departures)
    }
  }
  if (!returning) return undefined
  const { since, by, parallel, cold, awaited } = returning
  const instances = shownOf(view, homecomersOf(view, host, now))
  const total = awaited.length
  return {
    ...{ state: 'returning', since, by, parallel, cold, total },
    done: awaited.filter(id => view.get('instance', id)?.decided.host === host.name).length,
    instances
  }
}

function shownOf(view: View, departures: Iterable<Departure>): readonly DepartureStatus[] {
  const shown: DepartureStatus[] = []
  for (const departure of departures) {
    if (shown.length >= shownMax) break
    shown.push(departureShown(view, departure))
  }
  return shown
}

/** One instance of a host that is emptied, as it is shown. */
export function departureShown(view: View, departure: Departure): DepartureStatus {
  const { instance, state, because } = departure
  const { moving } = instance.decided
  const { message: _, ...numbers } = moving ? wayOf(view, instance, moving) : { message: '' }
  return {
    tenant: instance.tenant ?? defaultTenant,
    name: instance.name,
    state,
    because,
    ...('to' in departure && { to: departure.to, live: departure.live }),
    ...(moving && { phase: moving.phase }),
    ...numbers
  }
}
