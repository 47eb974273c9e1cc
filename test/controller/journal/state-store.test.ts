import test from 'ava'
import fc from 'fast-check'
import { Fault } from '#shared/fault.ts'
import type { Change, Commit } from '../../../controller/core/commit.ts'
import { decodeChunk } from '../../../controller/core/journal-chunks.ts'
import type { Entry, Journal, Position } from '../../../controller/core/ports.ts'
import { openLevelJournal } from '../../../controller/io/journal/level.ts'
import { loadState, saveState } from '../../../controller/io/journal/state-store.ts'
import { FakeJournalDisk } from '../../world/fake-journal.ts'
import { makeFolder } from './folder.ts'

/** A state that knows tokens alone: the smallest that folds commits. */
class Tokens {
  position: Position = 0
  readonly values = new Map<string, unknown>()
  readonly #changed = new Set<string>()

  fold({ position, commit }: Pick<Entry, 'position' | 'commit'>): void {
    for (const change of commit.changes) {
      if (change.op === 'token-put') this.#set(change.token.id, change.token)
      if (change.op === 'token-remove') this.#set(change.id, undefined)
    }
    this.position = position
  }
  takeDirty(): readonly string[] {
    const keys = [...this.#changed]
    this.#changed.clear()
    return keys
  }
  valueOf(key: string): unknown {
    return this.values.get(key)
  }
  load(key: string, value: unknown): void {
    this.values.set(key, value)
  }
  loaded(position: Position): void {
    this.position = position
  }
  #set(id: string, value: unknown): void {
    const key = `token/${id}`
    if (value === undefined) this.values.delete(key)
    else this.values.set(key, value)
    this.#changed.add(key)
  }
}

const put = (number: number, name: string): Change => ({
  op: 'token-put',
  token: { id: `t-${number}`, name, sha256: 'x'.repeat(64), role: 'reader', createdAt: name }
})
const remove = (number: number): Change => ({ op: 'token-remove', id: `t-${number}` })
const commitOf = (...changes: readonly Change[]): Commit => ({ changes, decisions: [] })

async function openState(journal: Journal) {
  const tokens = new Tokens()
  const index = await loadState(journal, tokens)
  return { tokens, index }
}

type Step =
  | { readonly do: 'commit'; readonly change: Change }
  | { readonly do: 'save' | 'prune' | 'reopen' }

const change = fc.oneof(
  fc.tuple(fc.integer({ min: 0, max: 20 }), fc.string()).map(([number, name]) => put(number, name)),
  fc.integer({ min: 0, max: 20 }).map(remove)
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('commit' as const), change }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      { do: 'save' },
      { do: 'prune' },
      { do: 'reopen' }
    ) as fc.Arbitrary<Step>
  }
)

/** Takes the steps on a journal that `open` opens again and again; the fold must always agree. */
async function agrees(
  t: { deepEqual: (a: unknown, b: unknown) => unknown },
  open: () => Promise<Journal>,
  steps: readonly Step[]
) {
  const truth = new Tokens()
  let journal = await open()
  let epoch = await journal.raiseEpoch()
  let { tokens, index } = await openState(journal)
  let saved: Position = 0
  for (const step of [...steps, { do: 'reopen' } as const]) {
    if (step.do === 'commit') {
      const commit = commitOf(step.change)
      const position = await journal.append(commit, { epoch })
      for (const state of [truth, tokens]) state.fold({ position, commit })
    } else if (step.do === 'save') {
      saved = await saveState(journal, tokens, index)
    } else if (step.do === 'prune') {
      await journal.prune(saved)
    } else {
      await journal[Symbol.asyncDispose]()
      journal = await open()
      epoch = await journal.raiseEpoch()
      const opened = await openState(journal)
      tokens = opened.tokens
      index = opened.index
      t.deepEqual(tokens.position, truth.position)
      t.deepEqual(new Map([...tokens.values].sort()), new Map([...truth.values].sort()))
    }
  }
  await journal[Symbol.asyncDispose]()
}

test('folded from checkpoint and entries, the state is what it was (in memory)', async t => {
  const run = async (steps: readonly Step[]) => {
    const disk = new FakeJournalDisk()
    await agrees(t, async () => disk.open(), steps)
  }
  const property = fc.asyncProperty(fc.array(step, { maxLength: 60 }), run)
  await t.notThrowsAsync(Promise.resolve(fc.assert(property, { numRuns: 100 })))
})

test('folded from checkpoint and entries, the state is what it was (in LevelDB)', async t => {
  const run = async (steps: readonly Step[]) => {
    await using folder = await makeFolder()
    await agrees(t, () => openLevelJournal(folder.path), steps)
  }
  const property = fc.asyncProperty(fc.array(step, { maxLength: 30 }), run)
  await t.notThrowsAsync(Promise.resolve(fc.assert(property, { numRuns: 8 })))
})

test('a checkpoint that fails is written whole by the next one', async t => {
  const disk = new FakeJournalDisk()
  const journal = disk.open()
  const epoch = await journal.raiseEpoch()
  const { tokens, index } = await openState(journal)
  const commit = commitOf(put(1, 'one'), put(2, 'two'))
  tokens.fold({ position: await journal.append(commit, { epoch }), commit })
  disk.failNext('refused')
  await t.throwsAsync(saveState(journal, tokens, index), { instanceOf: Fault })
  disk.heal()
  await journal.recover()
  t.is(await saveState(journal, tokens, index), 1)
  const again = await openState(disk.open())
  t.deepEqual([...again.tokens.values.keys()].sort(), ['token/t-1', 'token/t-2'])
})

test('what the journal has not acknowledged does not get into a checkpoint', async t => {
  const disk = new FakeJournalDisk()
  const journal = disk.open()
  const epoch = await journal.raiseEpoch()
  const { tokens, index } = await openState(journal)
  disk.hold()
  const commit = commitOf(put(1, 'one'))
  const appended = journal.append(commit, { epoch })
  tokens.fold({ position: 1, commit })
  const fault = await t.throwsAsync(saveState(journal, tokens, index), { instanceOf: Fault })
  t.is(fault?.code, 'conflict')
  t.regex(fault!.message, /^cannot store a checkpoint at 1: it is not acknowledged yet$/)
  const saved = saveState(journal, tokens, index)
  disk.release()
  await appended
  t.is(await saved, 1, 'it waits for a moment at which all is acknowledged')
  t.is((await openState(disk.open())).tokens.values.size, 1)
})

test('a checkpoint holds the state of one moment, though it goes on changing', async t => {
  const disk = new FakeJournalDisk()
  const journal = disk.open()
  const epoch = await journal.raiseEpoch()
  const { tokens, index } = await openState(journal)
  const many = commitOf(...Array.from({ length: 20_000 }, (_, number) => put(number, 'before')))
  tokens.fold({ position: await journal.append(many, { epoch }), commit: many })
  const saved = saveState(journal, tokens, index)
  let isSaved = false
  void saved.then(() => {
    isSaved = true
  })
  let turns = 0
  for (; !isSaved; turns++) {
    const commit = commitOf(put(turns, 'after'), remove(19_999 - turns))
    tokens.fold({ position: await journal.append(commit, { epoch }), commit })
    await new Promise(resolve => setImmediate(resolve))
  }
  t.true(turns > 3, `the event loop had ${turns} turns`)
  const position = await saved
  const stored = new Tokens()
  for await (const { bytes } of (await journal.readCheckpoint())!.chunks) {
    const { keys, values } = decodeChunk(bytes)
    for (const [at, key] of keys.entries()) stored.load(key, values[at])
  }
  const changes = position - 1
  t.is(stored.values.size, 20_000 - changes)
  const names = [...stored.values.values()].map(token => (token as { name: string }).name)
  t.is(names.filter(name => name === 'after').length, changes)
})
