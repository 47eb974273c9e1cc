/**
 * The controller's part: the real view, watched and decided upon by the real core, with hosts that
 * each have a fence device. A fence that is begun is proven a moment later, and whoever is not
 * heard before that is switched off.
 */
import type { Host } from '#shared/model/host.ts'
import type { Ms } from '#shared/units.ts'
import type { FenceState } from '#shared/wire/fence.ts'
import type { PeerSeen, Report } from '#shared/wire/order.ts'
import type { Context } from '../../../controller/core/admission/context.ts'
import type { Commit } from '../../../controller/core/commit.ts'
import { fencings } from '../../../controller/core/fencing.ts'
import { firstCommit } from '../../../controller/core/first-commit.ts'
import { type HostSeen, watchHosts } from '../../../controller/core/host-watch.ts'
import { PeerRing } from '../../../controller/core/peer-ring.ts'
import { standingOf } from '../../../controller/core/standing.ts'
import type { Patience } from '../../../controller/core/suspicion-times.ts'
import { View } from '../../../controller/core/view.ts'

/** What a host says: a heartbeat, or a report with what it has found of its peers. */
export type Said = { readonly boot: number; readonly peers?: readonly PeerSeen[] }

/** What the core has done or told, and when. */
export type Deed = {
  readonly at: Ms
  readonly host: number
  /** The verb of a decision, the reason of a notification, or `shown-` and how the host stands. */
  readonly what: string
  readonly because: string
}

/** Names a host as reports of its peers do. */
export const uuidOf = (host: number): string => `uuid-${host}`
const nameOf = (host: number): string => `h${host}`
const numberOf = (name: string): number => Number(name.slice(1))
const wallAt: Ms = Date.UTC(2026, 0, 1)

/** Whom each of these hosts looks for, by the ring of the controller. */
export function peersOf(
  hosts: number,
  rackOf: (host: number) => number
): readonly (readonly number[])[] {
  const everybody = Array.from({ length: hosts }, (_, host) => host)
  const ring = new PeerRing(
    everybody.map(host => ({
      host: uuidOf(host),
      rack: `r${rackOf(host)}`,
      endpoint: `tcp://10.0.0.${host}:7413`,
      publicKey: nameOf(host).padEnd(40, 'k')
    }))
  )
  return everybody.map(host =>
    ring.peersOf(uuidOf(host))!.probe.map(peer => Number(peer.host.slice('uuid-'.length)))
  )
}

/** A view of hosts that were all heard, and what is decided upon it. */
export class Judge {
  readonly #view = new View()
  readonly #told: (deed: Deed) => void
  readonly #hosts: number
  readonly #standings = new Map<number, string>()
  #seen: ReadonlyMap<string, HostSeen> = new Map()
  #unsettled = 0
  #ids = 0
  #reports = 0

  constructor(given: {
    readonly hosts: number
    readonly rackOf: (host: number) => number
    readonly patience: Patience
    readonly told: (deed: Deed) => void
  }) {
    const { hosts, rackOf, patience, told } = given
    this.#told = told
    this.#hosts = hosts
    this.#view.patience = patience
    const adminToken = { id: 'tk', name: 'a', sha256: '0', role: 'admin' as const, createdAt: '' }
    this.#fold(firstCommit({ cloudId: 'c', adminToken }, this.#context(0)))
    for (let host = 0; host < hosts; host += 1) {
      const resource = hostOf(host, rackOf(host))
      this.#fold({ changes: [{ op: 'put', resource }], decisions: [] })
    }
    this.turn(0)
    for (let host = 0; host < hosts; host += 1) this.hear(host, { boot: 0, peers: [] }, 0)
    this.judge(0)
  }

  #context(now: Ms): Context {
    const newId = (prefix: string): string => `${prefix}-${++this.#ids}`
    return { by: 'controller', now: { monotonic: now, wall: wallAt + now }, newId }
  }

  #fold(commit: Commit): void {
    this.#view.fold({ type: 'commit', position: this.#view.position + 1, commit })
  }

  /** Whether somebody is not online, or not proven off. */
  get isRestless(): boolean {
    return this.#unsettled > 0
  }

  /** Whether all are online. */
  get isCalm(): boolean {
    return this.#standings.size === 0
  }

  heardAt = (host: number): Ms => this.#view.heard(nameOf(host)).heardAt ?? 0

  /** Takes in what a host says. */
  hear(host: number, { boot, peers }: Said, at: Ms): void {
    const moment = { monotonic: at, wall: wallAt + at }
    const name = nameOf(host)
    // One that was fenced speaks: that is to be judged.
    if (this.#standings.get(host) === 'fenced') this.#unsettled += 1
    if (peers === undefined) {
      this.#view.fold({ type: 'heartbeat', host: name, loopLagMs: 0, at: moment })
      return
    }
    const report = reportOf({ host, boot, number: ++this.#reports, peers })
    this.#view.fold({ type: 'report', host: name, report, at: moment })
  }

  /** The controller's loop turns. */
  turn(now: Ms): void {
    this.#view.fold({ type: 'turn', at: { monotonic: now, wall: wallAt + now }, epoch: 1 })
  }

  /** It watches and decides, as in each of its turns. */
  judge(now: Ms): void {
    const context = this.#context(now)
    const news = watchHosts(this.#view, this.#seen, context)
    this.#seen = news.seen
    for (const { decisions } of news.commits) this.#tell(now, decisions)
    for (const commit of fencings(this.#view, context)) {
      this.#tell(now, commit.decisions)
      // Notifications are told and not kept: there is one for each host and reason.
      const changes = commit.changes.filter(each => each.op === 'put' && isHost(each.resource))
      this.#fold({ changes, decisions: [] })
    }
    for (let host = 0; host < this.#hosts; host += 1) this.#show(host, now)
    this.#unsettled = [...this.#standings.values()].filter(how => how !== 'fenced').length
  }

  #tell(at: Ms, decisions: Commit['decisions']): void {
    for (const { verb: what, because, subjects } of decisions) {
      const host = numberOf((subjects[0] ?? '').slice('host/'.length))
      this.#told({ at, host, what, because })
    }
  }

  #show(host: number, at: Ms): void {
    const standing = standingOf(this.#view, this.#host(host), at)
    const before = this.#standings.get(host) ?? 'online'
    if (standing === before) return
    if (standing === 'online') this.#standings.delete(host)
    else this.#standings.set(host, standing)
    this.#told({ at, host, what: `shown-${standing}`, because: `was ${before}` })
  }

  #host = (host: number): Host => this.#view.named('host', nameOf(host))!

  /** Bootd says that a host reads off, for the fence that is under way. */
  proveOff(host: number, now: Ms): void {
    const { uuid, recovery } = this.#host(host).decided
    if (recovery?.phase !== 'fencing') return
    const at = new Date(wallAt + now).toISOString()
    const fence = recovery.id
    const because = 'read off twice'
    const state: FenceState = {
      ...{ host: uuid, name: nameOf(host), want: 'off', fence, epoch: 1, phase: 'proven' },
      ...{ since: at, attempt: 1, level: 1, story: [], devices: [] },
      verdict: { verdict: 'off-confirmed', fence, epoch: 1, at, tookMs: 300, because }
    }
    this.#view.fold({ type: 'fences', states: [state], at: this.#context(now).now })
  }

  /** The fence that is under way for a host; undefined: none. */
  fenceOf(host: number): 'fencing' | 'fenced' | undefined {
    return this.#host(host).decided.recovery?.phase
  }
}

const isHost = ({ kind }: { readonly kind: string }): boolean => kind === 'host'

const hostOf = (host: number, rack: number): Host => ({
  kind: 'host',
  id: `h-${host}`,
  name: nameOf(host),
  labels: { rack: `r${rack}` },
  generation: 1,
  createdAt: new Date(wallAt).toISOString(),
  spec: {
    schedulable: true,
    reservedMib: 0,
    vcpusPerThread: 4,
    fence: [{ devices: [{ type: 'lab', socket: '/run/keeper.sock', host: nameOf(host) }] }]
  },
  decided: {
    approval: 'approved',
    uuid: uuidOf(host),
    publicKey: nameOf(host).padEnd(40, 'k'),
    endpoint: `tcp://10.0.0.${host}:7411`,
    bootId: 'boot-0'
  }
})

const reportOf = (said: {
  readonly host: number
  readonly boot: number
  readonly number: number
  readonly peers: readonly PeerSeen[]
}): Report => ({
  type: 'report',
  host: uuidOf(said.host),
  hostname: nameOf(said.host),
  agentVersion: '0',
  bootId: `boot-${said.boot}`,
  agentRun: 'run',
  number: said.number,
  epoch: 1,
  generation: 0,
  settledGeneration: 0,
  memoryFreeMib: 0,
  images: [],
  pools: [],
  networks: [],
  volumes: [],
  instances: [],
  foreign: [],
  notices: [],
  peers: said.peers
})
