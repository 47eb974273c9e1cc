/**
 * Who may be sent a file now. So many at once as the machine can feed; who comes later waits, and
 * of those who wait, each address gets its turn before any gets a second one: a machine that asks
 * often does not keep others from booting.
 */
import { Fault } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'

/** How much may wait. */
export type TransferBounds = {
  /** Files that are sent at once, to all and to one address. */
  readonly runningMax: number
  readonly runningOfOneMax: number
  /** Requests that wait, of all and of one address. */
  readonly waitingMax: number
  readonly waitingOfOneMax: number
  /** A request waits no longer. Unit: ms. */
  readonly waitMsMax: Ms
}

type Waiting = { readonly start: () => void; readonly fail: (fault: Fault) => void }

/** Gives out places for transfers. */
export class Transfers {
  readonly #bounds: TransferBounds
  readonly #runningOf = new Map<string, number>()
  /** Those that wait, by address; the address whose turn is next stands first. */
  readonly #waiting = new Map<string, Waiting[]>()
  #running = 0
  #waits = 0

  constructor(bounds: TransferBounds) {
    this.#bounds = bounds
  }

  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#waits
  }

  /**
   * Waits for a place; the place is given back by what is returned. Faults: `capacity`: too many
   * wait; `deadline`: it took too long; `aborted`.
   */
  async take(address: string, signal: AbortSignal): Promise<() => void> {
    if (this.#hasRoomFor(address) && !this.#waiting.has(address)) return this.#start(address)
    const queue = this.#waiting.get(address) ?? []
    const { waitingMax, waitingOfOneMax, waitMsMax } = this.#bounds
    if (this.#waits >= waitingMax || queue.length >= waitingOfOneMax) {
      const many = `${this.#waits} requests wait, ${queue.length} of them from ${address}`
      throw new Fault('capacity', `cannot send a file: ${many}`)
    }
    return await new Promise<() => void>((resolve, reject) => {
      const leave = (fault: Fault): void => {
        this.#leave(address, waiting)
        waiting.fail(fault)
      }
      const late = setTimeout(() => {
        leave(new Fault('deadline', `cannot send a file: no place within ${waitMsMax} ms`))
      }, waitMsMax)
      const aborted = (): void => leave(new Fault('aborted', 'cannot send a file: nobody waits'))
      const over = (): void => {
        clearTimeout(late)
        signal.removeEventListener('abort', aborted)
      }
      const waiting: Waiting = {
        start: () => {
          over()
          resolve(this.#start(address))
        },
        fail: fault => {
          over()
          reject(fault)
        }
      }
      this.#waiting.set(address, [...queue, waiting])
      this.#waits += 1
      if (signal.aborted) aborted()
      else signal.addEventListener('abort', aborted)
    })
  }

  #hasRoomFor(address: string): boolean {
    const { runningMax, runningOfOneMax } = this.#bounds
    return this.#running < runningMax && (this.#runningOf.get(address) ?? 0) < runningOfOneMax
  }

  #start(address: string): () => void {
    this.#running += 1
    this.#runningOf.set(address, (this.#runningOf.get(address) ?? 0) + 1)
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.#running -= 1
      const rest = (this.#runningOf.get(address) ?? 1) - 1
      if (rest === 0) this.#runningOf.delete(address)
      else this.#runningOf.set(address, rest)
      this.#next()
    }
  }

  #next(): void {
    for (const [address, queue] of this.#waiting) {
      if (!this.#hasRoomFor(address)) continue
      const [first] = queue
      if (!first) continue
      this.#leave(address, first)
      // Behind all others now.
      const rest = this.#waiting.get(address)
      if (rest) {
        this.#waiting.delete(address)
        this.#waiting.set(address, rest)
      }
      first.start()
      return
    }
  }

  #leave(address: string, waiting: Waiting): void {
    const queue = this.#waiting.get(address) ?? []
    const rest = queue.filter(one => one !== waiting)
    this.#waits -= queue.length - rest.length
    if (rest.length === 0) this.#waiting.delete(address)
    else this.#waiting.set(address, rest)
  }
}
