import test from 'ava'
import { choose, type Versions } from '../../../bootd/core/boot-choice.ts'
import { type Asker, indexPlan, machineOf } from '../../../bootd/core/boot-plan.ts'
import { madeUuids } from '../../../shared/hardware-names.ts'
import type { BootMachine } from '../../../shared/wire/boot.ts'
import { before, machine, manifestSha256, plan, version, whole } from './plans.ts'

const only =
  (...versions: readonly string[]): Versions =>
  one =>
    versions.includes(one)
      ? { state: 'whole', manifestSha256, architecture: 'x86_64' }
      : { state: 'coming' }
const broken: Versions = one =>
  one === version ? { state: 'broken', because: 'it is not signed' } : whole(one)
const past = (failures: number, wish = machine.wish) => ({ failures, wish })

for (const [title, given, expected] of [
  ['the version that is wished', {}, ['image', version, false]],
  ['the same after two failures', { past: past(2) }, ['image', version, false]],
  [
    'the version before after three failures',
    { past: past(3) },
    ['image', before, true, `it did not join with image version ${version}, 3 times in a row`]
  ],
  [
    'the wish after three failures of another wish',
    { past: past(3, 'image 1') },
    ['image', version, false]
  ],
  [
    'the wish where there is none before',
    { past: past(9), fallback: undefined },
    ['image', version, false]
  ],
  [
    'the wish where the one before is not here',
    { past: past(9), versions: only(version) },
    ['image', version, false]
  ],
  [
    'the version before where the wished one is broken',
    { versions: broken },
    ['image', before, true, `image version ${version} cannot be given: it is not signed`]
  ],
  [
    'nothing while the version is on its way',
    { versions: only(before) },
    ['nothing', undefined, undefined, `image version ${version} is not here yet`]
  ],
  ['its disk', { profile: 'disk' }, ['disk']],
  ['a shell', { profile: 'rescue' }, ['image', version, false]],
  ['nothing', { profile: 'nothing' }, ['nothing', undefined, undefined, 'nothing is wished of it']]
] as const) {
  test(`a known machine is given ${title}`, t => {
    const {
      past,
      versions = whole,
      ...more
    } = given as {
      readonly past?: { readonly failures: number; readonly wish: string }
      readonly versions?: Versions
    }
    const wished = { ...machine, ...more } as BootMachine
    const choice = choose({ plan, machine: wished, past, versions })
    const [gives, of, isFallback, because] = expected
    t.is(choice.gives, gives)
    t.is('version' in choice ? choice.version : undefined, of)
    t.is('isFallback' in choice ? choice.isFallback : undefined, isFallback)
    t.is('because' in choice ? choice.because : undefined, because)
    t.is(choice.name, 'host-1')
  })
}

test('without a plan every machine waits', t => {
  const choice = choose({ plan: undefined, machine: undefined, past: undefined, versions: whole })
  t.like(choice, { gives: 'nothing', because: 'no controller has said yet what machines get' })
})

test('an unknown machine gets what the plan has for such', t => {
  const ask = (unknown: typeof plan.unknown) =>
    choose({ plan: { ...plan, unknown }, machine: undefined, past: undefined, versions: whole })
  t.like(ask({ profile: 'host', version }), { gives: 'image', version, wish: `unknown ${version}` })
  t.like(ask({ profile: 'disk' }), { gives: 'disk' })
  t.like(ask({ profile: 'nothing' }), { because: 'nobody knows it: it waits to be told of' })
  t.like(ask({ profile: 'host' }), { because: 'no version of the image is set' })
})

test('one whose firmware has no UUID is known by the one that the host image has made', t => {
  const [bySerial, byMac] = [{ serial: 'S-7' }, { mac: '52:54:00:77:00:09' }]
  for (const [asker, found] of [
    [bySerial, 'h7'],
    [byMac, 'h8'],
    [{ ...bySerial, ...byMac }, 'h7'],
    [{ ...bySerial, uuid: other }, undefined],
    [{ mac: '52:54:00:77:00:0b' }, undefined]
  ] as const) {
    const machines = [
      { ...machine, name: 'h7', uuid: madeUuids(bySerial)[0]!, serial: '', macs: [] },
      {
        ...machine,
        name: 'h8',
        uuid: madeUuids(byMac)[0]!,
        serial: '',
        macs: [byMac.mac, '52:54:00:77:00:0b']
      }
    ]
    t.is(machineOf(indexPlan({ ...plan, machines }), asker)?.name, found)
  }
})

const other = '11111111-2222-4333-8444-555555555555'
for (const [title, asker, found] of [
  ['its UUID', { uuid: machine.uuid }, true],
  ['its serial number, where it says no UUID', { serial: 'B5RN12' }, true],
  ['a MAC, where it says nothing else', { mac: '52:54:00:77:00:01' }, true],
  ['its UUID, whatever card is in it', { uuid: machine.uuid, mac: '52:54:00:99:99:99' }, true],
  ['nothing: it has the card of a known one', { uuid: other, mac: '52:54:00:77:00:01' }, false],
  ['nothing: it has the serial number of a known one', { uuid: other, serial: 'B5RN12' }, false],
  ['nothing at all', {}, false]
] as const) {
  test(`a machine is known by ${title}`, t => {
    t.is(machineOf(indexPlan(plan), asker as Asker)?.name, found ? 'host-1' : undefined)
  })
}

test('a machine of the plan without a UUID is known by its MAC, whatever UUID it says', t => {
  const { uuid: _, serial: __, ...rest } = machine
  const index = indexPlan({ ...plan, machines: [rest] })
  t.is(machineOf(index, { uuid: other, mac: '52:54:00:77:00:01' })?.name, 'host-1')
})

test('a machine of another architecture than its version waits, and it is said why', t => {
  const given = { plan, machine, past: undefined, versions: whole }
  t.is(choose({ ...given, architecture: 'x86_64' }).gives, 'image')
  t.like(choose({ ...given, architecture: 'aarch64' }), {
    ...{ gives: 'nothing', profile: 'nothing', name: 'host-1', wish: machine.wish },
    because: `image version ${version} is for x86_64, and it is aarch64`
  })
  const unknown = choose({ ...given, machine: undefined, architecture: 'aarch64' })
  t.is(unknown.gives, 'nothing')
})
