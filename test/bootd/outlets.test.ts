/** A host that is fed twice: none of its outlets stays dark without a word. */
import test from 'ava'
import type { FenceOrder } from '#shared/wire/fence.ts'
import { PduDevice } from '../../bootd/io/fence/pdu.ts'
import { FakeBmc } from '../world/fake-bmc.ts'
import { Bed } from './fence-bed.ts'

const outlet = (plug: string) => ({ agent: 'fence_apc_snmp', parameters: { plug }, secrets: {} })
const strip = { devices: [{ type: 'pdu' as const, outlets: [outlet('o1'), outlet('o2')] }] }
const never = new AbortController().signal

/** An order for the host that o1 and o2 feed, before or behind other levels. */
const order = (bed: Bed, want: FenceOrder['want'], more: Partial<FenceOrder> = {}): FenceOrder =>
  bed.order(want, { levels: [strip], ...more })

/** How the outlets are, without asking them. */
const outletsOf = (bed: Bed): readonly boolean[] =>
  ['o1', 'o2'].map(name => bed.bmc(name).isRunning)

const countOf = (bed: Bed, name: string, call: string): number =>
  bed.bmc(name).calls.filter(each => each === call).length

test('outlets are waited for until all are on, and the late one is told once more', async t => {
  await using bed = await Bed.open(t)
  await bed.fencer.want([order(bed, 'off')])
  await bed.clock.passUntil(() => bed.state.phase === 'proven', 5_000)
  t.deepEqual(outletsOf(bed), [false, false])
  bed.bmc('o2').faults.lying = true
  await bed.fencer.want([order(bed, 'on', { fence: 'f-1-on' })])
  await bed.clock.passUntil(() => countOf(bed, 'o2', 'on') === 2, 60_000)
  t.not(bed.state.verdict?.verdict, 'on-confirmed')
  await bed.clock.passUntil(() => bed.state.verdict !== undefined, 60_000)
  t.is(bed.state.verdict?.verdict, 'unknown')
  t.regex(bed.state.verdict!.because, /but still reads on in part \(o2 reads off\)/)
  bed.bmc('o2').faults.lying = false
  await bed.clock.passUntil(() => bed.state.phase === 'proven', 60_000)
  t.is(bed.state.verdict?.verdict, 'on-confirmed')
  t.deepEqual(outletsOf(bed), [true, true])
})

test('one outlet that is left on is enough for a host not to be off', async t => {
  await using bed = await Bed.open(t)
  bed.bmc('o2').faults.lying = true
  await bed.fencer.want([order(bed, 'off')])
  await bed.clock.passUntil(() => bed.state.verdict !== undefined, 60_000)
  t.is(bed.state.verdict?.verdict, 'unknown')
  t.deepEqual(outletsOf(bed), [false, true])
})

/** A bed whose fence was withdrawn when one of two outlets was cut, and looked at since. */
async function halfCut(bed: Bed): Promise<void> {
  bed.bmc('o2').faults.silent = true
  await bed.fencer.want([order(bed, 'off')])
  await bed.clock.settle()
  await bed.fencer.want([order(bed, 'watch')])
  bed.bmc('o2').faults.silent = false
  await bed.clock.pass(61_000)
}

test('an outlet that a withdrawn fence has cut is told of, and not given back unasked', async t => {
  await using bed = await Bed.open(t)
  await bed.fencer.want([order(bed, 'watch')])
  await bed.clock.pass(61_000)
  t.like(bed.state.devices[0], { power: 'on', reachable: true, because: undefined })
  const { since } = bed.state.devices[0]!
  await halfCut(bed)
  t.deepEqual(outletsOf(bed), [false, true])
  t.like(bed.state.devices[0], { power: 'on', reachable: true, because: 'o1 reads off' })
  t.not(bed.state.devices[0]!.since, since)
  t.true(bed.lines.some(line => line.includes('warn') && line.includes('o1 reads off')))
  const { changes } = bed
  await bed.clock.pass(120_000)
  t.is(bed.changes, changes, 'it is told once')
})

test('power wanted of a host in use gives back the missing outlet, and says so', async t => {
  await using bed = await Bed.open(t)
  await halfCut(bed)
  await bed.fencer.want([order(bed, 'on', { fence: 'pw-1-on', isInUse: true })])
  await bed.clock.passUntil(() => bed.state.phase === 'proven', 5_000)
  t.is(bed.state.verdict?.verdict, 'on-confirmed')
  t.regex(bed.state.verdict!.because, /; o1 was not on, and was switched on\) read on twice/)
  t.deepEqual(outletsOf(bed), [true, true])
  t.like(bed.state.devices[0], { power: 'on', because: undefined })
  t.is(countOf(bed, 'o2', 'off'), 1, 'what feeds it was not cut for that')
})

test('what was given back is told also where another level says that the host is on', async t => {
  await using bed = await Bed.open(t)
  const lab = { devices: [{ type: 'lab' as const, socket: '/run/lab.sock', host: 'a1' }] }
  bed.bmc('o1').isRunning = false
  const levels = [lab, strip]
  await bed.fencer.want([order(bed, 'on', { fence: 'pw-1-on', isInUse: true, levels })])
  await bed.clock.passUntil(() => bed.state.phase === 'proven', 5_000)
  t.regex(bed.state.verdict!.because, /level 1 of 2: a1 .*level 2 of 2: .*o1 was not on, and was/)
  t.deepEqual(outletsOf(bed), [true, true])
})

test('a fence gives no power beside an outlet that was never off', async t => {
  await using bed = await Bed.open(t)
  bed.bmc('o1').isRunning = false
  await bed.fencer.want([order(bed, 'on', { fence: 'f-1-on' })])
  await bed.clock.passUntil(() => bed.state.verdict !== undefined, 60_000)
  t.is(bed.state.verdict?.verdict, 'unknown')
  t.regex(bed.state.verdict!.because, /all must be off before any is switched on/)
  t.deepEqual(outletsOf(bed), [false, true])
})

test('leave to give power beside others is not kept for the next time', async t => {
  const [first, second] = [new FakeBmc('o1'), new FakeBmc('o2')]
  const both = new PduDevice([first, second])
  first.isRunning = false
  const did: string[] = []
  await both.on(never, said => void did.push(said))
  t.deepEqual(did, ['o1 was not on, and was switched on'])
  second.isRunning = false
  await t.throwsAsync(both.on(never), { message: /all must be off before any is switched on/ })
  t.false(second.isRunning)
})
