import test from 'ava'
import { bootPlanOf, shareOf } from '../../../../controller/core/boot/plan.ts'
import { imagesShown } from '../../../../controller/core/boot/shown.ts'
import {
  expectMachine,
  promoteImage,
  rollBackImage,
  setBoot
} from '../../../../controller/core/boot/wishes.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import { bootCloud, first, key, promotedCloud, second } from './boot-world.ts'

test('until somebody has set how machines boot there is no plan, and no host loses a thing', t => {
  t.is(bootPlanOf(bootCloud().view, 1), undefined)
})

test('a host gets the current version, and the one before if that fails', t => {
  const { view, wish } = promotedCloud()
  t.like(bootPlanOf(view, 7), { epoch: 7, unknown: { profile: 'host', version: first } })
  wish(context => promoteImage(view, { wish: { version: second }, key }, context))
  const [machine] = bootPlanOf(view, 7)!.machines
  t.like(machine, { name: 'h1', uuid: 'uuid-h1', version: second, fallback: first })
  t.is(machine!.wish, `image ${second}`)
  t.deepEqual(bootPlanOf(view, 7)!.images, [
    { version: second, from: ['http://10.0.0.2:7480'] },
    { version: first, from: ['http://10.0.0.2:7480'] }
  ])
})

test('a version that no bootd has whole is not given to anybody', t => {
  const { view, context, hear } = promotedCloud()
  const version = '3'.repeat(16)
  const missing = promoteImage(view, { wish: { version }, key }, context)
  t.true(isRefusal(missing) && missing.refused.code === 'not-found')
  const problem = 'root.squashfs is cut short: 10 of 20 bytes'
  hear({ images: [{ manifest: { ...imagesShown(view)[0]!, version }, problem }] })
  const broken = promoteImage(view, { wish: { version }, key }, context)
  t.true(isRefusal(broken) && broken.refused.reasons[0] === `c1: ${problem}`)
  t.is(view.cloud?.boot?.current, first)
})

test('rolled back, hosts get the version before; a canary is only taken away', t => {
  const { view, wish, context } = promotedCloud()
  t.true(isRefusal(rollBackImage(view, context)))
  wish(context => promoteImage(view, { wish: { version: second, percent: 5 }, key }, context))
  t.deepEqual(view.cloud?.boot?.canary, { version: second, percent: 5 })
  wish(context => rollBackImage(view, context))
  t.like(view.cloud?.boot, { current: first, canary: undefined })
  wish(context => promoteImage(view, { wish: { version: second }, key }, context))
  wish(context => rollBackImage(view, context))
  t.like(view.cloud?.boot, { current: first, previous: undefined })
})

test("a version that was rolled back is nobody's fallback, and no second rollback brings it", t => {
  const { view, wish, context } = promotedCloud()
  wish(context => promoteImage(view, { wish: { version: second }, key }, context))
  const said = wish(context => rollBackImage(view, context))
  t.is(
    said.decisions[0]?.because,
    `hosts get image ${first} again from their next boot on, instead of ${second}; there is no ` +
      'version to fall back to until another one is promoted'
  )
  const { machines, images } = bootPlanOf(view, 1)!
  t.like(machines[0], { version: first, fallback: undefined })
  t.deepEqual(
    images.map(({ version }) => version),
    [first]
  )
  const again = rollBackImage(view, context)
  t.true(isRefusal(again) && again.refused.code === 'conflict')
  t.true(isRefusal(again) && again.refused.next.some(next => next.includes('promote another one')))
  // A canary of it may be tried again, and taken away again; what is current stays.
  wish(context => promoteImage(view, { wish: { version: second, percent: 5 }, key }, context))
  wish(context => rollBackImage(view, context))
  t.like(view.cloud?.boot, { current: first, previous: undefined, canary: undefined })
  wish(context => promoteImage(view, { wish: { version: second }, key }, context))
  t.like(view.cloud?.boot, { current: second, previous: first })
})

test('the share of hosts that get a canary is what was said, and always the same ones', t => {
  const uuids = Array.from({ length: 5_000 }, (_, at) => `4c4c4544-0000-1000-8000-${at}`)
  const share = uuids.filter(uuid => shareOf(uuid) < 10).length / uuids.length
  t.true(share > 0.07 && share < 0.13, `${share}`)
  t.is(shareOf(uuids[7]!), shareOf(uuids[7]!))
})

test('a host that is pinned to a version keeps it', t => {
  const { view, wish, host, commit } = promotedCloud()
  const spec = { ...host('h1').spec, image: second }
  commit({ changes: [{ op: 'put', resource: { ...host('h1'), spec } }], decisions: [] })
  t.is(bootPlanOf(view, 1)!.machines[0]!.version, second)
  wish(context => promoteImage(view, { wish: { version: second, percent: 5 }, key }, context))
  t.is(bootPlanOf(view, 1)!.machines[0]!.version, second)
})

test('what a host boots once is wished under a name of its own, and used up by that boot', t => {
  const { view, done, host } = promotedCloud()
  done({ verb: 'boot-once', id: host('h1').id, profile: 'rescue' })
  const [machine] = bootPlanOf(view, 1)!.machines
  t.like(machine, { profile: 'rescue', version: first })
  t.true(machine!.wish.startsWith('once rescue '))
  done({ verb: 'boot-once', id: host('h1').id, profile: 'host' })
  t.like(bootPlanOf(view, 1)!.machines[0], { profile: 'host', wish: `image ${first}` })
  done({ verb: 'boot-once', id: host('h1').id, profile: 'host' })
  const [anew] = bootPlanOf(view, 1)!.machines
  t.like(anew, { profile: 'host', version: first })
  t.true(anew!.wish.startsWith('once host '), 'a version that has failed is tried anew')
})

test('a machine that is expected is in the plan, known by what was said of it', t => {
  const { view, wish, context } = promotedCloud()
  const macs = ['52:54:00:00:00:07']
  wish(context => expectMachine(view, { wish: { name: 'h7', macs }, key }, context))
  t.like(bootPlanOf(view, 1)!.machines[1], { name: 'h7', macs, profile: 'host', version: first })
  for (const [name, more] of [
    ['h8', { macs }],
    ['h1', { macs: [], serial: 'x' }],
    ['h9', { macs: [] }]
  ] as const) {
    t.true(isRefusal(expectMachine(view, { wish: { name, ...more }, key }, context)), name)
  }
})

test('without a version machines wait, and unknown ones get nothing where that is set', t => {
  const { view, wish } = bootCloud()
  wish(context => setBoot(view, { wish: { joinWithinS: 60 }, key }, context))
  t.like(bootPlanOf(view, 1), { joinWithinS: 60, unknown: { profile: 'nothing' } })
  t.is(bootPlanOf(view, 1)!.machines[0]!.profile, 'nothing')
  wish(context => promoteImage(view, { wish: { version: first }, key }, context))
  wish(context => setBoot(view, { wish: { unknown: 'nothing' }, key }, context))
  t.deepEqual(bootPlanOf(view, 1)!.unknown, { profile: 'nothing' })
})

test('hosts serve their image to each other only where that is set, told apart by racks', t => {
  const { view, wish, host, commit } = promotedCloud()
  const labels = { ...host('h1').labels, rack: 'r7' }
  commit({ changes: [{ op: 'put', resource: { ...host('h1'), labels } }], decisions: [] })
  t.is(bootPlanOf(view, 1)!.peers, undefined)
  t.is(bootPlanOf(view, 1)!.machines[0]!.rack, undefined)
  const said = wish(context => setBoot(view, { wish: { peers: true }, key }, context))
  t.is(said.decisions[0]?.because, 'hosts serve their image to each other')
  const plan = bootPlanOf(view, 1)!
  t.is(plan.machines[0]!.rack, 'r7')
  t.is(plan.peers?.key.length, 43)
  t.false([key, plan.peerToken].includes(plan.peers?.key))
  const off = wish(context => setBoot(view, { wish: { peers: null }, key }, context))
  t.is(off.decisions[0]?.because, 'bootds alone serve images')
  t.is(bootPlanOf(view, 1)!.peers, undefined)
})
