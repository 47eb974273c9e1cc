import Type from 'typebox'
import {
  type KindDefinition,
  Name,
  type NothingDecided,
  type Stored,
  Strict,
  Words
} from './resource.ts'
import type { DeepReadonly } from './types.ts'

const Ipv4 = (description: string) => Type.String({ format: 'ipv4', description })

/** How a network is built on each host that has an instance in it. */
export const NetworkSpec = Strict({
  driver: Words(['flat'], {
    description: 'flat: one bridge on each host.',
    default: 'flat'
  }),
  mtu: Type.Integer({
    minimum: 576,
    maximum: 9216,
    default: 1500,
    description: 'Largest packet. Unit: bytes.'
  }),
  uplink: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9._-]{1,15}$',
      description: "Host's interface that the bridge reaches the outside by; none: host only."
    })
  ),
  nat: Type.Boolean({
    default: true,
    description: "Whether instances reach the outside under their host's address."
  }),
  shared: Type.Boolean({ default: false, description: 'Whether other tenants may plug in.' })
})
export type NetworkSpec = DeepReadonly<Type.Static<typeof NetworkSpec>>

/** A network in the journal. */
export type Network = Stored<'network', NetworkSpec, NothingDecided>

/** Whether a network stands on all hosts that were told of it, and its ports in all. */
export const NetworkStatus = Strict({
  phase: Words(['ready', 'failed', 'unknown', 'deleting'], { description: 'Where it stands now.' }),
  ports: Type.Integer({ description: 'Plugs in it. Unit: count.' })
})

/** An address range, which must not overlap that of any other subnet of the cloud. */
export const SubnetSpec = Strict({
  network: Name('Network that it is an address range of.'),
  cidr: Type.String({
    pattern: '^\\d{1,3}(\\.\\d{1,3}){3}/\\d{1,2}$',
    description: 'Address range, such as 10.66.0.0/24.'
  }),
  gateway: Type.Optional(Ipv4("Hosts' own address in it; the first one when left out.")),
  dns: Type.Array(Ipv4('A name server.'), {
    default: [],
    maxItems: 4,
    description: 'Name servers to offer; the gateway when empty.'
  }),
  first: Type.Optional(Ipv4('First address to give; the one after the gateway when left out.')),
  last: Type.Optional(Ipv4('Last address to give; the last but broadcast when left out.'))
})
export type SubnetSpec = DeepReadonly<Type.Static<typeof SubnetSpec>>

/** Which addresses of a subnet are given is not decided here: its ports say it. */
export type SubnetDecided = { readonly deletedAt?: string }

/** A subnet in the journal. */
export type Subnet = Stored<'subnet', SubnetSpec, SubnetDecided>

/** How many addresses a subnet has, and how many are given. */
export const SubnetStatus = Strict({
  phase: Words(['ready', 'deleting'], { description: 'Where it stands now.' }),
  gateway: Type.String({ description: "Hosts' own address in it." }),
  addresses: Type.Integer({ description: 'Addresses that can be given. Unit: count.' }),
  used: Type.Integer({ description: 'Addresses that are given. Unit: count.' })
})

/** What was asked for when the port's instance was created; it never changes. */
export const PortSpec = Strict({
  network: Name('Network that it is in.'),
  instance: Type.Optional(Name('Instance that it belongs to.')),
  address: Type.Optional(Ipv4('A fixed address; one is chosen when left out.'))
})
export type PortSpec = DeepReadonly<Type.Static<typeof PortSpec>>

/** The addresses that a port was given; they stay its own until it goes. */
export type PortDecided = {
  readonly mac: string
  readonly address: string
  /** Id of the network and of the subnet that the address is from. */
  readonly networkId: string
  readonly subnetId: string
  readonly ownerId?: string
}

/** A port in the journal; it is made and removed together with its instance. */
export type Port = Stored<'port', PortSpec, PortDecided>

/** What the API shows of `PortDecided`. */
export const PortStatus = Strict({
  phase: Words(['ready', 'deleting'], { description: 'Where it stands now.' }),
  address: Type.String({ description: 'Its IP address.' }),
  mac: Type.String({ description: 'Its hardware address.' })
})

/** Networks belong to a tenant; instances of others may plug in where `shared` says so. */
export const networkKind: KindDefinition = {
  kind: 'network',
  plural: 'networks',
  prefix: 'n',
  scope: 'tenant',
  creatable: true,
  doc: 'A segment in which instances reach each other directly.',
  spec: NetworkSpec,
  status: NetworkStatus
}

/** Subnets belong to the tenant of their network, which they name in their spec. */
export const subnetKind: KindDefinition = {
  kind: 'subnet',
  plural: 'subnets',
  prefix: 's',
  scope: 'tenant',
  creatable: true,
  doc: 'An address range on a network.',
  spec: SubnetSpec,
  status: SubnetStatus
}

/** Ports come and go with their instance; nobody creates them. */
export const portKind: KindDefinition = {
  kind: 'port',
  plural: 'ports',
  prefix: 'p',
  scope: 'tenant',
  creatable: false,
  doc: "An instance's plug in a network, with its addresses; made with the instance.",
  spec: PortSpec,
  status: PortStatus
}
