import type { Journal, Position } from '../../controller/core/ports.ts'
import { numbered, read } from '../world/numbered-commits.ts'
import { bytes, type JournalPromise, readChunks, rejects } from './journal-bed.ts'

/** What is promised when writes fail, and when a journal is closed. */
export const failurePromises: readonly JournalPromise[] = [
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
