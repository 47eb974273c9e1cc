/**
 * What every journal promises, whatever it is kept in. A bed is one journal's storage, on which
 * handles are opened; the suite never looks behind the port.
 */
import test, { type ExecutionContext } from 'ava'
import { Fault, type FaultCode } from '#shared/fault.ts'
import type { Entry, Journal, Position } from '../../controller/core/ports.ts'
import { numbered, read } from '../world/numbered-commits.ts'

/** Storage of one journal, empty at first, removed with the bed. */
export interface JournalBed extends AsyncDisposable {
  /** Whether several handles may be open at once, as on an ensemble; else a second is `locked`. */
  readonly shared: boolean
  open(): Promise<Journal>
  /**
   * The next write fails: `refused` is not made, `unknown` is made although it is reported as a
   * failure. After it all writes and openings fail, as on a full disk, until `heal`.
   */
  failNext(fate: 'refused' | 'unknown'): void
  heal(): void
}

/** Runs the contract of `Journal`. */
export function suite(name: string, makeBed: () => Promise<JournalBed>): void {
  const promise = (title: string, check: (t: ExecutionContext, bed: JournalBed) => Promise<void>) =>
    test(`${name}: ${title}`, async t => {
      await using bed = await makeBed()
      await check(t, bed)
    })
  promises.forEach(([title, check]) => {
    promise(title, check)
  })
}

type Check = (t: ExecutionContext, bed: JournalBed) => Promise<void>

/** All chunks of the last checkpoint, as text. */
export async function readChunks(journal: Journal): Promise<Readonly<Record<string, string>>> {
  const checkpoint = await journal.readCheckpoint()
  const chunks: Record<string, string> = {}
  for await (const { key, bytes } of checkpoint?.chunks ?? []) {
    chunks[key] = Buffer.from(bytes).toString()
  }
  return chunks
}

async function rejects(t: ExecutionContext, work: Promise<unknown>, code: FaultCode) {
  const fault = await t.throwsAsync(work, { instanceOf: Fault })
  t.is(fault?.code, code, fault?.message)
  return fault!
}

const bytes = (text: string): Uint8Array => Buffer.from(text)

const promises: readonly (readonly [string, Check])[] = [
  [
    'a new journal is empty and nobody holds it',
    async (t, bed) => {
      await using journal = await bed.open()
      t.deepEqual(journal.opening, { head: 0, epoch: 0, cut: undefined })
      t.is(journal.head(), 0)
      t.deepEqual(await read(journal), [])
      t.is(await journal.readCheckpoint(), undefined)
      await rejects(t, journal.append(numbered(1), { epoch: 0 }), 'stale')
    }
  ],
  [
    'epochs start at 1, rise by one and survive reopening',
    async (t, bed) => {
      {
        await using journal = await bed.open()
        t.is(await journal.raiseEpoch(), 1)
        t.is(await journal.raiseEpoch(), 2)
      }
      await using journal = await bed.open()
      t.is(journal.opening.epoch, 2)
      t.is(await journal.raiseEpoch(), 3)
    }
  ],
  [
    'entries come back as they were appended, also after reopening',
    async (t, bed) => {
      let before: readonly Entry[]
      {
        await using journal = await bed.open()
        const epoch = await journal.raiseEpoch()
        for (const number of [1, 2, 3]) {
          t.is(await journal.append(numbered(number), { epoch }), number)
        }
        before = await read(journal)
        t.deepEqual(
          before.map(({ position, epoch, commit }) => ({ position, epoch, commit })),
          [
            { position: 1, epoch: 1, commit: numbered(1) },
            { position: 2, epoch: 1, commit: numbered(2) },
            { position: 3, epoch: 1, commit: numbered(3) }
          ]
        )
        t.is(new Set(before.map(entry => entry.hash)).size, 3, 'each has a hash of its own')
      }
      await using journal = await bed.open()
      t.deepEqual(journal.opening, { head: 3, epoch: 1, cut: undefined })
      t.deepEqual(await read(journal), before)
    }
  ],
  [
    'equal commits at the same position after different ones have different hashes',
    async (t, bed) => {
      await using journal = await bed.open()
      const epoch = await journal.raiseEpoch()
      await journal.append(numbered(1), { epoch })
      await journal.append(numbered(1), { epoch })
      const [first, second] = await read(journal)
      t.not(first!.hash, second!.hash)
    }
  ],
  [
    'entries are read from any position up to the head',
    async (t, bed) => {
      await using journal = await bed.open()
      const epoch = await journal.raiseEpoch()
      await Promise.all([1, 2, 3, 4].map(number => journal.append(numbered(number), { epoch })))
      t.deepEqual(
        (await read(journal, 2)).map(entry => entry.position),
        [3, 4]
      )
      t.deepEqual(await read(journal, 4), [])
    }
  ],
  [
    'entries that come while others are read do not disturb the reader',
    async (t, bed) => {
      await using journal = await bed.open()
      const epoch = await journal.raiseEpoch()
      await Promise.all([1, 2, 3].map(number => journal.append(numbered(number), { epoch })))
      const seen: Position[] = []
      for await (const entry of journal.entries(0)) {
        seen.push(entry.position)
        await journal.append(numbered(10), { epoch })
      }
      t.deepEqual(seen, [1, 2, 3])
      t.is(journal.head(), 6)
    }
  ],
  [
    'concurrent appends get positions, and are acknowledged, in the order of the calls',
    async (t, bed) => {
      await using journal = await bed.open()
      const epoch = await journal.raiseEpoch()
      const acknowledged: number[] = []
      const numbers = Array.from({ length: 500 }, (_, at) => at + 1)
      const positions = await Promise.all(
        numbers.map(async number => {
          const position = await journal.append(numbered(number), { epoch })
          acknowledged.push(number)
          return position
        })
      )
      t.deepEqual(positions, numbers)
      t.deepEqual(acknowledged, numbers)
      t.is(journal.head(), 500)
      const stored = await read(journal)
      t.deepEqual(
        stored.map(entry => entry.commit),
        numbers.map(number => numbered(number))
      )
    }
  ],
  [
    'a commit is stored as it was at the call',
    async (t, bed) => {
      await using journal = await bed.open()
      const epoch = await journal.raiseEpoch()
      const subjects = ['instance/shop/web-1']
      const [decision] = numbered(1).decisions
      const commit = { changes: [], decisions: [{ ...decision!, subjects }] }
      const appended = journal.append(commit, { epoch })
      subjects.push('changed afterwards')
      await appended
      t.deepEqual((await read(journal))[0]!.commit.decisions[0]!.subjects, ['instance/shop/web-1'])
    }
  ],
  [
    'whoever holds an older epoch can append no more',
    async (t, bed) => {
      await using journal = await bed.open()
      const old = await journal.raiseEpoch()
      await journal.append(numbered(1), { epoch: old })
      const epoch = await journal.raiseEpoch()
      await rejects(t, journal.append(numbered(2), { epoch: old }), 'stale')
      await rejects(t, journal.append(numbered(3), { epoch: epoch + 1 }), 'stale')
      t.is(await journal.append(numbered(4), { epoch }), 2)
      t.deepEqual(
        (await read(journal)).map(entry => entry.epoch),
        [1, 2]
      )
    }
  ],
  [
    'of two openers only one can append',
    async (t, bed) => {
      await using first = await bed.open()
      const old = await first.raiseEpoch()
      await first.append(numbered(1), { epoch: old })
      if (!bed.shared) {
        await rejects(t, bed.open(), 'locked')
        t.is(await first.append(numbered(2), { epoch: old }), 2, 'the first has lost nothing')
        await first[Symbol.asyncDispose]()
      }
      await using second = await bed.open()
      const epoch = await second.raiseEpoch()
      t.is(epoch, old + 1)
      const refused = first.append(numbered(3), { epoch: old })
      await rejects(t, refused, bed.shared ? 'stale' : 'closed')
      const position = await second.append(numbered(4), { epoch })
      t.deepEqual((await read(second)).at(-1)?.commit, numbered(4))
      t.is((await read(second)).length, position, 'nothing came in between')
    }
  ],
  [
    'a checkpoint keeps the chunks that did not change',
    async (t, bed) => {
      {
        await using journal = await bed.open()
        const epoch = await journal.raiseEpoch()
        for (const number of [1, 2]) await journal.append(numbered(number), { epoch })
        const first = new Map([
          ['a', bytes('a1')],
          ['b', bytes('b1')],
          ['c', bytes('c1')]
        ])
        await journal.writeCheckpoint({ position: 1, changed: first })
        t.deepEqual(await readChunks(journal), { a: 'a1', b: 'b1', c: 'c1' })
        const second = new Map([
          ['a', bytes('a2')],
          ['b', undefined],
          ['d', bytes('d2')]
        ])
        await journal.writeCheckpoint({ position: 2, changed: second })
      }
      await using journal = await bed.open()
      t.is((await journal.readCheckpoint())?.position, 2)
      t.deepEqual(await readChunks(journal), { a: 'a2', c: 'c1', d: 'd2' })
      t.is(journal.opening.head, 2)
    }
  ],
  [
    'a checkpoint takes chunks that are made one after another',
    async (t, bed) => {
      await using journal = await bed.open()
      await journal.append(numbered(1), { epoch: await journal.raiseEpoch() })
      async function* changed() {
        for (const name of ['a', 'b', 'c']) yield [name, bytes(name)] as const
      }
      await journal.writeCheckpoint({ position: 1, changed: changed() })
      t.deepEqual(await readChunks(journal), { a: 'a', b: 'b', c: 'c' })
    }
  ],
  [
    'a checkpoint whose chunks fail to be made changes nothing',
    async (t, bed) => {
      await using journal = await bed.open()
      const epoch = await journal.raiseEpoch()
      await journal.append(numbered(1), { epoch })
      await journal.writeCheckpoint({ position: 1, changed: new Map([['a', bytes('a1')]]) })
      async function* broken() {
        yield ['a', bytes('a2')] as const
        throw new RangeError('cannot encode')
      }
      const written = journal.writeCheckpoint({ position: 1, changed: broken() })
      await t.throwsAsync(written, { instanceOf: RangeError })
      t.deepEqual(await readChunks(journal), { a: 'a1' })
      t.is(await journal.append(numbered(2), { epoch }), 2)
    }
  ],
  [
    'a checkpoint lies between the last one and the head',
    async (t, bed) => {
      await using journal = await bed.open()
      const epoch = await journal.raiseEpoch()
      for (const number of [1, 2, 3]) await journal.append(numbered(number), { epoch })
      await journal.writeCheckpoint({ position: 2, changed: new Map() })
      await rejects(t, journal.writeCheckpoint({ position: 4, changed: new Map() }), 'invalid')
      await rejects(t, journal.writeCheckpoint({ position: 1, changed: new Map() }), 'invalid')
      t.is((await journal.readCheckpoint())?.position, 2)
    }
  ],
  [
    'a checkpoint and the entries after it are all that a reader needs',
    async (t, bed) => {
      {
        await using journal = await bed.open()
        const epoch = await journal.raiseEpoch()
        for (const number of [1, 2, 3, 4]) await journal.append(numbered(number), { epoch })
        await journal.writeCheckpoint({ position: 3, changed: new Map([['a', bytes('1-3')]]) })
        await journal.prune(2)
        t.deepEqual(
          (await read(journal, 2)).map(entry => entry.position),
          [3, 4]
        )
        await rejects(t, read(journal, 1), 'not-found')
        await journal.prune(2)
        await journal.prune(3)
      }
      await using journal = await bed.open()
      t.deepEqual(journal.opening, { head: 4, epoch: 1, cut: undefined })
      t.deepEqual(await readChunks(journal), { a: '1-3' })
      t.deepEqual(
        (await read(journal, 3)).map(entry => entry.commit),
        [numbered(4)]
      )
      t.is(await journal.append(numbered(5), { epoch: await journal.raiseEpoch() }), 5)
    }
  ],
  [
    'a journal of which all is forgotten goes on where it was',
    async (t, bed) => {
      {
        await using journal = await bed.open()
        const epoch = await journal.raiseEpoch()
        for (const number of [1, 2]) await journal.append(numbered(number), { epoch })
        await journal.writeCheckpoint({ position: 2, changed: new Map() })
        await journal.prune(2)
      }
      await using journal = await bed.open()
      t.is(journal.head(), 2)
      t.is(await journal.append(numbered(3), { epoch: await journal.raiseEpoch() }), 3)
      t.deepEqual(
        (await read(journal, 2)).map(entry => entry.position),
        [3]
      )
    }
  ],
  [
    'what no checkpoint covers is not forgotten',
    async (t, bed) => {
      await using journal = await bed.open()
      const epoch = await journal.raiseEpoch()
      for (const number of [1, 2]) await journal.append(numbered(number), { epoch })
      await rejects(t, journal.prune(1), 'invalid')
      await journal.writeCheckpoint({ position: 1, changed: new Map() })
      await rejects(t, journal.prune(2), 'invalid')
      t.is((await read(journal)).length, 2)
    }
  ],
  [
    'after a failed write all that waited fails, and nothing is taken until it has recovered',
    async (t, bed) => {
      await using journal = await bed.open()
      const epoch = await journal.raiseEpoch()
      await journal.append(numbered(1), { epoch })
      bed.failNext('refused')
      const waiting = [2, 3, 4].map(number => journal.append(numbered(number), { epoch }))
      for (const append of waiting) await rejects(t, append, 'unavailable')
      await rejects(t, journal.append(numbered(5), { epoch }), 'unavailable')
      await rejects(t, journal.raiseEpoch(), 'unavailable')
      await rejects(t, journal.writeCheckpoint({ position: 1, changed: [] }), 'unavailable')
      await rejects(t, journal.recover(), 'unavailable')
      bed.heal()
      await rejects(t, journal.append(numbered(6), { epoch }), 'unavailable')
      t.is(await journal.recover(), 1)
      t.is(await journal.append(numbered(7), { epoch }), 2)
      t.deepEqual(
        (await read(journal)).map(entry => entry.commit),
        [numbered(1), numbered(7)]
      )
    }
  ],
  [
    'what was written although its write failed is there after recovering',
    async (t, bed) => {
      await using journal = await bed.open()
      const epoch = await journal.raiseEpoch()
      await journal.append(numbered(1), { epoch })
      bed.failNext('unknown')
      await rejects(t, journal.append(numbered(2), { epoch }), 'unavailable')
      t.is(journal.head(), 1, 'the head is what was acknowledged')
      bed.heal()
      t.is(await journal.recover(), 2)
      t.is(journal.head(), 2)
      t.is(await journal.raiseEpoch(), 2)
      t.is(await journal.append(numbered(3), { epoch: 2 }), 3)
      t.deepEqual(
        (await read(journal)).map(entry => entry.commit),
        [1, 2, 3].map(n => numbered(n))
      )
    }
  ],
  [
    'an epoch whose raising failed with an unknown outcome is never given twice',
    async (t, bed) => {
      await using journal = await bed.open()
      await journal.raiseEpoch()
      bed.failNext('unknown')
      await rejects(t, journal.raiseEpoch(), 'unavailable')
      bed.heal()
      await journal.recover()
      t.is(await journal.raiseEpoch(), 3)
    }
  ],
  [
    'a checkpoint that failed leaves the last one as it was',
    async (t, bed) => {
      await using journal = await bed.open()
      const epoch = await journal.raiseEpoch()
      for (const number of [1, 2]) await journal.append(numbered(number), { epoch })
      await journal.writeCheckpoint({ position: 1, changed: new Map([['a', bytes('a1')]]) })
      bed.failNext('refused')
      const changed = new Map([['a', bytes('a2')]])
      await rejects(t, journal.writeCheckpoint({ position: 2, changed }), 'unavailable')
      bed.heal()
      t.is(await journal.recover(), 2)
      t.deepEqual(await readChunks(journal), { a: 'a1' })
      await journal.writeCheckpoint({ position: 2, changed })
      t.deepEqual(await readChunks(journal), { a: 'a2' })
    }
  ],
  [
    'recovering a journal that works changes nothing',
    async (t, bed) => {
      await using journal = await bed.open()
      const epoch = await journal.raiseEpoch()
      await journal.append(numbered(1), { epoch })
      t.deepEqual(await Promise.all([journal.recover(), journal.recover()]), [1, 1])
      t.is(await journal.append(numbered(2), { epoch }), 2)
    }
  ],
  [
    'closing waits for what was appended, and then nothing is taken',
    async (t, bed) => {
      let appended: Promise<Position>[]
      let closed: Journal
      {
        await using journal = await bed.open()
        const epoch = await journal.raiseEpoch()
        appended = [1, 2, 3].map(number => journal.append(numbered(number), { epoch }))
        closed = journal
      }
      t.deepEqual(await Promise.all(appended), [1, 2, 3])
      await rejects(t, closed.append(numbered(4), { epoch: 1 }), 'closed')
      await closed[Symbol.asyncDispose]()
      await using journal = await bed.open()
      t.is(journal.head(), 3)
    }
  ]
]
