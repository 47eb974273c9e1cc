/**
 * All outlets that feed one host, as one device. The host is off when every outlet is; a single one
 * that is on, or does not say, is enough for it not to be. And no outlet goes on before all were
 * seen off: else a host with two supplies could run through what was meant to be a power cut.
 */
import { Fault } from '#shared/fault.ts'
import type { Power } from '#shared/wire/fence.ts'
import type { FenceDevice } from '../../core/ports.ts'

/** The outlets of one host; each makes its calls in its own turn. */
export class PduDevice implements FenceDevice {
  readonly name: string
  readonly #outlets: readonly FenceDevice[]
  /** All were seen off, and since then we alone have switched some on. */
  #isCleared = false

  constructor(outlets: readonly FenceDevice[]) {
    this.name = outlets.map(({ name }) => name).join(' and ')
    this.#outlets = outlets
  }

  async power(signal: AbortSignal): Promise<Power> {
    return togetherOf(await this.#read(signal))
  }

  async off(signal: AbortSignal): Promise<void> {
    this.#isCleared = false
    await all(this.#outlets.map(outlet => outlet.off(signal)))
  }

  /** Fault `conflict` where some are on and some off, and it was not we who began. */
  async on(signal: AbortSignal): Promise<void> {
    const before = await this.#read(signal)
    if (before.every(power => power === 'on')) return
    if (before.every(power => power === 'off')) this.#isCleared = true
    if (!this.#isCleared) throw this.#conflict(before)
    await all(this.#outlets.map(outlet => outlet.on(signal)))
    const after = await this.#read(signal)
    const dark = this.#outlets.filter((_, index) => after[index] !== 'on')
    if (dark.length === 0) {
      this.#isCleared = false
      return
    }
    const names = dark.map(({ name }) => name).join(' and ')
    throw new Fault('unavailable', `cannot give power by ${this.name}: ${names} is not on yet`)
  }

  async #read(signal: AbortSignal): Promise<readonly Power[]> {
    return await all(this.#outlets.map(outlet => outlet.power(signal)))
  }

  #conflict(powers: readonly Power[]): Fault {
    const each = this.#outlets.map(({ name }, index) => `${name} reads ${powers[index]}`)
    return new Fault(
      'conflict',
      `cannot give power by ${this.name}: all must be off before any is switched on`,
      { reasons: each, next: ['have the host switched off first'] }
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#outlets.map(outlet => outlet[Symbol.asyncDispose]()))
  }
}

/** One that is on makes the host on; off takes all. */
export function togetherOf(powers: readonly Power[]): Power {
  if (powers.includes('on')) return 'on'
  return powers.length > 0 && powers.every(power => power === 'off') ? 'off' : 'unknown'
}

/** Waits for all to end, so that none goes on behind our back, and throws the first failure. */
async function all<Result>(calls: readonly Promise<Result>[]): Promise<readonly Result[]> {
  const ends = await Promise.allSettled(calls)
  return ends.map(end => {
    if (end.status === 'rejected') throw end.reason
    return end.value
  })
}
