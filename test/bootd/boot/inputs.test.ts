import test from 'ava'
import fc from 'fast-check'
import { readProgress, readRequest } from '../../../bootd/core/boot-request.ts'
import { rangeOf } from '../../../bootd/core/byte-range.ts'
import { bootServiceMark, discoverPacket, offeringServer } from '../../../bootd/core/dhcp-packet.ts'
import { readDnsmasqLine } from '../../../bootd/core/dnsmasq-log.ts'
import { throwHttp } from './inputs-http.ts'

test('requests that nobody honest sends are answered or cut off, and get no secret', async t => {
  const { statuses, faults } = await throwHttp(600, 7)
  t.deepEqual(faults, [])
  t.true((statuses['200'] ?? 0) > 0 && (statuses['404'] ?? 0) > 0, JSON.stringify(statuses))
})

test('any text is a request or is refused', t => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.oneof(fc.string(), fc.webPath(), fc.webQueryParameters()),
      (method, path) => {
        const asked = readRequest(method, `/${path}`)
        return 'status' in asked ? asked.because.length > 0 : asked.asks.length > 0
      }
    )
  )
  t.is((readRequest('GET', `/${'a'.repeat(3_000)}`) as { readonly status?: number }).status, 414)
})

test('what a machine says of itself comes out without anything that could fool a terminal', t => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      const said = readProgress(`stage=failed&because=${encodeURIComponent(text.toWellFormed())}`)
      return !/[\p{Cc}\p{Cf}]/u.test(said?.because ?? '') && (said?.because ?? '').length <= 400
    })
  )
  t.deepEqual(readProgress('stage=image&percent=40'), { stage: 'image', percent: 40 })
  for (const none of ['stage=dhcp', 'stage=kernel', 'stage=waiting', 'percent=4', 'stage=x', '']) {
    t.is(readProgress(none), undefined, none)
  }
  t.deepEqual(readProgress('stage=image&percent=400'), { stage: 'image' })
})

test('every range that is sent lies in the file', t => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 1, max: 5_000 }),
      (any, a, b, bytes) =>
        [`bytes=${a}-${b}`, `bytes=${a}-`, `bytes=-${b}`, `bytes=${any}`, any].every(range => {
          const wish = { range, ifRange: undefined, ifNoneMatch: undefined }
          const verdict = rangeOf(wish, bytes, '"e"')
          if (verdict.status !== 206) return true
          return 0 <= verdict.first && verdict.first <= verdict.last && verdict.last < bytes
        })
    )
  )
  t.pass()
})

test('an offer is read whatever else is in it, and nothing else is taken for one', t => {
  const offer = Buffer.from(discoverPacket(77, '02:00:00:00:00:01'))
  offer[0] = 2
  Buffer.from([53, 1, 2, 0, 0, 54, 4, 10, 77, 0, 9, 255]).copy(offer, 240)
  t.deepEqual(offeringServer(offer, 77), { address: '10.77.0.9', isBootService: false })
  t.is(offeringServer(offer, 78), undefined, 'of another probe')
  t.is(offeringServer(discoverPacket(77, '02:00:00:00:00:01'), 77), undefined)
  for (let length = 0; length < 250; length += 1) {
    t.is(offeringServer(offer.subarray(0, length), 77), undefined)
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), bytes => offeringServer(bytes, 77) === undefined)
  )
})

test('a boot service is known by what it adds to its offer', t => {
  const { option, text } = bootServiceMark
  for (const [said, isBootService] of [
    [text, true],
    ['remuda', false],
    ['', false]
  ] as const) {
    const offer = Buffer.from(discoverPacket(77, '02:00:00:00:00:01'))
    offer[0] = 2
    const options = [53, 1, 2, 54, 4, 10, 77, 0, 9, option, said.length, ...Buffer.from(said), 255]
    Buffer.from(options).copy(offer, 240)
    t.deepEqual(offeringServer(offer, 77), { address: '10.77.0.9', isBootService })
  }
})

test('addresses are read from the log, and no machine can forge a line', t => {
  const lines = [
    'dnsmasq-dhcp[7]: 825 vendor class: PXEClient:Arch:00007:UNDI:003016',
    'dnsmasq-dhcp[7]: 825 tags: efi64, br0',
    'dnsmasq-dhcp[7]: 826 tags: ipxe, bios, br0',
    'dnsmasq-dhcp[7]: 825 DHCPACK(br0) 10.77.0.132 9A:87:32:28:1f:8c',
    'dnsmasq-dhcp[7]: 826 DHCPACK(br0) 10.77.0.133 9a:87:32:28:1f:8d named',
    'dnsmasq-dhcp[7]: 827 tags: br0',
    'dnsmasq-dhcp[7]: 827 DHCPACK(br0) 10.77.0.134 9a:87:32:28:1f:8e',
    'dnsmasq-dhcp[7]: 828 user class: DHCPACK(br0) 10.77.0.135 9a:87:32:28:1f:8f',
    'dnsmasq-dhcp[7]: 828 vendor class: x dnsmasq-dhcp[7]: 828 tags: efi64'
  ]
  let open: Parameters<typeof readDnsmasqLine>[0] = new Map()
  const found = lines.flatMap(line => {
    const read = readDnsmasqLine(open, line)
    open = read.open
    return read.addressed ?? []
  })
  t.deepEqual(found, [
    {
      mac: '9a:87:32:28:1f:8c',
      address: '10.77.0.132',
      isIpxe: false,
      firmware: 'uefi',
      architecture: 'x86_64'
    },
    {
      mac: '9a:87:32:28:1f:8d',
      address: '10.77.0.133',
      isIpxe: true,
      firmware: 'bios',
      architecture: 'x86_64'
    }
  ])
  for (let transaction = 0; transaction < 1_000; transaction += 1) {
    open = readDnsmasqLine(open, `dnsmasq-dhcp[7]: ${transaction} tags: efi64`).open
  }
  t.true(open.size <= 256)
})
