import test from 'ava'
import type { Host, HostSpec } from '#shared/model/host.ts'
import type { BootReport } from '#shared/wire/boot.ts'
import { expectMachine } from '../../../../controller/core/boot/wishes.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import { bootCloud, first, key, manifestOf, promotedCloud, second } from './boot-world.ts'

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
