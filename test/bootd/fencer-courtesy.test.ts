/** The host itself, asked to power off while its devices cut its power. */
import test from 'ava'
import { Bed } from './fence-bed.ts'

const courtesy = {
  ...{ address: '10.0.0.2', port: 22, user: 'root', secret: 'bmc', command: 'poweroff' },
  hostKey: `SHA256:${'A'.repeat(43)}`
}

test('a host is asked to power off meanwhile, nobody waits, and it proves nothing', async t => {
  await using bed = await Bed.open(t)
  bed.bmc('a1').faults.silent = true
  await bed.fencer.want([bed.order('off', { courtesy })])
  await bed.clock.settle()
  t.deepEqual(bed.host.asked, ['10.0.0.2 sesame'])
  t.is(bed.bmc('a1').inFlight, 1)
  t.is(bed.state.courtesy, undefined)
  bed.host.answers.resolve()
  await bed.clock.pass(60_000)
  t.is(bed.state.courtesy, 'root@10.0.0.2 was asked to power off, which proves nothing')
  t.is(bed.state.verdict?.verdict, 'unknown')
  t.is(bed.host.asked.length, 1)
})

test('why a host could not be asked is said; its devices prove it off all the same', async t => {
  await using bed = await Bed.open(t)
  await bed.fencer.want([bed.order('off', { courtesy })])
  bed.host.answers.reject(new Error('it refuses the key'))
  await bed.clock.pass(5_000)
  t.is(bed.state.courtesy, 'it refuses the key')
  t.is(bed.state.verdict?.verdict, 'off-confirmed')
})

test('nobody is asked who is only watched, or is to be switched on', async t => {
  await using bed = await Bed.open(t)
  await bed.fencer.want([bed.order('watch', { courtesy })])
  await bed.clock.pass(1_000)
  await bed.fencer.want([bed.order('on', { courtesy })])
  await bed.clock.pass(5_000)
  t.deepEqual(bed.host.asked, [])
})

test('asking ends with the wish', async t => {
  await using bed = await Bed.open(t)
  bed.bmc('a1').faults.silent = true
  await bed.fencer.want([bed.order('off', { courtesy })])
  await bed.clock.settle()
  await bed.fencer.want([bed.order('watch', { courtesy })])
  await bed.clock.settle()
  t.true(bed.host.isDropped)
  t.is(bed.state.courtesy, undefined)
})
