/**
 * The running instances and the hosts in service as a problem for the placement engine. What it
 * levels are shares: of memory and of vcpus, each by what is promised of what a host may give, and
 * of what is used of processors and lines where that has a weight (see measured.ts). It knows
 * nothing else of the rules; whatever it proposes is judged by all of them before it is planned
 * (see plan.ts), and again before it is begun (see rounds.ts).
 */
import type { Host } from '#shared/model/host.ts'
import type { Instance } from '#shared/model/instance.ts'
import { type Capacity, capacityOf } from '../capacity.ts'
import { whyNotLive } from '../departure.ts'
import type { Dimension, Problem } from '../engine/problem.ts'
import { isResting } from '../indexes.ts'
import { heldMib } from '../overhead.ts'
import { candidateOf } from '../placement/candidates.ts'
import { filterApproved } from '../placement/filter-approved.ts'
import { filterOnline } from '../placement/filter-online.ts'
import type { Moment, View } from '../view.ts'
import { measuredDimensions, type Unmeasured } from './measured.ts'

/** The problem, and what its numbers stand for. */
export type BalanceGround = {
  readonly problem: Problem
  /** Hosts in service, in the order of the problem. */
  readonly hosts: readonly Host[]
  /** Instances that take room there, in the order of the problem. */
  readonly instances: readonly Instance[]
  /** Why instances stay where they are, by their ids. */
  readonly stays: ReadonlyMap<string, string>
  /** What is used, has a weight and is not levelled, and why. */
  readonly unmeasured: readonly Unmeasured[]
}

/** What is to be levelled; `kept`: ids of instances that stay although they could go, and why. */
export function balanceGround(
  view: View,
  now: Moment,
  kept: ReadonlyMap<string, string> = new Map()
): BalanceGround {
  const sites = sitesOf(view, now)
  const hosts = sites.map(({ host }) => host)
  const instances: Instance[] = []
  const first: number[] = []
  const stays = new Map<string, string>()
  for (const [number, { name }] of hosts.entries()) {
    for (const id of [...view.indexes.of('host-instances', name)].sort()) {
      const instance = view.get('instance', id)
      if (!instance || isResting(instance)) continue
      instances.push(instance)
      first.push(number)
      const because = kept.get(id) ?? whyNotLive(view, instance, now)
      if (because !== undefined) stays.set(id, because)
    }
  }
  const used = measuredDimensions(view, { hosts, instances, first }, now)
  const dimensions = [
    dimension('memory', sites, { instances, first }, ({ decided }) => heldMib(decided)),
    dimension('vcpus', sites, { instances, first }, ({ decided }) => decided.vcpus),
    ...used.dimensions
  ]
  const problem: Problem = {
    open: hosts.map(() => 1),
    first,
    second: first.map(() => -1),
    pair: first.map(() => 0),
    fixed: instances.map(({ id }) => Number(stays.has(id))),
    dimensions,
    groups: instances.map(() => []),
    levels: [],
    closedSeatWeight: 4,
    closedFirstWeight: 16
  }
  return { problem, hosts, instances, stays, unmeasured: used.unmeasured }
}

type Site = { readonly host: Host; readonly capacity: Capacity }

function sitesOf(view: View, now: Moment): readonly Site[] {
  return [...view.all('host').values()]
    .filter(({ decided }) => decided.deletedAt === undefined)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(host => {
      const capacity = capacityOf(view, host)
      const candidate = candidateOf(view, host, now.monotonic)
      const isOpen = [filterApproved, filterOnline].every(
        filter => filter(candidate, nothing) === undefined
      )
      const isUsable = capacity && capacity.memoryMib > 0 && capacity.vcpus > 0
      return isOpen && isUsable ? [{ host, capacity }] : []
    })
}

/** Whether a host is in service is not a question of what is to be placed. */
const nothing = {
  name: '',
  type: 'vm',
  memoryMib: 0,
  vcpus: 0,
  pools: new Map(),
  bonds: [],
  orderBytes: 0,
  running: true
} as const

function dimension(
  name: 'memory' | 'vcpus',
  sites: readonly Site[],
  seated: { readonly instances: readonly Instance[]; readonly first: readonly number[] },
  amountOf: (instance: Instance) => number
): Dimension {
  const { instances, first } = seated
  const amount = instances.map(amountOf)
  const own = sites.map(() => 0)
  for (const [demand, host] of first.entries()) own[host]! += amount[demand]!
  const promised = sites.map(({ capacity }) =>
    name === 'memory' ? capacity.memoryPromisedMib : capacity.vcpusPromised
  )
  const capacity = sites.map(site =>
    name === 'memory' ? site.capacity.memoryMib : site.capacity.vcpus
  )
  return {
    ...{ name, weight: 1, both: false, hard: true },
    capacity,
    taken: promised.map((all, host) => Math.max(0, all - own[host]!)),
    limit: capacity,
    amount
  }
}
