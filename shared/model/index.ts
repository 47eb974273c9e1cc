/** The table of kinds: everything that walks all kinds (API, CLI, docs, fold) walks this. */
import type { Event } from './event.ts'
import { eventKind } from './event.ts'
import type { Host } from './host.ts'
import { hostKind } from './host.ts'
import type { Image } from './image.ts'
import { imageKind } from './image.ts'
import type { Instance } from './instance.ts'
import { instanceKind } from './instance.ts'
import type { Job } from './job.ts'
import { jobKind } from './job.ts'
import type { Network, Port, Subnet } from './network.ts'
import { networkKind, portKind, subnetKind } from './network.ts'
import type { Pool } from './pool.ts'
import { poolKind } from './pool.ts'
import type { Condition, Kind, KindDefinition } from './resource.ts'
import type { Size } from './size.ts'
import { sizeKind } from './size.ts'
import type { Tenant } from './tenant.ts'
import { tenantKind } from './tenant.ts'
import type { Volume } from './volume.ts'
import { volumeKind } from './volume.ts'

/** The stored type of each kind. */
export type ResourceOf = {
  readonly tenant: Tenant
  readonly host: Host
  readonly pool: Pool
  readonly volume: Volume
  readonly image: Image
  readonly network: Network
  readonly subnet: Subnet
  readonly port: Port
  readonly instance: Instance
  readonly size: Size
  readonly event: Event
  readonly job: Job
}

/** Any resource, told apart by `kind`. */
export type Resource = ResourceOf[Kind]

/** Every kind by its name; a new kind is added here and in `ResourceOf`. */
export const kinds: { readonly [K in Kind]: KindDefinition } = {
  tenant: tenantKind,
  host: hostKind,
  pool: poolKind,
  volume: volumeKind,
  image: imageKind,
  network: networkKind,
  subnet: subnetKind,
  port: portKind,
  instance: instanceKind,
  size: sizeKind,
  event: eventKind,
  job: jobKind
}

/** A resource as the API shows it: the wish, and what is so. */
export type ResourceDocument = {
  readonly kind: Kind
  readonly id: string
  readonly name: string
  readonly tenant?: string
  readonly labels: Readonly<Record<string, string>>
  readonly spec: Readonly<Record<string, unknown>>
  readonly status: Readonly<Record<string, unknown>>
  readonly conditions: readonly Condition[]
  readonly generation: number
  readonly observedGeneration: number
  readonly createdAt: string
}

export { kindNames } from './resource.ts'
export type { Condition, Kind, KindDefinition }
