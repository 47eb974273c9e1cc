/** The device that switches one machine in virtual time, with the faults that real ones have. */
import type { Clock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import { deviceName, type FenceDevice as Model } from '#shared/model/fence.ts'
import type { Power } from '#shared/wire/fence.ts'
import type { FenceDevice } from '../../bootd/core/ports.ts'

/**
 * How a device behaves. `dead`: it never answers; `lying`: it says and reads off, and the machine
 * runs on; `stuck`: it says that it has switched, and reads on; `slow`: each answer takes seconds;
 * `another`: it is that of another machine, which is off.
 */
export type SwitchMode =
  | 'answers'
  | 'dead'
  | 'lying'
  | 'stuck'
  | 'slow'
  | 'wrong-password'
  | 'another'

/** A call that gets no answer is given up after so long, as bootd's own devices do. Unit: ms. */
const deadlineMs = 5_000
/** Unit: ms. */
const slowMs = 3_000

export class PowerSwitch {
  mode: SwitchMode = 'answers'
  /** So many calls fail. */
  failures = 0
  #saysOff = false
  readonly #options: {
    readonly name: string
    readonly clock: Clock
    readonly isOn: () => boolean
    readonly turn: (isOn: boolean) => void
  }

  constructor(options: {
    readonly name: string
    readonly clock: Clock
    readonly isOn: () => boolean
    readonly turn: (isOn: boolean) => void
  }) {
    this.#options = options
  }

  /** The device as bootd has it. */
  named(model: Model): FenceDevice {
    return {
      name: deviceName(model),
      power: async signal => {
        await this.#answer(signal)
        return this.#read()
      },
      off: signal => this.#switch(false, signal),
      on: signal => this.#switch(true, signal),
      [Symbol.asyncDispose]: async () => {}
    }
  }

  #read(): Power {
    if (this.mode === 'another' || (this.mode === 'lying' && this.#saysOff)) return 'off'
    return this.#options.isOn() ? 'on' : 'off'
  }

  async #switch(isOn: boolean, signal: AbortSignal): Promise<void> {
    await this.#answer(signal)
    if (this.mode === 'lying') this.#saysOff = !isOn
    else if (this.mode !== 'stuck' && this.mode !== 'another') this.#options.turn(isOn)
  }

  async #answer(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    const { clock, name } = this.#options
    if (this.mode === 'dead') {
      await clock.sleep(deadlineMs, signal)
      throw new Fault('deadline', `cannot ask the switch of ${name}: no answer within 5 s`)
    }
    if (this.mode === 'slow') await clock.sleep(slowMs, signal)
    if (this.mode === 'wrong-password') {
      throw new Fault('unauthenticated', `cannot log in at the switch of ${name}: wrong password`)
    }
    if (this.failures === 0) return
    this.failures -= 1
    throw new Fault('unavailable', `cannot use the switch of ${name}: it is busy`)
  }
}
