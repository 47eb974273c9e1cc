import { type Cidr, formatIpv4, parseCidr } from './cidr.ts'

/** No scan for baseboard controllers asks more addresses. */
export const bmcAddressesMax = 4_096

/** The addresses of a range that hosts may have; a sentence: why they cannot be asked. */
export function bmcAddresses(range: string): readonly string[] | string {
  const cidr = parseCidr(range.includes('/') ? range : `${range}/32`)
  if (!cidr) return `${range} is no range: write one such as 10.0.5.0/24`
  const count = cidr.last - cidr.first + 1
  if (count > bmcAddressesMax) {
    return `${range} has ${count} addresses, and at most ${bmcAddressesMax} are asked at once`
  }
  const { first, last } = hostsOf(cidr)
  return Array.from({ length: last - first + 1 }, (_, at) => formatIpv4(first + at))
}

/** Without the network's own address and that of all. */
const hostsOf = ({ first, last, prefix }: Cidr) =>
  prefix >= 31 ? { first, last } : { first: first + 1, last: last - 1 }
