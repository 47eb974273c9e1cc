/** A machine of a whole cloud in virtual time, with the agent that runs on it. */
import type { Clock } from '#shared/clock.ts'
import type { HostId } from '#shared/ids.ts'
import { silentLog } from '#shared/log.ts'
import { isSignedBy, type SignedBootstrap } from '#shared/wire/bootstrap.ts'
import type { BootstrapMessage, Peers } from '#shared/wire/messages.ts'
import type { Order } from '#shared/wire/order.ts'
import type { StoredVolume } from '../../agent/core/ports.ts'
import { ConsoleRelay } from '../../agent/io/console/relay.ts'
import { Gates } from '../../agent/io/gates.ts'
import { hear } from '../../agent/io/hearing.ts'
import { sendHeartbeats as agentHeartbeats } from '../../agent/io/heartbeats.ts'
import { AgentLoop } from '../../agent/io/loop.ts'
import { SelfFence } from '../../agent/io/self-fence.ts'
import { StorageHeartbeats } from '../../agent/io/storage-heartbeats.ts'
import { FakeKeeper } from '../agent/loop-rig.ts'
import { FakeHardware } from './fake-hardware.ts'
import { FakeHypervisor, type MigrationMoment } from './fake-hypervisor.ts'
import type { FakeNet } from './fake-mesh.ts'
import { FakeNetwork } from './fake-network.ts'
import { FakeStorage } from './fake-storage.ts'
import { FakeWatchdog } from './fake-watchdog.ts'
import { Freezer } from './frozen.ts'
import type { MachineRoom } from './machine-room.ts'
import { Onlooker } from './onlooker.ts'
import { startBeater } from './storage-beater.ts'

export type HostWish = {
  readonly name: string
  readonly memoryMib: number
  readonly threads?: number
  /** The time of its watchdog; left out: it has none. */
  readonly watchdogMs?: number
}

/** Ends a program: nothing of it runs when this has resolved. */
export type End = () => Promise<void>

/** A machine: its hardware, libvirt and disks outlive its agent. */
export class WorldHost {
  readonly name: string
  readonly id: HostId
  readonly hypervisor: FakeHypervisor
  readonly storage: FakeStorage
  readonly network = new FakeNetwork()
  readonly hardware: FakeHardware
  readonly keeper = new FakeKeeper()
  /** Orders that its agents have taken on, and those that they have refused, in their order. */
  readonly applied: Pick<Order, 'epoch' | 'generation'>[] = []
  readonly refused: Pick<Order, 'epoch' | 'generation'>[] = []
  /** What takes calls on it, as ADDRESS:PORT; a reboot of the instance does not shut it. */
  readonly #open: Set<string>
  /** Its agent can be stopped for a while. */
  readonly freezer = new Freezer()
  readonly #around: Around
  readonly #watchdogMs: number | undefined
  #dog: FakeWatchdog | undefined
  /** The signed list that it keeps, and the key that it has pinned; both outlive a power cut. */
  #signed: SignedBootstrap | undefined
  #cloudKey: string | undefined
  #end: End | undefined
  #called: (at: string, from: string) => boolean = () => false
  #runs = 0
  #boots = 1

  constructor(wish: HostWish, number: number, around: Around) {
    this.name = wish.name
    this.#around = around
    this.#watchdogMs = wish.watchdogMs
    this.#open = around.open
    const { peers, pace } = around
    this.hypervisor = new FakeHypervisor({ peers, pace })
    this.storage = new FakeStorage(around.volumes)
    peers.set(`qemu+tls://${wish.name}/system`, this.hypervisor)
    const uuid = `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`
    this.id = uuid as HostId
    const threads = wish.threads ?? 4
    this.hardware = new FakeHardware({
      hostname: wish.name,
      uuid,
      memoryMib: wish.memoryMib,
      cpu: { model: 'Test', vendor: 'Test', sockets: 1, cores: threads, threads, features: [] }
    })
  }

  /** Whether its agent runs, or only stands still. */
  get isRunning(): boolean {
    return this.#end !== undefined
  }

  /** Starts the agent; gives what the controller dials. */
  async start(world: { readonly net: FakeNet; readonly clock: Clock }) {
    const { net } = world
    const room = this.#around.room()
    const clock = room ? this.freezer.clock(world.clock) : world.clock
    const seat = await net.agent(this.id)
    const onlooker =
      room &&
      new Onlooker({ clock, look: peer => room.seen(this, peer), changed: () => loop.ring() })
    const end = new AbortController()
    const { signal } = end
    this.#runs += 1
    const lease = this.#leaseOf(world.clock, { clock, loop: () => loop })
    const loop = await AgentLoop.open({
      hands: {
        hypervisor: this.hypervisor,
        storage: this.storage,
        networks: this.network,
        forgetConsole: async () => {},
        findRemains: async () => [],
        clock
      },
      hardware: this.hardware,
      kept: this.keeper,
      reporter: {
        host: this.id,
        hostname: this.name,
        agentVersion: '0',
        bootId: `boot-${this.#boots}`,
        agentRun: `run-${this.#runs}`
      },
      facts: this.hardware.said,
      consoleFolder: '/console',
      send: report => seat.mesh.send(report),
      beside: () => {
        const seen = onlooker?.said(seat.peer.endpoint)
        return { ...this.#beside(), ...seen, ...saidOf(lease), ...saidOf(beats) }
      },
      ...(lease && { cutOff: found => lease.cutOff(found) }),
      services: () => this.#services(),
      onDomains: () => {},
      clock,
      log: silentLog
    })
    const hub = { attach: () => Promise.reject(new Error('no consoles here')) }
    const relay = new ConsoleRelay({ hub: hub as never, send: message => seat.mesh.send(message) })
    const answer = () => Promise.reject(new Error('no questions here'))
    const briefed = (message: BootstrapMessage | Peers): void => {
      if (message.type === 'bootstrap') this.#take(message)
      else {
        onlooker?.setPeers(message)
        beats?.setPeers(message)
      }
      loop.ring()
    }
    const beats =
      room && onlooker && this.#beats({ room, onlooker, loop, clock, world: world.clock })
    const noting = { takeOrder: (order: Order) => this.#noteOrder(order, loop) }
    const mesh = room ? this.freezer.agentMesh(seat.mesh) : seat.mesh
    const given = lease ? { lease } : {}
    const tasks = [
      loop.run(signal),
      ...(onlooker ? [onlooker.run(signal)] : []),
      ...(beats ? [beats.run(signal)] : []),
      this.#gates(loop, clock).run(signal),
      ...(lease ? [lease.run(signal)] : []),
      hear({ mesh, loop: noting, relay, answer, briefed, ...given, log: silentLog }, signal),
      agentHeartbeats(
        { mesh: seat.mesh, clock, values: { seen: () => loop.seen, ...given } },
        signal
      )
    ]
    this.#end = async () => {
      end.abort()
      this.freezer.thaw()
      await this.#dog?.[Symbol.asyncDispose]()
      await seat.mesh[Symbol.asyncDispose]()
      await Promise.all(tasks)
    }
    return seat.peer
  }

  /** What a report says beside what the loop knows. */
  #beside() {
    const uri = `qemu+tls://${this.name}/system`
    const bootstrapVersion = this.#signed?.bootstrap.version ?? 0
    const postCopy = { works: true, because: 'all that it needs is there' }
    return { migration: { uri, address: this.name, folder: '/', postCopy }, bootstrapVersion }
  }

  /** They go on while the agent stands still, and get there while the disks of this host answer. */
  #beats(given: {
    readonly room: MachineRoom
    readonly onlooker: Onlooker
    readonly loop: AgentLoop
    readonly clock: Clock
    readonly world: Clock
  }): StorageHeartbeats {
    const { room, onlooker, loop, clock, world } = given
    const reaches = (): boolean => !this.storage.isHeld && !room.machine(this.name).hangs
    return new StorageHeartbeats({
      host: this.id,
      bootId: `boot-${this.#boots}`,
      order: () => (room.isBeating ? loop.desired?.order : undefined),
      pools: () => loop.observed.pools,
      isMissed: host => onlooker.misses(host),
      onChanged: () => loop.ring(),
      start: told => startBeater({ clock: world, disks: room.beats, reaches }, told),
      clock,
      log: silentLog
    })
  }

  #gates(loop: AgentLoop, clock: Clock): Gates {
    return new Gates({
      order: () => loop.desired?.order,
      readiness: () => loop.readiness,
      found: news => loop.takeGate(news),
      call: async ({ address, port }) =>
        this.#open.has(`${address}:${port}`) ? undefined : 'ECONNREFUSED',
      phoneHome: called => {
        this.#called = called
        return { listen: async () => {} }
      },
      clock,
      log: silentLog
    })
  }

  /** An instance of this machine calls its host; says whether that was expected. */
  phoneHome(at: string, from: string): boolean {
    return this.#called(at, from)
  }

  #noteOrder(order: Order, loop: AgentLoop) {
    const refusal = loop.takeOrder(order)
    const { epoch, generation } = order
    if (refusal) this.refused.push({ epoch, generation })
    else this.applied.push({ epoch, generation })
    return refusal
  }

  #leaseOf(
    world: Clock,
    { clock, loop }: { readonly clock: Clock; readonly loop: () => AgentLoop }
  ): SelfFence | undefined {
    if (this.#watchdogMs === undefined) return undefined
    const watchdog = this.#dog ?? new FakeWatchdog(world, () => this.#bitten())
    this.#dog = watchdog
    watchdog.facts = { ...watchdog.facts, timeoutMs: this.#watchdogMs }
    return new SelfFence({
      watchdog,
      run: `run-${this.#runs}`,
      order: () => loop().desired?.order,
      onChanged: () => loop().ring(),
      note: text => loop().note(text),
      clock,
      log: silentLog
    })
  }

  /** Ends the agent; what runs on the host goes on. */
  async stop(): Promise<void> {
    const end = this.#end
    this.#end = undefined
    await end?.()
  }

  /** Its watchdog resets the machine. */
  #bitten(): void {
    const room = this.#around.room()
    if (room) room.reset(this.name)
    else void this.powerCut()
  }

  /** The machine loses its power: its domains are gone, and its next boot is another one. */
  async powerCut(): Promise<void> {
    this.hypervisor.powerCut()
    this.#dog?.powerCut()
    this.#boots += 1
    const { recalled } = this.keeper
    this.keeper.recalled = { ...recalled, origin: 'other-boot' }
    await this.stop()
  }

  #take({ signed, cloudKey }: BootstrapMessage): void {
    this.#cloudKey ??= cloudKey
    const isNewer = signed.bootstrap.version > (this.#signed?.bootstrap.version ?? 0)
    if (isNewer && isSignedBy(this.#cloudKey, signed)) this.#signed = signed
  }

  #services(): ReadonlySet<string> {
    const all = this.#signed?.bootstrap.services ?? []
    return new Set(all.filter(({ host }) => host === this.id).map(({ instance }) => instance))
  }
}

/** What a part of an agent says in a report; nothing where it has nothing to say. */
function saidOf(part: SelfFence | StorageHeartbeats | undefined) {
  if (part?.said === undefined) return {}
  return part instanceof SelfFence ? { selfFence: part.said } : { storage: [...part.said] }
}

/** What machines have in common. */
export type Around = {
  readonly peers: Map<string, FakeHypervisor>
  readonly volumes: Map<string, StoredVolume>
  /** What takes calls, as ADDRESS:PORT: addresses go with their instances. */
  readonly open: Set<string>
  readonly pace: (moment: MigrationMoment) => Promise<void>
  readonly room: () => MachineRoom | undefined
}
