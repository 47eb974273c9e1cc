import test from 'ava'
import { bootNews } from '../../../../controller/core/boot/news.ts'
import { bootPlanOf } from '../../../../controller/core/boot/plan.ts'
import type { Commit } from '../../../../controller/core/commit.ts'
import { bootOf, promotedCloud, reportOf } from './boot-world.ts'

type Cloud = ReturnType<typeof promotedCloud>

/** What is told now, and recorded. */
function told(cloud: Cloud): readonly string[] {
  const commits: Commit[] = []
  for (const commit of bootNews(cloud.view, cloud.context)) {
    cloud.commit(commit)
    commits.push(commit)
  }
  return commits.flatMap(({ decisions }) =>
    decisions.map(({ verb, subjects, because }) => `${verb} ${subjects.join()}: ${because}`)
  )
}

test('a boot that has joined is told once, with its time line', t => {
  const cloud = promotedCloud()
  cloud.hear({ boots: [bootOf('joined')] })
  const line =
    'booted host/h1: boot of image 1111111111111111 has joined: script 0.0 s, joined 4.5 s'
  t.deepEqual(told(cloud), [line])
  cloud.hear({ boots: [bootOf('joined')] })
  t.deepEqual(told(cloud), [])
})

test('a boot that fails is an alarm, each time, and so is the version before', t => {
  const cloud = promotedCloud()
  const because = 'root.squashfs has SHA-256 aa and not bb'
  cloud.hear({ boots: [bootOf('failed', { because, failures: 1 })] })
  t.deepEqual(told(cloud), [
    `boot-failed host/h1: boot of image 1111111111111111 failed: ${because} (failure 1 in a row)`
  ])
  t.is(cloud.view.named('event', 'boot-failed-host-h1')?.spec.severity, 'alarm')
  t.deepEqual(told(cloud), [])
  const stages = [{ stage: 'script' as const, at: '2026-01-01T00:01:00.000Z' }]
  const fallback = { boot: 'b-2', isFallback: true, failures: 3, stages, version: '2'.repeat(16) }
  cloud.hear({ boots: [bootOf('script', fallback)] })
  const [alarm = ''] = told(cloud)
  t.regex(alarm, /^boot-fallback host\/h1: gets image 2{16} instead of the wished one: it did not/)
  t.regex(
    alarm,
    /; once that is mended: remuda host boot-once h1 host, and remuda host roll h1 --re/
  )
})

test('a machine that stays in a stage for too long is an alarm, with how long', t => {
  const cloud = promotedCloud()
  const at = new Date(cloud.context.now.wall - 400_000).toISOString()
  cloud.hear({ boots: [bootOf('image', { percent: 12, stages: [{ stage: 'image', at }] })] })
  t.deepEqual(told(cloud), [
    'boot-stuck host/h1: boot of image 1111111111111111 is in stage image for 7 min'
  ])
  t.deepEqual(told(cloud), [])
})

test('a host that waits to be approved is not stuck', t => {
  const cloud = promotedCloud()
  const at = new Date(cloud.context.now.wall - 4_000_000).toISOString()
  const stages = [{ stage: 'agent' as const, at }]
  cloud.hear({ boots: [bootOf('agent', { isUnapproved: true, stages })] })
  t.deepEqual(told(cloud), [])
  cloud.hear({ boots: [bootOf('agent', { stages })] })
  t.regex(told(cloud)[0] ?? '', /^boot-stuck host\/h1: boot of image 1{16} is in stage agent for/)
})

test('a host that waits in its firmware is an alarm after 10 min, unless it is to wait', t => {
  const cloud = promotedCloud()
  const because = 'image version 1111111111111111 is not here yet'
  const hear = (minutes: number, changes: Parameters<typeof bootOf>[1]) => {
    const at = new Date(cloud.context.now.wall - minutes * 60_000).toISOString()
    const stages = [{ stage: 'waiting' as const, at }]
    const { version: _, ...boot } = bootOf('waiting', { because, stages, ...changes })
    cloud.hear({ boots: [boot] })
  }
  hear(9, { name: 'h1' })
  t.deepEqual(told(cloud), [])
  hear(20, { uuid: 'uuid-x' })
  t.deepEqual(told(cloud), [], 'a stranger waits as it should')
  hear(11, { name: 'h1' })
  t.deepEqual(told(cloud), [`boot-stuck host/h1: boot is in stage waiting for 11 min: ${because}`])
  t.deepEqual(told(cloud), [])
  const host = cloud.host('h1')
  const spec = { ...host.spec, boot: 'nothing' as const }
  cloud.commit({ changes: [{ op: 'put', resource: { ...host, spec } }], decisions: [] })
  hear(10.5, { name: 'h1' })
  t.deepEqual(told(cloud), [])
})

test('a boot token that another machine has shown is an alarm with both addresses, once', t => {
  const cloud = promotedCloud()
  const at = new Date(cloud.context.now.wall - 300_000).toISOString()
  const stolen = { from: '10.0.0.66', mac: '52:54:00:00:00:66', own: '10.0.0.7', at }
  cloud.hear({ boots: [bootOf('joined', { stolen })] })
  const [alarm] = told(cloud)
  t.is(
    alarm,
    'boot-token-stolen host/h1: its boot token was shown from 10.0.0.66 (52:54:00:00:00:66) and ' +
      'refused, while it was given to 10.0.0.7: somebody reads on the boot network'
  )
  t.is(cloud.view.named('event', 'boot-token-stolen-host-h1')?.spec.severity, 'alarm')
  t.deepEqual(told(cloud), [])
  // Whoever shows it again and again is told of only now and then.
  const again = new Date(cloud.context.now.wall - 1_000).toISOString()
  cloud.hear({ boots: [bootOf('joined', { stolen: { ...stolen, at: again } })] })
  t.deepEqual(told(cloud), [])
})

test('of a machine that nobody knows it is told what it can be found by', t => {
  const cloud = promotedCloud()
  const { name: _, ...stranger } = bootOf('failed', { uuid: 'uuid-x', serial: 'CZ1', failures: 1 })
  cloud.hear({ boots: [stranger] })
  t.regex(told(cloud)[0]!, /^boot-failed cluster\/boot: serial CZ1, 52:54:00:00:00:01: boot of/)
})

test('two unknown machines that fail at once are both told of, each failure once', t => {
  const cloud = promotedCloud()
  const { name: _, ...boot } = bootOf('failed', { uuid: 'uuid-x', failures: 1 })
  const early = [{ stage: 'failed' as const, at: '2026-01-01T00:00:03.000Z' }]
  const other = { ...boot, boot: 'b-2', uuid: 'uuid-y', macs: ['52:54:00:00:00:02'], stages: early }
  cloud.hear({ boots: [boot, other] })
  const macs = told(cloud).map(line => /52:54:[0-9a-f:]*/.exec(line)?.[0])
  t.deepEqual(macs, ['52:54:00:00:00:01:', '52:54:00:00:00:02:'])
  cloud.hear({ boots: [other, boot] })
  t.deepEqual(told(cloud), [])
  const again = [{ stage: 'failed' as const, at: '2026-01-01T00:00:04.000Z' }]
  cloud.hear({ boots: [boot, { ...other, boot: 'b-3', stages: again }] })
  t.is(told(cloud).length, 1)
  t.is([...cloud.view.all('event').values()].length, 2, 'one event for each machine')
})

test('of very many unknown machines that fail, not each has an event of its own', t => {
  const cloud = promotedCloud()
  const { name: _, ...boot } = bootOf('failed', { failures: 1 })
  const many = (minute: number) =>
    Array.from({ length: 300 }, (_, at) => {
      const stages = [{ stage: 'failed' as const, at: `2026-01-01T00:0${minute}:00.000Z` }]
      return { ...boot, boot: `b-${at}`, uuid: `uuid-x${at}`, stages }
    })
  cloud.hear({ boots: many(1) })
  t.is(told(cloud).length, 257)
  t.is(cloud.view.all('event').size, 257)
  t.deepEqual(told(cloud), [])
  cloud.hear({ boots: many(2) })
  told(cloud)
  t.is(cloud.view.all('event').size, 257)
  t.deepEqual(told(cloud), [])
})

test('what is older than all events that are kept is not told of again and again', t => {
  const cloud = promotedCloud()
  cloud.hear({ boots: [bootOf('failed', { failures: 1 })] })
  told(cloud)
  const { id, ...event } = cloud.view.named('event', 'boot-failed-host-h1')!
  const decided = { ...event.decided, lastAt: '2026-01-02T00:00:00.000Z' }
  const others = Array.from({ length: 2_000 }, (_, at) => ({
    op: 'put' as const,
    resource: { ...event, id: `e-${at}`, name: `other-${at}`, decided }
  }))
  const gone = { op: 'remove' as const, kind: 'event' as const, id, subject: 'event/x' }
  cloud.commit({ changes: [gone, ...others], decisions: [] })
  t.deepEqual(told(cloud), [])
})

test('after an alarm by a clock that was ahead the next one is told, and each only once', t => {
  const cloud = promotedCloud()
  const at = (ms: number) => new Date(cloud.context.now.wall + ms).toISOString()
  const failed = (boot: string, ms: number) =>
    bootOf('failed', { boot, failures: 1, stages: [{ stage: 'failed', at: at(ms) }] })
  cloud.hear({ boots: [failed('b-1', 3_600_000)] })
  t.is(told(cloud).length, 1)
  t.deepEqual(told(cloud), [])
  const right = failed('b-2', -1_000)
  cloud.hear({ boots: [right] })
  t.is(told(cloud).length, 1)
  t.deepEqual(told(cloud), [])
  t.is(cloud.view.named('event', 'boot-failed-host-h1')?.decided.lastAt, right.stages[0]?.at)
})

test('by a clock that is ahead, too, thefts are told of only now and then', t => {
  const cloud = promotedCloud()
  const at = (ms: number) => new Date(cloud.context.now.wall + ms).toISOString()
  const hear = (ms: number) => {
    const stolen = { from: '10.0.0.66', at: at(3_600_000 + ms) }
    cloud.hear({ boots: [bootOf('kernel', { stolen, stages: [{ stage: 'kernel', at: at(0) }] })] })
  }
  hear(0)
  t.is(told(cloud).length, 1)
  hear(20_000)
  t.is(told(cloud).length, 0)
  hear(601_000)
  t.is(told(cloud).length, 1)
})

test('two boot services that cannot serve, or are not alone, are told of both', t => {
  const cloud = promotedCloud()
  const early = '2026-01-01T00:00:00.000Z'
  const late = '2026-01-01T00:00:09.000Z'
  const hear = (bootd: string, since: string) => {
    const foreign = ['10.0.0.98', '10.0.0.99'].map(address => ({ address, since }))
    const report = reportOf({ foreign, problem: 'eth1 does not exist', problemSince: since })
    cloud.view.fold({ type: 'boots', bootd, report, at: cloud.context.now })
  }
  hear('c1', late)
  hear('c2', early)
  const verbs = told(cloud).map(line => line.split(' ')[0])
  t.deepEqual(verbs.toSorted(), [
    ...Array(2).fill('boot-service'),
    ...Array(4).fill('foreign-dhcp')
  ])
  t.deepEqual(told(cloud), [])
  hear('c2', late)
  t.is(told(cloud).length, 3, 'it came anew')
})

test('another DHCP server on the segment, and a service that cannot serve, are alarms', t => {
  const cloud = promotedCloud()
  const since = '2026-01-01T00:00:00.000Z'
  cloud.hear({ foreign: [{ address: '10.0.0.99', since }] })
  t.regex(told(cloud)[0]!, /^foreign-dhcp cluster\/boot: another DHCP server .* of c1: 10.0.0.99;/)
  t.deepEqual(told(cloud), [])
  cloud.hear({ mode: 'off', problem: 'eth1 does not exist', problemSince: since })
  t.regex(told(cloud)[0]!, /^boot-service cluster\/boot: bootd of c1 cannot serve boots: eth1/)
})

test('what was wished for once is used up by the boot that got it', t => {
  const cloud = promotedCloud()
  cloud.done({ verb: 'boot-once', id: cloud.host('h1').id, profile: 'rescue' })
  const { wish } = bootPlanOf(cloud.view, 1)!.machines[0]!
  cloud.hear({ boots: [bootOf('script', { wish: 'image x' })] })
  t.deepEqual(told(cloud), [])
  // Its kernel may not come, or GRUB may have read it for nothing: it asks again then.
  cloud.hear({ boots: [bootOf('script', { wish })] })
  cloud.hear({ boots: [bootOf('kernel', { wish })] })
  t.deepEqual(told(cloud), [])
  cloud.hear({ boots: [bootOf('rescue', { wish })] })
  t.deepEqual(told(cloud), ['booted-once host/h1: booted rescue once, as wished by user/admin'])
  t.is(cloud.host('h1').decided.bootOnce, undefined)
  cloud.done({ verb: 'boot-once', id: cloud.host('h1').id, profile: 'disk' })
  const disk = bootPlanOf(cloud.view, 1)!.machines[0]!.wish
  cloud.hear({ boots: [bootOf('script', { wish: disk, profile: 'disk' })] })
  t.deepEqual(told(cloud), ['booted-once host/h1: booted disk once, as wished by user/admin'])
  cloud.done({ verb: 'boot-once', id: cloud.host('h1').id, profile: 'host' })
  const anew = bootPlanOf(cloud.view, 1)!.machines[0]!.wish
  cloud.hear({ boots: [bootOf('initramfs', { wish: anew })] })
  const because = 'booted its version anew once, as wished by user/admin'
  t.deepEqual(told(cloud), [`booted-once host/h1: ${because}`])
})
