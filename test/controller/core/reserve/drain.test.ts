/** A host that is emptied, and what comes back to it, under the reserve. */
import test from 'ava'
import { departuresOf } from '../../../../controller/core/drain.ts'
import { departureShown } from '../../../../controller/core/duty-document.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import { promiseOf } from '../../../../controller/core/reserve/promise.ts'
import { instanceIntent } from '../../../world/sample-cloud.ts'
import { Yard } from '../../../world/yard.ts'

/** 4 GiB for instances each. */
const [h1, h2, h3] = [4_608, 4_608, 4_608]
const gib = 1_024

function heal(yard: Yard, reserveHosts?: number): void {
  const { cloud } = yard.cloud.view
  const healing = reserveHosts === undefined ? {} : { reserveHosts }
  const change = { op: 'cloud-put', cloud: { ...cloud!, healing } } as const
  yard.cloud.commit({ changes: [change], decisions: [] })
}

const promise = ({ cloud: { view, context } }: Yard) => promiseOf(view, context.now).state

const judgedDrain = ({ cloud }: Yard, host: string, cold = false) =>
  cloud.judged({ verb: 'drain', id: cloud.host(host).id, parallel: 2, cold })

for (const [title, spec, cold] of [
  ['that is not highly available', { highlyAvailable: false }, false],
  ['container that is shut down for it', { type: 'container', image: 'tiny-container' }, true]
] as const) {
  test(`a drain is refused where an instance ${title} would take the room of a loss`, t => {
    const yard = new Yard({ h1, h2, h3 })
    yard.fill('h1', { soft: { memoryMib: 3 * gib, ...spec, highlyAvailable: false } })
    yard.fill('h2', { web: { memoryMib: 3 * gib } })
    heal(yard, 1)
    t.is(promise(yard), 'kept')
    const verdict = judgedDrain(yard, 'h1', cold)
    if (!isRefusal(verdict)) return t.fail('it was admitted')
    t.regex(verdict.refused.message, /^cannot drain host h1: the room that is kept for the loss of/)
    t.regex(verdict.refused.reasons[0]!, /^if h2 is lost, web \(3072 MiB\) could start nowhere/)
  })
}

test('a drain that shuts down what it did not before is judged again', t => {
  const yard = new Yard({ h1, h2, h3 })
  const container = { type: 'container', image: 'tiny-container', highlyAvailable: false }
  yard.fill('h1', { soft: { memoryMib: 3 * gib, ...container } })
  yard.fill('h2', { web: { memoryMib: 3 * gib } })
  heal(yard, 1)
  yard.drain('h1')
  t.true(isRefusal(judgedDrain(yard, 'h1', true)))
})

test('who would take the room of those that leave a host is refused while it is emptied', t => {
  const yard = new Yard({ h1, h2, h3 })
  yard.fill('h1', { a: { memoryMib: 2 * gib } })
  yard.fill('h2', { b: { memoryMib: 2 * gib } })
  heal(yard, 1)
  yard.cloud.done({ verb: 'drain', id: yard.cloud.host('h1').id, parallel: 1, cold: false })
  const wish = instanceIntent('c', { pool: 'far', memoryMib: 2 * gib })
  const verdict = yard.cloud.judged(wish)
  if (!isRefusal(verdict)) return t.fail('it was admitted')
  t.regex(verdict.refused.reasons[0]!, /^if h\d is lost, [abc] \(2048 MiB\) could start nowhere/)
  t.regex(verdict.refused.reasons[0]!, /0 MiB are left/)
  yard.turns(10)
  t.deepEqual(yard.on('h1'), [])
  t.is(promise(yard), 'kept')
  t.true(isRefusal(yard.cloud.judged(wish)), 'it is refused for the same when they have left')
})

test('a departure that would break the promise is held, says why, and goes in the end', t => {
  const yard = new Yard({ h1, h2, h3 })
  yard.fill('h1', { soft: { memoryMib: 3 * gib, highlyAvailable: false } })
  yard.fill('h2', { web: { memoryMib: 3 * gib } })
  // The drain was begun before there was a reserve.
  yard.cloud.done({ verb: 'drain', id: yard.cloud.host('h1').id, parallel: 1, cold: false })
  heal(yard, 1)
  yard.turns(5)
  t.deepEqual(yard.on('h1'), ['soft'])
  t.is(promise(yard), 'kept')
  const held = /the loss of any 1 host would be gone: if h2 is lost, web \(3072 MiB\) could start/
  t.regex(yard.because('h1', 'drain-held'), held)
  const { view, context } = yard.cloud
  const wish = { host: yard.cloud.host('h1'), cold: false, tries: undefined }
  const [shown] = [...departuresOf(view, wish, context)].map(one => departureShown(view, one))
  t.like(shown, { name: 'soft', state: 'held' })
  t.regex(shown!.because, held)
  t.deepEqual(yard.turns(5), [], 'it is told once')
  heal(yard)
  yard.turns(5)
  t.deepEqual(yard.on('h1'), [])
  t.is(yard.duty('h1'), 'maintenance')
})

test('a departure goes to a host that is not the best, but keeps the promise', t => {
  const yard = new Yard({ h1, h2, h3, h4: 8_704 })
  yard.fill('h1', { soft: { memoryMib: 3 * gib, highlyAvailable: false } })
  yard.fill('h2', { web: { memoryMib: 3.5 * gib } })
  yard.fill('h4', { local: { memoryMib: 5 * gib, pool: 'local' } })
  heal(yard, 1)
  t.is(promise(yard), 'kept')
  const { id } = yard.cloud.host('h1')
  const open = yard.cloud.judged({ verb: 'move', id: yard.instance('soft').id, to: 'h3' })
  t.true(isRefusal(open), 'the best host is the only one for web')
  const duty = { state: 'draining', since: '', by: '', parallel: 1, cold: false, had: [] } as const
  const host = yard.cloud.view.get('host', id)!
  const emptied = { ...host, decided: { ...host.decided, duty } }
  yard.cloud.commit({ changes: [{ op: 'put', resource: emptied }], decisions: [] })
  yard.turns(10)
  t.deepEqual(yard.on('h4'), ['soft', 'local'])
  t.is(promise(yard), 'kept')
})

test('who would come back to a host stays elsewhere where the room of a loss would be gone', t => {
  const yard = new Yard({ h1, h2, h3 })
  yard.fill('h1', { soft: { memoryMib: 3 * gib, highlyAvailable: false } })
  yard.fill('h3', { web: { memoryMib: 3 * gib } })
  yard.drain('h1')
  yard.turns(10)
  t.deepEqual(yard.on('h2'), ['soft'])
  // What is on h3 could start on h1 alone from now on.
  yard.resume('h1')
  const { id, spec, labels } = yard.cloud.host('h2')
  const closed = { ...spec, schedulable: false }
  yard.cloud.done({ verb: 'change', kind: 'host', id, labels, spec: closed })
  heal(yard, 1)
  t.is(promise(yard), 'kept')
  const host = yard.cloud.host('h1')
  const awaited = [yard.instance('soft').id]
  const since = new Date(yard.cloud.context.now.wall).toISOString()
  const returning = { since, by: 'user/admin', parallel: 2, cold: false, awaited }
  const returns = { ...host, decided: { ...host.decided, returning } }
  yard.cloud.commit({ changes: [{ op: 'put', resource: returns }], decisions: [] })
  yard.turns(3)
  t.deepEqual(yard.on('h1'), [])
  t.is(promise(yard), 'kept')
  yard.turns(1, 120_000)
  const why = /1 stay elsewhere: soft \(the room that is kept .* if h3 is lost, web \(3072 MiB\)/
  t.regex(yard.because('h1', 'returned'), why)
})
