import test from 'ava'
import type { FenceVerdict } from '#shared/wire/fence.ts'
import { fenceOrdersOf } from '../../../controller/core/fence-orders.ts'
import { type PowerWish, powerMsMax } from '../../../controller/core/power.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { Rack } from '../../world/rack.ts'

const idle = { state: 'maintenance' as const, since: 'noon', by: 'user/ann', parallel: 1 }

/** A rack whose h2 is out of service and empty. */
function rackWithIdle(): Rack {
  const rack = new Rack()
  const host = rack.cloud.host('h2')
  const decided = { ...host.decided, duty: { ...idle, cold: false } }
  rack.cloud.commit({ changes: [{ op: 'put', resource: { ...host, decided } }], decisions: [] })
  return rack
}

const wish = (rack: Rack, want: PowerWish, { name = 'h2', force = false } = {}) => ({
  verb: 'switch-power' as const,
  id: rack.cloud.host(name).id,
  want,
  force
})

const wantOf = ({ cloud }: Rack) =>
  fenceOrdersOf(cloud.view, { epoch: 1, now: cloud.context.now.monotonic }).find(
    ({ name }) => name === 'h2'
  )

function says(rack: Rack, verdict: FenceVerdict, fence = wantOf(rack)?.fence): void {
  const { uuid } = rack.cloud.host('h2').decided
  const at = new Date(rack.cloud.context.now.wall).toISOString()
  const found = { verdict, epoch: 1, at, tookMs: 3_200, because: `${verdict}, by the switch` }
  const state = {
    ...{ host: uuid, name: 'h2', want: 'off' as const, epoch: 1, phase: 'working' as const },
    ...{ since: at, attempt: 1, level: 1, story: [], devices: [] },
    verdict: { ...found, ...(fence !== undefined && { fence }) }
  }
  rack.cloud.view.fold({ type: 'fences', states: [state], at: rack.cloud.context.now })
}

const powerOf = (rack: Rack) => rack.cloud.host('h2').decided.power

for (const want of ['off', 'on'] as const) {
  test(`power that is wanted ${want} is wanted until it is read, and no longer`, t => {
    const rack = rackWithIdle()
    rack.cloud.done(wish(rack, want))
    t.like(wantOf(rack), { want, fence: `${powerOf(rack)!.id}-${want}` })
    says(rack, `${want}-confirmed`, 'of-another-wish')
    t.deepEqual(rack.decide(), [], 'what was found of another wish proves nothing')
    says(rack, `${want}-confirmed`)
    t.deepEqual(rack.decide(), [`powered-${want}`])
    t.is(powerOf(rack), undefined)
    t.is(wantOf(rack)?.want, 'watch')
  })
}

test('outlets may be given back beside others as long as nobody takes the host for dead', t => {
  const rack = rackWithIdle()
  const outlet = (plug: string) => ({ agent: 'fence_apc_snmp', parameters: { plug }, secrets: {} })
  const strip = { type: 'pdu' as const, outlets: [outlet('3'), outlet('7')] }
  const change = (decided: object): void => {
    const host = rack.cloud.host('h2')
    const spec = { ...host.spec, fence: [{ devices: [strip] }] }
    const resource = { ...host, spec, decided: { ...host.decided, ...decided } }
    rack.cloud.commit({ changes: [{ op: 'put', resource }], decisions: [] })
  }
  rack.cloud.done(wish(rack, 'on'))
  t.is(wantOf(rack)?.isInUse, undefined, 'one switch is on or off')
  change({})
  t.like(wantOf(rack), { want: 'on', isInUse: true })
  const because = 'silent'
  const recovery = { id: 'fe-1', phase: 'fenced' as const, since: 'noon', because }
  change({ power: undefined, duty: undefined, recovery })
  t.like(wantOf(rack), { want: 'on', fence: 'fe-1-on', isInUse: undefined })
})

test('a cycle is off, read, and then on', t => {
  const rack = rackWithIdle()
  rack.cloud.done(wish(rack, 'cycle'))
  says(rack, 'off-confirmed')
  t.deepEqual(rack.decide(), ['powered-off'])
  t.is(wantOf(rack)?.want, 'on')
  t.deepEqual(rack.decide(), [], 'that it is off says nothing of its being on')
  says(rack, 'on-confirmed')
  t.deepEqual(rack.decide(), ['powered-on'])
})

test('power that is not read as wanted has failed, and a silent bootd is waited for in vain', t => {
  const rack = rackWithIdle()
  rack.cloud.done(wish(rack, 'cycle'))
  says(rack, 'unknown')
  t.deepEqual(rack.decide(), ['power-failed'])
  t.is(powerOf(rack), undefined, 'what may still run is not switched on')
  rack.cloud.done(wish(rack, 'on'))
  rack.pass(powerMsMax + 1_000, ['h1', 'h3'])
  t.deepEqual(rack.decide(), ['power-failed'])
})

test('who is in service is not switched off without force; on is always allowed', t => {
  const rack = new Rack()
  const refused = rack.cloud.judged(wish(rack, 'off'))
  t.true(isRefusal(refused))
  if (isRefusal(refused)) t.regex(refused.refused.next.join(), /remuda power off h2 --force/)
  t.true(isRefusal(rack.cloud.judged(wish(rack, 'cycle'))))
  t.false(isRefusal(rack.cloud.judged(wish(rack, 'on'))))
  t.false(isRefusal(rack.cloud.judged(wish(rack, 'off', { force: true }))))
})

test('who is taken for dead meanwhile is fenced, and the wish is given up', t => {
  const rack = new Rack()
  rack.cloud.done(wish(rack, 'off', { force: true }))
  rack.pass(10_000, ['h1', 'h3'])
  t.deepEqual(rack.decide(), ['fencing', 'power-given-up'])
  t.is(wantOf(rack)?.fence, rack.cloud.host('h2').decided.recovery?.id)
})

test('who was switched off in service stays off after its fence, until it is wanted on', t => {
  const rack = new Rack()
  rack.cloud.done(wish(rack, 'off', { force: true }))
  rack.pass(10_000, ['h1', 'h3'])
  rack.decide()
  rack.said('h2', 'off-confirmed')
  t.true(rack.decide().includes('fenced'))
  t.is(wantOf(rack)?.want, 'watch', 'somebody may be about to open it')
  t.regex(rack.message('h2'), /cut its power at .*, so it stays off until: remuda power on h2$/)
  rack.cloud.done(wish(rack, 'on'))
  t.like(wantOf(rack), { want: 'on', fence: `${rack.cloud.host('h2').decided.recovery?.id}-on` })
})

test('whoever started it by hand meanwhile ends that: its next fence switches it on again', t => {
  const rack = new Rack()
  rack.cloud.done(wish(rack, 'off', { force: true }))
  rack.pass(10_000, ['h1', 'h3'])
  rack.decide()
  rack.said('h2', 'off-confirmed')
  rack.decide()
  rack.pass(1_000, undefined, { bootId: 'by-hand' })
  t.true(rack.decide().includes('host-back'))
  rack.pass(10_000, ['h1', 'h3'])
  rack.decide()
  rack.said('h2', 'off-confirmed')
  t.true(rack.decide().includes('fenced'))
  t.is(wantOf(rack)?.want, 'on')
})

test('a cycle, and what is switched on, keeps nothing off', t => {
  const rack = rackWithIdle()
  for (const want of ['cycle', 'on'] as const) {
    rack.cloud.done(wish(rack, 'off'))
    t.truthy(rack.cloud.host('h2').decided.keptOff)
    rack.cloud.done(wish(rack, want))
    t.is(rack.cloud.host('h2').decided.keptOff, undefined)
  }
})
