import test from 'ava'
import fc from 'fast-check'
import type { Commit } from '../../../controller/core/commit.ts'
import { decide } from '../../../controller/core/decide.ts'
import { orderFor } from '../../../controller/core/orders.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { type Undo, View } from '../../../controller/core/view.ts'
import { instanceIntent, type SampleCloud, sampleCloud } from '../../world/sample-cloud.ts'

/** Everything that a checkpoint would hold, and what follows from it. */
const contents = (view: View): object => ({
  values: Object.fromEntries([...view.keys()].sort().map(key => [key, view.valueOf(key)])),
  promised: view.indexes.promised('h1'),
  unplaced: [...view.indexes.unplaced].sort(),
  going: [...view.indexes.going.keys()].sort(),
  names: view.indexes.count()
})

type Step = { readonly verb: string; readonly name: string }
const steps = fc.array(
  fc.record({
    verb: fc.constantFrom('create', 'stop', 'start', 'resize', 'delete', 'gone'),
    name: fc.constantFrom('a', 'b', 'c')
  }),
  { maxLength: 40 }
)

/** Does what it says, if that is admitted; gives the commits. */
function play(cloud: SampleCloud, { verb, name }: Step): readonly Commit[] {
  const { view } = cloud
  const instance = view.named('instance', name, 'default')
  if (verb === 'gone') {
    const { generation } = orderFor(view, cloud.host('h1'), { epoch: 1, imageUrl: () => 'u' })
    const going = [...view.indexes.going.keys()].filter(key => key.startsWith('volume/'))
    const volumes = going.map(key => ({
      id: key.slice('volume/'.length),
      phase: 'absent' as const,
      message: '',
      sizeMib: 0,
      usedMib: 0
    }))
    cloud.report('h1', { generation, volumes, number: generation })
    return [...decide(view, cloud.context)].flatMap(commit => commit ?? [])
  }
  const intent =
    verb === 'create'
      ? instanceIntent(name)
      : instance === undefined
        ? undefined
        : verb === 'delete'
          ? { verb: 'delete' as const, kind: 'instance' as const, id: instance.id }
          : verb === 'resize'
            ? {
                verb: 'change' as const,
                kind: 'instance' as const,
                id: instance.id,
                labels: {},
                spec: { ...instance.spec, memoryMib: (instance.spec.memoryMib ?? 0) + 16 }
              }
            : {
                verb: 'power' as const,
                id: instance.id,
                power: verb === 'stop' ? ('stopped' as const) : ('running' as const)
              }
  const verdict = intent && cloud.judged(intent)
  return !verdict || isRefusal(verdict) || verdict.commit.changes.length === 0
    ? []
    : [verdict.commit]
}

test('a view replayed from its commits, or loaded from any moment on, equals the live one', t => {
  fc.assert(
    fc.property(steps, fc.nat(), (some, cut) => {
      const cloud = sampleCloud()
      const start = [...cloud.view.keys()].map(key => [key, cloud.view.valueOf(key)] as const)
      const first = cloud.view.position
      const commits: Commit[] = []
      let saved = { position: first, values: start }
      for (const step of some) {
        for (const commit of play(cloud, step)) {
          cloud.commit(commit)
          commits.push(commit)
        }
        if (commits.length === cut % (some.length + 1)) {
          const keys = [...cloud.view.keys()]
          const values = keys.map(key => [key, cloud.view.valueOf(key)] as const)
          saved = { position: cloud.view.position, values }
        }
      }
      for (const from of [{ position: first, values: start }, saved]) {
        const other = new View()
        other.indexes.at(from.position)
        for (const [key, value] of from.values) other.load(key, value)
        other.loaded(from.position)
        for (const [at, commit] of commits.slice(from.position - first).entries()) {
          other.fold({ type: 'commit', position: from.position + at + 1, commit })
        }
        t.deepEqual(contents(other), contents(cloud.view))
      }
    }),
    { numRuns: 60 }
  )
})

test('commits whose write failed are stepped back over without a trace', t => {
  fc.assert(
    fc.property(steps, steps, (before, lost) => {
      const cloud = sampleCloud()
      for (const step of before) for (const commit of play(cloud, step)) cloud.commit(commit)
      const earlier = structuredClone(contents(cloud.view))
      const undos: Undo[] = []
      for (const step of lost) {
        for (const commit of play(cloud, step)) {
          const position = cloud.view.position + 1
          undos.push(cloud.view.fold({ type: 'commit', position, commit })!)
        }
      }
      cloud.view.unfold(undos)
      t.deepEqual(contents(cloud.view), earlier)
    }),
    { numRuns: 60 }
  )
})

test('folding a commit again that is already in leads to the same view', t => {
  const cloud = sampleCloud()
  const { commit } = cloud.done(instanceIntent('web'))
  const before = structuredClone(contents(cloud.view))
  cloud.view.fold({ type: 'commit', position: cloud.view.position, commit })
  t.deepEqual(contents(cloud.view), before)
})

test('a report of an earlier moment of the same run says nothing new', t => {
  const cloud = sampleCloud()
  cloud.report('h1', { number: 5, generation: 9 })
  cloud.report('h1', { number: 4, generation: 3 })
  t.is(cloud.view.heard('h1').report?.generation, 9)
  cloud.report('h1', { number: 1, generation: 1, agentRun: 'next' })
  t.is(cloud.view.heard('h1').report?.generation, 1)
})

test('a history keeps the last 64 decisions', t => {
  const cloud = sampleCloud()
  for (let count = 0; count < 100; count += 1) {
    cloud.commit({
      changes: [],
      decisions: [{ at: '', by: 'x', verb: 'v', because: String(count), subjects: ['host/h1'] }]
    })
  }
  const history = cloud.view.history('host/h1')
  t.is(history.length, 64)
  t.is(history.at(-1)!.because, '99')
})

test('of what is gone the last 10,000 histories are kept, and of what is there all', t => {
  const cloud = sampleCloud()
  const { view } = cloud
  const decided = (subject: string): Commit => ({
    changes: [],
    decisions: [{ at: '', by: 'x', verb: 'v', because: 'b', subjects: [subject] }]
  })
  for (let number = 0; number < 10_100; number += 1) cloud.commit(decided(`instance/i-${number}`))
  t.is(view.history('instance/i-99').length, 0)
  t.is(view.history('instance/i-100').length, 1)
  cloud.commit(decided('host/h1'))
  cloud.commit(decided('instance/i-100'))
  cloud.commit(decided('instance/late'))
  t.is(view.history('instance/i-100').length, 2, 'something was decided about it again')
  t.is(view.history('instance/i-101').length, 0)
  t.true(view.history('host/h1').length > 0)
  const other = new View()
  for (const key of view.keys()) other.load(key, view.valueOf(key))
  other.loaded(view.position)
  other.fold({ type: 'commit', position: view.position + 1, commit: decided('instance/later') })
  t.is(other.history('instance/i-102').length, 0, 'a loaded view goes on where the stored one was')
  t.is(other.history('instance/i-103').length, 1)
})

test('of a host that gets the name of another one nothing has been heard', t => {
  const cloud = sampleCloud()
  t.true(cloud.view.heard('h1').report !== undefined)
  cloud.done({ verb: 'delete', kind: 'host', id: cloud.host('h1').id })
  const wish = { uuid: 'other', hostname: 'h1', publicKey: 'k', endpoint: 'tcp://x:1' }
  cloud.done({ verb: 'join', wish: { ...wish, trusted: true } })
  t.is(cloud.view.heard('h1').report, undefined)
  t.is(cloud.view.heard('h1').heardAt, undefined)
})

test('kept replies of a loaded view are forgotten the oldest first', t => {
  const cloud = sampleCloud()
  for (const [key, at] of [
    ['young', '2026-01-03T00:00:00.000Z'],
    ['old', '2026-01-01T00:00:00.000Z']
  ] as const) {
    const reply = { key, bodySha256: '', status: 201, subject: 'x', at }
    cloud.commit({ changes: [{ op: 'reply-put', reply }], decisions: [] })
  }
  const other = new View()
  for (const key of cloud.view.keys()) other.load(key, cloud.view.valueOf(key))
  other.loaded(cloud.view.position)
  t.deepEqual([...other.replies().keys()], ['old', 'young'])
})
