/** A test of devices is a fence that nobody needs: no real one waits for more than a call of it. */
import test from 'ava'
import { Bed } from './fence-bed.ts'

/** The most that one call to a device may take, with its time of grace. Unit: ms. */
const oneCallMs = 8_000 + 5_000

test('a fence takes over at once from a test of the same host, whose device is silent', async t => {
  await using bed = await Bed.open(t)
  bed.bmc('a1').faults.silent = true
  await bed.fencer.want([bed.order('off', { fence: 'test-1' })])
  await bed.clock.settle()
  t.is(bed.bmc('a1').inFlight, 1)
  bed.bmc('a1').faults.silent = false
  await bed.fencer.want([bed.order('off', { fence: 'f-1' })])
  await bed.clock.passUntil(() => bed.state.phase === 'proven', 2_000)
  t.like(bed.state.verdict, { verdict: 'off-confirmed', fence: 'f-1' })
})

test('a fence takes over as well from a test that gives the power back', async t => {
  await using bed = await Bed.open(t)
  bed.bmc('a1').isRunning = false
  bed.bmc('a1').faults.silent = true
  await bed.fencer.want([bed.order('on', { fence: 'test-1-on' })])
  await bed.clock.settle()
  bed.bmc('a1').faults.silent = false
  await bed.fencer.want([bed.order('off', { fence: 'f-1' })])
  await bed.clock.passUntil(() => bed.state.phase === 'proven', 2_000)
  t.like(bed.state.verdict, { verdict: 'off-confirmed', fence: 'f-1' })
  t.false(bed.bmc('a1').isRunning)
})

test('behind a test of another host, at the same device, a fence waits for one call', async t => {
  await using bed = await Bed.open(t)
  const strip = bed.bmc('strip')
  strip.faults.silent = true
  const [tested, dead] = [
    bed.order('off', { fence: 'test-1' }, [['strip']]),
    bed.order('off', { host: 'uuid-3', name: 'h3', fence: 'f-3' }, [['strip']])
  ]
  await bed.fencer.want([tested])
  await bed.clock.settle()
  t.is(strip.inFlight, 1)
  await bed.fencer.want([tested, dead])
  const isProven = () =>
    bed.fencer.reports().some(({ name, phase }) => name === 'h3' && phase === 'proven')
  await bed.clock.pass(1_000)
  t.false(isProven())
  strip.faults.silent = false
  await bed.clock.passUntil(isProven, oneCallMs)
  t.pass()
})
