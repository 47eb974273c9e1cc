import type { ExecutionContext } from 'ava'
import { Fault } from '#shared/fault.ts'
import type { Entry, Position, SharedJournal } from '../../controller/core/ports.ts'
import { numbered, read } from '../world/numbered-commits.ts'
import { type JournalBed, rejects } from './journal-bed.ts'

/** A bed on which several candidates lie. */
export interface SharedJournalBed extends JournalBed {
  open(): Promise<SharedJournal>
}

type SharedPromise = readonly [
  title: string,
  check: (t: ExecutionContext, bed: SharedJournalBed) => Promise<void>
]

/** Follows a journal in the background; ends with the bed of whoever asks. */
class Follower implements AsyncDisposable {
  readonly entries: Entry[] = []
  readonly #stop = new AbortController()
  readonly #ended: Promise<void>
  #grown = Promise.withResolvers<void>()

  constructor(journal: SharedJournal, after: Position) {
    this.#ended = this.#follow(journal, after)
    this.#ended.catch(() => {})
  }

  /** Resolves once so many entries have come; fails when following has failed. */
  async has(count: number): Promise<void> {
    while (this.entries.length < count) {
      await Promise.race([this.#grown.promise, this.#ended])
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#ended
  }

  async #follow(journal: SharedJournal, after: Position): Promise<void> {
    for await (const entry of journal.tail(after, this.#stop.signal)) {
      this.entries.push(entry)
      this.#grown.resolve()
      this.#grown = Promise.withResolvers()
    }
  }
}

const positions = (entries: readonly Entry[]): readonly Position[] =>
  entries.map(({ position }) => position)

/** What is promised of a journal that several have open. */
export const sharedPromises: readonly SharedPromise[] = [
  [
    'a follower gets what there is and then each entry that another one appends',
    async (t, bed) => {
      await using leader = await bed.open()
      const epoch = await leader.raiseEpoch()
      for (const number of [1, 2, 3]) await leader.append(numbered(number), { epoch })
      await using journal = await bed.open()
      await using follower = new Follower(journal, 1)
      await follower.has(2)
      await Promise.all([4, 5, 6].map(number => leader.append(numbered(number), { epoch })))
      await leader.append(numbered(7), { epoch })
      await follower.has(6)
      t.deepEqual(positions(follower.entries), [2, 3, 4, 5, 6, 7])
      t.deepEqual(follower.entries, (await read(leader)).slice(1))
      t.is(journal.head(), 7)
    }
  ],
  [
    'a follower far behind catches up with many entries in order',
    async (t, bed) => {
      await using leader = await bed.open()
      const epoch = await leader.raiseEpoch()
      const numbers = Array.from({ length: 1500 }, (_, at) => at + 1)
      await Promise.all(numbers.map(number => leader.append(numbered(number), { epoch })))
      await using journal = await bed.open()
      await using follower = new Follower(journal, 0)
      await follower.has(numbers.length)
      t.deepEqual(positions(follower.entries), numbers)
    }
  ],
  [
    'who takes over sees all that was acknowledged before, and goes on after it',
    async (t, bed) => {
      await using second = await bed.open()
      await using first = await bed.open()
      const old = await first.raiseEpoch()
      for (const number of [1, 2]) await first.append(numbered(number), { epoch: old })
      const epoch = await second.raiseEpoch()
      t.is(second.head(), 2)
      t.is(await second.append(numbered(3), { epoch }), 3)
      await using follower = new Follower(first, 0)
      await follower.has(3)
      t.deepEqual(
        follower.entries.map(entry => entry.epoch),
        [old, old, epoch]
      )
    }
  ],
  [
    'of appends that are on their way when another takes over, a prefix is there and no more',
    async (t, bed) => {
      await using first = await bed.open()
      await using second = await bed.open()
      const old = await first.raiseEpoch()
      const appends = Array.from({ length: 300 }, (_, at) =>
        first.append(numbered(at + 1), { epoch: old }).then(
          position => position,
          () => undefined
        )
      )
      await appends[0]
      const epoch = await second.raiseEpoch()
      const outcomes = await Promise.all(appends)
      const acknowledged = outcomes.filter(position => position !== undefined)
      t.deepEqual(
        acknowledged,
        acknowledged.map((_, at) => at + 1)
      )
      const position = await second.append(numbered(1000), { epoch })
      t.true(position > acknowledged.length)
      const entries = await read(second)
      t.deepEqual(
        entries.map(({ commit }) => commit),
        [...Array.from({ length: position - 1 }, (_, at) => numbered(at + 1)), numbered(1000)]
      )
    }
  ],
  [
    'who was deposed cannot raise the epoch again, not even after recovering',
    async (t, bed) => {
      await using first = await bed.open()
      await using second = await bed.open()
      const old = await first.raiseEpoch()
      const epoch = await second.raiseEpoch()
      await rejects(t, first.append(numbered(1), { epoch: old }), 'stale')
      // Where the line itself ends with the lease, there is nothing left to recover.
      await first.recover().catch(() => {})
      await t.throwsAsync(first.raiseEpoch(), { instanceOf: Fault })
      await first.recover().catch(() => {})
      await t.throwsAsync(first.append(numbered(2), { epoch: old }), { instanceOf: Fault })
      t.is(await second.append(numbered(3), { epoch }), 1)
    }
  ],
  [
    'a follower is told when what it asks for is forgotten',
    async (t, bed) => {
      await using leader = await bed.open()
      const epoch = await leader.raiseEpoch()
      for (const number of [1, 2, 3, 4]) await leader.append(numbered(number), { epoch })
      await using journal = await bed.open()
      await leader.writeCheckpoint({ position: 3, changed: new Map() })
      await leader.prune(3)
      await using follower = new Follower(journal, 3)
      await follower.has(1)
      t.deepEqual(positions(follower.entries), [4])
      const forgotten = Array.fromAsync(journal.tail(1, new AbortController().signal))
      await rejects(t, forgotten, 'not-found')
    }
  ],
  [
    'a commit of 4 MB is one entry, for its writer and for others',
    async (t, bed) => {
      await using leader = await bed.open()
      const epoch = await leader.raiseEpoch()
      const large = numbered(2, 'x'.repeat(4_000_000))
      const appends = [numbered(1), large, numbered(3)].map(each => leader.append(each, { epoch }))
      t.deepEqual(await Promise.all(appends), [1, 2, 3])
      await using journal = await bed.open()
      t.deepEqual(
        (await read(journal)).map(({ commit }) => commit),
        [numbered(1), large, numbered(3)]
      )
    }
  ],
  [
    'a checkpoint of large chunks comes back as it was, for others too',
    async (t, bed) => {
      await using leader = await bed.open()
      await leader.append(numbered(1), { epoch: await leader.raiseEpoch() })
      const chunks = new Map(
        [3_000_000, 0, 1, 524_288, 700_000].map((length, at) => [
          `00008/0000${at}`,
          new Uint8Array(length).map((_, index) => index % 251)
        ])
      )
      await leader.writeCheckpoint({ position: 1, changed: chunks })
      await using journal = await bed.open()
      const stored = await journal.readCheckpoint()
      t.is(stored?.position, 1)
      const found = new Map<string, Uint8Array>()
      for await (const { key, bytes } of stored?.chunks ?? []) found.set(key, bytes)
      t.deepEqual([...found.keys()].sort(), [...chunks.keys()].sort())
      for (const [key, bytes] of chunks) t.true(Buffer.from(bytes).equals(found.get(key)!), key)
    }
  ],
  [
    'a checkpoint can be read although a newer one is written meanwhile',
    async (t, bed) => {
      await using leader = await bed.open()
      const epoch = await leader.raiseEpoch()
      for (const number of [1, 2]) await leader.append(numbered(number), { epoch })
      await leader.writeCheckpoint({ position: 1, changed: new Map([['a', Buffer.from('a1')]]) })
      await using journal = await bed.open()
      const stored = await journal.readCheckpoint()
      await leader.writeCheckpoint({ position: 2, changed: new Map([['a', Buffer.from('a2')]]) })
      const found: string[] = []
      for await (const { bytes } of stored!.chunks) found.push(Buffer.from(bytes).toString())
      t.deepEqual(found, ['a1'])
    }
  ]
]
