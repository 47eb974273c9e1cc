import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { KernelWatchdog } from '../../../agent/io/watchdog.ts'
import { LabWatchdog } from '../../../tools/lab/keeper/watchdog.ts'
import { endKeepers } from '../../agent/keepers.ts'
import { eventually } from '../../lab/cloud/waiting.ts'

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-lab-watchdog-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

test('an agent finds it, makes it impossible to stop, and starts it', async t => {
  const folder = await folderOf(t)
  using _dog = await LabWatchdog.open({ folder, timeoutMs: 60_000, bite: () => t.fail() })
  await using watchdog = new KernelWatchdog({ root: folder })
  const found = {
    kind: 'hardware',
    identity: 'lab watchdog',
    timeoutMs: 60_000,
    nowayout: false,
    counts: false,
    kept: 'no',
    because: ''
  }
  t.deepEqual(await watchdog.look(), found as never)
  t.teardown(() => endKeepers(folder))
  t.like(await watchdog.open(() => 60_000), { kind: 'hardware', nowayout: true })
  const counting = await eventually('it counts down', async () => {
    const facts = await watchdog.look()
    return facts.counts ? facts : undefined
  })
  t.deepEqual(counting, { ...found, nowayout: true, counts: true, kept: 'apart' } as never)
})

test('it bites once when nobody writes any more, also when it is closed', async t => {
  const folder = await folderOf(t)
  const bitten = Promise.withResolvers<void>()
  let bites = 0
  const bite = (): void => {
    bites += 1
    bitten.resolve()
  }
  using dog = await LabWatchdog.open({ folder, timeoutMs: 1_000, bite })
  t.false(dog.isActive)
  const fd = openSync(join(folder, 'dev/watchdog0'), constants.O_WRONLY | constants.O_NONBLOCK)
  writeSync(fd, 'V')
  closeSync(fd)
  await bitten.promise
  t.true(dog.isActive)
  t.is(bites, 1)
})

test('one that nobody has started does not bite, nor one whose host has no power', async t => {
  const folder = await folderOf(t)
  const other = await folderOf(t)
  const bitten = Promise.withResolvers<void>()
  const never = { timeoutMs: 3_000, bite: () => t.fail() }
  using idle = await LabWatchdog.open({ folder: join(folder, 'idle'), ...never })
  const off = await LabWatchdog.open({ folder: join(folder, 'off'), ...never })
  using started = await LabWatchdog.open({ folder: other, timeoutMs: 3_000, bite: bitten.resolve })
  for (const path of [join(folder, 'off'), other]) {
    const fd = openSync(join(path, 'dev/watchdog0'), constants.O_WRONLY | constants.O_NONBLOCK)
    writeSync(fd, '.')
    closeSync(fd)
  }
  await eventually('both count down', async () => (off.isActive && started.isActive) || undefined)
  off[Symbol.dispose]()
  await bitten.promise
  t.false(idle.isActive)
})
