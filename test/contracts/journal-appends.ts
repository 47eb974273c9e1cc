import type { Entry, Position } from '../../controller/core/ports.ts'
import { numbered, read } from '../world/numbered-commits.ts'
import { type JournalPromise, rejects } from './journal-bed.ts'

/** What is promised of epochs and entries. */
export const appendPromises: readonly JournalPromise[] = [
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
  ]
]
