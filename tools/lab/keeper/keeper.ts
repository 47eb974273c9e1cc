/** Does what is asked of a lab; for each host one thing after another. */
import { mkdir } from 'node:fs/promises'
import { Fault, sentence } from '#shared/fault.ts'
import { makeAuthority } from '../certificates.ts'
import { folderOf } from '../folder.ts'
import type { LabPlan } from '../plan.ts'
import type { Ask, Cut, LabStatus } from '../protocol.ts'
import { Bmcs } from './bmcs.ts'
import { hierarchies } from './cgroups.ts'
import { LabHost } from './host.ts'
import { LabMachine } from './machine.ts'
import { Switch } from './switch.ts'

/** A lab with its switch and its hosts; disposing of it cuts all power. */
export class Keeper implements AsyncDisposable {
  readonly #plan: LabPlan
  readonly #switch: Switch
  readonly #hosts: ReadonlyMap<string, LabHost>
  readonly #machines: ReadonlyMap<string, LabMachine>
  readonly #bmcs: Bmcs | undefined
  readonly #lanes = new Map<string, Promise<unknown>>()
  #cuts: readonly Cut[] = []

  private constructor(
    plan: LabPlan,
    parts: {
      readonly wires: Switch
      readonly hosts: ReadonlyMap<string, LabHost>
      readonly machines: ReadonlyMap<string, LabMachine>
      readonly bmcs: Bmcs | undefined
    }
  ) {
    this.#plan = plan
    this.#switch = parts.wires
    this.#hosts = parts.hosts
    this.#machines = parts.machines
    this.#bmcs = parts.bmcs
  }

  /** Makes the switch and what the hosts have on disk; their power is off. */
  static async open(plan: LabPlan): Promise<Keeper> {
    for (const path of [folderOf(plan.folder).shared, folderOf(plan.folder).locks]) {
      await mkdir(path, { recursive: true })
    }
    await makeAuthority(folderOf(plan.folder).authority)
    const controllers = await hierarchies()
    const wires = await Switch.open(plan)
    const onBite = (name: string, turn: number): void => void keeper.#reset(name, turn)
    const hosts = new Map(
      plan.hosts.map(host => {
        const options = { lab: plan, controllers, plug: wires.plug.bind(wires), onBite }
        return [host.name, new LabHost(host, options)]
      })
    )
    for (const host of hosts.values()) await host.prepare()
    const plug = wires.plugMachine.bind(wires)
    const machines = new Map(
      (plan.machines ?? []).map(machine => {
        const options = { lab: plan, switchPid: wires.pid, plug }
        return [machine.name, new LabMachine(machine, options)]
      })
    )
    const bmcs = await Bmcs.open(plan, wires.pid)
    const keeper = new Keeper(plan, { wires, hosts, machines, bmcs })
    return keeper
  }

  get status(): LabStatus {
    return {
      tag: this.#plan.tag,
      switchPid: this.#switch.pid,
      hosts: [...this.#hosts.values()].map(({ status }) => {
        const slow = this.#switch.slownessOf(status.name)
        const bmc = this.#bmcs?.of(status.name)
        return { ...status, ...(slow && { slow }), ...(bmc && { bmc }) }
      }),
      ...(this.#machines.size > 0 && {
        machines: [...this.#machines.values()].map(({ status }) => {
          const bmc = this.#bmcs?.of(status.name)
          return { ...status, ...(bmc && { bmc }) }
        })
      }),
      cuts: this.#cuts
    }
  }

  /** Does one thing and gives the answer. */
  async do(ask: Ask): Promise<unknown> {
    switch (ask.verb) {
      case 'status':
        return this.status
      case 'power':
        return await this.#power(ask)
      case 'bmc':
        return await this.#bmc(ask)
      case 'pause':
      case 'resume':
        return await this.#pause(ask)
      case 'start':
      case 'stop':
      case 'kill':
        return await this.#daemon(ask)
      case 'cut':
        checkHosts(this.#hosts, 'groups' in ask.cut ? ask.cut.groups.flat() : ask.cut.hosts)
        return await this.#cut([...this.#cuts, ask.cut])
      case 'heal':
        return await this.#heal()
      case 'slow':
        return await this.#slow(ask)
      case 'clock':
        return await this.#clock(ask)
      case 'down':
        return await this[Symbol.asyncDispose]()
      default:
        return ask satisfies never
    }
  }

  async #power({ host: name, to, withBmc }: Extract<Ask, { verb: 'power' }>) {
    const machine = this.#machines.get(name)
    const host = machine ?? this.#host(name)
    if (withBmc) this.#bmcsOf(name)
    return await this.#lane(name, async () => {
      if (to === 'on' || to === 'cycle') await this.#bmcs?.setPower(name, 'on')
      if (to === 'off' && withBmc) await this.#bmcs?.setPower(name, 'off')
      if (to === 'off' || to === 'cycle') await host.off()
      if (to === 'on' || to === 'cycle') {
        await host.on()
        if (!machine && this.#cuts.length > 0) await this.#applyCuts()
      }
      return { power: host.status.power }
    })
  }

  /** Its watchdog has bitten: it boots anew. */
  async #reset(name: string, turn: number): Promise<void> {
    console.log(`the watchdog of ${name} bites at ${new Date().toISOString()}`)
    try {
      await this.#lane(name, async () => {
        await this.#host(name).reset(turn)
        if (this.#cuts.length > 0) await this.#applyCuts()
      })
    } catch (thrown) {
      console.error(`cannot reset ${name}: ${sentence(thrown)}`)
    }
  }

  async #bmc({ host: name, manner }: Extract<Ask, { verb: 'bmc' }>) {
    await this.#bmcsOf(name).setManner(name, manner)
  }

  /** The controllers, which are there when that of this host is. */
  #bmcsOf(name: string): Bmcs {
    if (!this.#machines.has(name)) checkHosts(this.#hosts, [name])
    if (this.#bmcs?.of(name)) return this.#bmcs
    throw new Fault(
      'unavailable',
      `cannot reach the baseboard controller of ${name}: it has none`,
      {
        next: ['make the lab anew with remuda lab up --bmc ipmi, redfish or mixed']
      }
    )
  }

  async #pause({ verb, host: name, daemon }: Extract<Ask, { verb: 'pause' | 'resume' }>) {
    const machine = this.#machines.get(name)
    if (machine) return await this.#lane(name, async () => machine.pause(verb === 'pause'))
    const host = this.#host(name)
    return await this.#lane(name, async () => {
      const isPaused = verb === 'pause'
      if (daemon === undefined) return await host.pause(isPaused)
      if (host.daemon(daemon).pause(isPaused)) return
      throw new Fault('unavailable', `cannot ${verb} ${daemon} of ${name}: it does not run now`)
    })
  }

  async #daemon({ verb, host: name, daemon }: Extract<Ask, { verb: 'start' | 'stop' | 'kill' }>) {
    const host = this.#host(name)
    return await this.#lane(name, async () => {
      const kept = host.daemon(daemon)
      if (verb === 'start') kept.start()
      else await kept.end(verb === 'stop' ? 'TERM' : 'KILL', verb === 'kill')
    })
  }

  async #clock({ host: name, byMs }: Extract<Ask, { verb: 'clock' }>) {
    const host = this.#host(name)
    if (!this.#plan.clocks) {
      throw new Fault('unavailable', `cannot move the clock of ${name}`, {
        reasons: [
          'all hosts share the one wall clock of the kernel',
          'the daemons of this lab were started without a library that can fake it'
        ],
        next: ['make the lab anew with remuda lab up --clocks']
      })
    }
    await host.moveClock(byMs)
  }

  async #slow({ host: name, delayMs, loss }: Extract<Ask, { verb: 'slow' }>) {
    const host = this.#host(name)
    if (host.pid === undefined) {
      throw new Fault('unavailable', `cannot make the links of ${name} slow: its power is off`)
    }
    const isSlow = delayMs > 0 || loss > 0
    await this.#lane('switch', () =>
      this.#switch.slow(name, isSlow ? { delayMs, loss } : undefined)
    )
  }

  async #heal(): Promise<void> {
    for (const name of this.#hosts.keys()) {
      await this.#lane('switch', () => this.#switch.slow(name, undefined))
    }
    await this.#cut([])
  }

  async #cut(cuts: readonly Cut[]): Promise<void> {
    await this.#lane('switch', async () => {
      this.#cuts = cuts
      await this.#applyCuts()
    })
  }

  async #applyCuts(): Promise<void> {
    const hosts = [...this.#hosts.values()].map(({ plan, pid }) => ({ name: plan.name, pid }))
    await this.#switch.apply(this.#cuts, hosts)
  }

  #host(name: string): LabHost {
    checkHosts(this.#hosts, [name])
    return this.#hosts.get(name)!
  }

  /** Runs after what was asked for the same thing before. */
  async #lane<Value>(name: string, work: () => Promise<Value>): Promise<Value> {
    const before = this.#lanes.get(name) ?? Promise.resolve()
    const now = before.then(work, work)
    this.#lanes.set(
      name,
      now.catch(() => {})
    )
    return await now
  }

  /** Cuts the power of all hosts, and takes the switch away. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(
      [...this.#hosts, ...this.#machines].map(([name, host]) =>
        this.#lane(name, async () => await host.off())
      )
    )
    await this.#bmcs?.[Symbol.asyncDispose]()
    await this.#switch[Symbol.asyncDispose]()
  }
}

function checkHosts(hosts: ReadonlyMap<string, unknown>, names: readonly string[]): void {
  const unknown = names.find(name => !hosts.has(name))
  if (unknown === undefined) return
  throw new Fault('not-found', `cannot find host ${unknown} in the lab`, {
    reasons: [`it has ${[...hosts.keys()].join(', ')}`]
  })
}
