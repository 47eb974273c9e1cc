/**
 * Works out what each network is on this host: names, addresses, and what the host is in it.
 *
 * There are three kinds, by two settings. Without an uplink the network ends at the host. With
 * `nat` the host is the instances' gateway and DNS server: it carries the gateway's address on the
 * bridge, as each other host does on its own, and keeps frames about it off the uplink, so that
 * every instance talks to the gateway of its own host. With an uplink and without NAT the network
 * is that of the site: the gateway is the site's router, and the host has only a link-local address
 * on the bridge, to give the instances their addresses by DHCP.
 */
import { type Cidr, formatIpv4, overlaps, parseCidr, parseIpv4 } from '#shared/cidr.ts'
import { shortName } from '#shared/ids.ts'
import type { OrderNetwork } from '#shared/wire/order.ts'

/** A subnet in the forms in which the kernel, dnsmasq and the packet filter want it. */
export type Subnet = {
  /** The range, such as 10.66.0.0/24. */
  readonly cidr: string
  readonly range: Cidr
  /** First address of the range and its mask, such as 10.66.0.0 and 255.255.255.0. */
  readonly base: string
  readonly mask: string
  readonly gateway: string
  /** Name servers to offer. */
  readonly dns: readonly string[]
}

/** What a network is on this host, worked out of its order; two hosts with one order agree. */
export type Layout = {
  readonly id: string
  readonly name: string
  readonly bridge: string
  /** The bridge's hardware address: the same on every host, so that a gateway looks the same. */
  readonly mac: string
  readonly mtu: number
  /** isolated: host only; nat: the host is the gateway; site: the site's router is. */
  readonly kind: 'isolated' | 'nat' | 'site'
  readonly uplink: string | undefined
  readonly subnets: readonly Subnet[]
  /** What the bridge carries, with prefix lengths. */
  readonly addresses: readonly string[]
}

/** What the host's bridge carries on a network whose gateway is not the host. */
export const siteAddress = '169.254.0.1'

/** Name of the bridge of a network, 14 characters. */
export const bridgeOf = (networkId: string): string => shortName('rb', networkId)
/** Name of the host's side of a port, 14 characters. */
export const interfaceOf = (portId: string): string => shortName('rp', portId)

/** Says whether an interface has a name as our bridges have it. */
export const isBridgeName = (name: string): boolean => /^rb[0-9a-f]{12}$/.test(name)

/** Lays out all networks of a host; those that cannot stand beside the others get a sentence. */
export function layNetworks(networks: readonly OrderNetwork[]): {
  readonly layouts: readonly Layout[]
  readonly failures: ReadonlyMap<string, string>
} {
  const layouts: Layout[] = []
  const failures = new Map<string, string>()
  for (const network of networks.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    const layout = layNetwork(network)
    const failure = typeof layout === 'string' ? layout : collision(layout, layouts)
    if (failure !== undefined) failures.set(network.id, failure)
    else layouts.push(layout as Layout)
  }
  return { layouts, failures }
}

function layNetwork(network: OrderNetwork): Layout | string {
  const { id, name, mtu, nat, uplink } = network
  const kind = nat ? 'nat' : uplink === undefined ? 'isolated' : 'site'
  const bridge = bridgeOf(id)
  if (!isBridgeName(bridge)) return `cannot name a bridge after ${id}: its id is no UUID`
  const subnets: Subnet[] = []
  for (const { cidr, gateway, dns } of network.subnets) {
    const range = parseCidr(cidr)
    if (!range || range.prefix < 1 || parseIpv4(gateway) === undefined) {
      return `cannot use subnet ${cidr} with gateway ${gateway}: they are no IPv4 range and address`
    }
    const mask = formatIpv4((0xffffffff << (32 - range.prefix)) >>> 0)
    const servers = dns.length > 0 ? dns : [gateway]
    subnets.push({ cidr, range, base: formatIpv4(range.first), mask, gateway, dns: servers })
  }
  const addresses =
    kind === 'site'
      ? [`${siteAddress}/32`]
      : subnets.map(subnet => `${subnet.gateway}/${subnet.range.prefix}`)
  return { id, name, bridge, mac: macOf(id), mtu, kind, uplink, subnets, addresses }
}

/** A locally administered address from the random end of the network's id. */
const macOf = (id: string): string => ['0a', ...(id.slice(-10).match(/../g) ?? [])].join(':')

/** Says which of the networks before it leaves no room for this one. */
function collision(layout: Layout, others: readonly Layout[]): string | undefined {
  for (const other of others) {
    if (other.bridge === layout.bridge) {
      return `its bridge ${layout.bridge} is that of network ${other.name} already`
    }
    if (layout.uplink !== undefined && other.uplink === layout.uplink) {
      return `its uplink ${layout.uplink} is that of network ${other.name} already`
    }
    for (const { cidr, range } of layout.subnets) {
      const twin = other.subnets.find(subnet => overlaps(subnet.range, range))
      if (!twin || layout.kind === 'site' || other.kind === 'site') continue
      return `its subnet ${cidr} overlaps ${twin.cidr} of network ${other.name} on this host`
    }
  }
  return undefined
}
