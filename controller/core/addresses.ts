import { type Cidr, contains, formatIpv4, parseCidr, parseIpv4 } from '#shared/cidr.ts'
import type { Subnet } from '#shared/model/network.ts'

/** A subnet with its addresses as numbers. */
export type Range = {
  readonly cidr: Cidr
  readonly gateway: number
  readonly first: number
  readonly last: number
}

/** Works out the gateway and the addresses that can be given; a sentence where they cannot be. */
export function rangeOf(spec: Subnet['spec']): Range | { readonly fault: string } {
  const cidr = parseCidr(spec.cidr)
  if (!cidr) return { fault: `"${spec.cidr}" is no address range, or has bits outside its prefix` }
  if (cidr.prefix < 8 || cidr.prefix > 29) {
    return { fault: `a prefix of /${cidr.prefix} is outside the supported /8 to /29` }
  }
  const gateway = spec.gateway === undefined ? cidr.first + 1 : parseIpv4(spec.gateway)!
  const first =
    spec.first === undefined
      ? gateway === cidr.first + 1
        ? gateway + 1
        : cidr.first + 1
      : parseIpv4(spec.first)!
  const last = spec.last === undefined ? cidr.last - 1 : parseIpv4(spec.last)!
  for (const [name, value] of Object.entries({ gateway, first, last })) {
    if (!contains(cidr, value) || value === cidr.first || value === cidr.last) {
      return { fault: `${name} ${formatIpv4(value)} is not a host address in ${spec.cidr}` }
    }
  }
  if (first > last) return { fault: `first ${formatIpv4(first)} is after last ${formatIpv4(last)}` }
  return { cidr, gateway, first, last }
}

/** How many addresses a range can give; the gateway is not one of them. */
export const sizeOf = (range: Range): number =>
  range.last -
  range.first +
  1 -
  (range.gateway >= range.first && range.gateway <= range.last ? 1 : 0)

/** The lowest address that nobody has, from a hint on and then from the start. */
export function freeAddress(
  range: Range,
  options: { readonly taken: (address: string) => boolean; readonly from?: number }
): string | undefined {
  const start = Math.max(range.first, options.from ?? range.first)
  const size = range.last - range.first + 1
  for (let step = 0; step < size; step += 1) {
    const address = range.first + ((start - range.first + step) % size)
    if (address === range.gateway) continue
    const text = formatIpv4(address)
    if (!options.taken(text)) return text
  }
  return undefined
}
