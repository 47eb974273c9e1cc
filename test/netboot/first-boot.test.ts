/**
 * The short form, which is part of `npm test`: a host image is built, two machines get their power
 * by IPMI, boot it over the network, one with a BIOS and one by UEFI, knock, are let in, and one of
 * them runs a container. What else befalls such machines is tried by `npm run netboot`.
 */
import anyTest, { type TestFn } from 'ava'
import { patienceMs, tell } from './scene.ts'
import { readSharedLog } from './shared-log.ts'
import { TwoMachines } from './two-machines.ts'

const test = anyTest.serial as TestFn

let machines: TwoMachines

test.before('two machines get their power, boot, knock and are let in', async t => {
  t.timeout(1.25 * patienceMs)
  machines = await TwoMachines.open(113)
})

test.after.always('the lab is taken away', async t => {
  t.timeout(patienceMs)
  await machines?.[Symbol.asyncDispose]()
})

for (const machine of ['n1', 'n2'] as const) {
  const firmware = machine === 'n1' ? 'a BIOS' : 'UEFI'
  test(`a machine with ${firmware} becomes a host, step by step`, async t => {
    tell(`${machine} took ${await machines.processorTime(machine)} s of a processor until now`)
    t.deepEqual(await machines.wrongWith(machine), [])
  })
}

test('a container runs in one of them, and writes to a pool that all hosts see', async t => {
  t.timeout(patienceMs)
  await machines.runWriter(machines.hosts.n1)
  tell(`n1 took ${await machines.processorTime('n1')} s of a processor until now`)
  t.deepEqual((await readSharedLog(machines.scene.lab)).violations, [])
})
