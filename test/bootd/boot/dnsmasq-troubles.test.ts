/** What dnsmasq 2.90 says of its troubles, as it was seen to, and what is told of that. */
import test from 'ava'
import { readDnsmasqWord } from '../../../bootd/core/dnsmasq-log.ts'
import { DnsmasqTroubles } from '../../../bootd/core/dnsmasq-troubles.ts'

const [first, second] = ['22:15:63:0c:fe:ed', '22:15:63:0c:fe:ee']
const none = (mac: string) => `dnsmasq-dhcp[7]: 29036 DHCPDISCOVER(br0) ${mac} no address available`
const given = (mac: string) => `dnsmasq-dhcp[7]: 42304 DHCPACK(br0) 10.77.0.50 ${mac} `
const unwritten = 'failed to write /srv/leases: No space left on device'

for (const [text, word] of [
  [none(first), { says: 'no-address', mac: first }],
  [
    'dnsmasq-dhcp[12]: DHCPDISCOVER(br0) 52:54:00:AA:00:01 no address available',
    { says: 'no-address', mac: '52:54:00:aa:00:01' }
  ],
  [
    `dnsmasq-dhcp[7]: 29036 DHCPREQUEST(br0) 10.77.0.50 ${first} no leases left`,
    { says: 'no-address', mac: first }
  ],
  [given(first), { says: 'leased', mac: first }],
  [`dnsmasq-dhcp[7]: ${unwritten} (retry in 60 s)`, { says: 'leases-unwritten', text: unwritten }],
  [
    'dnsmasq[7]: warning: interface br0 does not currently exist',
    { says: 'warning', text: 'warning: interface br0 does not currently exist' }
  ],
  [
    'dnsmasq-dhcp[7]: DHCP packet received on br0 which has no address',
    { says: 'warning', text: 'DHCP packet received on br0 which has no address' }
  ],
  ['dnsmasq[7]: started, version 2.90 DNS disabled', undefined],
  ['dnsmasq-dhcp[7]: 42304 DHCPDISCOVER(br0) d6:8e:19:fd:30:d3 ', undefined],
  ['dnsmasq-dhcp[7]: 42304 vendor class: x no address available', undefined],
  ['dnsmasq-dhcp[7]: 42304 client provides name: failed to write', undefined],
  ['dnsmasq-tftp[7]: file /srv/tftp/failed not found for 10.77.0.50', undefined],
  ['dnsmasq-tftp[7]: error 8 User aborted the transfer received from 10.77.0.50', undefined]
] as const) {
  test(`it is read of "${text}": ${word ? word.says : 'nothing'}`, t => {
    t.deepEqual(readDnsmasqWord(text), word)
  })
}

function scene() {
  const troubles = new DnsmasqTroubles({ range: { first: '10.77.0.50', last: '10.77.0.69' } })
  const hear = (text: string, now: number) => {
    const word = readDnsmasqWord(text)
    return word && troubles.hear(word, now)
  }
  return { troubles, hear }
}

test('a range that is used up is told until all have addresses, or nobody asks any more', t => {
  const { troubles, hear } = scene()
  const full =
    'machines get no address: all 20 of 10.77.0.50-10.77.0.69 are given out; widen bootRange'
  t.is(troubles.addresses(0), undefined)
  hear(none(first), 1_000)
  hear(none(second), 2_000)
  t.is(troubles.addresses(3_000), full)
  hear(given('22:15:63:0c:fe:01'), 3_000)
  hear(given(first), 4_000)
  t.is(troubles.addresses(5_000), full, 'the other one has none')
  hear(given(second), 6_000)
  t.is(troubles.addresses(6_000), undefined)
  hear(none(first), 10_000)
  t.is(troubles.addresses(189_999), full)
  t.is(troubles.addresses(190_000), undefined)
  for (let n = 0; n < 2_000; n += 1) hear(none(`02:00:00:00:00:${n}`), 200_000)
  t.is(troubles.addresses(200_000), full)
})

test('leases that cannot be written are told until that is not heard any more', t => {
  const { troubles, hear } = scene()
  hear(`dnsmasq-dhcp[7]: ${unwritten} (retry in 60 s)`, 1_000)
  hear(`dnsmasq-dhcp[7]: ${unwritten} (retry in 60 s)`, 61_000)
  const says = `addresses that are given out are lost when dnsmasq ends: ${unwritten}`
  t.is(troubles.leases(240_999), says)
  t.is(troubles.leases(241_000), undefined)
})

test('another warning is given once, and no more than 64 kinds of them', t => {
  const { hear } = scene()
  const line = (word: string) => `dnsmasq[7]: failed to access ${word}`
  t.is(hear(line('/srv/1'), 0), 'failed to access /srv/1')
  t.is(hear(line('/srv/1'), 1), undefined)
  t.is(hear(line('/srv/2'), 2), undefined, 'another number is the same')
  const all = Array.from({ length: 500 }, (_, n) => hear(line('x'.repeat(n + 1)), 3))
  t.is(all.filter(one => one !== undefined).length, 63)
})
