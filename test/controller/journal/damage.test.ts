import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Fault, type FaultCode } from '#shared/fault.ts'
import { makeLog } from '#shared/log.ts'
import { entryKey } from '../../../controller/io/journal/entry-codec.ts'
import { openLevelJournal } from '../../../controller/io/journal/level.ts'
import { openLevelStore } from '../../../controller/io/journal/level-store.ts'
import { putRecord } from '../../../controller/io/journal/records.ts'
import type { OpenStore, Store, Write } from '../../../controller/io/journal/store.ts'
import { FaultyStores } from '../../world/faulty-store.ts'
import { numbered, read } from '../../world/numbered-commits.ts'
import { makeFolder } from './folder.ts'

/** Appends so many commits to the journal in a folder, and closes it. */
async function appendMany(path: string, count: number): Promise<void> {
  await using journal = await openLevelJournal(path)
  const epoch = await journal.raiseEpoch()
  const first = journal.head() + 1
  const numbers = Array.from({ length: count }, (_, at) => first + at)
  await Promise.all(numbers.map(number => journal.append(numbered(number), { epoch })))
}

/** Changes the closed journal's store behind its back. */
async function tamper(path: string, change: (store: Store) => Promise<void>): Promise<void> {
  await using store = await openLevelStore(join(path, 'store'), { create: false })
  await change(store)
}

async function quarantined(path: string): Promise<Readonly<Record<string, readonly string[]>>> {
  const parent = join(path, 'quarantine')
  const folders = await readdir(parent).catch(() => [])
  const entries = folders.map(async name => [name, (await readdir(join(parent, name))).sort()])
  return Object.fromEntries(await Promise.all(entries))
}

async function refusal(t: ExecutionContext, path: string, code: FaultCode): Promise<Fault> {
  const fault = await t.throwsAsync(openLevelJournal(path), { instanceOf: Fault })
  t.is(fault?.code, code, fault?.message)
  return fault!
}

const bytesAt = async (store: Store, position: number): Promise<Uint8Array> =>
  (await store.read([entryKey(position)]))[0]!

const damages: readonly {
  readonly title: string
  readonly change: (store: Store) => Promise<readonly Write[]>
  readonly because: RegExp
  readonly cut: number
}[] = [
  {
    title: 'an entry with a flipped bit',
    change: async store => {
      const bytes = Uint8Array.from(await bytesAt(store, 5))
      bytes[150]! ^= 1
      return [{ op: 'put', key: entryKey(5), bytes }]
    },
    because: /^entry 5 is damaged: its checksum differs; 6 entries after 4 are in /,
    cut: 6
  },
  {
    title: 'an entry of which only a part is there',
    change: async store => {
      const bytes = (await bytesAt(store, 5)).subarray(0, 160)
      return [{ op: 'put', key: entryKey(5), bytes }]
    },
    because: /^entry 5 is damaged: its checksum differs; 6 entries/,
    cut: 6
  },
  {
    title: 'a missing entry',
    change: async () => [{ op: 'remove', key: entryKey(5) }],
    because: /^entry 5 is missing although 6 is there; 5 entries after 4 are in /,
    cut: 5
  },
  {
    title: 'an entry in the place of another',
    change: async store => [{ op: 'put', key: entryKey(5), bytes: await bytesAt(store, 6) }],
    because: /^entry 5 is damaged: it says that it is 6; 6 entries/,
    cut: 6
  }
]

for (const { title, change, because, cut } of damages) {
  test(`${title} cuts the journal there, and nothing that was cut is destroyed`, async t => {
    await using folder = await makeFolder()
    await appendMany(folder.path, 10)
    const before = new Map<string, string>()
    await tamper(folder.path, async store => {
      await store.write(await change(store))
      for await (const page of store.range({ after: entryKey(4), upTo: entryKey(10) })) {
        for (const { key, bytes } of page) before.set(key, Buffer.from(bytes).toString('base64'))
      }
    })
    const lines: string[] = []
    const log = makeLog('test', { write: line => lines.push(line) })
    await using journal = await openLevelJournal(folder.path, { log })
    t.is(journal.opening.head, 4)
    t.is(journal.opening.cut?.entries, cut)
    t.regex(journal.opening.cut?.because ?? '', because)
    t.true(journal.opening.epoch >= 1001, 'the epoch is one that cannot have been given')
    t.is(JSON.parse(lines[0]!).message, 'journal was damaged')
    t.is(JSON.parse(lines[0]!).level, 'error')

    const [name] = await readdir(join(folder.path, 'quarantine'))
    const kept = await readFile(join(folder.path, 'quarantine', name!, 'entries.jsonl'), 'utf8')
    const saved = kept
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    t.deepEqual(new Map(saved.map(({ key, base64 }) => [key, base64])), before)

    t.is(await journal.append(numbered(50), { epoch: await journal.raiseEpoch() }), 5)
    const commits = (await read(journal)).map(entry => entry.commit)
    t.deepEqual(
      commits,
      [1, 2, 3, 4, 50].map(number => numbered(number))
    )
  })
}

test('a journal that was cut opens without complaint the next time', async t => {
  await using folder = await makeFolder()
  await appendMany(folder.path, 10)
  await tamper(folder.path, store => store.write([{ op: 'remove', key: entryKey(5) }]))
  await (await openLevelJournal(folder.path))[Symbol.asyncDispose]()
  await using journal = await openLevelJournal(folder.path)
  t.is(journal.opening.cut, undefined)
  t.is(journal.opening.head, 4)
})

const lostFiles: readonly { readonly file: RegExp; readonly how: 'remove' | 'garble' }[] = [
  { file: /^CURRENT$/, how: 'remove' },
  { file: /^CURRENT$/, how: 'garble' },
  { file: /^MANIFEST-/, how: 'remove' },
  { file: /^MANIFEST-/, how: 'garble' }
]

for (const { file, how } of lostFiles) {
  test(`after LevelDB's file ${file.source} was ${how}d every entry is found again`, async t => {
    await using folder = await makeFolder()
    await appendMany(folder.path, 10)
    await appendMany(folder.path, 10)
    const store = join(folder.path, 'store')
    const name = (await readdir(store)).find(other => file.test(other))!
    if (how === 'remove') await rm(join(store, name))
    else await writeFile(join(store, name), 'garbage')
    await using journal = await openLevelJournal(folder.path)
    t.is(journal.opening.head, 20)
    const { because } = journal.opening.cut!
    t.regex(because, /^the store was damaged and is repaired: .*(CURRENT|MANIFEST|corrupt)/i)
    t.is(journal.opening.cut?.entries, 0)
    t.deepEqual((await read(journal)).map(({ position }) => position).at(-1), 20)
    const kept = await quarantined(folder.path)
    t.deepEqual(Object.keys(kept), ['0001-repaired'])
    t.deepEqual(kept['0001-repaired'], ['store', 'why.txt'])
  })
}

/** Names of the tables of a journal whose two halves are in a table each, oldest first. */
async function tablesOfHalves(path: string): Promise<readonly string[]> {
  await appendMany(path, 10)
  await appendMany(path, 10)
  await (await openLevelJournal(path))[Symbol.asyncDispose]()
  const names = (await readdir(join(path, 'store'))).filter(name => name.endsWith('.ldb')).sort()
  return names.map(name => join(path, 'store', name))
}

test('with the table of the newest entries lost, older ones are kept and it is said', async t => {
  await using folder = await makeFolder()
  const tables = await tablesOfHalves(folder.path)
  t.is(tables.length, 2)
  await rm(tables[1]!)
  await using journal = await openLevelJournal(folder.path)
  t.is(journal.opening.head, 10)
  t.regex(journal.opening.cut?.because ?? '', /repaired: .*missing files/)
})

test('with the table of the oldest entries lost, nothing is opened and all is kept', async t => {
  await using folder = await makeFolder()
  const tables = await tablesOfHalves(folder.path)
  await rm(tables[0]!)
  const fault = await refusal(t, folder.path, 'corrupt')
  t.regex(fault.message, /entry 1 is missing although 11 is there/)
  t.deepEqual(Object.keys(await quarantined(folder.path)), ['0001-repaired'])
  await refusal(t, folder.path, 'corrupt')
})

test('a table with garbage in it loses nothing silently', async t => {
  await using folder = await makeFolder()
  const [first] = await tablesOfHalves(folder.path)
  const bytes = await readFile(first!)
  await writeFile(first!, bytes.fill(0x5a, 20, 400))
  const outcome = await openLevelJournal(folder.path).catch((fault: Fault) => fault)
  if (outcome instanceof Fault) {
    t.is(outcome.code, 'corrupt')
  } else {
    t.true(outcome.opening.head === 20 || outcome.opening.cut !== undefined)
    await outcome[Symbol.asyncDispose]()
  }
})

test('a store that has vanished is not taken for a new cloud', async t => {
  await using folder = await makeFolder()
  await appendMany(folder.path, 3)
  await rm(join(folder.path, 'store'), { recursive: true })
  const fault = await refusal(t, folder.path, 'corrupt')
  t.regex(fault.message, /there has been a journal, but its store is empty/)
})

test('forgotten entries without their checkpoint are not taken for a journal', async t => {
  await using folder = await makeFolder()
  {
    await using journal = await openLevelJournal(folder.path)
    const epoch = await journal.raiseEpoch()
    for (const number of [1, 2, 3]) await journal.append(numbered(number), { epoch })
    await journal.writeCheckpoint({ position: 2, changed: new Map() })
    await journal.prune(2)
  }
  await tamper(folder.path, store => store.write([{ op: 'remove', key: 'm/checkpoint' }]))
  const fault = await refusal(t, folder.path, 'corrupt')
  t.regex(fault.message, /entries up to 2 were forgotten, and their checkpoint is lost/)
})

test('a record that fails its checksum is not believed', async t => {
  await using folder = await makeFolder()
  await appendMany(folder.path, 1)
  const bytes = Buffer.from('00000000 {"epoch":7}')
  await tamper(folder.path, store => store.write([{ op: 'put', key: 'm/epoch', bytes }]))
  t.regex(
    (await refusal(t, folder.path, 'corrupt')).message,
    /record "epoch": its checksum differs/
  )
})

test('a journal of a newer format is left alone', async t => {
  await using folder = await makeFolder()
  await appendMany(folder.path, 1)
  await tamper(folder.path, store => store.write([putRecord('format', { format: 2 })]))
  const fault = await refusal(t, folder.path, 'invalid')
  t.regex(fault.message, /its format is 2$/)
})

for (const how of ['damaged', 'missing'] as const) {
  test(`a ${how} chunk of the checkpoint is refused`, async t => {
    await using folder = await makeFolder()
    {
      await using journal = await openLevelJournal(folder.path)
      await journal.append(numbered(1), { epoch: await journal.raiseEpoch() })
      const changed = new Map(['a', 'b'].map(name => [name, Buffer.from(name)]))
      await journal.writeCheckpoint({ position: 1, changed })
    }
    const key = 'c/00000001/b'
    const write: Write =
      how === 'missing' ? { op: 'remove', key } : { op: 'put', key, bytes: Buffer.from('x') }
    await tamper(folder.path, store => store.write([write]))
    await using journal = await openLevelJournal(folder.path)
    const checkpoint = await journal.readCheckpoint()
    const reading = Array.fromAsync(checkpoint!.chunks)
    const fault = await t.throwsAsync(reading, { instanceOf: Fault })
    t.is(fault?.code, 'corrupt')
    t.regex(fault!.message, how === 'missing' ? /chunk b .* missing$/ : /chunk b .* checksum/)
  })
}

test('what an unfinished checkpoint has written is removed at the next opening', async t => {
  await using folder = await makeFolder()
  const stores = new FaultyStores(openLevelStore)
  {
    await using journal = await openLevelJournal(folder.path, { openStore: stores.open })
    await journal.append(numbered(1), { epoch: await journal.raiseEpoch() })
    async function* changed() {
      yield ['a', Buffer.alloc(900_000)] as const
      yield ['b', Buffer.alloc(900_000)] as const
      yield ['c', Buffer.alloc(900_000)] as const
      stores.failNext('refused')
    }
    await t.throwsAsync(journal.writeCheckpoint({ position: 1, changed: changed() }))
  }
  const chunkKeys = async () => {
    const keys: string[] = []
    await tamper(folder.path, async store => {
      for await (const page of store.range({ after: 'c/', upTo: 'c0' })) {
        keys.push(...page.map(pair => pair.key))
      }
    })
    return keys
  }
  t.deepEqual(await chunkKeys(), ['c/00000001/a', 'c/00000001/b'])
  await (await openLevelJournal(folder.path))[Symbol.asyncDispose]()
  t.deepEqual(await chunkKeys(), [])
})

test('recovering without an acknowledged entry is refused', async t => {
  await using folder = await makeFolder()
  const stores = new FaultyStores(openLevelStore)
  let lose = false
  const openStore: OpenStore = async (path, options) => {
    const store = await stores.open(path, options)
    if (lose) await store.write([{ op: 'remove', key: entryKey(2) }])
    return store
  }
  await using journal = await openLevelJournal(folder.path, { openStore })
  const epoch = await journal.raiseEpoch()
  for (const number of [1, 2]) await journal.append(numbered(number), { epoch })
  stores.failNext('refused')
  await t.throwsAsync(journal.append(numbered(3), { epoch }))
  stores.heal()
  lose = true
  const fault = await t.throwsAsync(journal.recover(), { instanceOf: Fault })
  t.is(fault?.code, 'corrupt')
  t.regex(fault!.message, /entry 2 was acknowledged, but the last one is 1 now/)
  await t.throwsAsync(journal.append(numbered(4), { epoch }), { instanceOf: Fault })
})
