/** Looks now and then how busy this host is, and has the last finding for the reports. */
import type { Clock } from '#shared/clock.ts'
import { within } from '#shared/deadline.ts'
import type { Ms } from '#shared/units.ts'
import type { ReportUse } from '#shared/wire/use.ts'
import type { Hardware, Hypervisor } from '../core/ports.ts'
import { type UseLook, useBetween } from '../core/use.ts'

/** From one look to the next. Unit: ms. */
const lookMs: Ms = 10_000
/** How long libvirt may take of it. Unit: ms. */
const statsMsMax: Ms = 2_000
/** How long a look may take. Unit: ms. */
const lookMsMax: Ms = 5_000

/** One look at a time; what cannot be seen is not said, rather than what was so before. */
export class UseWatch {
  readonly #hardware: Pick<Hardware, 'counters'>
  readonly #hypervisor: Pick<Hypervisor, 'stats'>
  readonly #clock: Clock
  #last: UseLook | undefined
  #said: ReportUse | undefined
  #looks = 0
  /** What was asked and has not answered yet: until then it is not asked again. */
  readonly #asking = new Set<'kernel' | 'libvirt'>()

  constructor(given: {
    readonly hardware: Pick<Hardware, 'counters'>
    readonly hypervisor: Pick<Hypervisor, 'stats'>
    readonly clock: Clock
  }) {
    this.#hardware = given.hardware
    this.#hypervisor = given.hypervisor
    this.#clock = given.clock
  }

  /** What was found last; undefined: nothing yet, or not any more. */
  get said(): ReportUse | undefined {
    return this.#said
  }

  /** Looks again and again until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look(signal)
      await this.#clock.sleep(lookMs, signal).catch(() => {})
    }
  }

  /** Looks once; never fails. */
  async look(signal: AbortSignal): Promise<void> {
    const now = await this.#see(signal).catch(() => undefined)
    this.#looks += 1
    this.#said = this.#last && now && useBetween(this.#last, now, this.#looks)
    this.#last = now
  }

  async #see(signal: AbortSignal): Promise<UseLook | undefined> {
    const at = this.#clock.monotonic()
    const [counters, domains] = await Promise.all([
      this.#asked('kernel', () => this.#hardware.counters(), { msMax: lookMsMax, signal }),
      // A libvirt that is silent takes nothing away from what the kernel says.
      this.#asked('libvirt', () => this.#hypervisor.stats('processors'), {
        msMax: statsMsMax,
        signal
      }).catch(() => undefined)
    ])
    return counters && { at, counters, domains: domains ?? [] }
  }

  /** Asks, unless it has been asked and has not answered yet. */
  async #asked<Answer>(
    whom: 'kernel' | 'libvirt',
    ask: () => Promise<Answer>,
    { msMax, signal }: { readonly msMax: Ms; readonly signal: AbortSignal }
  ): Promise<Answer | undefined> {
    if (this.#asking.has(whom)) return undefined
    this.#asking.add(whom)
    const asking = ask()
    const over = () => this.#asking.delete(whom)
    asking.then(over, over)
    const late = `how busy this host is was not said by its ${whom} within ${msMax} ms`
    return await within(asking, { clock: this.#clock, deadlineMs: msMax, signal, late })
  }
}
