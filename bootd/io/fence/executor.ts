/**
 * Makes the calls to power devices: one at a time to each address, since baseboard controllers have
 * room for few sessions and mix up what comes at once, and only some of all at the same time.
 *
 * Calls of a fence go before those that only watch: in the queue, and where a watching call has the
 * place that a fence needs, it is ended. A call has its whole deadline from the moment on when it
 * is made; how long it waited before does not count against the device.
 */
import type { Clock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'

/** So many calls are made at the same time. */
export const togetherMax = 8
/** So many calls may wait; the next is refused, a watching one by far the sooner. */
const fencesWaitingMax = 8_192
const watchesWaitingMax = 4_096
/** A call that was ended is waited for so long, so that the next does not meet it. Unit: ms. */
const graceMsMax: Ms = 5_000

/** What a call is for. */
export type Urgency = 'fence' | 'watch'

/** One call to a device. */
export type DeviceCall<Result> = {
  /** Address of the device; calls to one address are made one after another. */
  readonly key: string
  readonly urgency: Urgency
  readonly deadlineMs: Ms
  /** Completes the sentence "cannot …". */
  readonly what: string
  readonly signal: AbortSignal
  /** Makes the call, and ends soon once its signal aborts. */
  readonly make: (signal: AbortSignal) => Promise<Result>
}

type Waiting = DeviceCall<unknown> & {
  readonly resolve: (result: unknown) => void
  readonly reject: (thrown: unknown) => void
  readonly leave: () => void
}
type Running = {
  readonly call: Waiting
  readonly stop: AbortController
  readonly over: Promise<void>
}

/** Makes calls until it is disposed of, which ends them all. */
export class FenceExecutor implements AsyncDisposable {
  readonly #clock: Clock
  readonly #together: number
  readonly #running = new Map<string, Running>()
  #waiting: Waiting[] = []
  #isClosed = false

  constructor(given: { readonly clock: Clock; readonly together?: number }) {
    this.#clock = given.clock
    this.#together = given.together ?? togetherMax
  }

  /**
   * Makes a call in its turn. Faults: of the call; `deadline`; `aborted`: the signal, or a watching
   * call that had to make room; `capacity`: too many wait; `closed`.
   */
  async call<Result>(call: DeviceCall<Result>): Promise<Result> {
    if (this.#isClosed) throw closed(call)
    if (call.signal.aborted) throw givenUp(call, call.signal.reason)
    const waiting = this.#waiting.filter(({ urgency }) => urgency === call.urgency).length
    const most = call.urgency === 'fence' ? fencesWaitingMax : watchesWaitingMax
    if (waiting >= most) {
      throw new Fault('capacity', `cannot ${call.what}: ${waiting} calls wait already`)
    }
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const leave = () => {
      this.#waiting = this.#waiting.filter(each => each !== entry)
      reject(givenUp(call, call.signal.reason))
    }
    const entry: Waiting = { ...call, resolve, reject, leave }
    call.signal.addEventListener('abort', leave, { once: true })
    const at = call.urgency === 'fence' ? this.#firstWatch() : this.#waiting.length
    this.#waiting.splice(at, 0, entry)
    this.#fill()
    return (await promise) as Result
  }

  #firstWatch(): number {
    const index = this.#waiting.findIndex(({ urgency }) => urgency === 'watch')
    return index === -1 ? this.#waiting.length : index
  }

  /** Begins all calls that may be made now, and makes room for fences. */
  #fill(): void {
    for (const call of [...this.#waiting]) {
      if (this.#running.size >= this.#together) break
      if (!this.#running.has(call.key)) this.#begin(call)
    }
    for (const { urgency, key } of this.#waiting) {
      if (urgency === 'fence') this.#makeRoom(key)
    }
  }

  #makeRoom(key: string): void {
    const same = this.#running.get(key)
    const watching = [...this.#running.values()].filter(
      ({ call, stop }) => call.urgency === 'watch' && !stop.signal.aborted
    )
    const inTheWay = same === undefined ? watching[0] : watching.find(each => each === same)
    if (inTheWay === undefined) return
    const { call, stop } = inTheWay
    stop.abort(new Fault('aborted', `cannot ${call.what}: it gives way to a fence`))
  }

  #begin(call: Waiting): void {
    this.#waiting = this.#waiting.filter(each => each !== call)
    call.signal.removeEventListener('abort', call.leave)
    const stop = new AbortController()
    const over = this.#make(call, stop).finally(() => {
      this.#running.delete(call.key)
      this.#fill()
    })
    this.#running.set(call.key, { call, stop, over })
  }

  /** Never throws: whoever called is told. */
  async #make(call: Waiting, stop: AbortController): Promise<void> {
    const settled = new AbortController()
    const quit = () => stop.abort(givenUp(call, call.signal.reason))
    call.signal.addEventListener('abort', quit, { once: true })
    const late = () =>
      stop.abort(new Fault('deadline', `cannot ${call.what}: not done in ${call.deadlineMs} ms`))
    this.#clock.sleep(call.deadlineMs, settled.signal).then(late, () => {})
    const made = start(call, stop.signal)
    try {
      const result = await Promise.race([made, this.#stopped(stop.signal, settled.signal)])
      if (stop.signal.aborted) throw stop.signal.reason
      call.resolve(result)
    } catch (thrown) {
      call.reject(stop.signal.aborted ? stop.signal.reason : thrown)
    } finally {
      call.signal.removeEventListener('abort', quit)
      settled.abort()
    }
  }

  /** Rejects when a call that was ended has not gone in its time of grace. */
  #stopped(stop: AbortSignal, settled: AbortSignal): Promise<never> {
    return new Promise((_, reject) => {
      const wait = () => {
        this.#clock.sleep(graceMsMax, settled).then(
          () => reject(stop.reason),
          () => {}
        )
      }
      if (stop.aborted) wait()
      else stop.addEventListener('abort', wait, { once: true })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    for (const call of this.#waiting) {
      call.signal.removeEventListener('abort', call.leave)
      call.reject(closed(call))
    }
    this.#waiting = []
    const running = [...this.#running.values()]
    for (const { call, stop } of running) stop.abort(closed(call))
    await Promise.all(running.map(({ over }) => over))
  }
}

/** A call that throws before its first wait fails as any other. */
const start = async (call: Waiting, signal: AbortSignal): Promise<unknown> =>
  await call.make(signal)

type Named = Pick<DeviceCall<unknown>, 'what'>
const givenUp = ({ what }: Named, cause: unknown): Fault =>
  new Fault('aborted', `cannot ${what}: given up`, { cause })
const closed = ({ what }: Named): Fault => new Fault('closed', `cannot ${what}: fencing ends`)
