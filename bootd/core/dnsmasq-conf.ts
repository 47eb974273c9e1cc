/**
 * What dnsmasq is told: addresses, router advertisements, TFTP, and the first file for each kind of
 * firmware. It is dumb on purpose. What a machine boots is decided over HTTP, by its UUID, serial
 * number and MACs; so this text does not depend on machines, and no line of it is a tagged host:
 * those crash dnsmasq 2.90 on SIGHUP.
 *
 * Kinds of firmware are told apart by DHCP option 93 (RFC 4578, and IANA's list of processor
 * architectures): 0 BIOS, 6 UEFI of 32 bits, 7 and 9 UEFI of x86-64, 11 UEFI of arm64, and those
 * that fetch by HTTP: 16 x86-64, 19 arm64. iPXE says itself by option 175 and its user class.
 */
import { addressesOf, type BootNetwork, networkOf } from './boot-settings.ts'
import { bootServiceMark } from './dhcp-packet.ts'

/** Where dnsmasq finds and leaves its files. */
export type DnsmasqPaths = {
  readonly leaseFile: string
  readonly tftpFolder: string
  /** Made once it is ready. */
  readonly readyFile: string
}

/** What TFTP and HTTP hand out to firmware, by what they are called there. */
export const firmwareFiles = {
  bios: 'undionly.kpxe',
  efi32: 'snponly-ia32.efi',
  efi64: 'snponly.efi',
  arm64: 'snponly-arm64.efi',
  shim: 'shimx64.efi',
  grub: 'grubx64.efi',
  shimArm64: 'shimaa64.efi',
  grubArm64: 'grubaa64.efi'
} as const

/** What a machine's firmware is called in reports, by the tag that dnsmasq sets. */
export const firmwareTags = {
  bios: { firmware: 'bios', architecture: 'x86_64' },
  efi32: { firmware: 'uefi', architecture: 'i386' },
  efi64: { firmware: 'uefi', architecture: 'x86_64' },
  arm64: { firmware: 'uefi', architecture: 'aarch64' },
  http64: { firmware: 'http', architecture: 'x86_64' },
  httparm64: { firmware: 'http', architecture: 'aarch64' }
} as const

/** Tag of what is iPXE already. */
export const ipxeTag = 'ipxe'

/** How many TFTP transfers go on at once; dnsmasq's own limit of 50 is less than a rack. */
const tftpTransfersMax = 400
/** Two router advertisements are so far apart; who asks is answered at once. Unit: s. */
const advertiseEveryS = 60

/** The whole configuration, for mode full or proxy. `url`: where scripts are, with no slash. */
export function dnsmasqConf(network: BootNetwork, paths: DnsmasqPaths, url: string): string {
  const lines = [
    '# Network boot of hosts. Written by Remuda; changes are lost.',
    'port=0',
    `interface=${network.interface}`,
    'except-interface=lo',
    'bind-dynamic',
    'log-facility=-',
    'log-async=100',
    'log-dhcp',
    `pid-file=${paths.readyFile}`,
    `dhcp-leasefile=${paths.leaseFile}`,
    'enable-tftp',
    `tftp-root=${paths.tftpFolder}`,
    `tftp-max=${tftpTransfersMax}`,
    ...matches,
    ...(network.mode === 'full' ? fullLines(network, url) : proxyLines(network, url))
  ]
  return lines.map(line => `${line}\n`).join('')
}

const matches: readonly string[] = [
  `dhcp-match=set:${ipxeTag},175`,
  `dhcp-userclass=set:${ipxeTag},iPXE`,
  'dhcp-match=set:bios,option:client-arch,0',
  'dhcp-match=set:efi32,option:client-arch,6',
  'dhcp-match=set:efi64,option:client-arch,7',
  'dhcp-match=set:efi64,option:client-arch,9',
  'dhcp-match=set:arm64,option:client-arch,11',
  'dhcp-match=set:http64,option:client-arch,16',
  'dhcp-match=set:httparm64,option:client-arch,19'
]

/** The first file of each kind of firmware, in the order in which dnsmasq looks. */
function firstFiles(loader: BootNetwork['loader']) {
  const isSigned = loader === 'signed'
  return {
    bios: firmwareFiles.bios,
    efi32: firmwareFiles.efi32,
    efi64: isSigned ? firmwareFiles.shim : firmwareFiles.efi64,
    arm64: isSigned ? firmwareFiles.shimArm64 : firmwareFiles.arm64
  }
}

function fullLines(network: BootNetwork, url: string): readonly string[] {
  const { own, range, router, dns, leaseS } = network
  const files = firstFiles(network.loader)
  return [
    'dhcp-authoritative',
    // A machine has one address, whoever asks: firmware, iPXE, first stage and system call
    // themselves differently, and what is given to one of them must be good for the next.
    'dhcp-ignore-clid',
    // An address is pinged before it is offered otherwise, which takes three seconds.
    'no-ping',
    `dhcp-lease-max=${addressesOf(network)}`,
    `dhcp-range=${range?.first},${range?.last},${networkOf(own).mask},${leaseS}`,
    // Another boot service asks for this, to know whom it has found.
    `dhcp-option=${bootServiceMark.option},"${bootServiceMark.text}"`,
    router === undefined ? 'dhcp-option=option:router' : `dhcp-option=option:router,${router}`,
    ...(dns.length === 0 ? [] : [`dhcp-option=option:dns-server,${dns.join(',')}`]),
    // iPXE waits 15 s for a router of IPv6 unless one answers; it is told to use none.
    'enable-ra',
    `dhcp-range=${advertisedPrefix(network)}::,ra-only,64`,
    `ra-param=${network.interface},mtu:off,high,${advertiseEveryS},0`,
    // iPXE need not wait for a second answer, of a proxy.
    `dhcp-option=tag:${ipxeTag},encap:175,176,1b`,
    `dhcp-boot=tag:${ipxeTag},${url}/boot.ipxe`,
    ...(['bios', 'efi32', 'efi64', 'arm64'] as const).map(
      tag => `dhcp-boot=tag:!${ipxeTag},tag:${tag},${files[tag]}`
    ),
    ...(network.loader === 'signed' ? [] : httpLines(files, url))
  ]
}

/** For firmware that fetches by HTTP; the signed GRUB speaks none, so there it must take PXE. */
const httpLines = (files: ReturnType<typeof firstFiles>, url: string): readonly string[] =>
  ([['http64', files.efi64] as const, ['httparm64', files.arm64] as const] as const).flatMap(
    ([tag, file]) => [
      `dhcp-option-force=tag:!${ipxeTag},tag:${tag},60,HTTPClient`,
      `dhcp-boot=tag:!${ipxeTag},tag:${tag},${url}/firmware/${file}`
    ]
  )

/** Beside another server, which gives the addresses. Firmware that fetches by HTTP gets nothing:
 * dnsmasq 2.90 does not answer it as a proxy. */
function proxyLines(network: BootNetwork, url: string): readonly string[] {
  const files = firstFiles(network.loader)
  const services = [
    ['x86PC', files.bios],
    ['IA32_EFI', files.efi32],
    ['X86-64_EFI', files.efi64],
    ['BC_EFI', files.efi64],
    ['ARM64_EFI', files.arm64]
  ] as const
  return [
    `dhcp-range=${networkOf(network.own).base},proxy`,
    ...services.map(([type, file]) => `pxe-service=tag:!${ipxeTag},${type},"Remuda",${file}`),
    ...services.map(([type]) => `pxe-service=tag:${ipxeTag},${type},"Remuda",${url}/boot.ipxe`),
    `dhcp-boot=tag:${ipxeTag},${url}/boot.ipxe`
  ]
}

/**
 * A prefix of IPv6 for this network alone (RFC 4193), made of its IPv4 address. The interface gets
 * the first address in it, since dnsmasq advertises only where there is one.
 */
export function advertisedPrefix({ own }: Pick<BootNetwork, 'own'>): string {
  const octets = networkOf(own)
    .base.split('.')
    .map(octet => Number(octet).toString(16).padStart(2, '0'))
  return `fd72:6d64:${octets[0]}${octets[1]}:${octets[2]}${octets[3]}`
}
