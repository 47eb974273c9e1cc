/** What heartbeats on shared storage say for and against the death of a host. */
import test, { type ExecutionContext } from 'ava'
import type { StorageSeen } from '#shared/wire/storage.ts'
import { setHealing } from '../../../controller/core/admission/healing.ts'
import type { Change } from '../../../controller/core/commit.ts'
import { documentOf } from '../../../controller/core/documents.ts'
import { fencings } from '../../../controller/core/fencing.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { StorageWords } from '../../../controller/core/storage-words.ts'
import { suspicionOf } from '../../../controller/core/suspicion.ts'
import { View } from '../../../controller/core/view.ts'
import { Rack } from '../../world/rack.ts'

const others = ['h2', 'h3']
const seen = (changes: Partial<StorageSeen> = {}): object => ({
  storage: [
    {
      pool: 'far',
      seen: [{ host: 'uuid-h1', bootId: 'boot', number: 7, ageMs: 100, stillMs: 0, ...changes }]
    }
  ]
})
/** It was written to no longer ago than the last look but one. */
const moving = seen({ writtenMs: 600 })
const still = (ms: number): object => seen({ stillMs: ms, writtenMs: ms + 600 })

/** A rack whose h1 is cut off and writes on, and is being fenced. */
function cutOff(witness: object = moving): Rack {
  const rack = new Rack()
  rack.pass(3_000, others, witness)
  return rack
}

const verdictOf = ({ cloud }: Rack) =>
  suspicionOf(cloud.view, cloud.host('h1'), cloud.context.now.monotonic)
const becauseOf = (rack: Rack): string => {
  const suspicion = verdictOf(rack)
  return suspicion.verdict === 'none' ? '' : suspicion.because
}
const events = ({ cloud }: Rack) =>
  [...cloud.view.all('event').values()].map(({ spec }) => `${spec.severity} ${spec.reason}`)

test('a host that is cut off and writes on is fenced as soon, and called what it is', t => {
  const rack = cutOff()
  t.is(verdictOf(rack).verdict, 'suspect')
  t.regex(becauseOf(rack), /it still writes to pool far, as h2, h3 see: it is cut off, not dead$/)
  t.deepEqual(rack.decide(), ['fencing'])
})

test('what a dead host wrote before its end is no sign of life', t => {
  for (const witness of [still(2_000), seen(), seen({ writtenMs: 2_600 })]) {
    const rack = cutOff(witness)
    t.is(verdictOf(rack).verdict, 'suspect')
    t.notRegex(becauseOf(rack), /writes/)
  }
})

test('another boot of a host says nothing of the one that was lost', t => {
  const rack = cutOff(seen({ writtenMs: 600, bootId: 'next' }))
  t.notRegex(becauseOf(rack), /writes/)
})

test('where one peer alone misses a host that writes on, it is given time', t => {
  for (const [witness, verdict] of [
    [moving, 'waits'],
    [still(2_000), 'suspect']
  ] as const) {
    const rack = cutOff(witness)
    rack.cloud.report('h3', { number: 1_000, peers: [], ...witness })
    t.is(verdictOf(rack).verdict, verdict)
    // A peer that is silent as well and comes back would have the brake hold for some time.
    for (let number = 1_001; number <= 1_013; number += 1) {
      rack.pass(1_000, ['h2'], witness)
      rack.cloud.report('h3', { number, peers: [], ...witness })
    }
    t.is(verdictOf(rack).verdict, 'suspect')
  }
})

test('where no peer could look for a host that writes on, it is not suspected', t => {
  const rack = new Rack()
  rack.pass(25_000, others, { peers: [], ...moving })
  t.is(verdictOf(rack).verdict, 'waits')
  t.regex(becauseOf(rack), /no peer has looked for it since; it still writes/)
  rack.pass(1_000, others, { peers: [], ...still(2_000) })
  t.is(verdictOf(rack).verdict, 'suspect')
})

test('a device is not believed while the host is seen to write, and people are told once', t => {
  const rack = cutOff()
  rack.decide()
  rack.said('h1', 'off-confirmed')
  t.deepEqual(rack.decide(), [], 'it is not known yet whether the heartbeats go on')
  rack.pass(2_000, others, moving)
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  rack.pass(1_000, others, moving)
  t.deepEqual(rack.decide(), [])
  t.is(rack.host(), 'h1')
  t.is(rack.phase('h1'), 'fencing')
  t.regex(rack.message('h1'), /but it still wrote to pool far after that, as h2, h3 saw: cut its/)
  t.true(events(rack).includes('alarm fence-contradicted'))
  refused(t, rack, /it still writes to pool far/)
  // Nobody sees it any more: that is no proof either.
  rack.pass(30_000, others, { storage: [] })
  t.deepEqual(rack.decide(), [])
  rack.pass(1_000, others, still(9_000))
  t.deepEqual(rack.decide(), [])
  rack.pass(1_000, others, still(10_000))
  t.deepEqual(rack.decide(), ['fenced', 'evacuated', 'evacuated', 'placed'])
  t.regex(rack.cloud.host('h1').decided.recovery?.proof?.because ?? '', /has not written to pool/)
})

test('where a later boot has written over what a lying device left, its silence tells', t => {
  const rack = cutOff()
  rack.decide()
  rack.said('h1', 'off-confirmed')
  rack.pass(2_000, others, moving)
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  const next = (stillMs: number, pool = 'far') => {
    const words = { host: 'uuid-h1', bootId: 'next', number: 3, ageMs: 100, stillMs }
    return { storage: [{ pool, seen: [words] }] }
  }
  // It lives in another boot, or nobody has looked where it wrote.
  for (const witness of [next(9_000), next(60_000, 'farther')]) {
    rack.pass(5_000, others, witness)
    t.deepEqual(rack.decide(), [])
  }
  rack.pass(1_000, others, next(10_000))
  t.deepEqual(rack.decide(), ['fenced', 'evacuated', 'evacuated', 'placed'])
  t.regex(rack.cloud.host('h1').decided.recovery?.proof?.because ?? '', /has not written to pool/)
})

function refused(t: ExecutionContext, { cloud }: Rack, why: RegExp): void {
  const verdict = cloud.judged({ verb: 'confirm-off', id: cloud.host('h1').id })
  t.true(isRefusal(verdict))
  if (isRefusal(verdict)) t.regex(verdict.refused.message, why)
}

test('an operator says that it is off, once it does not write any more', t => {
  const rack = cutOff()
  rack.decide()
  rack.said('h1', 'off-confirmed')
  rack.pass(2_000, others, moving)
  rack.decide()
  rack.pass(2_000, others, still(2_000))
  rack.cloud.done({ verb: 'confirm-off', id: rack.cloud.host('h1').id })
  t.deepEqual(rack.decide(), ['evacuated', 'evacuated', 'placed'])
})

test('a device that is believed by the storage is waited for no longer than it takes to see', t => {
  const dead = cutOff(still(2_000))
  dead.decide()
  dead.said('h1', 'off-confirmed')
  t.deepEqual(dead.decide().slice(0, 1), ['fenced'], 'it had stopped before')
  const cut = cutOff()
  cut.decide()
  cut.said('h1', 'off-confirmed')
  t.deepEqual(cut.decide(), [])
  cut.pass(1_600, others, still(1_600))
  t.deepEqual(cut.decide().slice(0, 1), ['fenced'], 'it stands still')
  const blind = cutOff(seen({ writtenMs: 600, ageMs: 5_000 }))
  blind.decide()
  blind.said('h1', 'off-confirmed')
  t.deepEqual(blind.decide().slice(0, 1), ['fenced'], 'nobody looks there any more')
  const hung = cutOff()
  hung.decide()
  hung.said('h1', 'off-confirmed')
  hung.pass(6_500, others, seen({ ageMs: 3_900, writtenMs: 6_800 }))
  t.deepEqual(hung.decide().slice(0, 1), ['fenced'], 'no write was seen')
})

test('where the witness is only to warn, nothing waits', t => {
  const rack = cutOff()
  const { cloud } = rack
  const commit = setHealing(cloud.view, { storageWitness: 'alarm' }, cloud.context)
  if (isRefusal(commit)) throw new Error(commit.refused.message)
  cloud.commit(commit)
  rack.decide()
  rack.said('h1', 'off-confirmed')
  t.deepEqual(rack.decide().slice(0, 1), ['fenced'])
  rack.pass(2_000, others, moving)
  t.deepEqual(rack.decide(), ['fence-contradicted'])
  t.regex(cloud.host('h1').decided.recovery?.contradicted?.because ?? '', /still wrote to pool far/)
  rack.pass(2_000, others, moving)
  t.deepEqual(rack.decide(), [], 'once')
})

test('a host that is heard again, though its device read off, gets nothing new', t => {
  const rack = cutOff()
  rack.decide()
  rack.said('h1', 'off-confirmed')
  rack.pass(2_000, others, moving)
  rack.decide()
  rack.pass(500)
  t.deepEqual(rack.decide(), ['fence-lied'])
  t.is(rack.phase('h1'), 'maintenance')
  t.is(rack.host(), 'h1')
})

test('a host that is heard and does not write to a pool shows it, and is not fenced', t => {
  const rack = new Rack()
  const fault = 'its storage has not answered for 6 s'
  rack.pass(3_000, ['h1', 'h2', 'h3'], { storage: [{ pool: 'far', fault, seen: [] }] })
  const { view, host, context } = rack.cloud
  const said = documentOf(view, host('h1'), context.now).conditions.find(
    ({ type }) => type === 'storage-heartbeat'
  )
  t.is(said?.status, 'false')
  t.is(said?.message, `pool far: ${fault}`)
  t.deepEqual(rack.decide(), [])
})

test('what a host says next of others stands for all that it said before', t => {
  const words = new StorageWords()
  const word = { bootId: 'b', number: 1, ageMs: 100, stillMs: 0 }
  const say = (by: string, hosts: readonly string[]) =>
    words.tell(by, [{ pool: 'far', seen: hosts.map(host => ({ host, ...word })) }], 1_000)
  say('h2', ['u1', 'u3'])
  say('h3', ['u1'])
  t.deepEqual(
    words.of('u1').map(({ by, lookedAt }) => [by, lookedAt]),
    [
      ['h2', 900],
      ['h3', 900]
    ]
  )
  say('h2', ['u3'])
  t.deepEqual(
    words.of('u1').map(({ by }) => by),
    ['h3']
  )
  words.gone('h3')
  t.deepEqual(words.of('u1'), [])
  t.is(words.of('u3').length, 1)
})

/** The next controller: it knows what is recorded, and begins to listen. */
class Successor {
  readonly view = new View()
  readonly #rack: Rack

  constructor(rack: Rack) {
    this.#rack = rack
    const { view } = rack.cloud
    const resources = (['tenant', 'pool', 'host'] as const).flatMap(kind => [
      ...view.all(kind).values()
    ])
    const puts = resources.map((resource): Change => ({ op: 'put', resource }))
    const changes: readonly Change[] = [{ op: 'cloud-put', cloud: view.cloud! }, ...puts]
    this.view.fold({ type: 'commit', position: 1, commit: { changes, decisions: [] } })
    this.pass(0)
  }

  pass(ms: number, heard: readonly string[] = [], witness: object = moving): void {
    const { view, context } = this.#rack.cloud
    for (let left = ms; left >= 0; left -= 100) {
      this.#rack.pass(Math.min(100, left), others, witness)
      this.view.fold({ type: 'turn', at: context.now })
    }
    for (const host of heard) {
      this.view.fold({ type: 'link', host, connected: true, because: 'it answers' })
      const { report } = view.heard(host)
      this.view.fold({ type: 'report', host, report: report!, at: context.now })
    }
  }

  /** Bootd says of h1 what it has said before. */
  told(): void {
    const { view, context } = this.#rack.cloud
    this.view.fold({ type: 'fences', states: [view.fence('h1')!], at: context.now })
  }

  decide(): readonly string[] {
    return [...fencings(this.view, this.#rack.cloud.context)]
      .flatMap(({ decisions }) => decisions.map(({ verb }) => verb))
      .filter(verb => verb.startsWith('fence'))
  }
}

/** A device lies, and nobody has recorded it when the controller changes. */
function succeeded(witness: object = moving): Successor {
  const rack = cutOff(witness)
  rack.decide()
  rack.said('h1', 'off-confirmed')
  const next = new Successor(rack)
  next.told()
  return next
}

test('a new controller hears who may have seen a host write before it believes a device', t => {
  const next = succeeded()
  t.deepEqual(next.decide(), [], 'it has heard nobody yet')
  next.pass(500, ['h2'])
  t.deepEqual(next.decide(), [], 'h2 sees it write, and it is not known yet whether it goes on')
  next.pass(1_700, others)
  t.deepEqual(next.decide(), ['fence-contradicted'])
})

test('a new controller waits for witnesses that are not heard no longer than 4 s', t => {
  const next = succeeded()
  next.pass(3_900)
  t.deepEqual(next.decide(), [])
  next.pass(200)
  t.deepEqual(next.decide(), ['fenced'])
})

test('a new controller waits for nobody once all have been heard and none has seen it', t => {
  const next = succeeded({ storage: [] })
  next.pass(500, ['h2'], { storage: [] })
  t.deepEqual(next.decide(), [], 'h3 might have')
  next.pass(500, others, { storage: [] })
  t.deepEqual(next.decide(), ['fenced'])
})
