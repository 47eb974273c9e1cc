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
