/** An agent's lease and its watchdog, which is pet by it twice a second. */
import type { Ms } from '#shared/units.ts'
import type { Heartbeat } from '#shared/wire/messages.ts'
import type { Report } from '#shared/wire/order.ts'
import * as kept from '../../../agent/core/lease-keeping.ts'
import type { CutOff, SelfFenceState } from '../../../agent/core/self-fence.ts'
import type { Machine } from './machine.ts'

/** How often a watchdog that is not open is looked at, and tried to open. Unit: ms. */
const dogMs: Ms = 5_000

export class LeaseWatch {
  readonly #machine: Machine
  readonly #orderedMs: () => Ms | undefined
  readonly #onChanged: (state: SelfFenceState | undefined) => void
  #keeping = kept.freshKeeping('', 0)
  #state: SelfFenceState = 'free'
  #fault = ''
  #lookedAt: Ms = Number.NEGATIVE_INFINITY

  constructor(
    machine: Machine,
    given: {
      /** The limit of the order that the agent goes by. */
      readonly orderedMs: () => Ms | undefined
      /** Told when it stands otherwise, or when what a report says of it is another. */
      readonly onChanged: (state: SelfFenceState | undefined) => void
    }
  ) {
    this.#machine = machine
    this.#orderedMs = given.orderedMs
    this.#onChanged = given.onChanged
  }

  begin(run: string): void {
    this.#keeping = kept.freshKeeping(run, this.#machine.monotonic)
    this.#state = 'free'
    this.#fault = ''
    this.#lookedAt = Number.NEGATIVE_INFINITY
  }

  /** Whether it has to be looked at again and again what runs here. */
  get isCutOff(): boolean {
    return this.#state !== 'free' && this.#state !== 'leased'
  }

  get isLeased(): boolean {
    return this.#limitMs !== undefined
  }

  get #limitMs(): Ms | undefined {
    return this.#machine.dog && this.#orderedMs()
  }

  get #at(): kept.At {
    return { limitMs: this.#limitMs, now: this.#machine.monotonic }
  }

  /** A heartbeat is sent. */
  sending(number: number): void {
    if (!this.#machine.dog) return
    this.#keeping = kept.beatKept(this.#keeping, number, this.#at)
    this.#tend()
  }

  echoed(echo: NonNullable<Heartbeat['echo']>, newest: kept.Newest): void {
    const before = this.#keeping
    this.#keeping = kept.echoTaken(before, { echo, newest }, this.#at)
    if (this.#keeping !== before) this.#tell()
  }

  /** What may not be done now, by what was found. */
  cutOff(found: Parameters<typeof kept.foundIn>[1]): CutOff | undefined {
    if (!this.#machine.dog) return undefined
    const { keeping, stand, isCutOff } = kept.foundIn(this.#keeping, found, this.#at)
    this.#keeping = keeping
    this.#tell()
    return isCutOff ? kept.cutOffOf(stand, this.#limitMs) : undefined
  }

  get said(): Report['selfFence'] {
    return kept.saidOf(this.#keeping, this.#at, this.#fault)
  }

  #tend(): void {
    const dog = this.#machine.dog!
    const now = this.#machine.monotonic
    if (!this.#keeping.isHeld && this.isLeased && now - this.#lookedAt >= dogMs) {
      this.#lookedAt = now
      this.#keeping = { ...this.#keeping, facts: dog.facts }
      if (kept.standOf(this.#keeping, this.#at).opens) {
        const isHeld = dog.open()
        this.#fault = isHeld ? '' : 'cannot open the watchdog: it is busy'
        const petUntil = this.#machine.monotonic
        this.#keeping = { ...this.#keeping, facts: dog.facts, isHeld, petUntil }
        this.#onChanged(undefined)
      }
    }
    const { pets, petBy } = kept.standOf(this.#keeping, this.#at)
    if (pets) {
      dog.pet()
      this.#keeping = { ...this.#keeping, petUntil: petBy }
    }
    this.#tell()
  }

  #tell(): void {
    const { state } = kept.standOf(this.#keeping, this.#at)
    if (state === this.#state) return
    this.#state = state
    this.#onChanged(state)
  }
}
