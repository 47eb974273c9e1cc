/**
 * The journal of a cloud that was founded before the run begins: hosts that have joined, each with
 * what can prove it off, and instances that have their places. Made by the product's own admission
 * and placement, once for each layout: a commit is never altered, so runs may share it.
 */
import type { HostSpec } from '#shared/model/host.ts'
import type { Ms } from '#shared/units.ts'
import { setHealing } from '../../../controller/core/admission/healing.ts'
import type { Commit } from '../../../controller/core/commit.ts'
import { decide } from '../../../controller/core/decide.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { type SampleCloud, sampleCloud, sampleFacts, wishOf } from '../../world/sample-cloud.ts'

/** Layouts that seeds go through in turn. */
export const layouts = 8

/** What can prove a host off. */
export type Means = 'device' | 'watchdog' | 'both' | 'none'

export type FoundedHost = {
  readonly name: string
  readonly rack: string
  readonly means: Means
  readonly watchdogMs: Ms | undefined
  readonly memoryMib: number
}

export type Founded = {
  readonly hosts: readonly FoundedHost[]
  readonly commits: readonly Commit[]
  /** How many may be lost at once, and everything runs again; and whether a whole rack may. */
  readonly reserveHosts: number
  readonly reserveRack: boolean
  /** Whether less important instances are stopped for others where room is short. */
  readonly mayYield: boolean
  /** Whether hosts have heartbeats on the storage that all see. */
  readonly storageBeats: boolean
}

const known = new Map<string, Founded>()

/** The limit of hosts that fence themselves, and the time of their watchdogs. Unit: ms. */
const [limitMs, watchdogMs]: readonly [Ms, Ms] = [20_000, 10_000]
const hostsPerRack = 4
/** Fewer hosts have not racks enough to lose one. */
const hostsForRacks = 12

/** A cloud of so many hosts; equal ones are made once. */
export function founded(hosts: number, layout: number): Founded {
  const key = `${hosts} ${layout}`
  const made = known.get(key) ?? found(hosts, layout)
  known.set(key, made)
  return made
}

function found(count: number, layout: number): Founded {
  const hosts = Array.from({ length: count }, (_, at) => hostOf(at, layout))
  const commits: Commit[] = []
  const cloud = sampleCloud({}, commit => commits.push(commit))
  for (const host of hosts) joins(cloud, host)
  const storageBeats = layout % 4 !== 2
  const far = { path: '/far', shared: true, ...(!storageBeats && { heartbeats: false }) }
  cloud.done({ verb: 'create', kind: 'pool', name: 'far', spec: wishOf('pool', far) })
  const reserveHosts = count < 6 || layout === 5 ? 1 : 1 + (layout % 2)
  const reserveRack = layout === 4 && count >= hostsForRacks
  const mayYield = mayYieldIn(layout)
  const preemption = mayYield ? ('any' as const) : ('never' as const)
  const reserveDomain = reserveRack ? 'rack' : null
  const wish = { reserveHosts, reserveDomain, preemption }
  const reserve = setHealing(cloud.view, wish, cloud.context)
  if (isRefusal(reserve)) throw new Error(reserve.refused.message)
  cloud.commit(reserve)
  for (let number = 0; number < count * 1.5; number++) create(cloud, number)
  for (const commit of decide(cloud.view, cloud.context)) if (commit) cloud.commit(commit)
  return { hosts, commits, reserveHosts, reserveRack, mayYield, storageBeats }
}

const mayYieldIn = (layout: number): boolean => layout % 2 === 1
/** Where instances may make room for others, or a rack may be lost, there is little of it. */
const lessMibIn = (layout: number): number =>
  layout === 4 || layout === 5 ? 2_304 : mayYieldIn(layout) ? 1_024 : 0

/** Most have a device, some both, some a watchdog alone, and in some layouts one has nothing. */
function hostOf(at: number, layout: number): FoundedHost {
  const kind = (at * 7 + layout * 3) % 10
  const hasNone = layout >= 6 && at === 3
  const means: Means = hasNone ? 'none' : kind < 6 ? 'device' : kind < 8 ? 'both' : 'watchdog'
  return {
    name: `h${at + 1}`,
    rack: `r${Math.floor(at / hostsPerRack)}`,
    means,
    watchdogMs: means === 'both' || means === 'watchdog' ? watchdogMs : undefined,
    memoryMib: (at % 3 === 0 ? 6_144 : 4_096) - lessMibIn(layout)
  }
}

function joins(cloud: SampleCloud, { name, rack, means, memoryMib }: FoundedHost): void {
  const index = Number(name.slice(1))
  const uuid = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`
  const wish = { uuid, hostname: name, publicKey: name.padEnd(40, 'k'), trusted: true }
  cloud.done({ verb: 'join', wish: { ...wish, endpoint: `tcp://${name}:7411` } })
  const host = cloud.host(name)
  const devices = [{ type: 'lab' as const, socket: '/run/keeper.sock', host: name }]
  const spec: HostSpec = {
    ...host.spec,
    ...((means === 'device' || means === 'both') && { fence: [{ devices }] }),
    ...((means === 'watchdog' || means === 'both') && { selfFence: { limitMs } })
  }
  cloud.done({ verb: 'change', kind: 'host', id: host.id, labels: { rack }, spec })
  const { decided, ...rest } = cloud.host(name)
  const bootId = `${name}-boot-1`
  const booted = { ...rest, decided: { ...decided, bootId, probeEndpoint: `tcp://${name}:7413` } }
  cloud.commit({ changes: [{ op: 'put', resource: booted }], decisions: [] })
  const room = { phase: 'ready' as const, message: '', capacityMib: 1_000_000, freeMib: 900_000 }
  const pools = ['local', 'far'].map(pool => ({ name: pool, ...room }))
  cloud.report(name, { bootId, pools, facts: sampleFacts(name, memoryMib) })
}

/** One in nine is kept apart by host, one in nine by rack, two in eighteen together. */
function groupsOf(number: number): object {
  const rule = (affinity: object): object => ({ affinity: [{ hard: true, max: 1, ...affinity }] })
  if (number % 9 === 2) return rule({ group: 'hosts', rule: 'apart', level: 'host' })
  if (number % 9 === 7) return rule({ group: 'racks', rule: 'apart', level: 'rack' })
  if (number % 18 !== 4) return {}
  const group = `pair-${number < 100 ? 0 : number % 3}`
  return { ...rule({ group, rule: 'with', level: 'host' }), highlyAvailable: true }
}

/**
 * What instances are made of: one in six is on local storage, one in seven not kept available. One
 * in five is waited for until its guest agent is there, by one in five others; some are in groups.
 */
export const instanceSpec = (number: number): object =>
  wishOf('instance', {
    image: 'tiny',
    memoryMib: 512 * (1 + (number % 3)),
    pool: number % 6 === 5 ? 'local' : 'far',
    ports: [],
    stopGraceMs: 2_000,
    priority: number % 4,
    ...(number % 7 === 6 && { highlyAvailable: false }),
    ...(number % 5 === 0 && {
      readiness: { guestAgent: true, timeoutMs: 20_000, late: number % 2 ? 'wait' : 'go-on' }
    }),
    ...groupsOf(number),
    ...(number % 5 === 4 && { after: [`i${number < 100 ? number - 4 : 5 * (number % 6)}`] })
  })

function create(cloud: SampleCloud, number: number): void {
  const spec = instanceSpec(number)
  const intent = { verb: 'create', kind: 'instance', name: `i${number}`, spec } as const
  const verdict = cloud.judged(intent)
  if (!isRefusal(verdict)) cloud.commit(verdict.commit)
}
