/**
 * Keeps this host's lease and pets its watchdog by it, several times in the time that that has. It
 * is opened, once and for good, in the first moment in which a limit is ordered and a lease fresh.
 */
import type { Clock } from '#shared/clock.ts'
import { sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import type { Order, Report } from '#shared/wire/order.ts'
import type { NoticeText } from '../core/notices.ts'
import type { Observed } from '../core/observed.ts'
import type { Watchdog, WatchdogFacts } from '../core/ports.ts'
import {
  beatEchoed,
  beatSent,
  type CutOff,
  type Dog,
  isClearOf,
  type Lease,
  noLease,
  type SelfFenceStand,
  type SelfFenceState,
  selfFenceStand
} from '../core/self-fence.ts'
import type { Step } from '../core/steps.ts'

/** How often it is judged and pet. Unit: ms. */
const tickMs: Ms = 500
/** A watchdog that could not be opened is tried again so often, and looked at. Unit: ms. */
const lookMs: Ms = 5_000
/** That nothing runs is believed for so long: the loop looks more often. Unit: ms. */
const clearMsMax: Ms = 5_000

/** What it stands on. */
export type SelfFenceOptions = {
  readonly watchdog: Watchdog
  /** Names this run of the agent. */
  readonly run: string
  /** The order that the agent goes by. */
  readonly order: () => Order | undefined
  /** Told when something is otherwise that the loop, or a report, goes by. */
  readonly onChanged: () => void
  readonly note: (text: NoticeText) => void
  readonly clock: Clock
  readonly log: Log
}

/** One for each run of the agent. */
export class SelfFence {
  readonly #options: SelfFenceOptions
  #lease: Lease
  #facts: WatchdogFacts | undefined
  #lookedAt: Ms = Number.NEGATIVE_INFINITY
  #isHeld = false
  #fault = ''
  #triedAt: Ms = Number.NEGATIVE_INFINITY
  /** When nothing was found that others could start, after the lease had run out. */
  #clearAt: Ms = Number.NEGATIVE_INFINITY
  #state: SelfFenceState = 'free'
  /** After it was cut off: what ran here may run elsewhere, so it starts by this order or later. */
  #awaited: { readonly epoch: number; readonly generation: number } | undefined

  constructor(options: SelfFenceOptions) {
    this.#options = options
    this.#lease = noLease(options.run, options.clock.monotonic())
  }

  /** Notes that a heartbeat is sent now; gives our run where a lease is needed. */
  sending(number: number): string | undefined {
    this.#lease = beatSent(this.#lease, number, this.#options.clock.monotonic())
    return this.#limitMs === undefined ? undefined : this.#options.run
  }

  /** A controller has heard a heartbeat of ours; it says its newest order for this host, too. */
  echoed(
    echo: { readonly run: string; readonly number: number },
    newest: { readonly epoch: number; readonly generation: number }
  ): void {
    const before = this.#lease.from
    const wasCutOff = !mayStart(this.#stand())
    this.#lease = beatEchoed(this.#lease, echo)
    if (this.#lease.from === before) return
    this.#clearAt = Number.NEGATIVE_INFINITY
    if (wasCutOff) this.#awaited = newest
    this.#tell(this.#stand())
  }

  /** What the loop may not do now; told with what it has just found. */
  cutOff(found: {
    readonly order: Order
    readonly observed: Observed
    readonly inFlight: readonly Step[]
  }): CutOff | undefined {
    const isCutOff = !mayStart(this.#stand())
    // Only what is found when nothing may be begun any more says that it stays so.
    const isClear = isCutOff && isClearOf(found)
    this.#clearAt = isClear ? this.#options.clock.monotonic() : Number.NEGATIVE_INFINITY
    const stand = this.#stand()
    this.#tell(stand)
    if (mayStart(stand)) return this.#awaitsOrder(found.order)
    const because =
      `no controller has heard this host for ${formatMs(this.#limitMs ?? 0)}: what others could ` +
      'start is ended here'
    return { ends: stand.state === 'ending', because }
  }

  #awaitsOrder({ epoch, generation }: Order): CutOff | undefined {
    const awaited = this.#awaited
    if (awaited && (epoch < awaited.epoch || generation < awaited.generation)) {
      return { ends: false, because: 'it waits for the newest order, as it was cut off' }
    }
    this.#awaited = undefined
    return undefined
  }

  /** What a report says of it; undefined: nobody has ever asked for it. */
  get said(): Report['selfFence'] {
    const facts = this.#facts
    const limitMs = this.#limitMs
    if (facts === undefined) return undefined
    const { kind, identity, timeoutMs, nowayout } = facts
    const armed = this.#isHeld && this.#fault === '' && facts.because === ''
    const because = this.#fault || facts.because || (armed ? '' : 'it waits for a lease')
    const inForce = armed && limitMs !== undefined ? { limitMs } : {}
    return { kind, identity, timeoutMs, armed, nowayout, ...inForce, because }
  }

  /** Until the signal aborts; the watchdog is not stopped then: nobody can. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    while (!signal.aborted) {
      await this.#tick()
      const { until } = this.#stand()
      const leftMs = until === undefined ? tickMs : until - clock.monotonic()
      await clock.sleep(Math.min(tickMs, Math.max(1, leftMs)), signal).catch(() => {})
    }
  }

  get #limitMs(): Ms | undefined {
    return this.#options.order()?.selfFence?.limitMs
  }

  get #dog(): Dog {
    if (this.#isHeld) return { state: 'held' }
    if (this.#facts === undefined || this.#facts.because !== '') return { state: 'none' }
    return { state: 'closed', counts: this.#facts.counts && this.#facts.nowayout }
  }

  #stand(): SelfFenceStand {
    const now = this.#options.clock.monotonic()
    const isClear = now - this.#clearAt < clearMsMax
    const lease = this.#lease
    return selfFenceStand({ limitMs: this.#limitMs, lease, dog: this.#dog, isClear, now })
  }

  async #tick(): Promise<void> {
    if (!this.#isHeld && this.#limitMs !== undefined) await this.#lookWhenDue()
    if (this.#stand().opens) await this.#open()
    // Judged anew, with nothing between this and the pet: what was awaited may have taken long.
    const stand = this.#stand()
    if (stand.pets) this.#pet()
    this.#tell(stand)
  }

  async #lookWhenDue(): Promise<void> {
    const now = this.#options.clock.monotonic()
    if (now - this.#lookedAt < lookMs) return
    this.#lookedAt = now
    const before = this.#facts
    this.#facts = await this.#options.watchdog.look()
    if (JSON.stringify(before) !== JSON.stringify(this.#facts)) this.#options.onChanged()
  }

  async #open(): Promise<void> {
    const { watchdog, log, onChanged } = this.#options
    const now = this.#options.clock.monotonic()
    if (now - this.#triedAt < lookMs) return
    this.#triedAt = now
    try {
      this.#facts = await watchdog.open()
      this.#isHeld = true
      this.#fault = ''
      const { identity, timeoutMs } = this.#facts
      log.info('watchdog opened', { identity, timeoutMs, limitMs: this.#limitMs })
    } catch (thrown) {
      this.#fault = sentence(thrown)
      log.error('watchdog not opened', { because: this.#fault })
    }
    onChanged()
  }

  #pet(): void {
    const before = this.#fault
    try {
      this.#options.watchdog.pet()
      this.#fault = ''
    } catch (thrown) {
      this.#fault = `cannot pet the watchdog: ${sentence(thrown)}`
    }
    if (this.#fault !== before) this.#options.onChanged()
  }

  #tell({ state }: SelfFenceStand): void {
    const before = this.#state
    if (state === before) return
    this.#state = state
    const { log, note, onChanged } = this.#options
    log[state === 'ending' ? 'error' : 'info']('self-fence', { from: before, to: state })
    const words = wordsOf(state, this.#limitMs ?? 0)
    if (words) note({ subject: 'self-fence', reason: `self-fence-${state}`, ...words })
    onChanged()
  }
}

const mayStart = ({ state }: SelfFenceStand): boolean => state === 'free' || state === 'leased'

function wordsOf(
  state: SelfFenceState,
  limitMs: Ms
): Pick<NoticeText, 'message' | 'severity'> | undefined {
  if (state === 'ending') {
    const message =
      `no controller has heard this host for ${formatMs(limitMs)}: ` +
      'it ends what others could start'
    return { message, severity: 'alarm' }
  }
  if (state !== 'ended') return undefined
  const message = 'libvirt says that nothing runs here any more that others could start'
  return { message, severity: 'warning' }
}
