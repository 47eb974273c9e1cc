import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { Fault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import type { Size } from '#shared/model/size.ts'
import type { Change, Commit } from '../../../controller/core/commit.ts'
import { decodeChunk } from '../../../controller/core/journal-chunks.ts'
import type { Journal, Position } from '../../../controller/core/ports.ts'
import { View } from '../../../controller/core/view.ts'
import { openLevelJournal } from '../../../controller/io/journal/level.ts'
import { type CheckpointPlace, Keeper } from '../../../controller/io/keeper.ts'
import { FakeJournalDisk } from '../../world/fake-journal.ts'
import { makeFolder } from './folder.ts'

const size = (number: number, vcpus: number): Size => ({
  kind: 'size',
  id: `z-${number}`,
  name: `size-${number}`,
  labels: {},
  spec: { vcpus, memoryMib: 1024 },
  decided: {},
  generation: 1,
  createdAt: '2026-01-01T00:00:00.000Z'
})

const put = (number: number, vcpus: number): Change => ({
  op: 'put',
  resource: size(number, vcpus)
})
const remove = (number: number): Change => ({
  op: 'remove',
  kind: 'size',
  id: `z-${number}`,
  subject: `size/size-${number}`
})

/** A commit of these changes, with a decision about the size of that number. */
const commitOf = (number: number, changes: readonly Change[]): Commit => ({
  changes,
  decisions: [
    {
      at: '2026-01-01T00:00:00.000Z',
      by: 'user/admin',
      verb: 'changed',
      because: `because of ${number}`,
      subjects: [`size/size-${number}`]
    }
  ]
})

/** A controller's memory on a journal: what it knows, and who keeps it. */
async function startOn(journal: Journal) {
  const view = new View()
  const keeper = new Keeper({ journal, view, log: silentLog })
  await keeper.load()
  const epoch = await journal.raiseEpoch()
  const commit = async (commit: Commit): Promise<void> => {
    const position = await journal.append(commit, { epoch })
    view.fold({ type: 'commit', position, commit })
  }
  return { journal, view, keeper, commit }
}

const allDurable = async (): Promise<void> => {}

/** All that a view would store, by key. */
const storedBy = (view: View): ReadonlyMap<string, unknown> =>
  new Map([...view.keys()].sort().map(key => [key, view.valueOf(key)]))

type Step = 'save' | 'restart' | { readonly number: number; readonly change: Change }

const number = fc.integer({ min: 0, max: 20 })
const change: fc.Arbitrary<Step> = fc
  .tuple(number, fc.integer({ min: 0, max: 64 }))
  .map(([number, vcpus]) => ({ number, change: vcpus ? put(number, vcpus) : remove(number) }))
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: change },
  { weight: 2, arbitrary: fc.constantFrom<Step>('save', 'restart') }
)

/** Takes the steps on a journal that is opened again and again: the view must always come back. */
async function comesBack(
  t: ExecutionContext,
  open: () => Promise<Journal>,
  steps: readonly Step[]
): Promise<void> {
  const truth = new View()
  let running = await startOn(await open())
  for (const step of [...steps, 'restart'] as const) {
    if (step === 'save') {
      await running.keeper.write(allDurable)
    } else if (step === 'restart') {
      await running.journal[Symbol.asyncDispose]()
      running = await startOn(await open())
      t.is(running.view.position, truth.position)
      t.deepEqual(storedBy(running.view), storedBy(truth))
    } else {
      const commit = commitOf(step.number, [step.change])
      await running.commit(commit)
      truth.fold({ type: 'commit', position: truth.position + 1, commit })
    }
  }
  await running.journal[Symbol.asyncDispose]()
}

test('the view comes back from checkpoint and entries as it was (in memory)', async t => {
  const run = async (steps: readonly Step[]) => {
    const disk = new FakeJournalDisk()
    await comesBack(t, async () => disk.open(), steps)
  }
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), run), { numRuns: 60 })
})

test('the view comes back from checkpoint and entries as it was (in LevelDB)', async t => {
  const run = async (steps: readonly Step[]) => {
    await using folder = await makeFolder()
    await comesBack(t, () => openLevelJournal(folder.path), steps)
  }
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 30 }), run), { numRuns: 8 })
})

test('a checkpoint that fails is written whole by the next one', async t => {
  const disk = new FakeJournalDisk()
  const { journal, view, keeper, commit } = await startOn(disk.open())
  await commit(commitOf(1, [put(1, 1), put(2, 2)]))
  disk.failNext('refused')
  await t.throwsAsync(keeper.write(allDurable), { instanceOf: Fault })
  disk.heal()
  await journal.recover()
  await keeper.write(allDurable)
  t.is((await journal.readCheckpoint())?.position, 1)
  t.deepEqual(storedBy((await startOn(disk.open())).view), storedBy(view))
})

test('a view that turns out not to be durable is not stored', async t => {
  const disk = new FakeJournalDisk()
  const { journal, keeper, commit } = await startOn(disk.open())
  await commit(commitOf(1, [put(1, 1)]))
  const failed = async () => {
    throw new Fault('unavailable', 'cannot record the change')
  }
  await t.throwsAsync(keeper.write(failed), { instanceOf: Fault })
  t.is(await journal.readCheckpoint(), undefined)
  await keeper.write(allDurable)
  t.is((await journal.readCheckpoint())?.position, 1)
})

test('a checkpoint holds the view of one moment, though it goes on changing', async t => {
  const disk = new FakeJournalDisk()
  const { journal, keeper, commit } = await startOn(disk.open())
  const many = Array.from({ length: 10_000 }, (_, number) => put(number, 1))
  await commit(commitOf(0, many))
  let isWritten = false
  const written = keeper.write(allDurable).finally(() => {
    isWritten = true
  })
  let turns = 0
  for (; !isWritten; turns++) {
    await commit(commitOf(0, [put(turns, 2), remove(9_999 - turns)]))
    await new Promise(resolve => setImmediate(resolve))
  }
  await written
  t.true(turns > 3, `the event loop had ${turns} turns`)
  const { position, sizes } = await storedSizes(journal)
  const changes = position - 1
  t.is(sizes.length, 10_000 - changes)
  t.is(sizes.filter(size => size.spec.vcpus === 2).length, changes)
})

/** Lets a view that was filled elsewhere take a journal over, and says which chunks it writes. */
async function takeOver(disk: FakeJournalDisk, commits: readonly Commit[]) {
  const journal = disk.open()
  const view = new View()
  await new Keeper({ journal: disk.open(), view, log: silentLog }).load()
  const epoch = await journal.raiseEpoch()
  const written: string[] = []
  const place: CheckpointPlace = {
    readCheckpoint: () => journal.readCheckpoint(),
    entries: after => journal.entries(after),
    prune: upTo => journal.prune(upTo),
    writeCheckpoint: async ({ position, changed }) => {
      const chunks = new Map<string, Uint8Array | undefined>()
      for await (const [name, bytes] of changed) chunks.set(name, bytes)
      written.push(...chunks.keys())
      await journal.writeCheckpoint({ position, changed: chunks })
    }
  }
  const keeper = new Keeper({ journal: place, view, log: silentLog })
  await keeper.adopt()
  for (const commit of commits) {
    const position = await journal.append(commit, { epoch })
    view.fold({ type: 'commit', position, commit })
  }
  return { view, keeper, written }
}

test('who takes a checkpoint over writes only the chunks that are not as theirs', async t => {
  const disk = new FakeJournalDisk()
  const first = await startOn(disk.open())
  const many = Array.from({ length: 10_000 }, (_, number) => put(number, 1))
  await first.commit({ changes: many, decisions: [] })
  await first.keeper.write(allDurable)
  const chunks = disk.checkpoint!.chunks.size
  t.true(chunks > 4, `${chunks} chunks`)

  const next = await takeOver(disk, [{ changes: [put(7, 2)], decisions: [] }])
  await next.keeper.write(allDurable)
  t.is(next.written.length, 1)
  t.deepEqual(storedBy((await startOn(disk.open())).view), storedBy(next.view))

  const all = Array.from({ length: 10_000 }, (_, number) => remove(number))
  const last = await takeOver(disk, [{ changes: all, decisions: [] }])
  await last.keeper.write(allDurable)
  t.is(last.written.length, chunks)
  t.deepEqual(storedBy((await startOn(disk.open())).view), storedBy(last.view))
})

test('a place that holds nothing yet, and no entries either, is written to at once', async t => {
  const source = await startOn(new FakeJournalDisk().open())
  await source.commit(commitOf(1, [put(1, 1)]))
  for (const soon of [false, true]) {
    const journal = new FakeJournalDisk().open()
    const epoch = await journal.raiseEpoch()
    await journal.append(commitOf(1, [put(1, 1)]), { epoch })
    const keeper = new Keeper({ journal, view: source.view, log: silentLog })
    await keeper.adopt({ soon })
    keeper.writeIfDue(0, allDurable)
    await keeper.idle()
    t.is((await journal.readCheckpoint())?.position, soon ? 1 : undefined)
  }
})

test('what is to be written at least so often is, however little it was', async t => {
  const source = await startOn(new FakeJournalDisk().open())
  await source.commit(commitOf(1, [put(1, 1)]))
  const journal = new FakeJournalDisk().open()
  const epoch = await journal.raiseEpoch()
  await journal.append(commitOf(1, [put(1, 1)]), { epoch })
  const keeper = new Keeper({ journal, view: source.view, log: silentLog, everyMs: 1_000 })
  await keeper.adopt()
  for (const [now, position] of [
    [5_000, undefined],
    [5_999, undefined],
    [6_000, 1]
  ] as const) {
    keeper.writeIfDue(now, allDurable)
    await keeper.idle()
    t.is((await journal.readCheckpoint())?.position, position)
  }
})

test('who has failed to write a checkpoint that it took over writes all of it', async t => {
  const disk = new FakeJournalDisk()
  const first = await startOn(disk.open())
  await first.commit(commitOf(1, [put(1, 1)]))
  await first.keeper.write(allDurable)
  const next = await takeOver(disk, [commitOf(1, [put(1, 2)])])
  const failed = async () => {
    throw new Fault('unavailable', 'cannot record the change')
  }
  await t.throwsAsync(next.keeper.write(failed), { instanceOf: Fault })
  await next.keeper.write(allDurable)
  t.is(next.written.length, disk.checkpoint!.chunks.size)
  t.deepEqual(storedBy((await startOn(disk.open())).view), storedBy(next.view))
})

async function storedSizes(
  journal: Journal
): Promise<{ readonly position: Position; readonly sizes: readonly Size[] }> {
  const checkpoint = await journal.readCheckpoint()
  const sizes: Size[] = []
  for await (const { bytes } of checkpoint!.chunks) {
    const { keys, values } = decodeChunk(bytes)
    sizes.push(...(values.filter((_, at) => keys[at]!.startsWith('size/')) as Size[]))
  }
  return { position: checkpoint!.position, sizes }
}
