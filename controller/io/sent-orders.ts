/**
 * Which orders have left, and when others may. An order is the whole of what a host should hold,
 * and costs by how much that is: so two of one host are some time apart, and what is decided
 * meanwhile leaves with the next one. The first after a rest leaves at once.
 */
import type { Ms } from '#shared/units.ts'
import type { Order, Report } from '#shared/wire/order.ts'
import type { SaidOfStarts } from '../core/start-order.ts'

/** Two orders of one host are at least so far apart. Unit: ms. */
const orderApartMs: Ms = 50
/** An order that has not been taken on is sent again after so long. Unit: ms. */
const repeatMs: Ms = 1_000
/**
 * An order is renewed after so long though nothing has changed: the tickets in it by which images
 * are fetched are good for an hour. Unit: ms.
 */
const renewMs: Ms = 20 * 60 * 1_000

type Sent = SaidOfStarts & { readonly generation: number; readonly noticesKept: number }

/** By name of the host; times are monotonic. */
export class SentOrders {
  readonly #sent = new Map<string, Sent>()
  #nextAt: Ms = Number.POSITIVE_INFINITY

  /** When the first of the orders that are held back may leave. */
  get nextAt(): Ms {
    return this.#nextAt
  }

  noteSent(host: string, order: Order, at: Ms): void {
    const { generation, noticesKept, startsMax } = order
    const held = new Set(order.instances.flatMap(({ id, hold }) => (hold ? [id] : [])))
    this.#sent.set(host, { generation, noticesKept, held, startsMax, at })
  }

  /** What the last order of a host said of those that come after others; undefined: none left. */
  saidOfStarts(host: string): SaidOfStarts | undefined {
    return this.#sent.get(host)
  }

  noteFailed(host: string): void {
    this.#sent.delete(host)
  }

  keepOnly(exists: (host: string) => boolean): void {
    for (const host of this.#sent.keys()) if (!exists(host)) this.#sent.delete(host)
  }

  /** Those of these hosts that have not just had an order. */
  due(hosts: Iterable<string>, now: Ms): readonly string[] {
    this.#nextAt = Number.POSITIVE_INFINITY
    return [...hosts].filter(host => {
      const at = (this.#sent.get(host)?.at ?? Number.NEGATIVE_INFINITY) + orderApartMs
      if (at > now) this.#nextAt = Math.min(this.#nextAt, at)
      return at <= now
    })
  }

  /** Whether a report asks for the order again: it is behind, or what was sent is old. */
  isWanted(
    host: string,
    report: Report,
    wish: {
      readonly epoch: number
      readonly generation: number
      /** The last notice of the host that is in the journal. */
      readonly noticesKept: number
      readonly now: Ms
    }
  ): boolean {
    const { epoch, generation, noticesKept, now } = wish
    const sent = this.#sent.get(host)
    const sentMs = sent === undefined ? Number.POSITIVE_INFINITY : now - sent.at
    const behind = report.epoch < epoch || report.generation < generation
    const unkept = report.notices.some(notice => notice.number <= noticesKept)
    const news = (sent?.generation ?? -1) < generation || (sent?.noticesKept ?? 0) < noticesKept
    const again = (behind || unkept) && (news || sentMs >= repeatMs)
    return again || sentMs >= renewMs
  }
}
