/**
 * The packet filter of a host, as text for nft(8).
 *
 * Two tables, both named remuda, replaced as a whole in one transaction. The bridge table sees
 * every frame that leaves an instance before anything else does: its hardware and IP addresses must
 * be those of its port, it may not play DHCP server, and nothing but IPv4 and ARP passes. An
 * interface that is named like a port of ours, but that no order knows, is mute. The inet table
 * keeps networks apart, guards the host, and hides instances of NAT networks behind the host's
 * address.
 *
 * An uplink joins the bridges of several hosts, each of which gives addresses to its own instances
 * and, with NAT, is their gateway under the same address. So DHCP never crosses an uplink, nor does
 * a frame from or about the gateway.
 */
import type { BootServer } from './boot-server.ts'
import { interfaceOf, type Layout } from './network-layout.ts'
import { phoneHomePort } from './readiness.ts'

/** What the filter must know of a port. */
export type FilterPort = {
  readonly id: string
  readonly mac: string
  readonly address: string
  /** It may call the host at its gateway, to say that it is ready. */
  readonly phonesHome?: boolean
}

/** Name of both tables. */
export const tableName = 'remuda'

/**
 * Writes the whole ruleset; without networks it only removes the tables. What instances of NAT
 * networks send has the host's address, by which the boot server knows the host; so it may not go
 * there.
 */
export function nftRuleset(
  layouts: readonly Layout[],
  ports: readonly FilterPort[],
  bootServer?: BootServer
): string {
  const networks = layouts.toSorted(by(layout => layout.bridge))
  const clean = ['inet', 'bridge'].flatMap(family => [
    `table ${family} ${tableName}`,
    `delete table ${family} ${tableName}`
  ])
  if (networks.length === 0) return `${clean.join('\n')}\n`
  const sorted = ports.toSorted(by(port => port.id))
  const tables = [inetTable(networks, sorted, bootServer), bridgeTable(networks, sorted)]
  const text = [...clean, ...tables].join('\n')
  return `${text}\n`
}

function inetTable(
  networks: readonly Layout[],
  ports: readonly FilterPort[],
  bootServer: BootServer | undefined
): string {
  const callers = ports.filter(port => port.phonesHome === true)
  const hosted = networks.filter(network => network.kind !== 'site')
  const nat = networks.filter(network => network.kind === 'nat')
  return table('inet', [
    set(
      'bridges',
      'ifname',
      networks.map(network => quote(network.bridge))
    ),
    set(
      'nat_bridges',
      'ifname',
      nat.map(network => quote(network.bridge))
    ),
    set(
      'same_bridge',
      'ifname . ifname',
      networks.map(({ bridge }) => `${quote(bridge)} . ${quote(bridge)}`)
    ),
    set(
      'gateways',
      'ifname . ipv4_addr',
      hosted.flatMap(({ bridge, subnets }) =>
        subnets.map(({ gateway }) => `${quote(bridge)} . ${gateway}`)
      )
    ),
    ...(callers.length === 0
      ? []
      : [
          set(
            'callers',
            'ipv4_addr',
            callers.map(({ address }) => address)
          )
        ]),
    chain('input', 'type filter hook input priority filter; policy accept;', [
      'iifname @bridges jump to_host'
    ]),
    chain('forward', 'type filter hook forward priority filter; policy accept;', [
      'iifname . oifname @same_bridge accept',
      'iifname @bridges jump from_network',
      'oifname @bridges jump to_network'
    ]),
    chain('postrouting', 'type nat hook postrouting priority srcnat; policy accept;', [
      ...nat.flatMap(({ bridge, subnets }) =>
        subnets.map(
          ({ cidr }) =>
            `ip saddr ${cidr} ip daddr != ${cidr} oifname != ${quote(bridge)} masquerade`
        )
      )
    ]),
    chain('to_host', undefined, [
      'ct state established,related accept',
      'udp sport 68 udp dport 67 accept',
      'iifname . ip daddr @gateways udp dport 53 accept',
      'iifname . ip daddr @gateways tcp dport 53 accept',
      'iifname . ip daddr @gateways icmp type echo-request accept',
      ...(callers.length === 0
        ? []
        : [`iifname . ip daddr @gateways ip saddr @callers tcp dport ${phoneHomePort} accept`]),
      'drop'
    ]),
    chain('from_network', undefined, fromNetwork(bootServer)),
    chain('to_network', undefined, ['ct state established,related accept', 'drop'])
  ])
}

const fromNetwork = (bootServer: BootServer | undefined): readonly string[] => [
  'oifname @bridges drop',
  ...(bootServer === undefined
    ? []
    : [
        `ip daddr ${bootServer.address} meta l4proto { tcp, udp } th dport ${bootServer.port} drop`
      ]),
  'ct state established,related accept',
  'iifname @nat_bridges accept',
  'drop'
]

function bridgeTable(networks: readonly Layout[], ports: readonly FilterPort[]): string {
  const plugs = ports.map(port => ({ ...port, interface: quote(interfaceOf(port.id)) }))
  const uplinked = networks.filter(network => network.uplink !== undefined)
  const hosted = uplinked.filter(network => network.kind !== 'site')
  return table('bridge', [
    set(
      'port_macs',
      'ifname . ether_addr',
      plugs.map(plug => `${plug.interface} . ${plug.mac}`)
    ),
    set(
      'port_addresses',
      'ifname . ipv4_addr',
      plugs.map(plug => `${plug.interface} . ${plug.address}`)
    ),
    set(
      'uplinks',
      'ifname',
      uplinked.map(network => quote(network.uplink!))
    ),
    set(
      'host_macs',
      'ifname . ether_addr',
      uplinked.map(network => `${quote(network.uplink!)} . ${network.mac}`)
    ),
    set(
      'host_addresses',
      'ifname . ipv4_addr',
      hosted.flatMap(({ uplink, subnets }) =>
        subnets.map(({ gateway }) => `${quote(uplink!)} . ${gateway}`)
      )
    ),
    chain('prerouting', 'type filter hook prerouting priority dstnat; policy accept;', [
      'iifname "rp*" jump from_port',
      'iifname @uplinks jump from_uplink'
    ]),
    chain('postrouting', 'type filter hook postrouting priority srcnat; policy accept;', [
      'oifname @uplinks jump to_uplink'
    ]),
    chain('from_port', undefined, [
      'iifname . ether saddr != @port_macs drop',
      // So QEMU tells the switches where an instance is that has just come from another host.
      'ether daddr ff:ff:ff:ff:ff:ff ether type 0x8035 accept',
      'ether type arp jump from_port_arp',
      'ether type ip jump from_port_ipv4',
      'drop'
    ]),
    chain('from_port_arp', undefined, [
      'iifname . arp saddr ether != @port_macs drop',
      'arp operation request arp saddr ip 0.0.0.0 accept',
      'iifname . arp saddr ip @port_addresses accept',
      'drop'
    ]),
    chain('from_port_ipv4', undefined, [
      'ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept',
      'udp sport 67 drop',
      'iifname . ip saddr @port_addresses accept',
      'drop'
    ]),
    chain('from_uplink', undefined, fence('iifname')),
    chain('to_uplink', undefined, fence('oifname'))
  ])
}

/** What may pass an uplink in neither direction. */
const fence = (side: 'iifname' | 'oifname'): readonly string[] => [
  'udp dport { 67, 68 } drop',
  `${side} . ether saddr @host_macs drop`,
  `${side} . arp saddr ip @host_addresses drop`,
  `${side} . arp daddr ip @host_addresses drop`
]

const table = (family: string, parts: readonly string[]): string =>
  `table ${family} ${tableName} {\n${parts.join('\n\n')}\n}`

/** nft refuses an empty list of elements, so an empty set has none. */
function set(name: string, type: string, elements: readonly string[]): string {
  const lines = [`\t\ttype ${type}`]
  if (elements.length > 0)
    lines.push(`\t\telements = {\n\t\t\t${elements.join(',\n\t\t\t')}\n\t\t}`)
  return `\tset ${name} {\n${lines.join('\n')}\n\t}`
}

function chain(name: string, hook: string | undefined, rules: readonly string[]): string {
  const lines = [...(hook === undefined ? [] : [hook]), ...rules].map(line => `\t\t${line}`)
  return `\tchain ${name} {\n${lines.join('\n')}\n\t}`
}

const quote = (name: string): string => `"${name}"`

const by =
  <Value>(key: (value: Value) => string) =>
  (a: Value, b: Value): number =>
    key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0
