import test from 'ava'
import type { Host, HostSpec } from '#shared/model/host.ts'
import type { BootReport } from '#shared/wire/boot.ts'
import { bootPlanOf } from '../../../../controller/core/boot/plan.ts'
import { expectMachine, promoteImage } from '../../../../controller/core/boot/wishes.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import { bootCloud, first, key, manifestOf, promotedCloud, reportOf, second } from './boot-world.ts'

const third = '3'.repeat(16)

/** What is answered to a host that is to boot a version. */
function pinned(cloud: ReturnType<typeof bootCloud>, image: string | undefined) {
  const { id, spec: before, labels } = cloud.host('h1')
  const { image: _, ...rest } = before
  const spec: HostSpec = { ...rest, ...(image !== undefined && { image }) }
  return cloud.judged({ verb: 'change', kind: 'host', id, labels, spec })
}

test('a host may be pinned to a version that a bootd has whole', t => {
  const cloud = bootCloud()
  const verdict = pinned(cloud, second)
  if (isRefusal(verdict)) return t.fail(verdict.refused.message)
  t.is((verdict.resource as Host).spec.image, second)
})

const refused: readonly {
  readonly title: string
  readonly says: Partial<BootReport>
  readonly reasons: readonly string[]
}[] = [
  {
    title: 'a version that nobody has is refused, with those that there are',
    says: {},
    reasons: [`there are ${first} (current), ${second}`]
  },
  {
    title: 'a version that is here and broken is refused, with what is wrong with it',
    says: { images: [{ manifest: manifestOf(third), problem: 'no signature' }] },
    reasons: ['c1: no signature', '1 bootds are heard, and none has a version']
  }
]
for (const { title, says, reasons } of refused) {
  test(title, t => {
    const cloud = promotedCloud()
    cloud.hear(says)
    const verdict = pinned(cloud, third)
    if (!isRefusal(verdict)) return t.fail('it was admitted')
    t.is(verdict.refused.code, 'not-found')
    t.is(
      verdict.refused.message,
      `cannot have host h1 boot image ${third}: no bootd has it whole and rightly signed`
    )
    t.deepEqual(verdict.refused.reasons, reasons)
    t.is(verdict.refused.errors?.[0]?.pointer, '/spec/image')
    t.deepEqual(verdict.refused.next, ['remuda host-image list', 'remuda host-image build'])
  })
}

test('while no bootd is heard nothing is known of versions, and that is said', t => {
  const cloud = bootCloud()
  cloud.view.boots.forgetBefore(Number.POSITIVE_INFINITY)
  const verdict = pinned(cloud, first)
  if (!isRefusal(verdict)) return t.fail('it was admitted')
  t.is(verdict.refused.code, 'unavailable')
  t.regex(verdict.refused.message, /no bootd is heard/)
})

test('a pin that is there stays and can be taken away also when its version is gone', t => {
  const cloud = bootCloud()
  const { id, spec, labels } = cloud.host('h1')
  cloud.done({ verb: 'change', kind: 'host', id, labels, spec: { ...spec, image: first } })
  cloud.hear({ images: [] })
  const other: HostSpec = { ...spec, image: first, schedulable: false }
  t.false(isRefusal(cloud.judged({ verb: 'change', kind: 'host', id, labels, spec: other })))
  t.false(isRefusal(pinned(cloud, undefined)))
})

test('a machine is not expected with a version that nobody has', t => {
  const cloud = bootCloud()
  const wish = { name: 'h9', macs: ['52:54:00:00:00:09'], version: third }
  const verdict = expectMachine(cloud.view, { wish, key }, cloud.context)
  if (!isRefusal(verdict)) return t.fail('it was admitted')
  t.regex(verdict.refused.message, /cannot expect h9 with image 3+: no bootd has it/)
  const known = expectMachine(cloud.view, { wish: { ...wish, version: first }, key }, cloud.context)
  t.false(isRefusal(known))
})

/** What a bootd says that has only the first version. */
const ofFirst: Partial<BootReport> = {
  url: 'http://10.0.1.2:7480',
  images: [{ manifest: manifestOf(first) }]
}
const from = 'http://10.0.0.2:7480'
const cannotFetch = `cannot fetch image version ${second} from ${from}: only 9 MiB are free`
const served = 'from now on it is fetched from where it is'

const lacking: readonly {
  readonly title: string
  readonly says: Partial<BootReport>
  readonly reasons: readonly string[]
}[] = [
  {
    title: 'a version that one bootd lacks waits until that has it',
    says: ofFirst,
    reasons: ['c2: it is not there yet', served]
  },
  {
    title: 'where a bootd has no room for a version that is said',
    says: { ...ofFirst, problem: `eth1 has no address; ${cannotFetch}` },
    reasons: [`c2: ${cannotFetch}`, served]
  },
  {
    title: 'a version that is broken at one bootd is not given',
    says: { images: [{ manifest: manifestOf(second), problem: 'it is not signed' }] },
    reasons: ['c2: it is not signed', served]
  }
]
for (const { title, says, reasons } of lacking) {
  test(title, t => {
    const cloud = promotedCloud()
    cloud.hear(says, 'c2')
    const { view, context } = cloud
    const wish = { version: second }
    const promoted = promoteImage(view, { wish, key }, context)
    const some = promoteImage(view, { wish: { ...wish, percent: 5 }, key }, context)
    for (const verdict of [promoted, some, pinned(cloud, second)]) {
      if (!isRefusal(verdict)) return t.fail('it was admitted')
      t.is(verdict.refused.code, 'conflict')
      t.regex(verdict.refused.message, /image 2{16}: the bootd of c2 lacks it$/)
      t.deepEqual(verdict.refused.reasons, reasons)
      t.regex(verdict.refused.next[0]!, /^remuda host-image list: wait until it stands there AT c2/)
      t.is(verdict.refused.seeks, second)
    }
    cloud.hear({ ...says, mode: 'off' }, 'c2')
    t.false(isRefusal(promoteImage(view, { wish, key }, context)), 'it serves no boots')
    cloud.hear({}, 'c2')
    t.false(isRefusal(promoteImage(view, { wish, key }, context)), 'it has it by now')
    cloud.hear(says, 'c2')
    view.boots.forgetBefore(context.now.monotonic + 1)
    cloud.hear()
    t.false(isRefusal(promoteImage(view, { wish, key }, context)), 'it is not heard')
  })
}

test('a version that is current is given as it is, also where a bootd has lost it', t => {
  const cloud = promotedCloud()
  cloud.hear({ images: [] }, 'c2')
  const same = promoteImage(cloud.view, { wish: { version: first }, key }, cloud.context)
  t.deepEqual(same, { changes: [], decisions: [] })
})

test('a version that is whole only where nobody serves it cannot be fetched, which is said', t => {
  const cloud = promotedCloud()
  const { url: _, ...off } = reportOf({ mode: 'off' })
  cloud.view.fold({ type: 'boots', bootd: 'c1', report: off, at: cloud.context.now })
  cloud.hear(ofFirst, 'c2')
  const verdict = pinned(cloud, second)
  if (!isRefusal(verdict)) return t.fail('it was admitted')
  t.is(verdict.refused.reasons[1], 'it cannot be fetched: no bootd that has it serves it')
})

test('before it is set how machines boot nothing can be fetched, which is said', t => {
  const cloud = bootCloud()
  cloud.hear(ofFirst, 'c2')
  const verdict = promoteImage(cloud.view, { wish: { version: second }, key }, cloud.context)
  if (!isRefusal(verdict)) return t.fail('it was promoted')
  t.is(verdict.refused.reasons[1], 'it is fetched once it is set how machines boot')
  t.is(verdict.refused.next[0], 'remuda boot set --image-key FILE')
})

test('what was asked for too early is fetched by all bootds for an hour, a few at a time', t => {
  const cloud = promotedCloud()
  const { view, context } = cloud
  const named = () => bootPlanOf(view, 1)!.images.map(({ version }) => version)
  t.deepEqual(named(), [first])
  view.fold({ type: 'image-sought', version: second, at: context.now })
  t.deepEqual(bootPlanOf(view, 1)!.images[1], { version: second, from: ['http://10.0.0.2:7480'] })
  const others = ['3', '4', '5', '6'].map(digit => digit.repeat(16))
  for (const version of others) view.fold({ type: 'image-sought', version, at: context.now })
  t.deepEqual(named(), [first, ...others])
  view.boots.forgetSought(context.now.monotonic + 3_600_000)
  t.is(named().length, 5)
  view.boots.forgetSought(context.now.monotonic + 3_600_001)
  t.deepEqual(named(), [first])
})
