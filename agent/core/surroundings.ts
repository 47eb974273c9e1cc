import type { OrderVolume } from '#shared/wire/order.ts'
import { type Allotment, allotDevices } from './allotment.ts'
import { allotCells, type CellAllotment } from './allotment-cells.ts'
import type { NetworkVerdict } from './diff-networks.ts'
import type { VolumeUsers, VolumeVerdict } from './diff-volumes.ts'
import type { OwnDomain } from './metadata.ts'
import type { SortedDomains } from './own-domains.ts'
import type { Domain, Driver } from './ports.ts'
import type { Situation } from './situation.ts'

/** All that an instance stands in, with what is looked up for each of them. */
export type Surroundings = {
  readonly situation: Situation
  readonly sorted: SortedDomains
  readonly volumes: ReadonlyMap<string, VolumeVerdict>
  readonly users: VolumeUsers
  readonly networks: ReadonlyMap<string, NetworkVerdict>
  readonly indexes: Indexes
}

/** What is looked up by name or id, made once for all instances. */
export type Indexes = {
  /** Our domains, by driver and id of the instance. */
  readonly own: ReadonlyMap<string, OwnDomain>
  /** Our domains, by driver and their own name. */
  readonly names: ReadonlyMap<string, OwnDomain>
  /** Foreign domains, by UUID and by driver and name. */
  readonly foreign: ReadonlyMap<string, Domain>
  /** Formats of the ordered volumes, by id. */
  readonly formats: ReadonlyMap<string, OrderVolume['format']>
  /** Largest packets of the ordered networks, by id. */
  readonly mtus: ReadonlyMap<string, number>
  /** Names of the pools that other hosts see too. */
  readonly sharedPools: ReadonlySet<string>
  /** What those that want devices and have no domain would be given, by id. */
  readonly allotments: ReadonlyMap<string, Allotment>
  /** The NUMA cells that those would be in which are to fit into one and have no domain, by id. */
  readonly cells: ReadonlyMap<string, CellAllotment>
}

/** Under which a domain is found: something of it, with its driver. */
export const indexKey = (driver: Driver, text: string): string => `${driver}/${text}`

/** Makes what is looked up for each instance, once for all. */
export function indexesOf(situation: Situation, sorted: SortedDomains): Indexes {
  const { order } = situation
  const { own, foreign } = sorted
  return {
    allotments: allotDevices(situation, sorted),
    cells: allotCells(situation, sorted),
    own: new Map(own.map(each => [indexKey(each.domain.driver, each.metadata.id), each])),
    names: new Map(own.map(each => [indexKey(each.domain.driver, each.domain.name), each])),
    foreign: new Map(
      foreign.flatMap(domain => [
        [domain.uuid, domain],
        [indexKey(domain.driver, domain.name), domain]
      ])
    ),
    formats: new Map(order.volumes.map(volume => [volume.id, volume.format])),
    mtus: new Map(order.networks.map(network => [network.id, network.mtu])),
    sharedPools: new Set(order.pools.filter(pool => pool.shared).map(pool => pool.name))
  }
}
