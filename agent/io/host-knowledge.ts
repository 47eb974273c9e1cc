/**
 * What is known of the host itself: the machine's facts, and what libvirt can do here. Both are
 * gathered beside the loop: a disk may be slow to answer, and libvirt takes seconds where it has to
 * examine its emulators first.
 */
import type { Clock } from '#shared/clock.ts'
import { sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { HostFacts } from '#shared/model/host-facts.ts'
import type { Ms } from '#shared/units.ts'
import type { Hardware, HypervisorAbilities } from '../core/ports.ts'
import { Bell } from './bell.ts'
import type { Eyes } from './eyes.ts'

/** How often the machine's facts are gathered anew. Unit: ms. */
const factsMs: Ms = 60_000
/** How often while libvirt has said nothing of itself. Unit: ms. */
const factsAgainMs: Ms = 1_000

/** Keeps facts and abilities, and says when they have changed. */
export class HostKnowledge {
  readonly #eyes: Pick<Eyes, 'abilities'>
  readonly #hardware: Hardware
  readonly #clock: Clock
  readonly #log: Log
  readonly #onChanged: () => void
  readonly #bell = new Bell()
  #facts: HostFacts
  #abilities: HypervisorAbilities | undefined
  #abilitiesAreOld = true

  constructor(given: {
    readonly eyes: Pick<Eyes, 'abilities'>
    readonly hardware: Hardware
    /** As they were at the start. */
    readonly facts: HostFacts
    readonly clock: Clock
    readonly log: Log
    readonly onChanged: () => void
  }) {
    this.#eyes = given.eyes
    this.#hardware = given.hardware
    this.#facts = given.facts
    this.#clock = given.clock
    this.#log = given.log
    this.#onChanged = given.onChanged
  }

  get facts(): HostFacts {
    return this.#facts
  }

  /** What libvirt can do; undefined: it has not said yet. */
  get abilities(): HypervisorAbilities | undefined {
    return this.#abilities
  }

  /** libvirt may be another one now: what it can do is asked again. */
  doubtAbilities(): void {
    this.#abilitiesAreOld = true
  }

  /** Asks what libvirt can do, unless that is known or asked already. */
  learnAbilities(signal: AbortSignal): void {
    if (!this.#abilitiesAreOld) return
    this.#abilitiesAreOld = false
    void this.#eyes.abilities(signal).then(abilities => {
      this.#abilities = abilities ?? this.#abilities
      this.#abilitiesAreOld = abilities === undefined
      this.#bell.ring()
      this.#onChanged()
    })
  }

  /** Gathers facts again and again until the signal aborts. */
  async keepFresh(signal: AbortSignal): Promise<void> {
    let againMs = factsAgainMs
    while (!signal.aborted) {
      try {
        const isKnown = this.#facts.libvirt !== undefined
        const atMostMs = isKnown ? factsMs : againMs
        // A slow libvirt is not made quicker by all else being looked at again and again.
        againMs = isKnown ? factsAgainMs : Math.min(2 * againMs, factsMs)
        await this.#bell.heard(atMostMs, { clock: this.#clock, signal })
        this.#facts = await this.#hardware.facts()
        this.#onChanged()
      } catch (thrown) {
        if (!signal.aborted) this.#log.warn('facts not gathered', { because: sentence(thrown) })
      }
    }
  }
}
