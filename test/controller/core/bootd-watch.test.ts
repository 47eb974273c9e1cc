import test from 'ava'
import {
  bootdHeard,
  bootdSilent,
  bootdTold,
  unknownFences
} from '../../../controller/core/bootd-watch.ts'
import { fenceReadiness } from '../../../controller/core/fence-readiness.ts'
import { Rack } from '../../world/rack.ts'

const device = { level: 1, name: 'lab switch of h1', power: 'on' as const, reachable: true }

test('that no bootd is heard is an alarm with its numbers, and told as over', t => {
  const { cloud } = new Rack()
  const { view, context } = cloud
  t.is(bootdTold(view), 'heard')
  const silent = bootdSilent(view, 10_000, context)!
  t.regex(silent.decisions[0]!.because, /^no bootd is heard for 10 s, so the devices of 3 hosts/)
  cloud.commit(silent)
  t.is(bootdTold(view), 'silent')
  Object.assign(context, { now: { ...context.now, wall: context.now.wall + 1_000 } })
  const heard = bootdHeard(view, 'c1', context)
  t.is(heard.decisions[0]!.because, 'hosts can be fenced again, through the bootd of c1')
  cloud.commit(heard)
  t.is(bootdTold(view), 'heard')
})

test('where no host has a device nobody misses a bootd', t => {
  const { cloud } = new Rack({}, { fence: [] })
  t.is(bootdSilent(cloud.view, 10_000, cloud.context), undefined)
})

test('what a silent bootd had said of devices is known no more', t => {
  const rack = new Rack()
  const { view, context } = rack.cloud
  rack.saidDevices('h1', [device])
  t.is(fenceReadiness(view, rack.cloud.host('h1')).state, 'ready')
  view.fold({ type: 'fences', states: unknownFences(view, 1, context), at: context.now })
  t.is(fenceReadiness(view, rack.cloud.host('h1')).state, 'not-asked')
})
