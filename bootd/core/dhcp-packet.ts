/**
 * The two DHCP packets (RFC 2131, 2132) that a probe needs: DISCOVER, and what answers it.
 *
 *     op=1 htype=1 hlen=6 hops | xid[4] | secs[2] flags[2] | ciaddr yiaddr siaddr giaddr [4 each]
 *     chaddr[16] sname[64] file[128] | 63 82 53 63 | options: code length bytes …, 255
 */
import type { OtherServer } from './step-back.ts'

const optionsAt = 240
const [messageType, serverIdentifier, end] = [53, 54, 255]
const [discover, offer] = [1, 2]

/**
 * What a boot service of ours adds to its offers where it is asked for, so that others know that it
 * is one. The numbers from 224 on are free for everybody's own use (RFC 3942).
 */
export const bootServiceMark = { option: 224, text: 'remuda-boot' } as const
const cookie = Uint8Array.of(0x63, 0x82, 0x53, 0x63)

/** Writes a DISCOVER of a machine; servers are asked to answer to all, since it has no address. */
export function discoverPacket(transaction: number, mac: string): Uint8Array {
  const packet = new Uint8Array(300)
  packet.set([1, 1, 6, 0])
  new DataView(packet.buffer).setUint32(4, transaction)
  packet[10] = 0x80
  packet.set(
    mac.split(':').map(octet => Number.parseInt(octet, 16)),
    28
  )
  packet.set(cookie, 236)
  const { option } = bootServiceMark
  packet.set([messageType, 1, discover, 55, 4, 1, 3, 6, option, end], optionsAt)
  return packet
}

/** Reads who has offered an address; undefined: it is no offer, or one for another probe. */
export function offeringServer(packet: Uint8Array, transaction: number): OtherServer | undefined {
  if (packet.length < optionsAt || packet[0] !== 2) return undefined
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength)
  if (view.getUint32(4) !== transaction) return undefined
  if (cookie.some((byte, index) => packet[236 + index] !== byte)) return undefined
  const options = readOptions(packet)
  const server = options.get(serverIdentifier)
  if (options.get(messageType)?.[0] !== offer || server?.length !== 4) return undefined
  const mark = Buffer.from(options.get(bootServiceMark.option) ?? []).toString('latin1')
  return { address: server.join('.'), isBootService: mark === bootServiceMark.text }
}

function readOptions(packet: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const options = new Map<number, Uint8Array>()
  let at = optionsAt
  while (at < packet.length && packet[at] !== end) {
    const code = packet[at]!
    if (code === 0) {
      at += 1
      continue
    }
    const length = packet[at + 1]
    if (length === undefined || at + 2 + length > packet.length) break
    if (!options.has(code)) options.set(code, packet.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  return options
}
