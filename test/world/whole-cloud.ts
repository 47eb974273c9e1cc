/**
 * A whole cloud in virtual time: a controller and as many agents as one likes, all their own code,
 * over a mesh, a journal, hypervisors and disks in memory. Nothing happens but what the test does
 * and what follows from it.
 */
import type { Clock } from '#shared/clock.ts'
import type { HostId } from '#shared/ids.ts'
import { silentLog } from '#shared/log.ts'
import { type Kind, kinds } from '#shared/model/index.ts'
import { withDefaults } from '#shared/model/validate.ts'
import {
  type BootstrapCandidate,
  isSignedBy,
  type SignedBootstrap
} from '#shared/wire/bootstrap.ts'
import type { BootstrapMessage, Peers } from '#shared/wire/messages.ts'
import type { Order } from '#shared/wire/order.ts'
import type { StoredVolume } from '../../agent/core/ports.ts'
import { ConsoleRelay } from '../../agent/io/console/relay.ts'
import { hear } from '../../agent/io/hearing.ts'
import { sendHeartbeats as agentHeartbeats } from '../../agent/io/heartbeats.ts'
import { AgentLoop } from '../../agent/io/loop.ts'
import type { Intent } from '../../controller/core/admission/admit.ts'
import type { Commit } from '../../controller/core/commit.ts'
import { firstCommit } from '../../controller/core/first-commit.ts'
import { Announcer } from '../../controller/io/announcer.ts'
import { keepBootstrap } from '../../controller/io/bootstrap.ts'
import { Briefings } from '../../controller/io/briefings.ts'
import { soloElection } from '../../controller/io/election/solo.ts'
import { Feed } from '../../controller/io/feed.ts'
import { sendHeartbeats } from '../../controller/io/heartbeats.ts'
import { Keeper } from '../../controller/io/keeper.ts'
import { Ledger } from '../../controller/io/ledger.ts'
import { Reign } from '../../controller/io/reign.ts'
import { FakeKeeper } from '../agent/loop-rig.ts'
import { FakeClock } from './fake-clock.ts'
import { FakeHardware } from './fake-hardware.ts'
import { FakeHypervisor, type MigrationMoment } from './fake-hypervisor.ts'
import { FakeJournalDisk } from './fake-journal.ts'
import { FakeNet } from './fake-mesh.ts'
import { FakeNetwork } from './fake-network.ts'
import { FakeStorage } from './fake-storage.ts'

export type HostWish = {
  readonly name: string
  readonly memoryMib: number
  readonly threads?: number
}

/** Ends a program: nothing of it runs when this has resolved. */
type End = () => Promise<void>

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
  /** The signed list that it keeps, and the key that it has pinned; both outlive a power cut. */
  #signed: SignedBootstrap | undefined
  #cloudKey: string | undefined
  #end: End | undefined
  #runs = 0
  #boots = 1

  constructor(wish: HostWish, number: number, around: Around) {
    this.name = wish.name
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

  /** Starts the agent; gives what the controller dials. */
  async start(world: { readonly net: FakeNet; readonly clock: Clock }) {
    const { net, clock } = world
    const seat = await net.agent(this.id)
    const end = new AbortController()
    const { signal } = end
    this.#runs += 1
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
        const uri = `qemu+tls://${this.name}/system`
        const bootstrapVersion = this.#signed?.bootstrap.version ?? 0
        return { migration: { uri, address: this.name, folder: '/' }, bootstrapVersion }
      },
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
      loop.ring()
    }
    const noting = {
      takeOrder: (order: Order) => {
        const refusal = loop.takeOrder(order)
        const { epoch, generation } = order
        if (refusal) this.refused.push({ epoch, generation })
        else this.applied.push({ epoch, generation })
        return refusal
      }
    }
    const tasks = [
      loop.run(signal),
      hear({ mesh: seat.mesh, loop: noting, relay, answer, briefed, log: silentLog }, signal),
      agentHeartbeats({ mesh: seat.mesh, clock, values: { seen: () => loop.seen } }, signal)
    ]
    this.#end = async () => {
      end.abort()
      await seat.mesh[Symbol.asyncDispose]()
      await Promise.all(tasks)
    }
    return seat.peer
  }

  /** Ends the agent; what runs on the host goes on. */
  async stop(): Promise<void> {
    await this.#end?.()
    this.#end = undefined
  }

  /** The machine loses its power: its domains are gone, and its next boot is another one. */
  async powerCut(): Promise<void> {
    this.hypervisor.powerCut()
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

/** What machines have in common. */
type Around = {
  readonly peers: Map<string, FakeHypervisor>
  readonly volumes: Map<string, StoredVolume>
  readonly pace: (moment: MigrationMoment) => Promise<void>
}

type Reigning = { readonly reign: Reign; readonly ledger: Ledger; readonly end: End }

export class WholeCloud implements AsyncDisposable {
  readonly clock: FakeClock
  readonly net = new FakeNet()
  readonly disk = new FakeJournalDisk()
  readonly hosts = new Map<string, WorldHost>()
  /** Waited for before each moment of a migration. */
  pace: (moment: MigrationMoment) => Promise<void> = async () => {}
  readonly #around: Around = {
    peers: new Map(),
    volumes: new Map(),
    pace: moment => this.pace(moment)
  }
  readonly #onCommit: (commit: Commit, epoch: number) => void
  /** Candidates that show themselves; as long as there is none, no list is signed. */
  cards: readonly BootstrapCandidate[] = []
  #reigning: Reigning | undefined
  #number = 0

  constructor(
    onCommit: (commit: Commit, epoch: number) => void = () => {},
    clock = new FakeClock({ now: 0 })
  ) {
    this.#onCommit = onCommit
    this.clock = clock
  }

  get reign(): Reign {
    if (!this.#reigning) throw new Error('no controller runs')
    return this.#reigning.reign
  }

  /** Starts a controller on the journal as it is. */
  async startController(): Promise<void> {
    const { clock } = this
    const end = new AbortController()
    const { signal } = end
    const journal = this.disk.open()
    const feed = new Feed()
    const ledger: Ledger = new Ledger({
      journal,
      clock,
      log: silentLog,
      signal,
      onDurable: entry => {
        announcer.recorded(entry)
        this.#onCommit(entry.commit, ledger.epoch)
      }
    })
    const now = () => ({ monotonic: clock.monotonic(), wall: clock.wall() })
    const announcer = new Announcer({ view: ledger.view, feed, now })
    await new Keeper({ journal, view: ledger.view, log: silentLog }).load()
    const epoch = await journal.raiseEpoch()
    await ledger.open(epoch)
    feed.begin({ position: ledger.durablePosition, epoch })
    feed.start(epoch)
    if (!ledger.view.cloud) await this.#found(ledger)
    const mesh = this.net.controller(() => ledger.epoch)
    const { view } = ledger
    const durable = (): Promise<void> => ledger.durable()
    const briefings = new Briefings({ view, mesh, durable, clock, log: silentLog })
    const reign = new Reign({
      ledger,
      announcer,
      mesh,
      election: soloElection(),
      clock,
      log: silentLog,
      imageUrl: ({ id }) => `http://controller/${id}`,
      onReply: () => {},
      onReport: (host, report) => briefings.heard(host, report)
    })
    const hosts = function* () {
      for (const host of ledger.view.all('host').values()) {
        const generation = ledger.view.indexes.hostGeneration(host.name)
        yield { host: host.decided.uuid as HostId, generation }
      }
    }
    const values = { epoch: () => ledger.epoch, hosts }
    const source = { cards: async () => this.cards, ensemble: [] }
    const keeping = { ...source, reign, briefings, clock, log: silentLog }
    const tasks = [
      reign.run(signal),
      sendHeartbeats({ mesh, clock, values }, signal),
      keepBootstrap(keeping, signal)
    ]
    this.#reigning = {
      reign,
      ledger,
      end: async () => {
        end.abort()
        await mesh[Symbol.asyncDispose]()
        const over = Promise.all(tasks)
        await clock.pass(1_000)
        await over
        await journal[Symbol.asyncDispose]()
      }
    }
    await clock.settle()
  }

  async stopController(): Promise<void> {
    await this.#reigning?.end()
    this.#reigning = undefined
  }

  /** A machine is switched on and its agent lets itself in. */
  async addHost(wish: HostWish): Promise<void> {
    this.#number += 1
    const host = new WorldHost(wish, this.#number, this.#around)
    this.hosts.set(wish.name, host)
    const { endpoint, publicKey } = await host.start(this)
    const join = { uuid: host.id, hostname: host.name, publicKey, endpoint, trusted: true }
    await this.wish({ verb: 'join', wish: join }, `host/${host.name}`)
  }

  host(name: string): WorldHost {
    const host = this.hosts.get(name)
    if (!host) throw new Error(`there is no host ${name}`)
    return host
  }

  async wish(intent: Intent, by = 'user/admin'): Promise<void> {
    const done = this.reign.submit(intent, by)
    await this.clock.settle()
    await done
  }

  /** A spec as it is once its defaults are filled in. */
  specOf = (kind: Kind, spec: object): object => withDefaults(kinds[kind].spec, spec) as object

  /** Gives the cloud an image with content. */
  async addImage(name: string, spec: object): Promise<void> {
    await this.wish({ verb: 'create', kind: 'image', name, spec: this.specOf('image', spec) })
    const { id } = this.reign.view.named('image', name, 'default')!
    const content = { sha256: 'a'.repeat(64), sizeBytes: 1_000, virtualMib: 64 }
    await this.wish({ verb: 'fill-image', id, content })
  }

  async #found(ledger: Ledger): Promise<void> {
    let count = 0
    const newId = (prefix: string): string => {
      count += 1
      return `${prefix}-00000000-0000-7000-9000-${String(count).padStart(12, '0')}`
    }
    const createdAt = new Date(this.clock.wall()).toISOString()
    const adminToken = { id: 'tk', name: 'admin', sha256: '0', role: 'admin' as const, createdAt }
    const now = { monotonic: this.clock.monotonic(), wall: this.clock.wall() }
    await ledger.commit(firstCommit({ cloudId: 'c', adminToken }, { by: 'controller', now, newId }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ending = [...this.hosts.values()].map(host => host.stop())
    await this.clock.pass(20_000)
    await Promise.all(ending)
    await this.stopController()
    await this.net[Symbol.asyncDispose]()
  }
}
