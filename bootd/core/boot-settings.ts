/** How bootd serves boots, worked out of its configuration, and why it cannot. */
import { contains, formatIpv4, parseCidr, parseIpv4 } from '#shared/cidr.ts'

/** What is said of boots in the configuration. */
export type BootWords = {
  readonly bootMode: 'off' | 'full' | 'proxy'
  readonly bootInterface: string
  readonly bootVlan: number
  readonly bootAddress: string
  readonly bootRange: string
  readonly bootRouter: string
  readonly bootDns: string
  readonly bootLeaseS: number
  readonly bootLoader: 'ipxe' | 'signed'
  readonly bootPort: number
  readonly bootTransfersMax: number
  readonly bootClientMibPerS: number
  readonly bootFreeMibMin: number
  readonly bootLogMibMax: number
}

/** An address with the length of its network's prefix. */
export type PlacedAddress = { readonly address: string; readonly prefix: number }

/** The network at which hosts boot. */
export type BootNetwork = {
  readonly mode: 'full' | 'proxy'
  /** The interface itself: that of the VLAN where there is one. */
  readonly interface: string
  /** Where this bootd is found in it. */
  readonly own: PlacedAddress
  /** First and last address that are given out; in mode full only. */
  readonly range?: { readonly first: string; readonly last: string }
  readonly router?: string
  readonly dns: readonly string[]
  readonly leaseS: number
  readonly loader: 'ipxe' | 'signed'
}

/** Name of the interface at which boots are served. */
export const interfaceOf = ({ bootInterface, bootVlan }: BootWords): string =>
  bootVlan === 0 ? bootInterface : `${bootInterface}.${bootVlan}`

/** Reads an address with its prefix; undefined: it is none. */
export function parsePlaced(text: string): PlacedAddress | undefined {
  const [address = '', bits = ''] = text.split('/')
  const prefix = /^\d{1,2}$/.test(bits) ? Number(bits) : 99
  if (parseIpv4(address) === undefined || prefix < 8 || prefix > 30) return undefined
  return { address, prefix }
}

/** Works the network out; a sentence: why boots cannot be served so. */
export function bootNetwork(words: BootWords, own: PlacedAddress): BootNetwork | string {
  const { bootMode: mode, bootRange, bootRouter, bootDns, bootLeaseS: leaseS, bootLoader } = words
  const name = interfaceOf(words)
  if (mode === 'off') return 'boots are switched off'
  if (name.length > 15) return `interface ${name} has a name of more than 15 characters`
  const dns = bootDns.split(',').filter(server => server !== '')
  for (const address of [...dns, ...(bootRouter === '' ? [] : [bootRouter])]) {
    if (parseIpv4(address) === undefined) return `${address} is no address`
  }
  const common = {
    ...{ mode, interface: name, own, dns, leaseS, loader: bootLoader },
    ...(bootRouter !== '' && { router: bootRouter })
  }
  if (mode === 'proxy' && bootLoader === 'signed') return signedNeedsFull
  if (mode === 'proxy') return common
  const range = rangeOf(bootRange, own)
  return typeof range === 'string' ? range : { ...common, range }
}

const signedNeedsFull =
  'bootLoader signed needs bootMode full: GRUB asks who has given the address for its files'

/** The network of an address, as its first address and its mask. */
export function networkOf({ address, prefix }: PlacedAddress): {
  readonly base: string
  readonly mask: string
} {
  const size = 2 ** (32 - prefix)
  const first = Math.floor((parseIpv4(address) ?? 0) / size) * size
  return { base: formatIpv4(first), mask: formatIpv4(2 ** 32 - size) }
}

/** How many addresses are given out; 0: none. */
export function addressesOf({ range }: Pick<BootNetwork, 'range'>): number {
  if (!range) return 0
  return (parseIpv4(range.last) ?? 0) - (parseIpv4(range.first) ?? 0) + 1
}

function rangeOf(text: string, own: PlacedAddress): NonNullable<BootNetwork['range']> | string {
  if (text === '') return 'mode full needs bootRange, such as 10.0.0.50-10.0.0.250'
  const [first = '', last = ''] = text.split('-')
  const [from, to] = [parseIpv4(first), parseIpv4(last)]
  if (from === undefined || to === undefined || from > to) return `${text} is no range of addresses`
  const network = parseCidr(`${networkOf(own).base}/${own.prefix}`)
  if (!network || !contains(network, from) || !contains(network, to)) {
    return `${text} is not in the network of ${own.address}/${own.prefix}`
  }
  const itself = parseIpv4(own.address) ?? 0
  if (itself >= from && itself <= to) return `${text} holds ${own.address}, which is bootd's own`
  return { first, last }
}
