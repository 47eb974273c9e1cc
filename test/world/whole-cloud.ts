/**
 * A whole cloud in virtual time: a controller and as many agents as one likes, all their own code,
 * over a mesh, a journal, hypervisors and disks in memory. Nothing happens but what the test does
 * and what follows from it.
 */
import { silentLog } from '#shared/log.ts'
import { type Kind, kinds } from '#shared/model/index.ts'
import { withDefaults } from '#shared/model/validate.ts'
import type { BootstrapCandidate } from '#shared/wire/bootstrap.ts'
import type { Intent } from '../../controller/core/admission/admit.ts'
import type { Commit } from '../../controller/core/commit.ts'
import { firstCommit } from '../../controller/core/first-commit.ts'
import { Announcer } from '../../controller/io/announcer.ts'
import { keepBootstrap } from '../../controller/io/bootstrap.ts'
import { Briefings } from '../../controller/io/briefings.ts'
import { soloElection } from '../../controller/io/election/solo.ts'
import { Feed } from '../../controller/io/feed.ts'
import { keepFences } from '../../controller/io/fences.ts'
import { hostsToBeat, sendHeartbeats } from '../../controller/io/heartbeats.ts'
import { Keeper } from '../../controller/io/keeper.ts'
import { Ledger } from '../../controller/io/ledger.ts'
import { Reign } from '../../controller/io/reign.ts'
import { FakeClock } from './fake-clock.ts'
import type { MigrationMoment } from './fake-hypervisor.ts'
import { FakeJournalDisk } from './fake-journal.ts'
import { FakeNet } from './fake-mesh.ts'
import { MachineRoom } from './machine-room.ts'
import { type Around, type End, type HostWish, WorldHost } from './world-host.ts'

export type { HostWish, WorldHost } from './world-host.ts'

type Reigning = { readonly reign: Reign; readonly ledger: Ledger; readonly end: End }

export class WholeCloud implements AsyncDisposable {
  readonly clock: FakeClock
  readonly net = new FakeNet()
  readonly disk = new FakeJournalDisk()
  readonly hosts = new Map<string, WorldHost>()
  /** Waited for before each moment of a migration. */
  pace: (moment: MigrationMoment) => Promise<void> = async () => {}
  /** TCP ports of instances that take calls, as ADDRESS:PORT. */
  readonly open = new Set<string>()
  readonly #around: Around = {
    peers: new Map(),
    volumes: new Map(),
    open: this.open,
    pace: moment => this.pace(moment),
    room: () => this.room
  }
  /** The machines below, where hosts can be fenced. */
  protected room: MachineRoom | undefined
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

  /** Puts a room of machines below, with power, devices and bootds; before all else. */
  furnish(): MachineRoom {
    const { clock } = this
    const startAgent = (host: WorldHost) => host.start(this)
    this.room = new MachineRoom({ clock, startAgent, onPower: this.onPower })
    return this.room
  }

  /** A machine has lost its power, or has booted. */
  protected readonly onPower = (name: string, isOn: boolean): void => void [name, isOn]

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
    const hosts = () => hostsToBeat(view, clock.monotonic())
    const values = { epoch: () => ledger.epoch, hosts }
    const source = { cards: async () => this.cards, ensemble: [] }
    const keeping = { ...source, reign, briefings, clock, log: silentLog }
    const tasks = [
      reign.run(signal),
      sendHeartbeats({ mesh, clock, values }, signal),
      keepBootstrap(keeping, signal),
      ...this.#fences({ ledger, reign, feed }, signal)
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

  /** One controller alone has its bootd beside it, under this name. */
  #fences(
    led: { readonly ledger: Ledger; readonly reign: Reign; readonly feed: Feed },
    signal: AbortSignal
  ) {
    const { room, clock } = this
    if (!room) return []
    const own = 'controller'
    const mesh = room.net.controller(() => led.ledger.epoch)
    const bootds = async () => {
      const bootd = room.bootdOf(own)
      return bootd ? [{ name: own, ...bootd }] : []
    }
    const mayAct = () => true
    const kept = keepFences({ ...led, mesh, bootds, own, mayAct, clock, log: silentLog }, signal)
    return [kept.then(() => mesh[Symbol.asyncDispose]())]
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
    this.room?.add(host)
    const { endpoint, publicKey: key } = await host.start(this)
    // Peers are told only keys of the right length.
    const publicKey = this.room ? host.id.padEnd(40, 'k') : key
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
    const { room } = this
    const ending = [...this.hosts.values()].map(host => host.stop())
    if (room) ending.push(room[Symbol.asyncDispose]())
    await this.clock.pass(20_000)
    await Promise.all(ending)
    await this.stopController()
    await this.net[Symbol.asyncDispose]()
  }
}
