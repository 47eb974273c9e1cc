import Type from 'typebox'
import { type KindDefinition, Name, type Stored, Strict, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

const Ipv4 = (description: string) => Type.String({ format: 'ipv4', description })

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
export type NetworkDecided = { readonly deletedAt?: string }
export type Network = Stored<'network', NetworkSpec, NetworkDecided>
export const NetworkStatus = Strict({
  phase: Words(['ready', 'failed', 'unknown', 'deleting'], { description: 'Where it stands now.' }),
  ports: Type.Integer({ description: 'Plugs in it. Unit: count.' })
})

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
export type SubnetDecided = { readonly deletedAt?: string }
export type Subnet = Stored<'subnet', SubnetSpec, SubnetDecided>
export const SubnetStatus = Strict({
  phase: Words(['ready', 'deleting'], { description: 'Where it stands now.' }),
  gateway: Type.String({ description: "Hosts' own address in it." }),
  addresses: Type.Integer({ description: 'Addresses that can be given. Unit: count.' }),
  used: Type.Integer({ description: 'Addresses that are given. Unit: count.' })
})

export const PortSpec = Strict({
  network: Name('Network that it is in.'),
  instance: Type.Optional(Name('Instance that it belongs to.')),
  address: Type.Optional(Ipv4('A fixed address; one is chosen when left out.'))
})
export type PortSpec = DeepReadonly<Type.Static<typeof PortSpec>>
export type PortDecided = {
  readonly mac: string
  readonly address: string
  /** Id of the network and of the subnet that the address is from. */
  readonly networkId: string
  readonly subnetId: string
  readonly ownerId?: string
  readonly deletedAt?: string
}
export type Port = Stored<'port', PortSpec, PortDecided>
export const PortStatus = Strict({
  phase: Words(['ready', 'deleting'], { description: 'Where it stands now.' }),
  address: Type.String({ description: 'Its IP address.' }),
  mac: Type.String({ description: 'Its hardware address.' })
})

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
