import test from 'ava'
import fc from 'fast-check'
import { PeerRing, peersMax } from '../../../controller/core/peer-ring.ts'

const seat = (number: number, rack = '') => ({
  host: `uuid-${String(number).padStart(4, '0')}`,
  rack,
  endpoint: `tcp://10.0.0.1:${number}`,
  publicKey: `key-${String(number).padStart(4, '0')}`
})
const seats = (count: number, rackOf: (number: number) => string = () => '') =>
  Array.from({ length: count }, (_, number) => seat(number, rackOf(number)))

const peersOf = (ring: PeerRing, number: number) => ring.peersOf(seat(number).host)!

test('each host looks for so many others, is looked for by as many, and knows by whom', t => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 5 }), (count, racks) => {
      const all = seats(count, number => `r${number % racks}`)
      const ring = new PeerRing(all)
      const expected = Math.min(peersMax, count - 1)
      const lookers = new Map<string, string[]>()
      for (const { host, publicKey } of all) {
        const { probe } = ring.peersOf(host)!
        t.is(probe.length, expected)
        t.is(new Set(probe.map(peer => peer.host)).size, expected)
        for (const peer of probe) {
          t.not(peer.host, host)
          lookers.set(peer.host, [...(lookers.get(peer.host) ?? []), publicKey])
        }
      }
      for (const { host } of all) {
        t.deepEqual(ring.peersOf(host)!.admit, (lookers.get(host) ?? []).sort())
      }
    })
  )
})

test('a host of a rack is looked for from other racks', t => {
  const rackOf = (number: number): string => `r${number % 4}`
  const ring = new PeerRing(seats(40, rackOf))
  for (let number = 0; number < 40; number++) {
    const others = peersOf(ring, number).probe.map(peer => rackOf(Number(peer.host.slice(5))))
    t.true(others.some(rack => rack !== rackOf(number)))
  }
})

test('a large rack beside a small one has a way out for as many as can be', t => {
  const ring = new PeerRing(seats(8, number => (number < 6 ? 'large' : 'small')))
  const looks = Array.from({ length: 8 }, (_, number) => peersOf(ring, number).probe)
  const across = looks.filter((probe, number) =>
    probe.some(({ host }) => Number(host.slice(5)) < 6 !== number < 6)
  )
  t.true(across.length >= 7)
})

test('the same hosts give the same ring in any order; a moved one gives another print', t => {
  const all = seats(9)
  const ring = new PeerRing(all)
  const other = new PeerRing(all.toReversed())
  t.deepEqual(peersOf(other, 3), peersOf(ring, 3))
  t.true(ring.isMadeOf(all.toReversed()))
  const target = peersOf(ring, 3).probe[0]!.host
  const moved = all.map(one =>
    one.host === target ? { ...one, endpoint: 'tcp://10.0.0.9:1' } : one
  )
  t.false(ring.isMadeOf(moved))
  t.not(peersOf(new PeerRing(moved), 3).print, peersOf(ring, 3).print)
})

test('a host that is alone looks for nobody, and a stranger has no place', t => {
  const ring = new PeerRing(seats(1))
  t.like(peersOf(ring, 0), { probe: [], admit: [] })
  t.is(ring.peersOf('uuid-none'), undefined)
})
