/** Which level of its devices is asked when the storage shows that one before it lied. */
import test from 'ava'
import { fenceOrdersOf } from '../../../controller/core/fence-orders.ts'
import { fenceTurnOf } from '../../../controller/core/fence-turn.ts'
import { type HostSeen, watchHosts } from '../../../controller/core/host-watch.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { Rack } from '../../world/rack.ts'

const others = ['h2', 'h3']
const seenOf = (stillMs: number): object => ({
  storage: [
    {
      pool: 'far',
      seen: [
        {
          host: 'uuid-h1',
          bootId: 'boot',
          number: 7,
          ageMs: 100,
          stillMs,
          writtenMs: stillMs + 600
        }
      ]
    }
  ]
})
const moving = seenOf(0)

/** The levels of h1, by the names of their devices. */
function wish({ cloud }: Rack, levels: readonly string[]): void {
  const { id, spec, labels } = cloud.host('h1')
  const fence = levels.map(host => ({
    devices: [{ type: 'lab', socket: '/run/keeper.sock', host }]
  }))
  cloud.done({ verb: 'change', kind: 'host', id, labels, spec: { ...spec, fence } })
}

/** A rack whose hosts have these levels, and whose h1 is cut off, writes on and is being fenced. */
function cutOff(...levels: readonly string[]): Rack {
  const rack = new Rack()
  wish(rack, levels)
  rack.pass(3_000, others, moving)
  rack.decide()
  return rack
}

/** What is asked of bootd for h1. */
function asked({ cloud }: Rack): object {
  const { view, context } = cloud
  const orders = fenceOrdersOf(view, { epoch: 1, now: context.now.monotonic })
  const { want, fence, from } = orders.find(({ name }) => name === 'h1')!
  return { want, fence, from }
}

const idOf = (rack: Rack): string => rack.cloud.host('h1').decided.recovery?.id ?? ''
const contradictedOf = (rack: Rack) => rack.cloud.host('h1').decided.recovery?.contradicted

/** The level that is asked says off, and the host writes on. */
function lies(rack: Rack, level: number): readonly string[] {
  const host = rack.cloud.host('h1')
  const { fence } = fenceTurnOf(host, host.decided.recovery!)
  rack.said('h1', 'off-confirmed', fence, level)
  rack.pass(2_000, others, moving)
  return rack.decide()
}

test('levels that are found out to lie are passed by in turn, and the last is kept to', t => {
  const rack = cutOff('a', 'b')
  const id = idOf(rack)
  t.deepEqual(asked(rack), { want: 'off', fence: id, from: undefined })
  t.deepEqual(lies(rack, 1), ['fence-contradicted'])
  t.deepEqual(asked(rack), { want: 'off', fence: `${id}-2`, from: 2 })
  t.like(contradictedOf(rack), { level: 1, fence: id, said: 'read off twice' })
  t.regex(rack.message('h1'), /waits for bootd to take the fence; level 1 is not believed: it said/)
  rack.pass(2_000, others, moving)
  t.deepEqual(rack.decide(), [], 'what the first said is no answer of the second')
  t.deepEqual(lies(rack, 2), ['fence-contradicted'])
  t.deepEqual(asked(rack), { want: 'off', fence: `${id}-2`, from: 2 })
  t.deepEqual(lies(rack, 2), [], 'it is told once')
  t.is(rack.phase('h1'), 'fencing')
  rack.pass(10_000, others, seenOf(10_000))
  t.is(rack.decide()[0], 'fenced')
})

test('the word of a level after one that lied is judged by itself', t => {
  const rack = cutOff('a', 'b')
  lies(rack, 1)
  rack.said('h1', 'off-confirmed', `${idOf(rack)}-2`, 2)
  t.deepEqual(rack.decide(), [], 'it is not seen to stand still yet')
  rack.pass(1_600, others, seenOf(1_600))
  t.deepEqual(rack.decide(), ['fenced', 'evacuated', 'evacuated', 'placed'])
})

test('bootd passes by those that fail, and the level that it came to is the one that lied', t => {
  const rack = cutOff('a', 'b', 'c')
  t.deepEqual(lies(rack, 2), ['fence-contradicted'])
  t.deepEqual(asked(rack), { want: 'off', fence: `${idOf(rack)}-3`, from: 3 })
})

test('where nobody after it answers, the one that lied is believed once nothing is written', t => {
  const rack = cutOff('a', 'b')
  lies(rack, 1)
  rack.said('h1', 'unknown', `${idOf(rack)}-2`, 2)
  rack.pass(9_000, others, seenOf(9_000))
  t.deepEqual(rack.decide(), [])
  rack.pass(1_000, others, { storage: [] })
  t.deepEqual(rack.decide(), [], 'nobody looks')
  rack.pass(1_000, others, seenOf(11_000))
  t.is(rack.decide()[0], 'fenced')
  t.regex(
    rack.cloud.host('h1').decided.recovery?.proof?.because ?? '',
    /^read off twice .* for 11 s/
  )
})

test('who is heard again before a later level has said anything keeps what it has', t => {
  const rack = cutOff('a', 'b')
  lies(rack, 1)
  rack.pass(500)
  t.deepEqual(rack.decide(), ['fence-lied'])
  t.is(rack.phase('h1'), 'maintenance')
  t.is(rack.host(), 'h1')
})

test('a level that is put behind the one that lied gets its turn', t => {
  const rack = cutOff('a')
  t.deepEqual(lies(rack, 1), ['fence-contradicted'])
  t.like(asked(rack), { fence: idOf(rack), from: undefined })
  wish(rack, ['a', 'b'])
  t.like(asked(rack), { fence: `${idOf(rack)}-2`, from: 2 })
})

test('one that lied is believed once more when nothing is written for long, and never again', t => {
  for (const levels of [['a'], ['a', 'b']]) {
    const rack = cutOff(...levels)
    t.deepEqual(lies(rack, 1), ['fence-contradicted'])
    rack.pass(10_000, others, seenOf(10_000))
    t.is(rack.decide()[0], 'fenced')
    rack.pass(2_000, others, moving)
    t.deepEqual(rack.decide(), ['fence-contradicted'], 'it writes again')
    t.like(contradictedOf(rack), { level: 1, said: 'read off twice', again: true, wasProof: true })
    rack.pass(60_000, others, seenOf(60_000))
    t.deepEqual(rack.decide(), [])
    const said = rack.cloud.judged({ verb: 'confirm-off', id: rack.cloud.host('h1').id })
    t.false(isRefusal(said), 'an operator may say so')
  }
})

/** A heartbeat of h1, in this boot. */
function beats({ cloud }: Rack, bootId?: string, host = 'h1'): void {
  const beat = { type: 'heartbeat', host, loopLagMs: 0 } as const
  cloud.view.fold({ ...beat, ...(bootId && { bootId }), at: cloud.context.now })
}

/** A rack whose h1 is silent, and off as its device says; nobody else has room for its instance. */
function saidOff(...levels: readonly string[]): Rack {
  const rack = new Rack()
  wish(rack, levels)
  makeRoom(rack, false)
  rack.pass(8_000, others)
  rack.decide()
  rack.said('h1', 'off-confirmed')
  rack.decide()
  makeRoom(rack, true)
  return rack
}

function makeRoom({ cloud }: Rack, schedulable: boolean): void {
  for (const name of others) {
    const { id, spec } = cloud.host(name)
    cloud.done({ verb: 'change', kind: 'host', id, labels: {}, spec: { ...spec, schedulable } })
  }
}

test('one that is heard in the boot that should be over is told of, and held', t => {
  for (const levels of [['a'], ['a', 'b']]) {
    const rack = saidOff(...levels)
    makeRoom(rack, false)
    const { cloud } = rack
    const before = watchHosts(cloud.view, new Map<string, HostSeen>(), cloud.context).seen
    for (let ms = 1_000; ms < 3_000; ms += 1_000) {
      rack.pass(1_000, others)
      beats(rack, 'boot')
      t.deepEqual(rack.decide(), [], 'it may have been on its way when the power was cut')
    }
    rack.pass(1_000, others)
    beats(rack, 'boot')
    t.deepEqual(rack.decide(), ['fence-contradicted'])
    t.like(contradictedOf(rack), { level: 1, said: 'read off twice', spoke: true, wasProof: true })
    const { commits } = watchHosts(cloud.view, before, cloud.context)
    const verbs = commits.flatMap(({ decisions }) => decisions.map(({ verb }) => verb))
    t.true(verbs.includes('fence-waits-speaks'), verbs.join())
    const from = levels.length === 1 ? undefined : 2
    t.like(asked(rack), { want: 'off', from })
    makeRoom(rack, true)
    cloud.view.fold({ type: 'link', host: 'h1', connected: false, because: 'it was lost' })
    rack.pass(60_000, others, seenOf(60_000))
    t.deepEqual(rack.decide(), [], 'no silence brings the word back')
    t.is(rack.host(), undefined)
    if (from === undefined) continue
    rack.said('h1', 'off-confirmed', `${idOf(rack)}-2`, 2)
    t.deepEqual(rack.decide(), ['fenced', 'placed'], 'but the next level does')
  }
})

test('the last words of one that has lost its power hold nothing up', t => {
  const rack = saidOff('a')
  rack.pass(2_500, others)
  beats(rack, 'boot')
  t.deepEqual(rack.decide(), ['placed'])
  rack.pass(60_000, others)
  t.deepEqual(rack.decide(), [])
  t.is(rack.phase('h1'), 'recovering')
})

test('a new boot is none that should be over, whatever its last report says', t => {
  const rack = saidOff('a')
  rack.pass(500)
  rack.pass(4_000, others)
  beats(rack, 'boot-2')
  t.deepEqual(rack.decide(), ['placed'])
  rack.pass(500, undefined, { bootId: 'boot-2' })
  t.is(rack.decide()[0], 'host-back')
})

test('one whose report and heartbeats are of the boot that should be over is in use', t => {
  const rack = saidOff('a')
  rack.pass(500)
  rack.pass(3_000, others)
  beats(rack, 'boot')
  t.deepEqual(rack.decide()[0], 'fence-lied')
  t.is(rack.phase('h1'), 'maintenance')
})

test('a device is not believed of one that is heard for long after it was read off', t => {
  for (const boot of ['boot', 'boot-2']) {
    const rack = cutOff('a')
    rack.said('h1', 'off-confirmed')
    t.deepEqual(rack.decide(), [], 'it is not seen yet to stand still')
    // The line is mended, and those who look have not reported since.
    const verbs = [0, 1, 2, 3, 4, 5, 6].flatMap(() => {
      rack.pass(500, [])
      for (const name of ['h1', ...others]) beats(rack, name === 'h1' ? boot : 'boot', name)
      return rack.decide()
    })
    t.deepEqual(verbs, boot === 'boot' ? ['fence-contradicted'] : [])
    t.is(rack.phase('h1'), 'fencing')
  }
})
