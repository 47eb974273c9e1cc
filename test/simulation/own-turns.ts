/**
 * The turns of the event loop in a run. A turn of the real loop asks the system for news, which
 * costs more than all that most moments of a run do, and one needs several turns to be sure that
 * nothing is left to do. So what a program puts off with `setImmediate` is kept here, and is done
 * one after another, each when all that followed from the one before is done. When nothing is left
 * all is at rest, and time may pass.
 *
 * Node lets everything go on that needs no turn between two of its own immediates; so many of them
 * are asked for in advance. The loop's lateness, which programs measure, is none in virtual time.
 *
 * Joint signals are replaced too: Node keeps its own alive for ever as long as none of those that
 * they are made of aborts, and with them all of a run that was just left.
 */
import { syncBuiltinESMExports } from 'node:module'
import perfHooks from 'node:perf_hooks'
import timers from 'node:timers'
import timersPromises from 'node:timers/promises'

/** Turns that are asked for at once. */
const turnsAtOnce = 256

const neverLate = { count: 0, max: 0, reset() {}, enable: () => true, disable: () => true }

function any(signals: Iterable<AbortSignal>): AbortSignal {
  const joint = new AbortController()
  const all = [...signals]
  const aborted = all.find(signal => signal.aborted)
  if (aborted) joint.abort(aborted.reason)
  else {
    const stop = ({ target }: Event): void => {
      for (const signal of all) signal.removeEventListener('abort', stop)
      joint.abort((target as AbortSignal).reason)
    }
    for (const signal of all) signal.addEventListener('abort', stop)
  }
  return joint.signal
}

/** Takes the place of Node's own for the whole process, until it is disposed of. */
export class OwnTurns implements Disposable {
  readonly #real = timers.setImmediate
  readonly #undo: () => void
  #due: (() => void)[] = []
  #waiting: (() => void)[] = []
  /** Turns that were asked for and have not come. */
  #coming = 0

  constructor() {
    const { setImmediate } = timers
    const promised = timersPromises.setImmediate
    const { monitorEventLoopDelay } = perfHooks
    const anyOfNode = AbortSignal.any
    const putOff = (work: (...given: unknown[]) => void, ...given: unknown[]): object => {
      this.#putOff(() => work(...given))
      return {}
    }
    const next = (value: unknown): Promise<unknown> =>
      new Promise(resolve => this.#putOff(() => resolve(value)))
    this.#undo = () => {
      Object.assign(timers, { setImmediate })
      Object.assign(globalThis, { setImmediate })
      Object.assign(timersPromises, { setImmediate: promised })
      Object.assign(perfHooks, { monitorEventLoopDelay })
      Object.assign(AbortSignal, { any: anyOfNode })
      syncBuiltinESMExports()
    }
    Object.assign(timers, { setImmediate: putOff })
    Object.assign(globalThis, { setImmediate: putOff })
    Object.assign(timersPromises, { setImmediate: next })
    Object.assign(perfHooks, { monitorEventLoopDelay: () => neverLate })
    Object.assign(AbortSignal, { any })
    syncBuiltinESMExports()
  }

  /** Resolves when nothing is left to do that needs no time. */
  rest(): Promise<void> {
    return new Promise(resolve => {
      this.#waiting.push(resolve)
      this.#ask()
    })
  }

  #putOff(work: () => void): void {
    this.#due.push(work)
    this.#ask()
  }

  #ask(): void {
    if (this.#coming > 0) return
    this.#coming = turnsAtOnce
    for (let count = 0; count < turnsAtOnce; count++) this.#real(this.#turn)
  }

  readonly #turn = (): void => {
    this.#coming -= 1
    const work = this.#due.shift() ?? this.#waiting.shift()
    work?.()
    if (this.#due.length + this.#waiting.length > 0) this.#ask()
  };

  [Symbol.dispose](): void {
    this.#undo()
  }
}
