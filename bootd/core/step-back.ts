/**
 * Two boot services that both give out addresses give the same one twice. Each looks for others
 * before it begins, but two that look at the same moment find nobody and both begin. So each looks
 * again, and what it decides by is the same at both ends: addresses, which both know.
 */
import { parseIpv4 } from '#shared/cidr.ts'

/** A server that offers addresses on the boot network. */
export type OtherServer = {
  /** What it says of itself (DHCP option 54). */
  readonly address: string
  /** It has said that it is a boot service as we are. */
  readonly isBootService: boolean
}

/**
 * The address of the boot service that goes on where we, at our own address, step back; undefined:
 * we go on. Of all that see each other only the one with the lowest address does.
 */
export function stepsBackFor(own: string, servers: readonly OtherServer[]): string | undefined {
  const number = (address: string): number => parseIpv4(address) ?? Number.POSITIVE_INFINITY
  const lower = servers.filter(
    ({ address, isBootService }) => isBootService && number(address) < number(own)
  )
  return lower.toSorted((a, b) => number(a.address) - number(b.address))[0]?.address
}
