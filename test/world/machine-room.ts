/**
 * The machines below a cloud in virtual time: who has power, who hangs, who reaches whom, and the
 * bootds that can switch the power of each through a device with faults of its own. A cloud that
 * has such a room is healed by the code of the product, from the probes of peers to the switch.
 *
 * What a machine shows to a peer that looks for it follows from what it is:
 *
 *   no power, or not booted yet         silent
 *   on another island                   silent
 *   its agent has ended                 refuses
 *   it hangs, or its agent is stopped   accepts
 *   all is well                         it is reached
 */
import type { Clock } from '#shared/clock.ts'
import type { HostId } from '#shared/ids.ts'
import { silentLog } from '#shared/log.ts'
import type { PeerSeen } from '#shared/wire/order.ts'
import { sendHeartbeats, serveControllers } from '../../bootd/io/controllers.ts'
import { Fencer } from '../../bootd/io/fencer.ts'
import { MachineConsoles } from '../../bootd/io/sol/consoles.ts'
import { FakeNet } from './fake-mesh.ts'
import { PowerSwitch } from './power-switch.ts'
import type { BeatDisks } from './storage-beater.ts'
import type { WorldHost } from './world-host.ts'

/** From the moment in which a machine gets power to the first word of its agent. Unit: ms. */
const bootMs = 15_000
/** Bootds look at all devices so often. Unit: ms. */
const lookEveryMs = 20_000

/** What a machine is below its agent. */
export type Machine = {
  readonly host: WorldHost
  readonly device: PowerSwitch
  /** What feeds it: a device behind the first one, for those who wish for two levels. */
  readonly outlets: PowerSwitch
  isOn: boolean
  /** It has power, and its kernel does not run yet. */
  boots: boolean
  hangs: boolean
  /** Where the network has broken apart: those on one island reach each other. */
  island: number
  /** Counts how often it was switched. */
  turns: number
}

type Bootd = { readonly end: () => Promise<void> }

/** What the room needs of the cloud above it. */
export type RoomOptions = {
  readonly clock: Clock
  /** Starts the agent of a machine that has booted. */
  readonly startAgent: (host: WorldHost) => Promise<unknown>
  /** Told of a machine that has lost its power, or has booted. */
  readonly onPower: (name: string, isOn: boolean) => void
}

/** The boot service of a bootd that boots nothing. */
const bootsNothing = {
  tellProblem: () => {},
  want: async () => {},
  report: () => ({ type: 'boot-report', mode: 'off', foreign: [], images: [], boots: [] }) as const
}

/** What it knows besides. */
const knowsNothing = {
  logs: {
    boots: async () => ({ boots: [] }),
    read: () => Promise.reject(new Error('no log is kept'))
  },
  bmcs: { begin: () => {}, found: () => ({ items: [] }) }
}

export class MachineRoom implements AsyncDisposable {
  readonly machines = new Map<string, Machine>()
  /** Heartbeats in shared pools, which all machines reach, whatever becomes of the network. */
  readonly beats: BeatDisks = new Map()
  /** Whether machines write any. */
  isBeating = false
  /** Between controllers and bootds. */
  readonly net = new FakeNet()
  readonly #options: RoomOptions
  readonly #bootds = new Map<string, Bootd>()
  readonly #epochs = new Map<string, number>()
  readonly #ending = new Set<Promise<unknown>>()

  constructor(options: RoomOptions) {
    this.#options = options
  }

  /** Puts a machine there, with power. */
  add(host: WorldHost): void {
    const { name } = host
    const given = {
      clock: this.#options.clock,
      isOn: () => this.machine(name).isOn,
      turn: (isOn: boolean) => (isOn ? this.powerOn(name) : this.powerOff(name))
    }
    const device = new PowerSwitch({ name, ...given })
    const outlets = new PowerSwitch({ name: outletsOf(name), ...given })
    const state = { isOn: true, boots: false, hangs: false, island: 0, turns: 0 }
    this.machines.set(name, { host, device, outlets, ...state })
  }

  machine(name: string): Machine {
    const machine = this.machines.get(name)
    if (!machine) throw new Error(`there is no machine ${name}`)
    return machine
  }

  /** Nothing runs there any more, from this moment on. */
  powerOff(name: string): void {
    const machine = this.machine(name)
    if (!machine.isOn) return
    Object.assign(machine, { isOn: false, boots: false, hangs: false, turns: machine.turns + 1 })
    this.#keep(machine.host.powerCut())
    this.#options.onPower(name, false)
  }

  /** It has power again, and its agent speaks once it has booted. */
  powerOn(name: string): void {
    const machine = this.machine(name)
    if (machine.isOn) return
    Object.assign(machine, { isOn: true, boots: true, turns: machine.turns + 1 })
    const { turns } = machine
    const booting = this.#options.clock.sleep(bootMs).then(async () => {
      if (machine.turns !== turns) return
      machine.boots = false
      machine.host.hypervisor.powerCut()
      await this.#options.startAgent(machine.host)
      this.#options.onPower(name, true)
    })
    this.#keep(booting)
  }

  /** It begins anew, as by its button. */
  reset(name: string): void {
    this.powerOff(name)
    this.powerOn(name)
  }

  /** It stands still: its kernel still takes calls, and nobody answers them. */
  hang(name: string): void {
    this.machine(name).hangs = true
    this.machine(name).host.freezer.freeze()
  }

  /** It goes on. */
  wake(name: string): void {
    this.machine(name).hangs = false
    this.machine(name).host.freezer.thaw()
  }

  /** What one machine finds of another one when it looks for it. */
  seen(from: WorldHost, peer: HostId): Pick<PeerSeen, 'reached' | 'sign'> {
    const at = this.machine(from.name)
    const to = [...this.machines.values()].find(({ host }) => host.id === peer)
    if (!to?.isOn || to.boots || to.island !== at.island) return { reached: false, sign: 'silent' }
    if (!to.host.isRunning) return { reached: false, sign: 'refuses' }
    if (to.hangs || to.host.freezer.isFrozen) return { reached: false, sign: 'accepts' }
    return { reached: true }
  }

  /** Machines on which a domain runs at this moment, by the domain's name: the truth. */
  copies(domain: string): readonly string[] {
    return [...this.machines.values()]
      .filter(({ isOn, host }) =>
        host.hypervisor.all.some(
          ({ name, state }) => isOn && name === domain && state === 'running'
        )
      )
      .map(({ host }) => host.name)
  }

  /** Starts a bootd; one that ran under this name before has kept its epoch. */
  async startBootd(name: string): Promise<void> {
    const { clock } = this.#options
    const stop = new AbortController()
    const { signal } = stop
    const { mesh: end } = await this.net.agent(peerOf(name))
    const log = silentLog
    let changed: () => void = () => {}
    const fencer = await Fencer.open({
      epochFile: {
        read: async () => this.#epochs.get(name) ?? 0,
        write: async epoch => void this.#epochs.set(name, epoch)
      },
      clock,
      log,
      lookEveryMs,
      onChanged: () => changed(),
      open: model => {
        const device = this.#switchOf(model.type === 'lab' ? model.host : '').named(model)
        return { fence: device, watch: device, [Symbol.asyncDispose]: async () => {} }
      }
    })
    const consoles = new MachineConsoles({ orderOf: host => fencer.orderOf(host), log })
    const knowing = { ...knowsNothing, fences: fencer }
    const beside = { boots: bootsNothing, consoles, knowing, clock, log }
    const served = serveControllers({ end, fencer, ...beside }, signal)
    changed = served.fencesChanged
    const beating = sendHeartbeats({ end, fencer, clock }, signal)
    this.#bootds.set(name, {
      end: async () => {
        stop.abort()
        await end[Symbol.asyncDispose]()
        await fencer[Symbol.asyncDispose]()
        await Promise.all([served.over, beating])
      }
    })
  }

  #switchOf(name: string): PowerSwitch {
    const fed = [...this.machines.values()].find(({ host }) => outletsOf(host.name) === name)
    return fed?.outlets ?? this.machine(name).device
  }

  /** SIGKILL, or its machine has no power. */
  stopBootd(name: string): void {
    const bootd = this.#bootds.get(name)
    this.#bootds.delete(name)
    if (bootd) this.#keep(bootd.end())
  }

  /** Where a controller dials a bootd; undefined: none runs there. */
  bootdOf(name: string): { readonly endpoint: string; readonly publicKey: string } | undefined {
    if (!this.#bootds.has(name)) return undefined
    return { endpoint: `fake://${peerOf(name)}`, publicKey: 'b'.repeat(40) }
  }

  #keep(work: Promise<unknown>): void {
    this.#ending.add(work)
    void work.finally(() => this.#ending.delete(work))
  }

  /** To be waited for while time passes. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of [...this.#bootds.keys()]) this.stopBootd(name)
    while (this.#ending.size > 0) await Promise.all(this.#ending)
    await this.net[Symbol.asyncDispose]()
  }
}

/** The name by which the outlets of a machine are asked for. */
export const outletsOf = (machine: string): string => `${machine}-outlets`

const peerOf = (name: string): HostId => `bootd-${name}` as HostId
