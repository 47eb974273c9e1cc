/** Since when hosts that need a lease have had none from any controller; see self-fence.ts. */
import type { Ms } from '#shared/units.ts'
import type { HostHeard } from './view.ts'

type Reign = {
  readonly since: Ms
  readonly epoch: number
  /** Nothing keeps another controller of the same journal from going on beside this one. */
  readonly alone: boolean
}

/** Kept by the view, and changed by its fold alone. */
export class Leases {
  /** When those heartbeats of hosts were heard that were echoed last. */
  readonly #echoed = new Map<string, Ms>()
  #reign: Reign | undefined

  /** This controller leads. */
  lead(
    now: Ms,
    { epoch = 1, alone = false }: { readonly epoch?: number; readonly alone?: boolean }
  ) {
    this.#reign = { since: this.#reign?.since ?? now, epoch, alone }
  }

  /** A heartbeat that was heard then is echoed: that gives a lease. */
  echo(host: string, heardAt: Ms | undefined): void {
    if (heardAt !== undefined) this.#echoed.set(host, heardAt)
  }

  forget(host: string): void {
    this.#echoed.delete(host)
  }

  /**
   * Since when a host that is not echoed has had no lease from anybody: no later than we have heard
   * the heartbeat that we have echoed last, nor than our own beginning, when the controller before
   * could give none any more. One without an election may go on, though: then only a host that has
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
