import type { Instance } from '#shared/model/instance.ts'
import type { Volume } from '#shared/model/volume.ts'
import type { Mib } from '#shared/units.ts'
import { demandOf } from '../admission/instance-place.ts'
import { whyItStays } from '../evacuation.ts'
import { groupKeysOf, presenceOf } from '../groups.ts'
import type { Demand } from '../placement/pipeline.ts'
import type { Scarce } from '../scarce.ts'
import type { View } from '../view.ts'

/** What starts elsewhere when its host is lost, as a plan sees it. */
export type Evacuee = {
  readonly id: string
  readonly name: string
  readonly priority: number
  /** Nothing unless it runs. */
  readonly memoryMib: Mib
  readonly vcpus: number
  readonly orderBytes: number
  /** What it takes of what few hosts have; left out: nothing. */
  readonly scarce?: Scarce
  readonly running: boolean
  /** What it asks of a host besides room, by its number in `Wants`. */
  readonly want: number
  /** The only host that it may go to; '': there is none. Undefined: any. */
  readonly only: string | undefined
  /** Hosts that it goes to only where no other one takes it. */
  readonly avoided: ReadonlySet<string> | undefined
  /** Keys of its groups, and the hosts on which it is counted among them. */
  readonly groups: readonly string[]
  readonly at: readonly string[]
}

/** Wants that fit into one number as bits; what has a later one is planned without bounds. */
export const wantBitsMax = 30

/**
 * The different things that instances ask of a host besides room: a driver, pools, labels. Hosts
 * are asked for each of them once, however many instances share it.
 */
export class Wants {
  readonly #numbers = new Map<string, number>()
  readonly #demands: Demand[] = []

  get count(): number {
    return this.#demands.length
  }

  /** The number of a want, which it keeps. */
  of(demand: Demand): number {
    const key = wantKey(demand)
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    const number = this.#demands.length
    this.#numbers.set(key, number)
    const { groups: _, networks: __, imageIds: ___, scarce: ____, ...rest } = demand
    this.#demands.push(rest)
    return number
  }

  /** Any demand with this want. */
  demand(number: number): Demand {
    return this.#demands[number]!
  }
}

/** The same text for those that ask for the same. */
function wantKey(demand: Demand): string {
  const { type, pools, tenant = '', hostLabels = {}, cpuFeatures = [], acceleration } = demand
  const { architecture = '' } = demand
  const labels = Object.entries(hostLabels).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const isKvm = acceleration === 'kvm'
  const features = cpuFeatures.toSorted()
  const wishes = [tenant, labels, features, isKvm, architecture]
  return JSON.stringify([type, [...pools.keys()].sort(), ...wishes])
}

/** What a plan needs of an instance; undefined: it waits for its own host. */
export function evacueeOf(
  view: View,
  leaving: { readonly instance: Instance; readonly volumes: readonly Volume[] },
  wants: Wants
): Evacuee | undefined {
  const { instance, volumes } = leaving
  if (whyItStays(view, instance, volumes) !== undefined) return undefined
  return leaverOf(view, leaving, wants)
}

/** The same, of one that goes to another host in any case. */
export function leaverOf(
  view: View,
  { instance, volumes }: { readonly instance: Instance; readonly volumes: readonly Volume[] },
  wants: Wants
): Evacuee {
  return placed(view, { instance, volumes: volumes.map(unbound) }, wants)
}

/**
 * What a plan needs of an instance that has no host, or has yielded its room; undefined: it is
 * going.
 */
export function waitingOf(
  view: View,
  waiting: { readonly instance: Instance; readonly volumes: readonly Volume[] },
  wants: Wants
): Evacuee | undefined {
  const { instance } = waiting
  const leaving = instance.decided.preempted && evacueeOf(view, waiting, wants)
  if (leaving) return leaving
  return instance.decided.deletedAt === undefined ? placed(view, waiting, wants) : undefined
}

function placed(
  view: View,
  wanted: { readonly instance: Instance; readonly volumes: readonly Volume[] },
  wants: Wants
): Evacuee {
  const { instance } = wanted
  const demand = demandOf(view, wanted)
  const hosts = new Set(demand.bonds.map(({ host }) => host))
  const [only] = hosts
  return {
    id: instance.id,
    name: instance.name,
    priority: instance.spec.priority,
    memoryMib: demand.running ? demand.memoryMib : 0,
    vcpus: demand.running ? demand.vcpus : 0,
    orderBytes: demand.orderBytes,
    ...(demand.running && demand.scarce && { scarce: demand.scarce }),
    running: demand.running,
    want: wants.of(ownedAsFarAsItMatters(view, demand)),
    only: hosts.size > 1 ? '' : only,
    avoided: demand.avoided && new Set(demand.avoided.keys()),
    groups: groupKeysOf(instance),
    at: presenceOf(instance)
  }
}

/** Tenants without dedicated hosts are alike to all hosts. */
const ownedAsFarAsItMatters = (view: View, { tenant = '', ...demand }: Demand): Demand =>
  view.indexes.dedicated.has(tenant) ? { ...demand, tenant } : demand

/** In the order in which they are placed, as in controller/core/decide.ts. */
export const byPriority = (a: Evacuee, b: Evacuee): number =>
  b.priority - a.priority || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)

const unbound = (volume: Volume): Volume => {
  const { host: _, ...decided } = volume.decided
  return { ...volume, decided }
}
