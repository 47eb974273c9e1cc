/**
 * A cloud of pure cores in virtual time: machines as they are, and on them agents, candidates and
 * bootds whose judgement is the product's own. Nothing in it waits: whatever comes later is an act
 * on one timeline. What stands in for io is told at the top of each file beside this one; the other
 * simulator runs the whole of it, a hundred times slower.
 */
import { uuidOf } from '#shared/ids.ts'
import type { Ms } from '#shared/units.ts'
import type { DomainPlan } from '../../../agent/core/domain-plan.ts'
import { hardwareOf } from '../../../agent/core/metadata.ts'
import { storageBeatMs } from '../../../agent/core/storage-heartbeats.ts'
import { orderFor } from '../../../controller/core/orders.ts'
import { View } from '../../../controller/core/view.ts'
import type { MachineSign } from '../../../controller/core/witnesses.ts'
import { LeanAgent } from './agent.ts'
import { LeanBootd } from './bootd.ts'
import { LeanController } from './controller.ts'
import { Ensemble } from './ensemble.ts'
import { type Founded, founded, layouts } from './founding.ts'
import { domainOf, SharedVolumes, storedVolume } from './hands.ts'
import { Machine } from './machine.ts'
import { Net } from './net.ts'
import { Oracle } from './oracle.ts'
import { StartOracle } from './start-oracle.ts'
import { StorageBeats } from './storage-beats.ts'
import { oneOf } from './strikes.ts'
import { Timeline } from './timeline.ts'

/** What happened, by its name. */
export type Counts = Record<string, number>

const beatMs: Ms = 500
/** Hosts have their heartbeats at so many moments of a beat. */
const beatGroups = 5
const candidatesMax = 3
/**
 * How long turns of controllers and rounds of agents rest at least: those of quick programs, and of
 * busy ones, to which much comes at once. Each cloud has one of these.
 */
const paces: readonly Pace[] = [
  { turnMs: 25, roundMs: 10 },
  { turnMs: 100, roundMs: 30 },
  { turnMs: 200, roundMs: 60 }
]
/** A run tells no more of them. */
const problemsMax = 8

type Pace = { readonly turnMs: Ms; readonly roundMs: Ms }

export class LeanCloud {
  readonly timeline = new Timeline()
  readonly chance: () => number
  readonly pace: Pace
  readonly founded: Founded
  readonly net: Net
  readonly ensemble: Ensemble
  readonly sharedVolumes = new SharedVolumes()
  readonly storage: StorageBeats
  readonly oracle: Oracle
  readonly starts: StartOracle
  /** UUIDs of instances that end soon after each start. */
  readonly broken = new Set<string>()
  readonly machines: readonly Machine[]
  readonly controllers: readonly LeanController[]
  readonly bootds: readonly LeanBootd[]
  readonly bootdNames: readonly string[]
  readonly counts: Counts = {}
  readonly problems: string[] = []
  /** How long the ensemble takes at most to answer. Unit: ms. */
  ensembleMs: Ms = 20
  /** All faults are over: one that has acts to come does nothing any more. */
  isMended = false
  readonly #agents = new Map<string, LeanAgent>()
  readonly #agentsByUuid = new Map<string, LeanAgent>()
  readonly #machinesByName = new Map<string, Machine>()
  #ids = 0

  constructor(given: {
    readonly hosts: number
    readonly seed: number
    readonly chance: () => number
  }) {
    const { chance } = given
    this.chance = chance
    this.pace = oneOf(paces, chance)
    this.founded = founded(given.hosts, given.seed % layouts)
    this.net = new Net(this.timeline, chance)
    this.oracle = new Oracle(this)
    this.starts = new StartOracle(this)
    this.storage = new StorageBeats(this)
    this.ensemble = new Ensemble({
      timeline: this.timeline,
      answersAfterMs: () => 2 + this.ensembleMs * chance(),
      tell: entry => this.oracle.recorded(entry)
    })
    const { timeline } = this
    const onPower = (machine: Machine, runs: boolean): void => this.#onPower(machine, runs)
    const onBite = (machine: Machine): void => this.#onBite(machine)
    this.machines = this.founded.hosts.map(({ name, rack, watchdogMs, memoryMib }, at) => {
      const wish = { name, rack, watchdogMs, index: at + 1 }
      const machine = new Machine(wish, { timeline, chance, onPower, onBite })
      this.#machinesByName.set(name, machine)
      const agent = new LeanAgent(this, machine, memoryMib)
      this.#agents.set(name, agent)
      this.#agentsByUuid.set(machine.uuid, agent)
      return machine
    })
    const first = this.machines.slice(0, candidatesMax)
    this.controllers = first.map(machine => new LeanController(this, machine))
    this.bootds = first.map(machine => new LeanBootd(this, machine))
    this.bootdNames = first.map(({ name }) => name)
    this.#begin()
  }

  /** Who would act at this moment. */
  get leader(): LeanController | undefined {
    return this.controllers.find(({ mayAct }) => mayAct)
  }

  machine(name: string): Machine {
    const machine = this.#machinesByName.get(name)
    if (!machine) throw new Error(`there is no machine ${name}`)
    return machine
  }

  agentOf(machine: Machine): LeanAgent {
    return this.#agents.get(machine.name)!
  }

  agentByUuid(uuid: string): LeanAgent | undefined {
    return this.#agentsByUuid.get(uuid)
  }

  readonly newId = (prefix: string): string => {
    this.#ids += 1
    return `${prefix}-00000000-0000-7000-9000-${this.#ids.toString(16).padStart(12, '0')}`
  }

  count(what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by
  }

  problem(because: string): void {
    if (this.problems.length >= problemsMax) return
    this.problems.push(`at ${Math.round(this.timeline.now)} ms ${because}`)
  }

  /** What a machine shows to a peer that looks for it; undefined: it is reached. */
  signOf(from: Machine, uuid: string): MachineSign | undefined {
    const agent = this.#agentsByUuid.get(uuid)
    const to = agent?.machine
    if (!agent || !to || !this.net.reaches(from, to) || !this.net.reaches(to, from)) return 'silent'
    if (from.loss + to.loss > 0 && this.chance() < from.loss + to.loss) return 'silent'
    if (from.delayMs + to.delayMs > 1_000) return 'silent'
    if (to.hangs) return 'accepts'
    if (!agent.isRunning) return 'refuses'
    return agent.isPaused ? 'accepts' : undefined
  }

  /** Founds the cloud as it was left: all machines on, and every instance where it belongs. */
  #begin(): void {
    const view = new View()
    const { commits } = this.founded
    this.ensemble.epoch = 1
    this.ensemble.write(commits, { epoch: 1, at: 1 })
    for (const key of Object.keys(this.counts)) delete this.counts[key]
    for (const [at, commit] of commits.entries()) {
      view.fold({ type: 'commit', position: at + 1, commit })
    }
    for (const machine of this.machines) this.#furnish(view, machine)
    for (const program of [...this.#agents.values(), ...this.controllers, ...this.bootds]) {
      program.start()
    }
    this.ensemble.begin()
    for (let group = 0; group < beatGroups; group++) {
      const machines = this.machines.filter(({ index }) => index % beatGroups === group)
      const agents = machines.map(machine => this.agentOf(machine))
      this.timeline.after((beatMs * group) / beatGroups + 1, () => this.#beat(agents))
    }
    this.timeline.after(beatMs, () => this.#beatBootds())
    this.timeline.after(storageBeatMs, () => this.#beatStorage())
  }

  #furnish(view: View, machine: Machine): void {
    const host = view.named('host', machine.name)!
    const order = orderFor(view, host, { epoch: 1, imageUrl: () => '' })
    const formats = new Map(order.volumes.map(({ id, format }) => [id, format]))
    for (const { id, pool, sizeMib } of order.volumes) {
      const volume = storedVolume(id, pool, sizeMib)
      if (pool === 'far') this.sharedVolumes.put(volume)
      else machine.volumes.set(id, volume)
    }
    for (const instance of order.instances) {
      const plan: DomainPlan = {
        ...{ cloud: order.cloud, instance, driver: 'qemu' as const, acceleration: 'kvm' as const },
        ...{ emulator: undefined, machine: 'q35', volumes: [], ports: [], consoleLog: '' },
        ...{ hardware: hardwareOf(instance, formats), startCount: 1 }
      }
      const domain = domainOf(plan, new Date(machine.wall).toISOString())
      machine.domains.set(uuidOf(instance.id), { ...domain, guestAgent: true })
      this.starts.ran(machine, uuidOf(instance.id))
    }
  }

  #beat(agents: readonly LeanAgent[]): void {
    this.timeline.after(beatMs, () => this.#beat(agents))
    for (const agent of agents) agent.tick()
  }

  #beatBootds(): void {
    this.timeline.after(beatMs, () => this.#beatBootds())
    for (const bootd of this.bootds) bootd.tick()
    this.starts.tick()
  }

  #beatStorage(): void {
    this.timeline.after(storageBeatMs, () => this.#beatStorage())
    this.storage.tick()
  }

  /** All programs of a machine end with its power, and are started by its boot. */
  #onPower(machine: Machine, runs: boolean): void {
    const own = ({ machine: other }: { readonly machine: Machine }): boolean => other === machine
    const programs = [this.agentOf(machine), ...this.controllers.filter(own)]
    for (const program of [...programs, ...this.bootds.filter(own)]) {
      if (runs) program.start()
      else program.stop()
    }
  }

  #onBite(machine: Machine): void {
    this.count('watchdogs bite')
    machine.reset()
  }
}
