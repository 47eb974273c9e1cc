/**
 * The serial lines of machines that somebody looks at: one at a time of each baseboard controller,
 * since no controller lets in two. Who asks for it with `take` gets it from whoever has it.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { deviceName, type IpmiDevice } from '#shared/model/fence.ts'
import type { Ms } from '#shared/units.ts'
import type { Seat, Viewer } from '#shared/wire/channel-relay.ts'
import type { FenceOrder } from '#shared/wire/fence.ts'
import { SolLine, type SolPrograms } from './line.ts'

/** So many are open at once. */
export const solLinesMax = 32
/** Whoever waits for bootd's end waits so long for lines that are not given back. Unit: ms. */
const endMsMax: Ms = 1_000

/** What they stand on. */
export type MachineConsolesOptions = {
  /** What is known of a host's devices. */
  readonly orderOf: (
    host: string
  ) => Pick<FenceOrder, 'name' | 'levels' | 'secrets' | 'want'> | undefined
  readonly programs?: SolPrograms
  readonly log: Log
}

type Open = {
  readonly host: string
  readonly line: SolLine
  readonly viewer: Viewer
  isLeft: boolean
}

/** Keeps them until it is disposed of. */
export class MachineConsoles implements AsyncDisposable {
  readonly #options: MachineConsolesOptions
  /** By where the baseboard controller is; one that is left stays until all of it is gone. */
  readonly #open = new Map<string, Open>()

  constructor(options: MachineConsolesOptions) {
    this.#options = options
  }

  /** Gives somebody the line of a host's machine. Faults: `not-found`, `conflict`, `capacity`. */
  attach({ host, take }: { readonly host: string; readonly take: boolean }, viewer: Viewer): Seat {
    const { device, password, name } = this.#deviceOf(host)
    const key = `${device.address}:${device.port}`
    const before = this.#open.get(key)
    if (before && !before.isLeft) {
      if (!take) {
        throw new Fault('conflict', `cannot open the serial line of host ${name}: it is open`, {
          reasons: [`${deviceName(device)} lets in one at a time`],
          next: ['add --take to have it instead of whoever has it now']
        })
      }
      this.#leave(before, 'somebody else has taken it over')
    }
    if (!before && this.#open.size >= solLinesMax) {
      throw new Fault('capacity', `cannot open the serial line of host ${name}`, {
        reasons: [`${solLinesMax} are open here`]
      })
    }
    const { log, programs = { script: 'script', ipmitool: 'ipmitool' } } = this.#options
    const after = before?.line.over ?? Promise.resolve()
    const line = SolLine.begin({ device, password, viewer, take, after, programs, log })
    const open: Open = { host, line, viewer, isLeft: false }
    this.#open.set(key, open)
    void line.over.then(() => {
      if (this.#open.get(key) === open) this.#open.delete(key)
    })
    return { write: bytes => line.write(bytes), leave: () => this.#leave(open) }
  }

  /** Fences go first: nobody looks at a machine that is to be off, or is another bootd's now. */
  giveWay(orders: readonly Pick<FenceOrder, 'host' | 'want'>[]): void {
    for (const open of this.#open.values()) {
      const order = orders.find(({ host }) => host === open.host)
      if (!order) this.#leave(open, 'another bootd has its devices now')
      else if (order.want === 'off') this.#leave(open, 'its host is fenced')
    }
  }

  #leave(open: Open, because?: string): void {
    if (open.isLeft) return
    open.isLeft = true
    open.line.leave()
    if (because !== undefined) open.viewer.ended(because)
  }

  #deviceOf(host: string): {
    readonly device: IpmiDevice
    readonly password: string
    readonly name: string
  } {
    const order = this.#options.orderOf(host)
    if (!order) {
      throw new Fault('not-found', 'cannot open the serial line: no device of the host is known')
    }
    if (order.want === 'off') {
      throw new Fault('conflict', `cannot open the serial line of host ${order.name}`, {
        reasons: ['it is being fenced, and its baseboard controller lets in few at a time'],
        next: ['try again once it is off']
      })
    }
    const devices = order.levels.flatMap(level => level.devices)
    const device = devices.find(one => one.type === 'ipmi')
    const password = device && order.secrets[device.secret]
    if (!device || password === undefined) {
      throw new Fault('not-found', `cannot open the serial line of host ${order.name}`, {
        reasons: ['it has no fence device that speaks IPMI'],
        next: [`remuda host fence set ${order.name} --ipmi ADDRESS --user USER --secret SECRET`]
      })
    }
    return { device, password, name: order.name }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#open.values()]
    for (const open of all) this.#leave(open, 'bootd is ending')
    const over = Promise.all(all.map(({ line }) => line.over))
    await Promise.race([over, sleep(endMsMax, undefined, { ref: false })])
  }
}
