import test from 'ava'
import { documentOf } from '../../../controller/core/documents.ts'
import { type HostSeen, watchHosts } from '../../../controller/core/host-watch.ts'
import { Rack } from '../../world/rack.ts'
import { type SampleCloud, sampleCloud } from '../../world/sample-cloud.ts'

/** Watches after so much time, and folds what is to be told. */
function watch(cloud: SampleCloud, last: ReadonlyMap<string, HostSeen>, afterMs = 0) {
  const { monotonic, wall } = cloud.context.now
  const now = { monotonic: monotonic + afterMs, wall: wall + afterMs }
  const news = watchHosts(cloud.view, last, { ...cloud.context, now })
  for (const commit of news.commits) cloud.commit(commit)
  return news
}

const events = (cloud: SampleCloud) =>
  [...cloud.view.all('event').values()].map(({ spec, decided }) => [
    spec.reason,
    spec.severity,
    decided.count
  ])

test('a host that falls silent is an alarm, and told once; late for a moment is nothing', t => {
  const cloud = sampleCloud()
  let news = watch(cloud, new Map())
  t.deepEqual(news.commits, [])
  news = watch(cloud, news.seen, 3_000)
  t.deepEqual(news.commits, [], 'it is late')
  news = watch(cloud, news.seen, 6_000)
  t.is(news.commits[0]?.decisions[0]?.because, 'was late, its agent has not been heard for 6000 ms')
  news = watch(cloud, news.seen, 9_000)
  t.deepEqual(news.commits, [], 'it was told already')
  news = watch(cloud, news.seen)
  t.is(news.commits[0]?.decisions[0]?.because, 'heard again, was silent')
  watch(cloud, news.seen, 6_000)
  t.deepEqual(events(cloud), [
    ['host-silent', 'alarm', 2],
    ['host-online', 'notice', 1]
  ])
})

test('a host whose libvirt does not answer says so in a condition, and it is told', t => {
  const cloud = sampleCloud()
  const { seen } = watch(cloud, new Map())
  cloud.report('h1', { number: 2, libvirtSilence: 'nobody listens' })
  const news = watch(cloud, seen)
  t.regex(news.commits[0]?.decisions[0]?.because ?? '', /libvirt does not answer.*nobody listens/)
  const document = documentOf(cloud.view, cloud.host('h1'), cloud.context.now)
  const libvirt = document.conditions.find(({ type }) => type === 'libvirt')
  t.is(libvirt?.status, 'false')
  cloud.report('h1', { number: 3 })
  t.is(watch(cloud, news.seen).commits[0]?.decisions[0]?.because, 'libvirt answers again')
})

test('a fence device that falls silent is an alarm before it is needed, once', t => {
  const rack = new Rack()
  const { cloud } = rack
  const device = { level: 1, name: 'lab switch of h1', power: 'on' as const }
  rack.saidDevices('h1', [{ ...device, reachable: true }])
  let news = watch(cloud, new Map())
  rack.saidDevices('h1', [{ ...device, reachable: false, because: 'nobody listens' }])
  news = watch(cloud, news.seen)
  t.regex(news.commits[0]?.decisions[0]?.because ?? '', /lab switch of h1: nobody listens/)
  news = watch(cloud, news.seen)
  t.deepEqual(news.commits, [], 'it was told already')
  rack.saidDevices('h1', [{ ...device, reachable: true }])
  watch(cloud, news.seen)
  const told = events(cloud).filter(([reason]) => String(reason).startsWith('fence-device'))
  t.deepEqual(told, [
    ['fence-device-silent', 'alarm', 1],
    ['fence-device-answers', 'notice', 1]
  ])
})

test('a host out of service that falls silent is a notice', t => {
  const cloud = sampleCloud()
  const host = cloud.host('h1')
  const since = new Date(cloud.context.now.wall).toISOString()
  const duty = { state: 'maintenance' as const, since, by: 'user/ann', parallel: 1, cold: false }
  const after = { ...host, decided: { ...host.decided, duty } }
  cloud.commit({ changes: [{ op: 'put', resource: after }], decisions: [] })
  watch(cloud, watch(cloud, new Map()).seen, 6_000)
  t.deepEqual(events(cloud), [['host-silent', 'notice', 1]])
})

test('a limit that has become too short is an alarm once, and long enough again a notice', t => {
  const { cloud } = new Rack({}, { selfFence: { limitMs: 15_000 } })
  t.deepEqual(watch(cloud, new Map()).commits, [], 'one that is alone has no sessions')
  cloud.view.sessionMs = 20_000
  const { seen, commits } = watch(cloud, new Map())
  t.is(commits.length, 3)
  t.is(
    commits[0]?.decisions[0]?.because,
    'a limit of 15 s is shorter than a change of the controller may last: 28.4 s with sessions ' +
      'of 20 s; each change of the controller may end what runs here; ' +
      'remuda host fence self h1 --limit 29s'
  )
  t.deepEqual(watch(cloud, seen).commits, [])
  cloud.view.sessionMs = 6_000
  const mended = watch(cloud, seen).commits[0]?.decisions[0]
  t.is(mended?.verb, 'limit-long-enough')
})
