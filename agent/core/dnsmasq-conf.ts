/**
 * The files that dnsmasq reads for one network.
 *
 * Two processes serve a network, one for DHCP and one for DNS, because they forget differently. A
 * lease stays in the DHCP server's memory after its line is gone, and as long as it does, its
 * address is refused to the next holder; only a new process knows nothing. So the DHCP server
 * starts anew when a line changes or goes, while name resolution, which nobody may miss, goes on:
 * the DNS server knows names only from its hosts file and reads that again on SIGHUP. It never
 * learns a name from a lease, so that no instance can give itself another's name. No line carries a
 * tag: SIGHUP with tagged lines and a lease crashes dnsmasq 2.90.
 */
import { type Layout, siteAddress } from './network-layout.ts'

/** A port as DHCP and DNS see it. */
export type NamedAddress = {
  readonly name: string
  readonly mac: string
  readonly address: string
}

/** Where the two processes find and leave their files. */
export type DhcpPaths = { readonly hostsFile: string; readonly readyFile: string }
/** The DNS server reads a further file, which says whom it asks about the outside. */
export type DnsPaths = DhcpPaths & { readonly serversFile: string }

const leaseSeconds = 3600
const addressesMax = 65_536

/** The last part of every instance's name: name.network.internal. */
const domain = 'internal'

const common = (layout: Layout, what: string): readonly string[] => [
  `# ${what} of network ${layout.name} (${layout.id}). Written by Remuda; changes are lost.`,
  `interface=${layout.bridge}`,
  'except-interface=lo',
  'bind-dynamic',
  'log-facility=-'
]

/** The configuration of a network's DHCP server. Addresses come from the hosts file alone. */
export function dhcpConf(layout: Layout, paths: DhcpPaths): string {
  const lines = [
    ...common(layout, 'DHCP'),
    'port=0',
    `pid-file=${paths.readyFile}`,
    `dhcp-hostsfile=${paths.hostsFile}`,
    'dhcp-authoritative',
    'leasefile-ro',
    'no-ping',
    'quiet-dhcp',
    `dhcp-lease-max=${addressesMax}`,
    `dhcp-option=option:mtu,${layout.mtu}`,
    `dhcp-option=option:domain-name,${layout.name}.${domain}`
  ]
  for (const [index, { base, mask, gateway, dns }] of layout.subnets.entries()) {
    const tag = `subnet${index}`
    lines.push(
      `dhcp-range=set:${tag},${base},static,${mask},${leaseSeconds}`,
      layout.kind === 'isolated'
        ? `dhcp-option=tag:${tag},option:router`
        : `dhcp-option=tag:${tag},option:router,${gateway}`,
      `dhcp-option=tag:${tag},option:dns-server,${dns.join(',')}`
    )
    if (layout.kind === 'site') lines.push(`shared-network=${layout.bridge},${base}`)
  }
  return text(lines)
}

/** The configuration of a network's DNS server. */
export const dnsConf = (layout: Layout, paths: DnsPaths): string =>
  text([
    ...common(layout, 'DNS'),
    `pid-file=${paths.readyFile}`,
    'no-hosts',
    'no-resolv',
    `addn-hosts=${paths.hostsFile}`,
    `servers-file=${paths.serversFile}`,
    `local=/${domain}/`,
    'domain-needed',
    'bogus-priv',
    'cache-size=1000',
    'dns-forward-max=300'
  ])

/** Which hardware address gets which IP address and host name. */
export const dhcpHosts = (ports: readonly NamedAddress[]): string =>
  text(
    ports
      .map(({ mac, address, name }) => [mac, address, ...(isKeyword(name) ? [] : [name])].join())
      .toSorted()
  )

/** dnsmasq takes some words of a line for settings: `ignore` would deny the instance an address. */
const isKeyword = (name: string): boolean => /^(ignore|infinite|\d+[smhdw]?)$/i.test(name)

/** Which address has which names, the full one first: a reverse look-up gives that. */
export const dnsHosts = (layout: Layout, ports: readonly NamedAddress[]): string =>
  text(
    ports
      .map(({ address, name }) => `${address} ${name}.${layout.name}.${domain} ${name}`)
      .toSorted()
  )

/** The name servers that the host itself asks, from its resolv.conf(5), but none of our own. */
export function dnsServers(resolvConf: string, layouts: readonly Layout[]): string {
  const ours = new Set(layouts.flatMap(({ subnets }) => subnets.map(({ gateway }) => gateway)))
  const servers = resolvConf
    .split('\n')
    .flatMap(line => /^\s*nameserver\s+([0-9a-f.:]+)(?:\s|$)/i.exec(line)?.[1] ?? [])
    .filter(server => !ours.has(server) && server !== siteAddress)
  return text([...new Set(servers)].map(server => `server=${server}`))
}

/** Says whether a DHCP server that knew some lines needs no more than to read the new ones. */
export function onlyAdds(before: string, after: string): boolean {
  const lines = new Set(after.split('\n'))
  return before.split('\n').every(line => lines.has(line))
}

const text = (lines: readonly string[]): string => lines.map(line => `${line}\n`).join('')
