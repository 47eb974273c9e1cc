import test from 'ava'
import { arpAnnouncement, arpFrameBytes } from '../../../agent/core/arp.ts'

const bytes = (text: string): readonly number[] =>
  text.split('\n').flatMap(line =>
    line
      .replace(/#.*/, '')
      .split(' ')
      .filter(Boolean)
      .map(byte => Number.parseInt(byte, 16))
  )

test('an announcement is an ARP request to all, by an address about itself', t => {
  const frame = arpAnnouncement({ mac: '52:54:00:00:01:02', address: '10.66.1.200' })
  t.is(frame.length, arpFrameBytes)
  t.deepEqual(
    [...frame],
    [
      ...bytes(`
        ff ff ff ff ff ff  # to all
        52 54 00 00 01 02  # from the instance
        08 06              # ARP
        00 01 08 00 06 04  # Ethernet and IPv4, addresses of 6 and 4 bytes
        00 01              # a request
        52 54 00 00 01 02  # who asks
        0a 42 01 c8
        00 00 00 00 00 00  # whose hardware address is asked for
        0a 42 01 c8        # which is its own`),
      ...new Array<number>(18).fill(0)
    ]
  )
})

test('an address that is none is a mistake of ours', t => {
  for (const port of [
    { mac: '52:54:00:00:01', address: '10.66.1.2' },
    { mac: '52:54:00:00:01:zz', address: '10.66.1.2' },
    { mac: '52:54:00:00:01:02', address: '10.66.1' }
  ]) {
    t.throws(() => arpAnnouncement(port), { name: 'AssertionError' })
  }
})
