import test from 'ava'
import type { Commit } from '../../../controller/core/commit.ts'
import { decide } from '../../../controller/core/decide.ts'
import { orderFor } from '../../../controller/core/orders.ts'
import type { Undo } from '../../../controller/core/view.ts'
import { instanceIntent, type SampleCloud, sampleCloud } from '../../world/sample-cloud.ts'

const order = (cloud: SampleCloud) =>
  orderFor(cloud.view, cloud.host('h1'), { epoch: 1, imageUrl: ({ id }) => id })

/** Folds commits whose write then fails. */
function lose(cloud: SampleCloud, ...commits: readonly (() => Commit)[]): void {
  const undos: Undo[] = []
  for (const commit of commits) {
    const position = cloud.view.position + 1
    undos.push(cloud.view.fold({ type: 'commit', position, commit: commit() })!)
  }
  cloud.view.unfold(undos)
}

const created = (cloud: SampleCloud, name: string) => (): Commit => {
  const verdict = cloud.judged(instanceIntent(name))
  if ('refused' in verdict) throw new Error(verdict.refused.message)
  return verdict.commit
}

test('an order after lost commits is older than that of any commit that follows', t => {
  const cloud = sampleCloud({ h1: { memoryMib: 4_608 }, h2: { memoryMib: 1_024 } })
  const before = cloud.view.position
  lose(cloud, created(cloud, 'a'), created(cloud, 'b'), created(cloud, 'c'))
  t.is(cloud.view.position, before)
  const sent = order(cloud)
  t.deepEqual(sent.instances, [])
  t.true(sent.generation <= before, `generation ${sent.generation} at position ${before}`)
  cloud.done(instanceIntent('web'))
  const next = order(cloud)
  t.is(next.instances.length, 1)
  t.true(next.generation > sent.generation, 'a host would refuse it as an older one')
})

test('notices whose commit was lost are taken again, and no host is told to forget them', t => {
  const cloud = sampleCloud()
  const notice = {
    number: 1,
    at: '2026-01-01T00:00:01Z',
    subject: 'i-1',
    reason: 'instance-ended',
    message: 'it has ended',
    severity: 'warning' as const
  }
  cloud.report('h1', { number: 2, notices: [notice] })
  const decided = (): readonly Commit[] =>
    [...decide(cloud.view, cloud.context)].flatMap(one => one ?? [])
  lose(cloud, () => decided()[0]!)
  t.is(order(cloud).noticesKept, 0)
  t.is(decided().length, 1)
})
