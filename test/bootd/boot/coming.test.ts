/** A machine whose version is not here waits for it, and not for ever. */
import test from 'ava'
import type { VersionState } from '../../../bootd/core/boot-choice.ts'
import { keptBoots, recalledBoots } from '../../../bootd/core/boot-memory.ts'
import { indexPlan } from '../../../bootd/core/boot-plan.ts'
import { Boots } from '../../../bootd/io/boot/boots.ts'
import { silentLog } from '../../../shared/log.ts'
import { noClock } from '../../world/fake-clock.ts'
import { before, machine, manifestSha256, plan, version } from './plans.ts'

const whole = { state: 'whole', manifestSha256, architecture: 'x86_64' } as const
const asker = { uuid: machine.uuid!, mac: machine.macs[0]! }
const address = '10.77.0.60'
const missing = `image version ${version} is not here yet`
const given = `image ${version} is not here after 5 min: gets ${before}`

function scene() {
  let now = 0
  const clock = { ...noClock, wall: () => 1_800_000_000_000 + now, monotonic: () => now }
  const states = new Map<string, VersionState>([[before, whole]])
  const boots = new Boots({
    ...{ clock, log: silentLog, index: () => indexPlan(plan), onChanged: () => {} },
    versions: one => states.get(one) ?? { state: 'coming' },
    macOf: async () => undefined
  })
  const ask = (asking = {}) => boots.ask(asker, address, asking).choice
  const saw = () => boots.saw({ mac: machine.macs[0]!, address, isIpxe: false, firmware: 'uefi' })
  const pass = (seconds: number): void => {
    now += seconds * 1_000
    boots.expire()
  }
  return { clock, states, boots, ask, saw, pass }
}

test('after 5 min it gets the version before, which is no failure of what was wished', t => {
  const { boots, ask, saw, pass } = scene()
  saw()
  for (let waits = 0; waits < 60; waits += 1) {
    t.like(ask(), { gives: 'nothing', because: missing })
    pass(5)
  }
  t.like(ask(), { gives: 'image', version: before, isFallback: true, because: given })
  t.like(boots.states()[0], { stage: 'script', isFallback: true, failures: 0, because: given })
  boots.progress(asker.uuid, { stage: 'kernel' })
  t.like(ask({ isAgain: true }), { version: before }, 'in the same boot it gets the same')
  boots.progress(asker.uuid, { stage: 'failed', because: 'it panics' })
  t.like(boots.states()[0], { stage: 'failed', failures: 0 })
})

test('its next boot tries the version that was wished again', t => {
  const { states, boots, ask, saw, pass } = scene()
  for (let boot = 0; boot < 4; boot += 1) {
    saw()
    t.like(ask(), { gives: 'nothing', because: missing })
    pass(301)
    t.like(ask(), { version: before })
    // It crashes.
    boots.progress(asker.uuid, { stage: 'initramfs' })
  }
  t.like(boots.choiceFor(asker), { gives: 'nothing', because: missing })
  states.set(version, whole)
  t.like(ask(), { version, isFallback: false })
  t.is(boots.states()[0]?.failures, 0)
})

test('one that comes within that time is given, and one is waited for where none is before', t => {
  const { states, ask, pass } = scene()
  ask()
  pass(299)
  t.like(ask(), { because: missing })
  states.set(version, whole)
  t.like(ask(), { version, isFallback: false })
  states.clear()
  pass(1_000)
  t.like(ask(), { gives: 'nothing', because: missing })
})

test('GRUB finds the version before once the time is over', t => {
  const { boots, saw, pass } = scene()
  saw()
  boots.tookScript(asker.uuid, address)
  t.like(boots.states()[0], { stage: 'waiting', because: missing })
  pass(299)
  const changes = boots.offerChanges
  t.like(boots.offers().offers[0]?.choice, { gives: 'nothing' })
  pass(1)
  t.is(boots.offerChanges, changes + 1, 'its files are written anew')
  t.like(boots.offers().offers[0]?.choice, { version: before, because: given })
  pass(1)
  t.is(boots.offerChanges, changes + 1)
  boots.tookKernel(before, address)
  t.like(boots.states()[0], { stage: 'kernel', version: before, isFallback: true })
})

test('a start of bootd does not have it wait anew', t => {
  const { clock, boots, ask, pass } = scene()
  ask()
  pass(200)
  const now = { wall: clock.wall(), monotonic: clock.monotonic() }
  const kept = JSON.parse(JSON.stringify(keptBoots(boots.all(), now)))
  const [again] = recalledBoots(kept, { wall: now.wall + 50_000, monotonic: 7 })
  t.deepEqual(again?.awaits, { version, since: 7 - 250_000 })
})
