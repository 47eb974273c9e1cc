/**
 * The word by which the switches learn where an instance is now. It keeps its addresses wherever it
 * runs, but a switch goes on sending to the port behind which it has last heard a hardware address,
 * for minutes. An instance that has just started says nothing beyond its host unasked: its DHCP
 * ends at the bridge. So its host says it for it: an ARP announcement (RFC 5227, 3) to all, in its
 * own name.
 */
import assert from 'node:assert'
import { parseIpv4 } from '#shared/cidr.ts'

/** The least that Ethernet carries, without its checksum. Unit: bytes. */
export const arpFrameBytes = 60

/** The frame that announces an address, padded to `arpFrameBytes`. */
export function arpAnnouncement(port: {
  readonly mac: string
  readonly address: string
}): Uint8Array {
  const mac = port.mac.split(':').map(byte => Number.parseInt(byte, 16))
  const address = parseIpv4(port.address)
  assert(mac.length === 6 && mac.every(byte => byte >= 0 && byte <= 255), port.mac)
  assert(address !== undefined, port.address)
  const frame = new Uint8Array(arpFrameBytes)
  const view = new DataView(frame.buffer)
  frame.fill(0xff, 0, 6)
  frame.set(mac, 6)
  view.setUint16(12, etherType.arp)
  view.setUint16(14, hardware.ethernet)
  view.setUint16(16, etherType.ipv4)
  frame.set([mac.length, 4], 18)
  view.setUint16(20, operation.request)
  frame.set(mac, 22)
  view.setUint32(28, address)
  // Whose hardware address is asked for is not said: it is our own address that we ask about.
  view.setUint32(38, address)
  return frame
}

/** Numbers of RFC 826. */
const etherType = { arp: 0x0806, ipv4: 0x0800 } as const
const hardware = { ethernet: 1 } as const
const operation = { request: 1 } as const
