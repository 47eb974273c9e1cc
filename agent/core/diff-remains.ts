/**
 * What is left of instances that nobody knows any more: a seed, which holds keys, or a console log.
 * The agent forgets an instance once it has ended; when the agent's own end came in between, nobody
 * is left who knows that something is to be removed. So what lies there is looked at now and then.
 *
 * Only an order that a controller gave to this run of the agent says what is not needed: one that
 * was kept may be older than what was last placed here.
 */
import { uuidOf } from '#shared/ids.ts'
import { domainsOf } from './observed.ts'
import { type Matter, type Situation, wishFor } from './situation.ts'
import { laneOf } from './steps.ts'

/** So many are removed at a time; the others at the next looks. */
const remainsAtOnceMax = 16

/** Removes what is left of instances that neither the order nor libvirt nor the memory knows. */
export function diffRemains(situation: Situation): readonly Matter[] {
  const { order, origin, observed, memory, inFlight } = situation
  if (origin !== 'fresh' || observed.domains.state !== 'fresh') return []
  if (observed.remains.length === 0) return []
  const ordered = new Set(order.instances.map(instance => instance.id))
  const domains = new Set(domainsOf(observed).map(domain => domain.uuid))
  const begun = inFlight.filter(step => step.type !== 'remove-remains')
  const busy = new Set(begun.map(step => laneOf(step)))
  const isKnown = (id: string): boolean =>
    ordered.has(id) ||
    memory.instances.has(id) ||
    domains.has(uuidOf(id)) ||
    busy.has(`instance/${id}`)
  const left = observed.remains.filter(id => !isKnown(id)).slice(0, remainsAtOnceMax)
  return left.map(id => {
    const because = 'neither the order nor libvirt knows it'
    const wish = wishFor({ type: 'remove-remains', id, because }, situation)
    // Nothing that is ordered waits for it, so an order is settled without it.
    return { wish, settled: true }
  })
}
