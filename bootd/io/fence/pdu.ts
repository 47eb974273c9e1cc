/**
 * All outlets that feed one host, as one device. It is off when every outlet is, and on when
 * every outlet is: one that is on, or does not say, is enough for the host not to be off, and one
 * that is dark has taken a supply of it, which is missed when the other feed fails.
 *
 * A host is half cut where a fence failed at an outlet, or was withdrawn between two. If it is to
 * be off first, no outlet goes on before all were seen off: else a host with two supplies could
 * run through what was meant to be a power cut. If it is in use nothing is to be cut any more,
 * and to switch off what feeds it, only to have that rule kept, would be the very harm. Which of
 * both it is cannot be seen at the outlets, so whoever orders says it, and what is given beside
 * outlets that are on is told.
 */
import { Fault } from '#shared/fault.ts'
import type { Power } from '#shared/wire/fence.ts'
import type { Beside, FenceDevice, Reading } from '../../core/ports.ts'

/** The outlets of one host; each makes its calls in its own turn. */
export class PduDevice implements FenceDevice<Reading> {
  readonly name: string
  readonly #outlets: readonly FenceDevice[]
  /** All were seen off, and since then we alone have switched some on. */
  #isCleared = false

  constructor(outlets: readonly FenceDevice[]) {
    this.name = outlets.map(({ name }) => name).join(' and ')
    this.#outlets = outlets
  }

  async power(signal: AbortSignal): Promise<Reading> {
    return togetherOf(await this.#read(signal))
  }

  async off(signal: AbortSignal): Promise<void> {
    this.#isCleared = false
    await all(this.#outlets.map(outlet => outlet.off(signal)))
  }

  /** Fault `conflict` where some are on, and neither we began nor is there leave to go beside. */
  async on(signal: AbortSignal, beside?: Beside): Promise<void> {
    const before = await this.#read(signal)
    if (darkOf(before).length === 0) return
    if (before.every(({ power }) => power === 'off')) this.#isCleared = true
    if (!this.#isCleared && beside === undefined) throw this.#conflict(before)
    await all(this.#outlets.map(outlet => outlet.on(signal)))
    if (!this.#isCleared) beside?.(`${namesOf(darkOf(before))} was not on, and was switched on`)
    const dark = darkOf(await this.#read(signal))
    if (dark.length > 0) {
      const because = `${namesOf(dark)} is not on yet`
      throw new Fault('unavailable', `cannot give power by ${this.name}: ${because}`)
    }
    this.#isCleared = false
  }

  async #read(signal: AbortSignal): Promise<readonly Outlet[]> {
    return await all(
      this.#outlets.map(async outlet => ({ name: outlet.name, power: await outlet.power(signal) }))
    )
  }

  #conflict(outlets: readonly Outlet[]): Fault {
    return new Fault(
      'conflict',
      `cannot give power by ${this.name}: all must be off before any is switched on`,
      {
        reasons: outlets.map(outlet => wordsOf([outlet])),
        next: ['have the host switched off first']
      }
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#outlets.map(outlet => outlet[Symbol.asyncDispose]()))
  }
}

/** How one outlet reads. */
export type Outlet = { readonly name: string; readonly power: Power }

/** On, or off, where all agree; one that is on makes the host on, in part. */
export function togetherOf(outlets: readonly Outlet[]): Reading {
  const dark = darkOf(outlets)
  if (dark.length < outlets.length) {
    return dark.length === 0 ? 'on' : { power: 'on', dark: wordsOf(dark) }
  }
  return dark.length > 0 && dark.every(({ power }) => power === 'off') ? 'off' : 'unknown'
}

const darkOf = (outlets: readonly Outlet[]): readonly Outlet[] =>
  outlets.filter(({ power }) => power !== 'on')

const namesOf = (outlets: readonly Outlet[]): string =>
  outlets.map(({ name }) => name).join(' and ')

const wordsOf = (outlets: readonly Outlet[]): string =>
  outlets.map(({ name, power }) => `${name} reads ${power}`).join(' and ')

/** Waits for all to end, so that none goes on behind our back, and throws the first failure. */
async function all<Result>(calls: readonly Promise<Result>[]): Promise<readonly Result[]> {
  const ends = await Promise.allSettled(calls)
  return ends.map(end => {
    if (end.status === 'rejected') throw end.reason
    return end.value
  })
}
