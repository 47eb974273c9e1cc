import type { Host } from '#shared/model/host.ts'
import type { Ms } from '#shared/units.ts'
import type { Report } from '#shared/wire/order.ts'
import { capacityOf } from '../capacity.ts'
import { phaseOf } from '../liveness.ts'
import type { View } from '../view.ts'
import type { Candidate } from './pipeline.ts'

/** All hosts as placement sees them at a moment. */
export function candidatesOf(view: View, now: Ms): readonly Candidate[] {
  return [...view.all('host').values()]
    .filter(host => !host.decided.deletedAt)
    .map(host => candidateOf(view, host, now))
}

/** One host as placement sees it. */
export function candidateOf(view: View, host: Host, now: Ms): Candidate {
  const heard = view.heard(host.name)
  return {
    host,
    phase: phaseOf(host, heard, now),
    capacity: capacityOf(view, host),
    drivers: heard.report?.facts?.drivers ?? [],
    facts: heard.report?.facts,
    memoryFreeMib: heard.report?.memoryFreeMib ?? 0,
    use: view.uses.of(host.name, now),
    images: imagesIn(heard.report?.images ?? noImages),
    networkFaults: faultsIn(heard.report?.networks ?? noNetworks),
    ...roomIn(heard.report?.pools ?? noPools),
    orderBytes: view.indexes.promised(host.name).orderBytes
  }
}

type Pools = Report['pools']
type Room = Pick<Candidate, 'poolFreeMib' | 'poolShares' | 'poolFaults'>

const noPools: Pools = []
/** Worked out once for each report: a host is judged far more often than it reports. */
const rooms = new WeakMap<Pools, Room>()

function roomIn(pools: Pools): Room {
  const known = rooms.get(pools)
  if (known) return known
  const ready = pools.filter(pool => pool.phase === 'ready')
  const failed = pools.filter(pool => pool.phase === 'failed')
  const room = {
    poolFreeMib: new Map(ready.map(pool => [pool.name, pool.freeMib])),
    poolShares: new Map(
      ready.map(({ name, freeMib, capacityMib }) => [name, freeMib / Math.max(1, capacityMib)])
    ),
    poolFaults: new Map(failed.map(pool => [pool.name, pool.message]))
  }
  rooms.set(pools, room)
  return room
}

type Networks = Report['networks']
const noNetworks: Networks = []
const noFaults: ReadonlyMap<string, string> = new Map()
const networkFaults = new WeakMap<Networks, ReadonlyMap<string, string>>()

function faultsIn(networks: Networks): ReadonlyMap<string, string> {
  if (networks.length === 0) return noFaults
  const known = networkFaults.get(networks)
  if (known) return known
  const failed = networks.filter(network => network.phase === 'failed')
  const made =
    failed.length === 0 ? noFaults : new Map(failed.map(({ id, message }) => [id, message]))
  networkFaults.set(networks, made)
  return made
}

type Images = Report['images']
const noImages: Images = []
const imageSets = new WeakMap<Images, ReadonlySet<string>>()

function imagesIn(images: Images): ReadonlySet<string> {
  const known = imageSets.get(images)
  if (known) return known
  const made = new Set(images)
  imageSets.set(images, made)
  return made
}
