import type { HostFacts } from '#shared/model/host-facts.ts'
import type { Mib } from '#shared/units.ts'
import type { OrderInstance, OrderPort, OrderVolume } from '#shared/wire/order.ts'
import type { Acceleration, DomainMetadata } from './metadata.ts'
import type { Driver, HypervisorAbilities } from './ports.ts'
import { counted } from './words.ts'

/** What the agent must know of its host to describe a domain. */
export type HostContext = {
  readonly hostname: string
  /** undefined: libvirt has not been asked yet. */
  readonly abilities: HypervisorAbilities | undefined
  /** Architecture of its processors, as the kernel names it; left out: x86_64. */
  readonly architecture?: string
  /** Whether KVM was seen to work. */
  readonly kvm: boolean
  /** Absolute path of the folder that console logs are in. */
  readonly consoleFolder: string
  /** Its scarce devices; left out: it has none. */
  readonly devices?: HostFacts['devices']
  /** What its NUMA cells are told from; left out: it has none. */
  readonly cells?: Pick<HostFacts, 'numa' | 'memoryMib' | 'hugepages'>
}

/** A volume that stands ready for a domain. */
export type PlannedVolume = {
  readonly id: string
  readonly path: string
  readonly format: OrderVolume['format']
  /** Whether other hosts see it too. */
  readonly shared: boolean
}

/** A port with what its network says of it. */
export type PlannedPort = OrderPort & { readonly mtu: number }

/** All that a start needs, found and ready: what is written into the domain's XML. */
export type DomainPlan = {
  readonly cloud: string
  readonly instance: OrderInstance
  readonly driver: Driver
  readonly acceleration: Acceleration
  /** Path of the emulator; undefined: libvirt's own choice. */
  readonly emulator: string | undefined
  readonly machine: string
  /** What its processor is, which is what its host's is; left out: x86_64. */
  readonly architecture?: string
  readonly volumes: readonly PlannedVolume[]
  readonly ports: readonly PlannedPort[]
  /** PCI addresses of the devices that it has for itself; left out: none. */
  readonly devices?: readonly string[]
  /** The NUMA cell that it is to fit into; left out: none. */
  readonly cell?: { readonly index: number; readonly threads: readonly number[] }
  readonly consoleLog: string
  /** Fingerprint; see `hardwareOf`. */
  readonly hardware: string
  /** Which start this is. */
  readonly startCount: number
}

/**
 * Names an order. Of two starts of one instance on different hosts the later one is of a later
 * order: a higher epoch, or a higher generation in the same one.
 */
export type OrderName = { readonly epoch: number; readonly generation: number }

/** A port's two names on the host. */
export type Link = { readonly bridge: string; readonly interface: string }

/** libvirt's driver for an instance. */
export const driverOf = (instance: Pick<OrderInstance, 'type'>): Driver =>
  instance.type === 'vm' ? 'qemu' : 'lxc'

/**
 * Name of an instance's domain. Names are unique in a tenant and have no dot, so two instances
 * never share one.
 */
export const domainName = (instance: Pick<OrderInstance, 'tenant' | 'name'>): string =>
  `${instance.tenant}.${instance.name}`

/** What the domain will say of itself. */
export const metadataOf = (plan: DomainPlan, startedAt: string): DomainMetadata => ({
  version: 1,
  cloud: plan.cloud,
  id: plan.instance.id,
  tenant: plan.instance.tenant,
  name: plan.instance.name,
  generation: plan.instance.generation,
  hardware: plan.hardware,
  restarts: plan.instance.restarts,
  startedAt,
  startCount: plan.startCount,
  stopGraceMs: plan.instance.stopGraceMs,
  volumes: plan.instance.volumes,
  ports: plan.instance.ports.map(port => port.id),
  acceleration: plan.acceleration
})

/** What is asked of a host for one instance, in words. */
export const shapeOf = (shape: { readonly vcpus: number; readonly memoryMib: Mib }): string =>
  `${counted(shape.vcpus, 'vcpu')} and ${shape.memoryMib} MiB`
