/** IPv4 address ranges as numbers. Addresses are unsigned 32-bit integers in host order. */
export type Cidr = { readonly first: number; readonly last: number; readonly prefix: number }

/** Reads an IPv4 address; undefined: it is none. */
export function parseIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (!match) return undefined
  const octets = match.slice(1).map(Number)
  if (octets.some(octet => octet > 255)) return undefined
  return octets.reduce((sum, octet) => sum * 256 + octet, 0)
}

/** Writes an address as four octets; the counterpart of `parseIpv4`. */
export const formatIpv4 = (address: number): string =>
  [24, 16, 8, 0].map(shift => (address >>> shift) & 255).join('.')

/** Reads a range such as 10.66.0.0/24; undefined: it is none, or has bits outside its prefix. */
export function parseCidr(text: string): Cidr | undefined {
  const [left = '', right = ''] = text.split('/')
  const address = parseIpv4(left)
  const prefix = /^\d{1,2}$/.test(right) ? Number(right) : 99
  if (address === undefined || prefix > 32) return undefined
  const size = 2 ** (32 - prefix)
  if (address % size !== 0) return undefined
  return { first: address, last: address + size - 1, prefix }
}

/** Says whether two ranges have an address in common; one inside the other has. */
export const overlaps = (a: Cidr, b: Cidr): boolean => a.first <= b.last && b.first <= a.last

/** Says whether an address is in a range, its first and last one included. */
export const contains = (range: Cidr, address: number): boolean =>
  address >= range.first && address <= range.last
