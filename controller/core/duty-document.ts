/** What the API shows of a host that is emptied, out of service, or filled again. */
import type { DepartureStatus, Host } from '#shared/model/host.ts'
import type { Departure } from './departure.ts'
import { departuresOf, homecomersOf } from './drain.ts'
import { wayOf } from './instance-state.ts'
import { reportedIn } from './reported.ts'
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
  const { instance, state } = departure
  const { moving } = instance.decided
  const { message: _, ...numbers } = moving ? wayOf(view, instance, moving) : { message: '' }
  return {
    tenant: instance.tenant ?? defaultTenant,
    name: instance.name,
    state,
    because: departure.state === 'goes' ? wayWords(view, departure) : departure.because,
    ...('to' in departure && { to: departure.to, live: departure.live }),
    ...(moving && { phase: moving.phase }),
    ...numbers
  }
}

/** How one will go and why so, and why there. */
function wayWords(view: View, departure: Extract<Departure, { readonly to: string }>): string {
  const { instance, to, live, because } = departure
  if (live) {
    const { postCopy } = view.heard(to).report?.migration ?? {}
    if (postCopy?.works !== false || instance.spec.type === 'container') return because
    return `${because}; however much it writes, it is sent whole first: ${postCopy.because}`
  }
  const { report } = view.heard(instance.decided.host ?? '')
  const power = reportedIn(report?.instances ?? [], instance.id)?.power
  if (power !== 'running' && power !== 'paused') return `it does not run; ${because}`
  const why =
    instance.spec.type === 'container'
      ? 'a container cannot go while it runs'
      : 'no host takes it in while it runs'
  return `is shut down for it: ${why}; ${because}`
}
