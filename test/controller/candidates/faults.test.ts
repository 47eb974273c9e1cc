import test, { type ExecutionContext } from 'ava'
import type { Resource } from '#shared/model/index.ts'
import { CandidateCloud, type WorldNews } from '../../world/candidate-cloud.ts'

/** A cloud with three candidates, two hosts and an image, and all that is seen of it. */
async function openCloud() {
  const news: WorldNews[] = []
  const cloud = new CandidateCloud(one => news.push(one))
  await cloud.startController()
  for (const name of ['h1', 'h2']) await cloud.addHost({ name, memoryMib: 4_608 })
  await cloud.addImage('tiny', { format: 'qcow2' })
  await cloud.clock.pass(2_000)
  return { cloud, news }
}

const create = (cloud: CandidateCloud, name: string): Promise<void> =>
  cloud.wish({
    verb: 'create',
    kind: 'instance',
    name,
    spec: cloud.specOf('instance', { image: 'tiny', memoryMib: 128 })
  })

const tenant = (name: string) => ({
  verb: 'create' as const,
  kind: 'tenant' as const,
  name,
  spec: { description: '' }
})

const endsOf = (news: readonly WorldNews[]): readonly string[] =>
  news.flatMap(one => (one.type === 'ended' ? [`${one.name}: ${one.because}`] : []))

/** No order of an old epoch was taken on after the first one of a new epoch, on any host. */
function assertEpochs(t: ExecutionContext, cloud: CandidateCloud, news: readonly WorldNews[]) {
  for (const host of cloud.hosts.values()) {
    const epochs = host.applied.map(({ epoch }) => epoch)
    t.deepEqual(
      epochs,
      epochs.toSorted((a, b) => a - b),
      `orders that ${host.name} took on`
    )
  }
  const entries = news.flatMap(one => (one.type === 'entry' ? [one.entry] : []))
  const positions = entries.map(({ position }) => position)
  const first = positions[0] ?? 1
  t.deepEqual(
    positions,
    positions.map((_, at) => first + at),
    'the journal has no gap'
  )
  const epochs = entries.map(({ epoch }) => epoch)
  t.deepEqual(
    epochs,
    epochs.toSorted((a, b) => a - b),
    'epochs in the journal'
  )
}

const running = async (cloud: CandidateCloud, name: string): Promise<boolean> => {
  for (const host of cloud.hosts.values()) {
    const domains = await host.hypervisor.domains()
    if (domains.some(domain => domain.name === `default.${name}`)) return true
  }
  return false
}

const led = (cloud: CandidateCloud, not: string) => (): boolean =>
  cloud.leader !== undefined && cloud.leader !== not

test('after a controller that is killed the next one orders in a new epoch', async t => {
  const { cloud, news } = await openCloud()
  await using _ = cloud
  t.is(cloud.leader, 'c1')
  await create(cloud, 'web')
  await cloud.clock.pass(2_000)
  cloud.kill('c1')
  await cloud.clock.passUntil(led(cloud, 'c1'), 10_000)
  t.is(cloud.leader, 'c2')
  t.truthy(cloud.reign.view.named('instance', 'web', 'default'))
  await cloud.clock.pass(3_000)
  await create(cloud, 'more')
  await cloud.clock.pass(3_000)
  t.true(await running(cloud, 'web'))
  t.true(await running(cloud, 'more'))
  assertEpochs(t, cloud, news)
  for (const host of cloud.hosts.values()) {
    const starts = host.hypervisor.calls.filter(call => call.startsWith('create')).length
    t.true(starts <= 1, `${host.name} started nothing twice`)
  }
})

test('a controller that was stopped for longer than its session gets nothing through', async t => {
  const { cloud, news } = await openCloud()
  await using _ = cloud
  const { reign } = cloud
  cloud.freeze('c1')
  await cloud.clock.passUntil(led(cloud, 'c1'), 10_000)
  await cloud.clock.pass(2_000)
  const late = reign.submit(tenant('late'), 'user/admin')
  await t.throwsAsync(late, { code: 'unavailable', message: /does not lead/ })
  await create(cloud, 'web')
  await cloud.clock.pass(50_000)
  await cloud.thaw('c1')
  await cloud.clock.pass(5_000)
  t.regex(endsOf(news)[0] ?? '', /^c1: cannot lead any longer/)
  t.is(cloud.leader, 'c2')
  t.true(await running(cloud, 'web'))
  assertEpochs(t, cloud, news)
})

test('who believes for ever that it leads is kept by epochs from journal and hosts', async t => {
  const { cloud, news } = await openCloud()
  await using _ = cloud
  cloud.deceived = 'c1'
  await cloud.clock.pass(1_000)
  cloud.freeze('c1')
  await cloud.clock.passUntil(led(cloud, 'c1'), 10_000)
  await create(cloud, 'web')
  await cloud.clock.pass(3_000)
  const before = cloud.disk.head()
  await cloud.thaw('c1')
  await cloud.clock.pass(20_000)
  const byEpoch = cloud.disk.entries.filter(({ position }) => position > before)
  t.true(
    byEpoch.every(({ epoch }) => epoch >= 3),
    'nothing more in the old epoch'
  )
  t.true(await running(cloud, 'web'))
  assertEpochs(t, cloud, news)
})

test('cut off from the journal alone, a controller stops before the next one begins', async t => {
  const { cloud, news } = await openCloud()
  await using _ = cloud
  await create(cloud, 'web')
  cloud.cutFromJournal('c1')
  await cloud.clock.pass(1_000)
  await t.throwsAsync(create(cloud, 'lost'), { code: 'unavailable' })
  await cloud.clock.passUntil(led(cloud, 'c1'), 15_000)
  await cloud.clock.pass(3_000)
  t.is(cloud.leader, 'c2')
  t.is(cloud.reign.view.named('instance', 'lost', 'default'), undefined)
  await create(cloud, 'more')
  await cloud.clock.pass(3_000)
  t.true(await running(cloud, 'more'))
  t.is(endsOf(news).length, 1)
  assertEpochs(t, cloud, news)
})

test('cut off from the hosts alone, a controller goes on to lead and can hand over', async t => {
  const { cloud, news } = await openCloud()
  await using _ = cloud
  await create(cloud, 'web')
  await cloud.clock.pass(2_000)
  cloud.cutFromHosts('c1')
  await cloud.clock.pass(20_000)
  t.is(cloud.leader, 'c1')
  await cloud.stepDown('c1')
  await cloud.clock.passUntil(led(cloud, 'c1'), 5_000)
  await cloud.clock.pass(3_000)
  await create(cloud, 'more')
  await cloud.clock.pass(3_000)
  t.true(await running(cloud, 'more'))
  t.deepEqual(endsOf(news), ['c1: stepped down: a test wants it'])
  assertEpochs(t, cloud, news)
})

test('an order that was on its way is refused after the next reign has spoken', async t => {
  const { cloud, news } = await openCloud()
  await using _ = cloud
  const host = cloud.host('h1')
  cloud.net.hold(host.id)
  await create(cloud, 'web')
  await create(cloud, 'more')
  await cloud.clock.pass(1_000)
  const held = cloud.net.way(host.id).held ?? []
  const stuck = held.splice(0)
  t.true(stuck.length > 0)
  cloud.net.unhold(host.id)
  cloud.freeze('c1')
  await cloud.clock.passUntil(led(cloud, 'c1'), 10_000)
  await cloud.clock.pass(3_000)
  t.is(cloud.refusalsOf(host), 0)
  for (const deliver of stuck) deliver()
  await cloud.clock.pass(3_000)
  t.true(cloud.refusalsOf(host) > 0)
  assertEpochs(t, cloud, news)
})

/** A new reign: an instance that is on no host, and two hosts that cannot be reached. */
async function openWaiting() {
  const { cloud } = await openCloud()
  await create(cloud, 'web')
  const ids = [...cloud.hosts.values()].map(({ id }) => id)
  for (const id of ids) cloud.net.cut(id)
  const { view } = cloud.reign
  const web = view.named('instance', 'web', 'default')!
  const all = [web, ...web.decided.volumes.map(id => view.get('volume', id)!)]
  const changes = all.map(({ decided: { host: _, ...decided }, ...rest }) => ({
    op: 'put' as const,
    resource: { ...rest, decided } as Resource
  }))
  const recorded = cloud.reign.record({ changes, decisions: [] })
  await cloud.stepDown('c1')
  await recorded
  await cloud.clock.passUntil(led(cloud, 'c1'), 5_000)
  const place = () => cloud.reign.view.named('instance', 'web', 'default')?.decided.host
  return { cloud, ids, place }
}

test('a new reign places nothing before it has heard all hosts, or waited for them', async t => {
  const { cloud, ids, place } = await openWaiting()
  await using _ = cloud
  cloud.net.mend(ids[0]!)
  await cloud.clock.pass(8_000)
  t.true(cloud.reign.view.heard('h1').connected)
  t.is(place(), undefined, 'h2 was not heard yet')
  await cloud.clock.pass(4_000)
  t.is(place(), 'h1', 'h2 had time enough')
})

test('a new reign that has heard all hosts places at once', async t => {
  const { cloud, ids, place } = await openWaiting()
  await using _ = cloud
  for (const id of ids) cloud.net.mend(id)
  await cloud.clock.pass(2_000)
  t.truthy(place())
})

test('a wish for which no host is known yet waits until hosts are heard', async t => {
  const { cloud, ids } = await openWaiting()
  await using _ = cloud
  const spec = cloud.specOf('instance', { image: 'tiny', memoryMib: 128 })
  const wish = { verb: 'create' as const, kind: 'instance' as const, name: 'more', spec }
  const done = cloud.reign.submit(wish, 'user/admin')
  await cloud.clock.pass(1_000)
  for (const id of ids) cloud.net.mend(id)
  await cloud.clock.pass(2_000)
  await t.notThrowsAsync(done)
})
