import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import test, { type ExecutionContext } from 'ava'
import { Fault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import type { Journal } from '../../../controller/core/ports.ts'
import { View } from '../../../controller/core/view.ts'
import {
  epochsSkipped,
  inspectBackup,
  restoreBackup
} from '../../../controller/io/backup/restore.ts'
import { takeBackup } from '../../../controller/io/backup/take.ts'
import { openLevelJournal } from '../../../controller/io/journal/level.ts'
import { Keeper } from '../../../controller/io/keeper.ts'
import { FakeJournalDisk } from '../../world/fake-journal.ts'
import { WholeCloud } from '../../world/whole-cloud.ts'

async function withFolder(
  t: ExecutionContext,
  work: (folder: string) => Promise<void>
): Promise<void> {
  t.timeout(60_000)
  const folder = await mkdtemp(join(tmpdir(), 'remuda-backup-'))
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A backup of what a cloud has recorded. */
async function backupOf(cloud: WholeCloud, path: string, epoch = 7): Promise<Buffer> {
  const { view } = cloud.reign
  const durable = async (): Promise<void> => {}
  const source = { view, epoch, version: '0.1.0', now: cloud.clock.wall(), durable }
  const bytes = await buffer(await takeBackup(source))
  await writeFile(path, bytes)
  return bytes
}

async function loaded(journal: Journal): Promise<View> {
  const view = new View()
  await new Keeper({ journal, view, log: silentLog }).load()
  return view
}

/** Everything that a view holds; a restored one has no positions in its histories. */
function contentsOf(
  view: View,
  positions: 'as they are' | 'gone'
): Readonly<Record<string, unknown>> {
  const value = (key: string): unknown => {
    const stored = view.valueOf(key)
    if (!key.startsWith('history/') || positions === 'as they are') return stored
    return (stored as readonly object[]).map(one => ({ ...one, position: 0 }))
  }
  return Object.fromEntries([...view.keys()].sort().map(key => [key, value(key)]))
}

async function smallCloud(): Promise<WholeCloud> {
  const cloud = new WholeCloud()
  await cloud.startController()
  await cloud.addHost({ name: 'h1', memoryMib: 4_608 })
  await cloud.addImage('tiny', { format: 'qcow2' })
  await cloud.clock.pass(1_000)
  await createInstance(cloud, 'web')
  await cloud.clock.pass(3_000)
  return cloud
}

const createInstance = (cloud: WholeCloud, name: string): Promise<void> =>
  cloud.wish({
    verb: 'create',
    kind: 'instance',
    name,
    spec: cloud.specOf('instance', { image: 'tiny', memoryMib: 128 })
  })

test('what is restored into an empty journal is what was recorded', t =>
  withFolder(t, async folder => {
    await using cloud = await smallCloud()
    const path = join(folder, 'backup')
    await backupOf(cloud, path)
    const contents = await inspectBackup(path)
    t.like(contents, { cloud: 'c', epoch: 7, version: '0.1.0', tokens: 1 })
    t.like(contents.resources, { host: 1, instance: 1, image: 1 })
    const wanted = contentsOf(cloud.reign.view, 'gone')
    for (const open of [
      async () => new FakeJournalDisk().open(),
      async () => openLevelJournal(join(folder, 'journal'))
    ]) {
      await using journal = await open()
      const epoch = await restoreBackup(path, journal, { contents })
      t.true(epoch > 7 + epochsSkipped)
      t.deepEqual(contentsOf(await loaded(journal), 'as they are'), wanted)
      t.is(journal.head(), 0)
    }
    await using again = await openLevelJournal(join(folder, 'journal'))
    t.deepEqual(contentsOf(await loaded(again), 'as they are'), wanted)
    const refused = await t.throwsAsync(restoreBackup(path, again, { contents }), {
      instanceOf: Fault
    })
    t.is(refused?.code, 'conflict')
  }))

test('a backup that is cut off, or of which one byte is another, is refused', t =>
  withFolder(t, async folder => {
    await using cloud = await smallCloud()
    const path = join(folder, 'backup')
    const bytes = await backupOf(cloud, path)
    const cases = [0, 5, 20, 200, bytes.length - 70, bytes.length - 1].map(end =>
      bytes.subarray(0, end)
    )
    for (let at = 0; at < bytes.length; at += Math.ceil(bytes.length / 60)) {
      const other = Buffer.from(bytes)
      other[at] = other[at]! ^ 1
      cases.push(other)
    }
    cases.push(Buffer.concat([bytes, Buffer.from('\n')]), Buffer.concat([bytes, bytes]))
    for (const [number, damaged] of cases.entries()) {
      await writeFile(path, damaged)
      const refused = await t.throwsAsync(inspectBackup(path), { instanceOf: Fault })
      t.is(refused?.code, 'corrupt', `case ${number}: ${refused?.message}`)
    }
  }))

test('a backup is of one moment although the state changes while it is written', t =>
  withFolder(t, async folder => {
    await using cloud = await smallCloud()
    const wanted = contentsOf(cloud.reign.view, 'gone')
    const { view } = cloud.reign
    const durable = async (): Promise<void> => {}
    const pieces = await takeBackup({ view, epoch: 1, version: '0', now: 0, durable })
    await createInstance(cloud, 'later')
    const path = join(folder, 'backup')
    await writeFile(path, await buffer(pieces))
    await using journal = new FakeJournalDisk().open()
    await restoreBackup(path, journal, { contents: await inspectBackup(path) })
    t.deepEqual(contentsOf(await loaded(journal), 'as they are'), wanted)
  }))

test('a restore that fails half-way leaves an empty journal, and is simply done again', t =>
  withFolder(t, async folder => {
    await using cloud = await smallCloud()
    const path = join(folder, 'backup')
    await backupOf(cloud, path)
    const contents = await inspectBackup(path)
    const disk = new FakeJournalDisk()
    await using journal = disk.open()
    await journal.raiseEpoch()
    disk.failNext('refused')
    await t.throwsAsync(restoreBackup(path, journal, { contents }), { instanceOf: Fault })
    disk.heal()
    await journal.recover()
    t.is(await journal.readCheckpoint(), undefined)
    await restoreBackup(path, journal, { contents })
    t.truthy(await journal.readCheckpoint())
  }))

test('after a restore hosts take every order, what runs goes on, what is newer is stopped', t =>
  withFolder(t, async folder => {
    await using cloud = await smallCloud()
    const path = join(folder, 'backup')
    await backupOf(cloud, path, 1)
    await createInstance(cloud, 'later')
    await cloud.clock.pass(3_000)
    const { hypervisor } = cloud.host('h1')
    const countStarts = (): number =>
      hypervisor.calls.filter(call => call.startsWith('create')).length
    const starts = countStarts()
    t.is(starts, 2)
    await cloud.stopController()
    const empty = new FakeJournalDisk()
    const journal = empty.open()
    const epoch = await restoreBackup(path, journal, { contents: await inspectBackup(path) })
    await journal[Symbol.asyncDispose]()
    Object.assign(cloud.disk, { entries: [], prunedUpTo: 0, lastPruned: undefined })
    Object.assign(cloud.disk, { epoch, checkpoint: empty.checkpoint })
    await cloud.startController()
    await cloud.clock.pass(10_000)
    const { view } = cloud.reign
    t.is(view.named('instance', 'later', 'default'), undefined)
    t.is(countStarts(), starts, 'nothing was started again')
    const said = view.history('host/h1').map(({ verb }) => verb)
    t.false(said.includes('order-refused'), said.join(' '))
    await createInstance(cloud, 'new')
    await cloud.clock.pass(3_000)
    const history = view.history('instance/new').map(({ verb }) => verb)
    t.true(history.includes('instance-started'), history.join(' '))
    t.true(view.history('host/h1').some(({ position }) => position > 0))
  }))

test('the file can be read by a person', t =>
  withFolder(t, async folder => {
    await using cloud = await smallCloud()
    const path = join(folder, 'backup')
    await backupOf(cloud, path)
    const lines = (await readFile(path, 'utf8')).split('\n')
    t.is(lines[0], 'remuda-backup 1')
    t.is(JSON.parse(lines[1]!).cloud, 'c')
    t.regex(lines.at(-2)!, /^end \d+ [0-9a-f]{64}$/)
  }))
