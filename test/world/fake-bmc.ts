/** A power device in memory, with the faults that real ones have. */
import { Fault } from '#shared/fault.ts'
import type { Power } from '#shared/wire/fence.ts'
import type { FenceDevice } from '../../bootd/core/ports.ts'

/** How a device misbehaves. */
export type BmcFaults = {
  /** It says that it has switched, and has not. */
  lying?: boolean
  /** It never answers. */
  silent?: boolean
  /** It refuses the password. */
  wrongPassword?: boolean
  /** It reads on and off by turns. */
  flapping?: boolean
  /** So many readings after a switch still show what was before. */
  slowReadings?: number
  /** So many calls fail. */
  failing?: number
  /** It cannot say how the power is. */
  vague?: boolean
}

/** The device, and the machine that it switches. */
export class FakeBmc implements FenceDevice {
  readonly name: string
  readonly faults: BmcFaults = {}
  isRunning = true
  isDisposed = false
  /** What was asked of it, in order. */
  readonly calls: string[] = []
  /** Calls that are under way, and the most that ever were. */
  inFlight = 0
  inFlightMost = 0
  #shown: boolean[] = []
  #turn = false

  constructor(name = 'fake') {
    this.name = name
  }

  /** The password is wrong for good, as that of a device that was set up anew. */
  static withWrongPassword(): FakeBmc {
    const device = new FakeBmc()
    device.faults.wrongPassword = true
    return device
  }

  async power(signal: AbortSignal): Promise<Power> {
    await this.#begin('power', signal)
    this.#turn = !this.#turn
    if (this.faults.vague) return 'unknown'
    if (this.faults.flapping) return this.#turn ? 'off' : 'on'
    // Once its readings are slow no more, they show what is.
    if (!this.faults.slowReadings) this.#shown = []
    return (this.#shown.shift() ?? this.isRunning) ? 'on' : 'off'
  }

  off = (signal: AbortSignal): Promise<void> => this.#switch(false, signal)
  on = (signal: AbortSignal): Promise<void> => this.#switch(true, signal)

  async #switch(to: boolean, signal: AbortSignal): Promise<void> {
    await this.#begin(to ? 'on' : 'off', signal)
    // What it still showed of an earlier switch is over.
    this.#shown = []
    if (this.faults.lying) return
    this.#shown = Array.from({ length: this.faults.slowReadings ?? 0 }, () => this.isRunning)
    this.isRunning = to
  }

  async #begin(call: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    this.calls.push(call)
    this.inFlight += 1
    this.inFlightMost = Math.max(this.inFlightMost, this.inFlight)
    try {
      await this.#answer(signal)
    } finally {
      this.inFlight -= 1
    }
  }

  async #answer(signal: AbortSignal): Promise<void> {
    if (this.faults.silent) {
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      })
    }
    if (this.faults.wrongPassword) {
      throw new Fault('unauthenticated', 'cannot log in: the password is wrong')
    }
    const { failing = 0 } = this.faults
    if (failing === 0) return
    this.faults.failing = failing - 1
    throw new Fault('unavailable', 'cannot answer: busy')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isDisposed = true
  }
}
