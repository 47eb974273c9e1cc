/**
 * Keeps this host's lease and pets its watchdog by it, several times in the time that that has. It
 * is opened, once and for good, in the first moment in which a limit is ordered and a lease fresh.
 */
import type { Clock } from '#shared/clock.ts'
import { sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { endsAfterMs } from '#shared/self-fence-times.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import { petMs } from '#shared/wire/beat.ts'
import type { Order, Report } from '#shared/wire/order.ts'
import {
  beatKept,
  cutOffOf,
  echoTaken,
  foundIn,
  freshKeeping,
  type Keeping,
  type Newest,
  saidOf,
  standOf
} from '../core/lease-keeping.ts'
import type { NoticeText } from '../core/notices.ts'
import type { Observed } from '../core/observed.ts'
import type { Watchdog } from '../core/ports.ts'
import type { CutOff, SelfFenceStand, SelfFenceState } from '../core/self-fence.ts'
import type { Step } from '../core/steps.ts'

/** A watchdog that could not be opened is tried again so often, and looked at. Unit: ms. */
const lookMs: Ms = 5_000

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
  #keeping: Keeping
  #lookedAt: Ms = Number.NEGATIVE_INFINITY
  #fault = ''
  #triedAt: Ms = Number.NEGATIVE_INFINITY
  #state: SelfFenceState = 'free'

  constructor(options: SelfFenceOptions) {
    this.#options = options
    this.#keeping = freshKeeping(options.run, options.clock.monotonic())
  }

  /** Notes that a heartbeat is sent now; gives our run where a lease is needed. */
  sending(number: number): string | undefined {
    this.#keep(beatKept(this.#keeping, number, this.#at))
    return this.#limitMs === undefined ? undefined : this.#options.run
  }

  /** A controller has heard a heartbeat of ours; it says its newest order for this host, too. */
  echoed(echo: { readonly run: string; readonly number: number }, newest: Newest): void {
    const before = this.#keeping
    this.#keep(echoTaken(before, { echo, newest }, this.#at))
    if (this.#keeping !== before) this.#tell(this.#stand())
  }

  /** What the loop may not do now; told with what it has just found. */
  cutOff(found: {
    readonly order: Order
    readonly observed: Observed
    readonly inFlight: readonly Step[]
  }): CutOff | undefined {
    const { keeping, stand, isCutOff } = foundIn(this.#keeping, found, this.#at)
    this.#keeping = keeping
    // Once all has ended every moment counts in which it is not pet.
    if (stand.pets) this.#pet(stand.petBy)
    this.#tell(stand)
    return isCutOff ? cutOffOf(stand, this.#limitMs) : undefined
  }

  /** Keeps what has come of it; whoever relies on another limit now is told. */
  #keep(keeping: Keeping): void {
    const { limitMs } = this.#keeping
    this.#keeping = keeping
    if (keeping.limitMs !== limitMs) this.#options.onChanged()
  }

  /** How it stands, in a word. */
  get state(): SelfFenceState {
    return this.#state
  }

  /** What a report says of it; undefined: nobody has ever asked for it. */
  get said(): Report['selfFence'] {
    return saidOf(this.#keeping, this.#at, this.#fault)
  }

  /** Until the signal aborts; the watchdog is not stopped then: nobody can. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    while (!signal.aborted) {
      await this.#tick()
      const { until } = this.#stand()
      const leftMs = until === undefined ? petMs : until - clock.monotonic()
      await clock.sleep(Math.min(petMs, Math.max(1, leftMs)), signal).catch(() => {})
    }
  }

  get #limitMs(): Ms | undefined {
    return this.#options.order()?.selfFence?.limitMs
  }

  /** Without a limit one that an earlier run has opened is pet on: that is seen at once. */
  get #isAsked(): boolean {
    const order = this.#options.order()
    return order?.selfFence !== undefined || (order !== undefined && !this.#keeping.facts)
  }

  get #at() {
    return { limitMs: this.#limitMs, now: this.#options.clock.monotonic() }
  }

  #stand(): SelfFenceStand {
    return standOf(this.#keeping, this.#at)
  }

  async #tick(): Promise<void> {
    if (!this.#keeping.isHeld && this.#isAsked) await this.#lookWhenDue()
    const { opens, openBy } = this.#stand()
    if (opens) await this.#open(openBy)
    // Judged anew: what was awaited may have taken long.
    const stand = this.#stand()
    if (stand.pets) this.#pet(stand.petBy)
    this.#tell(stand)
  }

  async #lookWhenDue(): Promise<void> {
    const now = this.#options.clock.monotonic()
    if (now - this.#lookedAt < lookMs) return
    this.#lookedAt = now
    const before = this.#keeping.facts
    const facts = await this.#options.watchdog.look()
    this.#keeping = { ...this.#keeping, facts }
    if (JSON.stringify(before) !== JSON.stringify(facts)) this.#options.onChanged()
  }

  async #open(openBy: Ms): Promise<void> {
    const { watchdog, clock, log, onChanged } = this.#options
    const now = clock.monotonic()
    if (now - this.#triedAt < lookMs) return
    this.#triedAt = now
    try {
      const facts = await watchdog.open(() => openBy - clock.monotonic())
      this.#keeping = { ...this.#keeping, facts, isHeld: true, petUntil: clock.monotonic() }
      this.#fault = ''
      const { identity, timeoutMs } = facts
      log.info('watchdog opened', { identity, timeoutMs, limitMs: this.#limitMs })
    } catch (thrown) {
      // It may have been open for a moment, and was pet as it was closed.
      const petUntil = Math.max(this.#keeping.petUntil, clock.monotonic())
      this.#keeping = { ...this.#keeping, petUntil }
      this.#fault = sentence(thrown)
      log.error('watchdog not opened', { because: this.#fault })
    }
    onChanged()
  }

  #pet(petBy: Ms): void {
    const { watchdog, clock, log, onChanged } = this.#options
    const before = this.#fault
    this.#keeping = { ...this.#keeping, petUntil: petBy }
    try {
      watchdog.pet(() => petBy - clock.monotonic())
      this.#fault = ''
    } catch (thrown) {
      // Whoever held it is gone. It counts on: it is opened anew at the next look.
      this.#keeping = { ...this.#keeping, isHeld: false }
      this.#fault = `cannot pet the watchdog: ${sentence(thrown)}`
      log.error('watchdog lost', { because: this.#fault })
    }
    if (this.#fault !== before) onChanged()
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

function wordsOf(
  state: SelfFenceState,
  limitMs: Ms
): Pick<NoticeText, 'message' | 'severity'> | undefined {
  if (state === 'ending') {
    const message =
      `no controller has heard this host for ${formatMs(endsAfterMs(limitMs))}: it ends what ` +
      `others could start before its limit of ${formatMs(limitMs)} is over`
    return { message, severity: 'alarm' }
  }
  if (state !== 'ended') return undefined
  const message = 'libvirt says that nothing runs here any more that others could start'
  return { message, severity: 'warning' }
}
