/** Reads how many datagrams the kernel has dropped since nobody took them from a socket in time. */
import { parseIpv4 } from '#shared/cidr.ts'

/**
 * The last column of /proc/net/udp (net/ipv4/udp.c, udp4_format_sock) in the line of a socket. Its
 * address stands there as the four bytes of the network read by a little-endian machine; undefined:
 * there is no such socket.
 */
export function droppedAt(
  table: string,
  { address, port }: { readonly address: string; readonly port: number }
): number | undefined {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(parseIpv4(address) ?? 0)
  const place = `${bytes.toString('hex')}:${port.toString(16).padStart(4, '0')}`.toUpperCase()
  for (const line of table.split('\n')) {
    const columns = line.trim().split(/\s+/)
    const dropped = columns.at(-1) ?? ''
    if (columns[1] === place && /^\d{1,15}$/.test(dropped)) return Number(dropped)
  }
  return undefined
}
