import test from 'ava'
import { type BootChoice, choose } from '../../../bootd/core/boot-choice.ts'
import { keptBoots, recalledBoots } from '../../../bootd/core/boot-memory.ts'
import * as progress from '../../../bootd/core/boot-progress.ts'
import { boundedBoots } from '../../../bootd/core/boot-report.ts'
import type { BootStage } from '../../../shared/wire/boot.ts'
import { machine, plan, version, before as versionBefore, whole } from './plans.ts'

const at = (seconds: number): progress.Moment => ({
  wall: 1_700_000_000_000 + seconds * 1_000,
  monotonic: seconds * 1_000
})
const mac = '52:54:00:77:00:01'
const asker = { uuid: machine.uuid!, mac, architecture: 'x86_64', platform: 'efi' }
const firmware = { firmware: 'uefi', architecture: 'x86_64', isIpxe: false }
const address = '10.77.0.60'

const give = (before?: progress.MachineBoot, wished = machine): BootChoice =>
  choose({ plan, machine: wished, past: before, versions: whole })

const dhcp = (before: progress.MachineBoot | undefined, seconds: number) =>
  progress.addressed(
    before,
    { mac, address, ...firmware },
    { boot: `b${seconds}`, at: at(seconds) }
  )

const script = (before: progress.MachineBoot | undefined, seconds: number, choice = give(before)) =>
  progress.told(
    before,
    { asker, address, choice, boot: `b${seconds}`, token: `t${seconds}`, joinWithinMs: 600_000 },
    at(seconds)
  )

const tell = (before: progress.MachineBoot, stages: readonly BootStage[], from: number) =>
  stages.reduce(
    (boot, stage, index) => progress.progressed(boot, { stage }, at(from + index)),
    before
  )

const crash = (before: progress.MachineBoot | undefined, seconds: number) =>
  tell(script(dhcp(before, seconds), seconds + 1), ['kernel', 'initramfs'], seconds + 2)

const stagesOf = ({ stages }: progress.MachineBoot) => stages.map(({ stage }) => stage).join(' ')

test('a boot goes through its stages and joins', t => {
  const boot = tell(
    script(dhcp(undefined, 0), 3),
    ['kernel', 'initramfs', 'image', 'verified', 'system', 'agent', 'joined'],
    5
  )
  t.is(stagesOf(boot), 'dhcp script kernel initramfs image verified system agent joined')
  t.like(boot, {
    boot: 'b0',
    stage: 'joined',
    failures: 0,
    name: 'host-1',
    firmware: 'uefi',
    version
  })
  t.false(progress.isOpen(boot, 20_000))
  t.false(progress.isLate(boot, 10_000_000))
})

test('firmware and iPXE get their addresses in the same boot', t => {
  const first = dhcp(undefined, 0)
  const ipxe = { mac, address, firmware: 'bios', architecture: 'x86_64', isIpxe: true }
  const second = progress.addressed(first, ipxe, { boot: 'other', at: at(2) })
  t.like(second, { boot: 'b0', firmware: 'uefi', stage: 'dhcp' })
  t.is(stagesOf(second), 'dhcp')
})

test('stages do not go back, and percent only up', t => {
  const boot = progress.progressed(
    tell(script(undefined, 0), ['kernel', 'initramfs', 'image'], 1),
    { stage: 'image', percent: 40 },
    at(5)
  )
  t.is(progress.progressed(boot, { stage: 'image', percent: 30 }, at(6)), boot)
  t.is(progress.progressed(boot, { stage: 'initramfs' }, at(6)), boot)
  t.is(progress.progressed(boot, { stage: 'image', percent: 80 }, at(6)).percent, 80)
  t.is(progress.progressed(boot, { stage: 'verified' }, at(6)).percent, undefined)
})

for (const [title, fail] of [
  [
    'says so',
    (boot: progress.MachineBoot) =>
      progress.progressed(boot, { stage: 'failed', because: 'no signature' }, at(50))
  ],
  ['does not join in time', (boot: progress.MachineBoot) => progress.ranOut(boot, 600, at(700))],
  ['begins anew', (boot: progress.MachineBoot) => dhcp(boot, 60)],
  ['asks for its script again', (boot: progress.MachineBoot) => script(boot, 60)],
  [
    'says so and begins anew',
    (boot: progress.MachineBoot) =>
      script(dhcp(progress.progressed(boot, { stage: 'failed' }, at(50)), 60), 61)
  ]
] as const) {
  test(`a machine that ${title} has failed once`, t => {
    t.is(fail(crash(undefined, 0)).failures, 1)
  })
}

test('a machine that is switched off before it has its kernel has not failed', t => {
  t.is(script(dhcp(script(dhcp(undefined, 0), 1), 30), 31).failures, 0)
})

test('after three failures in a row the version before is given, and stays', t => {
  let boot: progress.MachineBoot | undefined
  for (const seconds of [0, 100, 200]) {
    boot = crash(boot, seconds)
    t.like(boot, { version, isFallback: false, failures: seconds / 100 })
  }
  boot = crash(boot, 300)
  t.like(boot, { version: versionBefore, isFallback: true, failures: 3 })
  const joined = tell(boot, ['agent', 'joined'], 310)
  t.like(joined, { stage: 'joined', failures: 3, isFallback: true })
  t.is(joined.because, `it did not join with image version ${version}, 3 times in a row`)
  t.like(script(dhcp(joined, 900), 901), { version: versionBefore, isFallback: true, failures: 3 })
})

test('a new wish starts anew', t => {
  const failed = crash(crash(crash(crash(undefined, 0), 100), 200), 300)
  const wished = { ...machine, wish: 'image 3' }
  t.like(script(dhcp(failed, 400), 401, give(failed, wished)), { failures: 0, isFallback: false })
})

test('a boot that joins after its time has joined all the same', t => {
  const late = progress.ranOut(crash(undefined, 0), 600, at(700))
  t.like(late, { stage: 'failed', failures: 1 })
  t.is(late.because, 'it did not join within 600 s and came no further than initramfs')
  t.like(progress.progressed(late, { stage: 'joined' }, at(710)), { stage: 'joined', failures: 0 })
})

test('who asks again and again gets no more time', t => {
  const first = script(undefined, 0)
  const second = script(first, 500)
  t.like(second, { boot: first.boot, token: 't500', until: 600_000 })
  t.is(stagesOf(second), 'script')
  t.true(progress.isLate(second, 600_001))
})

test('a machine that waits asks again and again in the same boot', t => {
  const waits = { ...give(), gives: 'nothing', profile: 'nothing', because: 'it waits' } as const
  const boot = script(script(script(dhcp(undefined, 0), 1, waits), 8, waits), 15, waits)
  t.is(stagesOf(boot), 'dhcp waiting')
  t.like(boot, { boot: 'b0', because: 'it waits' })
  t.is(boot.token, undefined)
  t.is(stagesOf(script(boot, 20)), 'dhcp waiting script')
})

for (const [stage, seconds, says] of [
  ['dhcp', 70, 'stuck in stage dhcp for 70 s: it got an address and has not asked what to boot'],
  [
    'kernel',
    100,
    'stuck in stage kernel for 90 s: it fetched its kernel and nothing was heard of it since'
  ],
  ['kernel', 80, undefined],
  [
    'image',
    300,
    'stuck in stage image for 290 s: it has been fetching the image and has 0 % of it'
  ],
  ['joined', 9_000, undefined]
] as const) {
  test(`in stage ${stage} after ${seconds} s it is said: ${says ?? 'nothing'}`, t => {
    const boot = stage === 'dhcp' ? dhcp(undefined, 0) : tell(script(undefined, 0), [stage], 1)
    t.is(progress.spoken(boot, seconds * 1_000).because, says)
  })
}

test('what is remembered of boots is the same after a restart, on another clock', t => {
  const boots = [crash(undefined, 0), script(undefined, 3), dhcp(undefined, 4)]
  const kept = JSON.parse(JSON.stringify(keptBoots(boots, at(10))))
  const later = { wall: at(10).wall + 5_000, monotonic: 77 }
  const [first, second, third] = recalledBoots(kept, later)
  t.like(first, { stage: 'initramfs', token: 't1', failures: 0, name: 'host-1' })
  t.is(first?.until, 77 + 601_000 - 15_000)
  t.is(second?.stageAt.monotonic, 77 - 12_000)
  t.deepEqual(third?.stages, boots[2]!.stages)
  t.deepEqual(recalledBoots([{ state: {} }, null, 7, { ...kept[0], stageWall: 'x' }], later), [])
  t.deepEqual(recalledBoots({}, later), [])
})

test('a token that was stolen is told of over the boots that follow, and not each time', t => {
  const seen = { from: '10.0.0.66', mac: '52:54:00:00:00:66' }
  const first = progress.shownElsewhere(script(undefined, 0), seen, at(5))
  const stolen = { ...seen, own: first.address, at: new Date(at(5).wall).toISOString() }
  t.deepEqual(first.stolen, stolen)
  t.is(first.because, 'its boot token was shown from 10.0.0.66 (52:54:00:00:00:66), and refused')
  t.is(progress.shownElsewhere(first, { from: '10.0.0.67' }, at(14)), first, 'not each time')
  t.is(progress.shownElsewhere(first, { from: '10.0.0.67' }, at(15)).stolen?.from, '10.0.0.67')
  for (const next of [script(first, 20), dhcp(first, 20), tell(first, ['kernel', 'joined'], 20)]) {
    t.deepEqual(next.stolen, stolen)
  }
  const kept = JSON.parse(JSON.stringify(keptBoots([first], at(6))))
  t.deepEqual(recalledBoots(kept, at(7))[0]?.stolen, stolen)
})

test('a report holds as many boots as there is room for, those that changed last', t => {
  const boots = Array.from({ length: 50 }, (_, index) => ({
    ...progress.spoken(crash(undefined, 0), 0),
    boot: `b${index}`
  }))
  const bytes = Buffer.byteLength(JSON.stringify(boots[0]))
  t.is(boundedBoots(boots).length, 50)
  t.deepEqual(
    boundedBoots(boots, bytes * 3).map(({ boot }) => boot),
    ['b0', 'b1', 'b2']
  )
})
