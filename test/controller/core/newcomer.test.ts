/** What a controller that has just begun says of a host that it has never heard. */
import test from 'ava'
import type { PeerSeen } from '#shared/wire/order.ts'
import { missingHosts } from '../../../controller/core/brake.ts'
import { fenceOrdersOf } from '../../../controller/core/fence-orders.ts'
import { suspicionOf } from '../../../controller/core/suspicion.ts'
import { View } from '../../../controller/core/view.ts'
import { Rack } from '../../world/rack.ts'

type Word = Partial<PeerSeen>
type Case = {
  /** Completes "a host that …". */
  readonly says: string
  /** What h2 and h3 tell of h1 at each moment; undefined: they are not heard. */
  readonly h2: Word | undefined
  readonly h3: Word | undefined
  /** When it is suspected first. Unit: ms; undefined: not within 12 s. */
  readonly suspected: number | undefined
}

const lost: Word = { reached: false, sign: 'silent', missedMs: 2_500 }
const cases: readonly Case[] = [
  { says: 'two peers have lost for long', h2: lost, h3: lost, suspected: 2_000 },
  {
    says: 'one peer has lost only now',
    h2: lost,
    h3: { ...lost, missedMs: 2_499 },
    suspected: 4_000
  },
  {
    says: 'one peer has never reached',
    h2: lost,
    h3: { reached: false, sign: 'silent' },
    suspected: 4_000
  },
  { says: 'one peer alone tells of', h2: lost, h3: { host: 'other' }, suspected: 4_000 },
  {
    says: 'peers have lost, but whose machine takes calls',
    h2: lost,
    h3: { ...lost, sign: 'accepts' },
    suspected: undefined
  },
  { says: 'one peer reaches', h2: lost, h3: { reached: true }, suspected: undefined },
  {
    says: 'one peer tells of, where another is not heard',
    h2: lost,
    h3: undefined,
    suspected: undefined
  }
]

for (const { says, h2, h3, suspected } of cases) {
  const when = suspected === undefined ? 'not fenced' : `taken for dead after ${suspected} ms`
  test(`by a new controller a host that ${says} is ${when}`, t => {
    const { cloud } = new Rack()
    const next = new View()
    for (const key of cloud.view.keys()) next.load(key, cloud.view.valueOf(key))
    next.loaded(cloud.view.position)
    const { monotonic: begun, wall } = cloud.context.now
    const uuid = cloud.host('h1').decided.uuid
    let first: number | undefined
    for (let after = 0; after <= 12_000; after += 250) {
      const at = { monotonic: begun + after, wall: wall + after }
      next.fold({ type: 'turn', at })
      for (const [name, word] of [
        ['h2', h2],
        ['h3', h3]
      ] as const) {
        if (!word) continue
        const peers = [{ host: uuid, reached: false, ageMs: 0, ...word }]
        const { report } = cloud.view.heard(name)
        next.fold({
          type: 'report',
          host: name,
          report: { ...report!, number: after + 100, peers },
          at
        })
      }
      const { verdict } = suspicionOf(next, next.named('host', 'h1')!, at.monotonic)
      if (verdict === 'suspect') first ??= after
    }
    t.is(first, suspected)
  })
}

test('a fence that another one began is gone on with no later than one of our own', t => {
  const rack = new Rack()
  rack.pass(3_000, ['h2', 'h3'])
  t.deepEqual(rack.decide(), ['fencing'])
  const { view, context, host } = rack.cloud
  const next = new View()
  for (const key of view.keys()) next.load(key, view.valueOf(key))
  next.loaded(view.position)
  const { monotonic: begun, wall } = context.now
  for (let after = 0; after <= 3_000; after += 500) {
    const at = { monotonic: begun + after, wall: wall + after }
    next.fold({ type: 'turn', at })
    const peers = [{ host: host('h1').decided.uuid, reached: false, ageMs: 0, ...lost }]
    for (const name of ['h2', 'h3']) {
      const { report } = view.heard(name)
      next.fold({
        type: 'report',
        host: name,
        report: { ...report!, number: after + 100, peers },
        at
      })
    }
    const [order] = fenceOrdersOf(next, { epoch: 2, now: begun + after })
    t.is(order?.want, after < 2_000 ? 'watch' : 'off', `after ${after} ms`)
  }
})

for (const { since, fenced, says } of [
  { since: 20_000, fenced: false, says: 'a moment ago' },
  { since: 61_000, fenced: true, says: 'long ago' }
]) {
  const part = fenced ? 'no' : 'a'
  test(`hosts that another controller lost ${says} are ${part} part of what happens now`, t => {
    const rack = new Rack()
    const { cloud } = rack
    rack.pass(3_000, ['h2', 'h3'])
    rack.decide()
    rack.said('h1', 'off-confirmed')
    rack.decide()
    const next = new View()
    for (const key of cloud.view.keys()) next.load(key, cloud.view.valueOf(key))
    next.loaded(cloud.view.position)
    const { monotonic, wall } = cloud.context.now
    // Another machine: its own clock began elsewhere.
    const begun = monotonic - 1_000_000
    for (let after = 0; after <= 5_000; after += 250) {
      const at = { monotonic: begun + after, wall: wall + since - 5_000 + after }
      next.fold({ type: 'turn', at })
      const { report } = cloud.view.heard('h3')
      const heard = { ...report!, number: 100 + after, peers: [] }
      next.fold({ type: 'report', host: 'h3', report: heard, at })
      if (after > 0) continue
      next.fold({ type: 'report', host: 'h2', report: cloud.view.heard('h2').report!, at })
    }
    const { brake } = missingHosts(next, begun + 5_000)
    t.deepEqual(brake.together, fenced ? ['h2'] : ['h1', 'h2'])
  })
}
