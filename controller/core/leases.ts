/**
 * Which heartbeats of hosts may be echoed, which gives a lease, and since when hosts that need one
 * have had none from any controller; see self-fence.ts.
 *
 * Whoever leads next must know since when we can have given none. So we echo only heartbeats that
 * we have heard until a moment of which others know, a little ago: see `leasesUntil` of elections.
 */
import type { Ms } from '#shared/units.ts'
import type { HostHeard } from './view.ts'

/** A heartbeat of a host that needs a lease. */
export type HostBeat = { readonly run: string; readonly number: number }

/** Of each host so many heartbeats are kept, the newest: whoever may echo none of them waits. */
const beatsMax = 16

type Reign = {
  readonly since: Ms
  readonly epoch: number
  /** Nothing keeps another controller of the same journal from going on beside this one. */
  readonly alone: boolean
}

/** Kept by the view, and changed by its fold alone. */
export class Leases {
  readonly #heard = new Map<string, (HostBeat & { readonly at: Ms })[]>()
  /** When those heartbeats of hosts were heard that were echoed last. */
  readonly #echoed = new Map<string, Ms>()
  #reign: Reign | undefined

  /** This controller leads. */
  lead(
    now: Ms,
    given: {
      readonly epoch?: number
      readonly alone?: boolean
      readonly leasedUntil?: Ms
    }
  ) {
    const { epoch = 1, alone = false, leasedUntil = now } = given
    this.#reign = { since: this.#reign?.since ?? Math.min(now, leasedUntil), epoch, alone }
  }

  /** A host was heard; without a heartbeat that asks for a lease it needs none. */
  hear(host: string, beat: HostBeat | undefined, at: Ms): void {
    if (!beat) {
      this.#heard.delete(host)
      return
    }
    const beats = this.#heard.get(host) ?? []
    beats.push({ ...beat, at })
    if (beats.length > beatsMax) beats.shift()
    this.#heard.set(host, beats)
  }

  /** The newest heartbeat of a host that was heard until a moment; undefined: there is none. */
  newest(host: string, until: Ms | undefined): (HostBeat & { readonly at: Ms }) | undefined {
    if (until === undefined) return undefined
    return this.#heard.get(host)?.findLast(({ at }) => at <= until)
  }

  /** A heartbeat that was heard then is echoed: that gives a lease. */
  echo(host: string, heardAt: Ms): void {
    this.#echoed.set(host, heardAt)
  }

  forget(host: string): void {
    this.#echoed.delete(host)
    this.#heard.delete(host)
  }

  /**
   * Since when a host that is not echoed has had no lease from anybody: no later than we have heard
   * the heartbeat that we have echoed last, nor than the last moment of which the controller before
   * could give any. One without an election may go on, though: then only a host that has
   * seen our epoch listens to nobody else. Undefined: it cannot be known.
   */
  endedAt(host: string, { report, heardAt }: HostHeard): Ms | undefined {
    const reign = this.#reign
    if (!reign) return undefined
    const echoedAt = this.#echoed.get(host) ?? Number.NEGATIVE_INFINITY
    if (!reign.alone) return Math.max(reign.since, echoedAt)
    if (!report || report.epoch < reign.epoch || heardAt === undefined) return undefined
    return Math.max(heardAt, echoedAt)
  }
}
