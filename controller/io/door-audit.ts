/**
 * Who was not let in, and why: counted for the metrics, and recorded as a notification that counts
 * its repetitions. Strangers must not be able to fill the journal, so only a few are recorded in a
 * minute; the others are counted alone, and said with the next.
 */
import { isFault, sentence } from '#shared/fault.ts'
import { newId } from '#shared/ids.ts'
import type { Join } from '#shared/wire/messages.ts'
import { Counters } from '#shared/wire/queues.ts'
import { notification } from '../core/notification.ts'
import type { Service } from './api/service.ts'
import { type Rate, RateLimit } from './rate-limit.ts'

/** Notifications of one reason that are recorded. */
const recordRate: Rate = { perSecond: 0.1, burst: 5 }

/** What is said of one who was not let in. */
export type Turned = { readonly reason: string; readonly because: string }

/** Counts and records refusals at the door. */
export class DoorAudit {
  readonly #service: Service
  readonly #counters = new Counters()
  readonly #rate = new RateLimit(recordRate)
  readonly #unsaid = new Map<string, number>()

  constructor(service: Service) {
    this.#service = service
    service.meters.watch({
      name: 'remuda_door_refusals_total',
      help: 'Hosts that were not let in by themselves, by reason.',
      label: 'reason',
      counts: () => this.#counters.all()
    })
  }

  /** Notes one; never fails and waits for nothing. */
  note({ uuid, hostname, endpoint }: Join, { reason, because }: Turned): void {
    const { log, clock } = this.#service
    this.#counters.add(reason)
    if (!this.#rate.take(reason, clock.monotonic())) {
      this.#unsaid.set(reason, (this.#unsaid.get(reason) ?? 0) + 1)
      return
    }
    log.warn('turned a host away', { uuid, hostname, endpoint, reason, because })
    const others = this.#unsaid.get(reason) ?? 0
    this.#unsaid.delete(reason)
    const more = others === 0 ? '' : ` (and ${others} others before)`
    const message = `${hostname} (${uuid}) knocked from ${endpoint}: ${because}${more}`
    this.#record(reason, message.slice(0, 2048)).catch(thrown => {
      if (!isFault(thrown)) throw thrown
      log.warn('refusal not recorded', { reason, because: sentence(thrown) })
    })
  }

  async #record(reason: string, message: string): Promise<void> {
    const { reign } = this.#service
    const context = { by: 'controller', now: reign.now(), newId }
    const at = new Date(context.now.wall).toISOString()
    const spec = { subject: 'cluster/door', reason, message, severity: 'warning' as const }
    const event = notification(reign.view, { ...spec, source: 'controller', at }, context)
    await reign.record({ changes: [{ op: 'put', resource: event }], decisions: [] })
  }
}
