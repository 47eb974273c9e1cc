/** A device whose calls wait for their turn, end in time, and tell no secret when they fail. */
import { Fault, sentence } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import type { FenceDevice } from '../../core/ports.ts'
import type { FenceExecutor, Urgency } from './executor.ts'

/** How the calls of a device are made. */
export type Queueing = {
  readonly executor: FenceExecutor
  readonly key: string
  readonly urgency: Urgency
  readonly deadlineMs: Ms
  /** Values that must stand in no sentence. */
  readonly hidden: readonly string[]
}

/** The same device, through the executor. Disposing of it disposes of the device. */
export function queuedDevice(device: FenceDevice, queueing: Queueing): FenceDevice {
  const { executor, hidden, ...how } = queueing
  const call = async <Result>(
    what: string,
    signal: AbortSignal,
    make: (signal: AbortSignal) => Promise<Result>
  ): Promise<Result> => {
    try {
      return await executor.call({ ...how, what: `${what} ${device.name}`, signal, make })
    } catch (thrown) {
      throw withoutSecrets(thrown, hidden)
    }
  }
  return {
    name: device.name,
    power: signal => call('read the power from', signal, each => device.power(each)),
    off: signal => call('cut the power by', signal, each => device.off(each)),
    on: signal => call('give power by', signal, each => device.on(each)),
    [Symbol.asyncDispose]: () => device[Symbol.asyncDispose]()
  }
}

/** A failure with all of its causes in one sentence, in which no secret stands. */
export function withoutSecrets(thrown: unknown, hidden: readonly string[]): Fault {
  const hide = (text: string): string =>
    hidden.reduce((all, secret) => (secret === '' ? all : all.replaceAll(secret, '***')), text)
  const fault = thrown instanceof Fault ? thrown : new Fault('protocol', 'cannot use the device')
  const said = thrown instanceof Fault ? sentence(thrown) : `${fault.message}: ${sentence(thrown)}`
  return new Fault(fault.code, hide(said), {
    reasons: fault.reasons.map(hide),
    next: fault.next.map(hide)
  })
}
