/**
 * The servers of one cloud, of which any may be asked. The one that answered last is asked first.
 *
 * A server that cannot be reached, or that says that it does not lead or sees nobody who does, is
 * passed over: nothing was done there. What is lost under way may have been done: only what may be
 * said twice is then said to another server. While a new controller is elected all of them are
 * asked again, for a time.
 *
 * A candidate that sees no controller answers out of what it knew last, which may be long ago: it
 * may be cut off from all others. Its answer is taken only where no other one sees a controller.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault, isFault } from '#shared/fault.ts'
import { formatMs } from '#shared/units.ts'
import { type Address, writeAddress } from './address.ts'

/** An election takes so long at most; then it is told what is missing. Unit: ms. */
export const electionMsMax = 20_000
const backOffMs = [100, 250, 500, 1_000] as const
/** Where none saw a controller, the first is taken at its word for so long. Unit: ms. */
const wordMs = 5_000

/** One try at one server: what came of it, or why another one should be asked. */
export type Try<Result> =
  | {
      readonly done: Result
      /** Who did it, if it was another one. */
      readonly at?: Address
      /** Whoever did it sees no controller, so that its answer may be old. */
      readonly isOutOfTouch?: boolean
    }
  /** `untouched`: certainly nothing was done. `hopeful`: it may be otherwise in a moment. */
  | { readonly missed: Fault; readonly untouched: boolean; readonly hopeful: boolean }

/** What is tried, and what that allows. */
export type Trial<Result> = {
  readonly doing: string
  /** Whether it may be said twice. */
  readonly repeatable: boolean
  readonly signal: AbortSignal | undefined
  readonly attempt: (address: Address) => Promise<Try<Result>>
}

/** Remembers for the whole run which server is good. */
export class Servers {
  readonly #addresses: Address[]
  #hasAnswered = false
  #nobodyInTouchUntil = Number.NEGATIVE_INFINITY

  constructor(addresses: readonly Address[]) {
    this.#addresses = [...addresses]
  }

  /** The one that is asked first. */
  get current(): Address {
    return this.#addresses[0]!
  }

  get count(): number {
    return this.#addresses.length
  }

  /** One of them by its URL; undefined: it is none of them. */
  find(url: URL): Address | undefined {
    return this.#addresses.find(({ via, ...one }) => 'url' in one && one.url.origin === url.origin)
  }

  /** From now on this one is asked first. */
  prefer(address: Address): void {
    const at = this.#addresses.indexOf(address)
    if (at >= 0) this.#addresses.splice(at, 1)
    this.#addresses.unshift(address)
    this.#hasAnswered = true
  }

  /** Tries one server after the other until one of them has done it. */
  async try<Result>(trial: Trial<Result>): Promise<Result> {
    const until = performance.now() + electionMsMax
    for (let round = 0; ; round += 1) {
      const { done, missed, hopeful } = await this.#round(trial)
      if (done) return done.result
      const isOver = performance.now() >= until || trial.signal?.aborted
      // Once more at once: a connection that was kept may have ended just then.
      const again = round === 0 && missed.some(({ fault }) => isFault(fault, 'closed'))
      if (isOver || !(again || hopeful)) throw this.#sum(trial.doing, missed, round)
      const waitMs = again && !hopeful ? 0 : backOffMs[Math.min(round, backOffMs.length - 1)]!
      await sleep(waitMs, undefined, { signal: trial.signal }).catch(() => {})
    }
  }

  async #round<Result>(trial: Trial<Result>): Promise<{
    readonly done?: { readonly result: Result }
    readonly missed: readonly Missed[]
    readonly hopeful: boolean
  }> {
    const missed: Missed[] = []
    let hopeful = this.#hasAnswered && this.count > 1
    let old: { readonly result: Result; readonly of: Address } | undefined
    for (const address of [...this.#addresses]) {
      const tried = await trial.attempt(address)
      if ('done' in tried) {
        const of = tried.at ?? address
        if (tried.isOutOfTouch && performance.now() >= this.#nobodyInTouchUntil) {
          old ??= { result: tried.done, of }
          continue
        }
        this.prefer(of)
        return { done: { result: tried.done }, missed, hopeful }
      }
      if (trial.signal?.aborted) throw tried.missed
      if (!tried.untouched && !trial.repeatable) throw tried.missed
      missed.push({ address, fault: tried.missed })
      hopeful ||= tried.hopeful
    }
    if (!old) return { missed, hopeful }
    this.#nobodyInTouchUntil = performance.now() + wordMs
    this.prefer(old.of)
    return { done: { result: old.result }, missed, hopeful }
  }

  /** Says of each server why it could not be asked. */
  #sum(doing: string, missed: readonly Missed[], rounds: number): Fault {
    const [only] = missed
    if (missed.length === 1) return only!.fault
    const waited = rounds === 0 ? '' : ` within ${formatMs(electionMsMax)}`
    const said = missed.map(({ address, fault }) => {
      const because = fault.message.replace(/^cannot [^:]*: /, '')
      return `${writeAddress(address)}: ${because}`
    })
    const next = ['remuda doctor', 'name other servers: --server URL,URL or REMUDA_SERVER']
    return new Fault(
      'unavailable',
      `cannot ${doing}: none of ${missed.length} servers could do it${waited}`,
      { reasons: said, next }
    )
  }
}

type Missed = { readonly address: Address; readonly fault: Fault }
