/**
 * Which devices of the host an instance has. The order says how many of a sort, this chooses: of
 * those that can be given and that nobody has, the first by their address. Nothing is remembered:
 * who has a device is seen in the domains, foreign ones too, and in the starts that are under way;
 * of those that want to start in one round each is given others. libvirt itself refuses a second
 * domain with a device that one has, so that this can at worst be late, and is then tried again.
 */
import { uuidOf } from '#shared/ids.ts'
import { isAlive, type SortedDomains } from './own-domains.ts'
import type { Situation } from './situation.ts'

/** What an instance would be started with, or why it cannot be. */
export type Allotment = { readonly devices: readonly string[] } | { readonly lacking: string }

/** What each instance that wants devices, and has no domain, would have of them, by its id. */
export function allotDevices(
  { order, host, inFlight }: Pick<Situation, 'order' | 'host' | 'inFlight'>,
  { own, foreign }: SortedDomains
): ReadonlyMap<string, Allotment> {
  const wanting = order.instances.filter(({ devices }) => devices?.length)
  if (wanting.length === 0) return new Map()
  const taken = new Set<string>()
  const alive = [...own.map(({ domain }) => domain), ...foreign].filter(isAlive)
  for (const { devices } of alive) for (const device of devices ?? []) taken.add(device)
  const begun = new Set<string>()
  const allotments = new Map<string, Allotment>()
  for (const step of inFlight) {
    if (step.type !== 'create-domain') continue
    const { instance, devices = [] } = step.plan
    for (const device of devices) taken.add(device)
    begun.add(instance.id)
    allotments.set(instance.id, { devices })
  }
  const running = new Set(alive.map(({ uuid }) => uuid))
  for (const { id, devices = [], desiredPower } of wanting) {
    if (begun.has(id) || running.has(uuidOf(id)) || desiredPower === 'stopped') continue
    allotments.set(id, allot(devices, host.devices ?? [], taken))
  }
  return allotments
}

type Offered = NonNullable<Situation['host']['devices']>
type Wished = NonNullable<Situation['order']['instances'][number]['devices']>

/** Takes all of a wish or nothing. */
function allot(wish: Wished, offered: Offered, taken: Set<string>): Allotment {
  const chosen: string[] = []
  for (const { kind, count } of wish) {
    const all = offered.filter(one => one.class === kind && one.assignable?.works)
    const free = all.map(({ pci }) => pci).filter(pci => !taken.has(pci))
    if (free.length < count) {
      const room = `of ${all.length} that can be given ${free.length} are free`
      return { lacking: `needs ${count} ${kind}, ${room}` }
    }
    chosen.push(...free.toSorted().slice(0, count))
  }
  for (const device of chosen) taken.add(device)
  return { devices: chosen }
}
