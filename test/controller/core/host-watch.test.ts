import test from 'ava'
import type { HostId } from '#shared/ids.ts'
import { notAdmitted } from '#shared/wire/messages.ts'
import type { Commit } from '../../../controller/core/commit.ts'
import { documentOf } from '../../../controller/core/documents.ts'
import { type HostSeen, watchHosts } from '../../../controller/core/host-watch.ts'
import { View } from '../../../controller/core/view.ts'
import { Rack } from '../../world/rack.ts'
import { decidedBy, type SampleCloud, sampleCloud } from '../../world/sample-cloud.ts'

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
  t.is(
    news.commits[0]?.decisions[0]?.because,
    'was late, its agent has not been heard for 6000 ms; remuda ha status'
  )
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

test('a host whose agent does not let this controller in says so, and why that is', t => {
  const kept: Commit[] = []
  const cloud = sampleCloud({ h1: { memoryMib: 4_608 } }, one => kept.push(one))
  const view = new View()
  for (const [at, commit] of kept.entries()) {
    view.fold({ type: 'commit', position: at + 1, commit })
  }
  const ready = () =>
    documentOf(view, view.named('host', 'h1')!, cloud.context.now).conditions.find(
      ({ type }) => type === 'ready'
    )
  t.is(ready()?.reason, 'not-heard')
  view.fold({ type: 'link', host: 'h1' as HostId, connected: false, because: notAdmitted })
  t.is(ready()?.reason, 'not-let-in')
  t.regex(ready()?.message ?? '', /not let this controller in: it belongs to another cloud/)
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

test('a host that does not come back from a reboot is an alarm once, heard or not', t => {
  const cloud = sampleCloud()
  cloud.done({ verb: 'drain', id: cloud.host('h1').id, parallel: 1, cold: false })
  decidedBy(cloud)
  cloud.done({ verb: 'reboot-host', id: cloud.host('h1').id })
  const first = watch(cloud, new Map())
  const quarter = 15 * 60_000
  const early = watch(cloud, first.seen, quarter)
  t.false(early.commits.some(one => one.decisions[0]?.verb === 'host-not-back'))
  const late = watch(cloud, early.seen, quarter + 1_000)
  const [told] = late.commits.flatMap(({ decisions }) => decisions)
  t.is(told?.verb, 'host-not-back')
  t.regex(told?.because ?? '', /boot anew 15 min ago.*remuda power cycle h1/)
  t.deepEqual(watch(cloud, late.seen, quarter + 2_000).commits, [], 'it is told once')
  const { monotonic, wall } = cloud.context.now
  const at = { monotonic: monotonic + quarter + 1_000, wall: wall + quarter + 1_000 }
  cloud.view.fold({ type: 'heartbeat', host: 'h1', loopLagMs: 0, beat: undefined, at })
  const commits = watch(cloud, first.seen, quarter + 1_000).commits
  const stands = commits.map(({ decisions }) => decisions[0]?.verb)
  t.deepEqual(stands, ['host-not-back'], 'it is heard, and in the boot of before')
})

test('a limit that has become too short is an alarm once, and long enough again a notice', t => {
  const { cloud } = new Rack({}, { selfFence: { limitMs: 15_000 } })
  t.deepEqual(watch(cloud, new Map()).commits, [], 'one that is alone has no sessions')
  cloud.view.sessionMs = 20_000
  const { seen, commits } = watch(cloud, new Map())
  t.is(commits.length, 3)
  t.is(
    commits[0]?.decisions[0]?.because,
    'with a limit of 15 s a host ends its instances after 13 s, sooner than a change of the ' +
      'controller may last: 28.9 s with sessions ' +
      'of 20 s; each change of the controller may end what runs here; ' +
      'remuda host fence self h1 --limit 34s'
  )
  t.deepEqual(watch(cloud, seen).commits, [])
  cloud.view.sessionMs = 4_000
  const mended = watch(cloud, seen).commits[0]?.decisions[0]
  t.is(mended?.verb, 'limit-long-enough')
})
