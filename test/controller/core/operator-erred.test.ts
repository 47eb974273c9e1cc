/** An operator says of a host that it is off, and the host shows that it is not. */
import test from 'ava'
import { setHealing } from '../../../controller/core/admission/healing.ts'
import type { Change } from '../../../controller/core/commit.ts'
import { fenceOrdersOf } from '../../../controller/core/fence-orders.ts'
import { fenceTurnOf } from '../../../controller/core/fence-turn.ts'
import { fencings } from '../../../controller/core/fencing.ts'
import { type HostSeen, watchHosts } from '../../../controller/core/host-watch.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { View } from '../../../controller/core/view.ts'
import { Rack } from '../../world/rack.ts'

const others = ['h2', 'h3'] as const
const all = ['h1', ...others]

const seen = (stillMs: number, writtenMs = stillMs + 600): object => ({
  storage: [
    {
      pool: 'far',
      seen: [{ host: 'uuid-h1', bootId: 'boot', number: 7, ageMs: 100, stillMs, writtenMs }]
    }
  ]
})
const moving = seen(0)
const still = (ms: number): object => seen(ms)

const reported = ({ cloud }: Rack, power: string) => ({
  instances: [
    {
      id: cloud.view.named('instance', 'web', 'default')!.id,
      ...{ generation: 1, power, reason: power, message: power },
      ...{ startCount: 1, restartNeeded: false }
    }
  ]
})

function makeRoom({ cloud }: Rack, schedulable: boolean): void {
  for (const name of others) {
    const { id, spec } = cloud.host(name)
    const change = { verb: 'change', kind: 'host', id, labels: {}, spec: { ...spec, schedulable } }
    cloud.done(change as never)
  }
}

const lab = (host: string) => ({ devices: [{ type: 'lab', socket: '/run/keeper.sock', host }] })

function wish({ cloud }: Rack, levels: readonly string[]): void {
  const { id, spec, labels } = cloud.host('h1')
  cloud.done({
    verb: 'change',
    kind: 'host',
    id,
    labels,
    spec: { ...spec, fence: levels.map(lab) }
  })
}

const confirmOff = ({ cloud }: Rack) =>
  cloud.judged({ verb: 'confirm-off', id: cloud.host('h1').id })

/** h1 is silent, an operator says that it is off, and nobody else has room for its instance. */
function saidOff(levels: readonly string[] = [], words: object = still(5_000)): Rack {
  const rack = new Rack()
  wish(rack, levels)
  rack.pass(500, all, reported(rack, 'running'))
  makeRoom(rack, false)
  rack.pass(6_000, others, words)
  rack.decide()
  rack.cloud.done({ verb: 'confirm-off', id: rack.cloud.host('h1').id })
  rack.decide()
  return rack
}

const recoveryOf = ({ cloud }: Rack) => cloud.host('h1').decided.recovery
const alarms = ({ cloud }: Rack): readonly string[] =>
  [...cloud.view.all('event').values()]
    .filter(({ spec }) => spec.severity === 'alarm')
    .map(({ spec }) => `${spec.reason}: ${spec.message}`)

function asked({ cloud }: Rack): object | undefined {
  const { view, context } = cloud
  const orders = fenceOrdersOf(view, { epoch: 1, now: context.now.monotonic })
  const { want, fence, from } = orders.find(({ name }) => name === 'h1') ?? {}
  return want && { want, fence, from }
}

/** A heartbeat of h1, which has not said yet what it runs. */
function beats({ cloud }: Rack, bootId?: string): void {
  const beat = { type: 'heartbeat', host: 'h1', loopLagMs: 0 } as const
  cloud.view.fold({ ...beat, ...(bootId && { bootId }), at: cloud.context.now })
}

test('one that writes is told of at once, and what has not started elsewhere waits', t => {
  const rack = saidOff()
  t.is(rack.phase('h1'), 'fenced')
  rack.pass(2_000, others, moving)
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  const words =
    'fence-contradicted: an operator said that it is off, but it still wrote to pool far after ' +
    'that, as h2, h3 saw: what has started elsewhere may run twice; nothing starts elsewhere ' +
    'until it is off: cut its power by hand, then: remuda host confirm-off h1; ' +
    "the operator's word: user/admin has seen that it is off"
  t.is(alarms(rack).at(-1)?.slice(0, words.length), words)
  t.is(rack.phase('h1'), 'fencing')
  t.regex(rack.message('h1'), /no fence device; an operator's word is not believed: it still wrote/)
  makeRoom(rack, true)
  rack.pass(1_000, others, moving)
  t.deepEqual(rack.decide(), [], 'it is told once')
  t.is(rack.host(), undefined)
  const again = confirmOff(rack)
  t.true(isRefusal(again), 'nor is it believed again while it writes')
})

test('no quiet brings the word back, and a new one may be contradicted anew', t => {
  const rack = saidOff()
  const said = recoveryOf(rack)?.proof?.because
  rack.pass(2_000, others, moving)
  rack.decide()
  for (const words of [still(11_000), { storage: [] }, still(60_000)]) {
    rack.pass(1_000, others, words)
    t.deepEqual(rack.decide(), [])
  }
  rack.cloud.done({ verb: 'confirm-off', id: rack.cloud.host('h1').id })
  t.like(recoveryOf(rack)?.proof, { verdict: 'operator', because: said })
  rack.pass(2_000, others, moving)
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  t.is(recoveryOf(rack)?.contradicted?.said, said)
})

test('its devices are tried from the first on, and their word is judged by itself', t => {
  const rack = saidOff(['a', 'b'])
  rack.pass(2_000, others, moving)
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  t.regex(
    alarms(rack).at(-1) ?? '',
    /trying level 1, .* a; nothing starts elsewhere until it is off/
  )
  const id = recoveryOf(rack)?.id ?? ''
  t.deepEqual(asked(rack), { want: 'off', fence: `${id}-1`, from: undefined })
  rack.said('h1', 'off-confirmed', id)
  t.deepEqual(rack.decide(), [], 'what was said before is no answer')
  rack.said('h1', 'off-confirmed', `${id}-1`)
  t.deepEqual(rack.decide(), [], 'it is not seen to stand still yet')
  makeRoom(rack, true)
  rack.pass(1_600, others, still(1_600))
  t.deepEqual(rack.decide(), ['fenced', 'placed'])
  t.like(recoveryOf(rack)?.proof, { verdict: 'off-confirmed' })
})

test('a device that has lied before the operator erred is not asked again', t => {
  const rack = new Rack()
  wish(rack, ['a', 'b'])
  makeRoom(rack, false)
  rack.pass(3_000, others, moving)
  rack.decide()
  rack.said('h1', 'off-confirmed')
  rack.pass(2_000, others, moving)
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  rack.pass(3_000, others, still(3_000))
  rack.cloud.done({ verb: 'confirm-off', id: rack.cloud.host('h1').id })
  rack.decide()
  rack.pass(2_000, others, moving)
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  t.deepEqual(asked(rack), { want: 'off', fence: `${recoveryOf(rack)?.id}-2`, from: 2 })
})

test('the last of its devices that has lied is not believed under another id', t => {
  const rack = saidOff(['a'])
  rack.pass(2_000, others, moving)
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  rack.said('h1', 'off-confirmed', `${recoveryOf(rack)?.id}-1`)
  rack.pass(2_000, others, moving)
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  const { fence } = fenceTurnOf(rack.cloud.host('h1'), recoveryOf(rack)!)
  rack.said('h1', 'off-confirmed', fence)
  makeRoom(rack, true)
  rack.pass(1_600, others, still(1_600))
  t.deepEqual(rack.decide(), [])
  t.is(rack.host(), undefined)
})

test('a device that has lied is not asked again when the operator errs twice', t => {
  const rack = saidOff(['a', 'b'])
  rack.pass(2_000, others, moving)
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  rack.said('h1', 'off-confirmed', `${recoveryOf(rack)?.id}-1`)
  rack.pass(2_000, others, moving)
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  for (const _ of ['once', 'twice']) {
    rack.pass(3_000, others, still(3_000))
    rack.cloud.done({ verb: 'confirm-off', id: rack.cloud.host('h1').id })
    rack.pass(2_000, others, moving)
    t.deepEqual(rack.decide(), ['fence-contradicted'])
    t.like(asked(rack), { from: 2 })
  }
})

test('what its device has read before it was heard is not believed after that', t => {
  const rack = saidOff(['a'])
  rack.pass(2_000, others, moving)
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  rack.pass(3_000, others, still(3_000))
  rack.cloud.done({ verb: 'confirm-off', id: rack.cloud.host('h1').id })
  rack.said('h1', 'off-confirmed', `${recoveryOf(rack)?.id}-1`)
  rack.pass(4_000, others)
  beats(rack, 'boot')
  t.deepEqual(rack.decide(), ['fence-contradicted', 'fence-contradicted'])
  makeRoom(rack, true)
  rack.cloud.view.fold({ type: 'link', host: 'h1', connected: false, because: 'it was lost' })
  rack.pass(20_000, others, still(20_000))
  t.deepEqual(rack.decide(), [])
  t.is(rack.host(), undefined)
})

test('one that reports in the same boot is in use at once, and keeps what nobody else has', t => {
  for (const isSeen of [false, true]) {
    const rack = saidOff()
    if (isSeen) {
      rack.pass(2_000, others, moving)
      rack.decide()
    }
    makeRoom(rack, true)
    rack.pass(500, all, reported(rack, 'running'))
    t.deepEqual(rack.decide(), ['fence-lied', 'stayed'])
    t.regex(alarms(rack).at(-1) ?? '', /^fence-lied: heard in the same boot boot/)
    t.is(rack.phase('h1'), 'maintenance')
    t.regex(rack.message('h1'), /see to what said so, then remuda host resume h1/)
    t.is(rack.host(), 'h1')
  }
})

test('one that has booted since is no contradiction', t => {
  const rack = saidOff()
  makeRoom(rack, true)
  const { view, context } = rack.cloud
  const beat = { type: 'heartbeat', host: 'h1', loopLagMs: 0, bootId: 'boot-2' } as const
  rack.pass(500, others)
  view.fold({ ...beat, at: context.now })
  t.deepEqual(rack.decide(), ['placed'], 'its heartbeat tells')
  rack.pass(500, all, { bootId: 'boot-2' })
  t.is(rack.decide()[0], 'host-back')
})

test('a heartbeat of the same boot is told at once, and neither silence nor time undoes it', t => {
  const rack = saidOff()
  const { cloud } = rack
  const seenBefore = watchHosts(cloud.view, new Map<string, HostSeen>(), cloud.context).seen
  makeRoom(rack, true)
  rack.pass(500, others)
  beats(rack)
  t.deepEqual(rack.decide(), [], 'it names no boot: it may be a new one')
  t.is(rack.host(), undefined)
  rack.pass(500, others)
  beats(rack, 'boot')
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  t.like(recoveryOf(rack)?.contradicted, { by: 'operator', spoke: true, wasProof: true })
  t.regex(alarms(rack).at(-1) ?? '', /^fence-contradicted: .* it is heard in the boot boot that/)
  const { commits } = watchHosts(cloud.view, seenBefore, cloud.context)
  const words = commits.flatMap(({ decisions }) => decisions.map(one => one.because)).join('\n')
  t.regex(
    words,
    /is heard in the boot boot that should be over .*; if its report does not come: see/
  )
  cloud.view.fold({ type: 'link', host: 'h1', connected: false, because: 'it was lost' })
  for (const ms of [0, 6_000, 60_000]) {
    rack.pass(ms, others, still(60_000))
    t.deepEqual(rack.decide(), [], `${ms}`)
    t.is(rack.host(), undefined)
  }
  cloud.done({ verb: 'confirm-off', id: cloud.host('h1').id })
  t.deepEqual(rack.decide(), ['placed'], 'the operator has looked again')
})

test('one that was heard is waited for whatever the storage witness is set to', t => {
  const rack = saidOff()
  const { cloud } = rack
  cloud.commit(setHealing(cloud.view, { storageWitness: 'alarm' }, cloud.context) as never)
  makeRoom(rack, true)
  rack.pass(500, others)
  beats(rack, 'boot')
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  rack.pass(20_000, others, still(20_000))
  t.deepEqual(rack.decide(), [])
  t.is(rack.host(), undefined)
})

test('one that was heard ends it by a report, of the same boot or of a new one', t => {
  for (const [bootId, verb] of [
    ['boot', 'fence-lied'],
    ['boot-2', 'fence-withdrawn']
  ] as const) {
    const rack = saidOff()
    rack.pass(500, others)
    beats(rack, 'boot')
    t.deepEqual(rack.decide(), ['fence-contradicted'])
    makeRoom(rack, true)
    rack.pass(500, all, { bootId, ...(bootId === 'boot' ? reported(rack, 'running') : {}) })
    t.is(rack.decide()[0], verb)
    t.is(rack.host(), 'h1')
  }
})

test('its device is not believed as long as it is heard, and after that it is', t => {
  const rack = saidOff(['a', 'b'])
  rack.pass(500, others)
  beats(rack, 'boot')
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  const id = recoveryOf(rack)?.id ?? ''
  t.like(asked(rack), { want: 'watch' }, 'it may be about to report')
  for (let ms = 0; ms < 3_000; ms += 500) {
    rack.pass(500, others)
    beats(rack, 'boot')
  }
  t.deepEqual(asked(rack), { want: 'off', fence: `${id}-1`, from: undefined })
  rack.said('h1', 'off-confirmed', `${id}-1`)
  makeRoom(rack, true)
  t.deepEqual(rack.decide(), [])
  rack.pass(5_000, others)
  t.deepEqual(rack.decide(), ['fenced', 'placed'])
})

test('its device that says off while it is heard for long is passed by', t => {
  const rack = saidOff(['a', 'b'])
  rack.pass(500, others)
  beats(rack, 'boot')
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  const id = recoveryOf(rack)?.id ?? ''
  rack.cloud.view.fold({ type: 'link', host: 'h1', connected: false, because: 'it was lost' })
  t.like(asked(rack), { want: 'off' }, 'nothing more is to be expected of it')
  rack.said('h1', 'off-confirmed', `${id}-1`)
  for (const verbs of [[], [], ['fence-contradicted']]) {
    rack.pass(1_000, others)
    beats(rack, 'boot')
    t.deepEqual(rack.decide(), verbs)
  }
  t.deepEqual(asked(rack), { want: 'off', fence: `${id}-2`, from: 2 })
})

test('what the witness has told is held once it is to hold', t => {
  const rack = saidOff()
  const { cloud } = rack
  cloud.commit(setHealing(cloud.view, { storageWitness: 'alarm' }, cloud.context) as never)
  rack.pass(2_000, others, moving)
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  t.regex(alarms(rack).at(-1) ?? '', /may run twice: cut its power by hand; the operator's word/)
  t.is(rack.phase('h1'), 'fenced')
  rack.pass(1_000, others, moving)
  t.deepEqual(rack.decide(), [], 'it is told once')
  cloud.commit(setHealing(cloud.view, { storageWitness: 'hold' }, cloud.context) as never)
  t.deepEqual(rack.decide(), ['fence-contradicted'], 'from now on it is held')
  makeRoom(rack, true)
  rack.pass(1_000, others, moving)
  t.deepEqual(rack.decide(), [])
  t.is(rack.host(), undefined)
})

test('nobody waits for who writes where the witness only tells', t => {
  const rack = saidOff()
  const { cloud } = rack
  cloud.commit(setHealing(cloud.view, { storageWitness: 'alarm' }, cloud.context) as never)
  rack.pass(2_000, others, moving)
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  makeRoom(rack, true)
  rack.pass(1_000, others, moving)
  t.deepEqual(rack.decide(), ['placed'])
})

test('the next controller contradicts it as well, by what it sees itself', t => {
  const rack = saidOff()
  const view = new View()
  const resources = (['tenant', 'pool', 'host'] as const).flatMap(kind => [
    ...rack.cloud.view.all(kind).values()
  ])
  const changes = resources.map((resource): Change => ({ op: 'put', resource }))
  view.fold({ type: 'commit', position: 1, commit: { changes, decisions: [] } })
  const decided = (ms: number): readonly string[] => {
    for (let left = ms; left >= 0; left -= 500) {
      rack.pass(Math.min(left, 500), others, moving)
      view.fold({ type: 'turn', at: rack.cloud.context.now })
    }
    for (const host of others) {
      const report = rack.cloud.view.heard(host).report!
      view.fold({ type: 'link', host, connected: true, because: 'it answers' })
      view.fold({ type: 'report', host, report, at: rack.cloud.context.now })
    }
    const commits = [...fencings(view, rack.cloud.context)]
    const about = commits.filter(({ decisions }) => decisions[0]?.subjects.includes('host/h1'))
    return about.flatMap(({ decisions }) => decisions.map(({ verb }) => verb))
  }
  t.deepEqual(decided(0), [], 'it may be what was written before')
  t.deepEqual(decided(2_000), ['fence-contradicted'])
})
