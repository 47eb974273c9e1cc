import { type Cidr, overlaps, parseIpv4 } from '#shared/cidr.ts'
import { isBridgeName, type Layout } from './network-layout.ts'

/** An interface as `ip -details address` shows it. */
export type Link = {
  readonly name: string
  /** bridge, veth, tun, vlan …; undefined: hardware. */
  readonly kind: string | undefined
  /** The bridge that it is in. */
  readonly master: string | undefined
  readonly mac: string
  readonly mtu: number
  readonly up: boolean
  readonly alias: string | undefined
  /** Addresses of global scope with prefix lengths, IPv4 and IPv6. */
  readonly addresses: readonly string[]
}

/** The lines of an ip(8) batch that bring a network about, or why that cannot be. */
export type LinkPlan = { readonly lines: readonly string[] } | { readonly failure: string }

/** A port that exists may have lost its bridge, as when somebody removed that by hand. */
export type PortLink = { readonly interface: string; readonly bridge: string }

/** Works out what must change for a network's bridge to be as it should; nothing when it is. */
export function diffBridge(
  layout: Layout,
  links: ReadonlyMap<string, Link>,
  ports: readonly PortLink[]
): LinkPlan {
  const failure = obstacle(layout, links)
  if (failure !== undefined) return { failure }
  const { bridge, mac, mtu, addresses } = layout
  const present = links.get(bridge)
  const lines: string[] = []
  if (!present) {
    const settings = 'forward_delay 0 stp_state 0 mcast_snooping 0'
    lines.push(
      `link add name ${bridge} address ${mac} type bridge ${settings}`,
      `link set dev ${bridge} addrgenmode none`
    )
  } else if (present.mac !== mac) {
    lines.push(`link set dev ${bridge} address ${mac}`)
  }
  if (present?.mtu !== mtu) lines.push(`link set dev ${bridge} mtu ${mtu}`)
  for (const old of present?.addresses ?? []) {
    if (!addresses.includes(old)) lines.push(`address delete ${old} dev ${bridge}`)
  }
  for (const address of addresses) {
    if (!present?.addresses.includes(address)) {
      lines.push(`address add ${address} dev ${bridge}`)
    }
  }
  lines.push(...diffUplink(layout, links))
  if (!present?.up) lines.push(`link set dev ${bridge} up`)
  for (const port of ports) {
    const link = links.get(port.interface)
    if (port.bridge === bridge && link && link.master !== bridge) {
      lines.push(`link set dev ${port.interface} master ${bridge}`)
    }
  }
  return { lines }
}

/** The bridge's alias names the uplink that we gave it, so that we take back no other. */
function diffUplink(layout: Layout, links: ReadonlyMap<string, Link>): readonly string[] {
  const { bridge, uplink } = layout
  const present = links.get(bridge)
  const alias = `remuda ${layout.id}${uplink === undefined ? '' : ` uplink=${uplink}`}`
  const old = /^remuda \S+ uplink=(\S+)$/.exec(present?.alias ?? '')?.[1]
  const lines: string[] = []
  if (old !== undefined && old !== uplink && links.get(old)?.master === bridge) {
    lines.push(`link set dev ${old} nomaster`)
  }
  if (present?.alias !== alias) lines.push(`link set dev ${bridge} alias "${alias}"`)
  const link = uplink === undefined ? undefined : links.get(uplink)
  if (link && link.master !== bridge) lines.push(`link set dev ${uplink} master ${bridge}`)
  if (link && !link.up) lines.push(`link set dev ${uplink} up`)
  return lines
}

/** Says what on this host does not allow the network. */
function obstacle(layout: Layout, links: ReadonlyMap<string, Link>): string | undefined {
  const kind = links.get(layout.bridge)?.kind
  if (links.has(layout.bridge) && kind !== 'bridge') {
    return `interface ${layout.bridge} exists and is no bridge but ${kind ?? 'hardware'}`
  }
  if (layout.kind !== 'site') {
    for (const link of links.values()) {
      if (isBridgeName(link.name)) continue
      for (const { cidr, range } of layout.subnets) {
        const there = link.addresses.find(address => inside(address, range))
        if (there !== undefined) {
          return `its subnet ${cidr} overlaps ${there}, which interface ${link.name} carries`
        }
      }
    }
  }
  return layout.uplink === undefined ? undefined : uplinkObstacle(layout, links)
}

function uplinkObstacle(layout: Layout, links: ReadonlyMap<string, Link>): string | undefined {
  const { uplink, bridge, mtu } = layout
  const link = links.get(uplink!)
  if (!link) return `its uplink ${uplink} is no interface of this host`
  if (link.master !== undefined && link.master !== bridge) {
    return `its uplink ${uplink} is in ${link.master} already`
  }
  if (link.addresses.length > 0) {
    return (
      `its uplink ${uplink} carries ${link.addresses.join(', ')}, which the host would lose: ` +
      'give the network an interface of its own, such as a VLAN'
    )
  }
  if (link.mtu < mtu) {
    return `its uplink ${uplink} passes packets of ${link.mtu} bytes, the network's have ${mtu}`
  }
  return undefined
}

function inside(address: string, range: Cidr): boolean {
  const [host = '', prefix = '32'] = address.split('/')
  const number = parseIpv4(host)
  if (number === undefined) return false
  const size = 2 ** (32 - Number(prefix))
  const first = Math.floor(number / size) * size
  return overlaps({ first, last: first + size - 1, prefix: Number(prefix) }, range)
}

/** The lines that remove these bridges, as far as they are there and could be ours. */
export const removeBridges = (
  links: ReadonlyMap<string, Link>,
  names: readonly string[]
): readonly string[] =>
  names
    .filter(name => isBridgeName(name) && links.get(name)?.kind === 'bridge')
    .map(name => `link delete dev ${name}`)
