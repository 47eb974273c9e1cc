import { hash } from 'node:crypto'
import { numbered, read } from '../world/numbered-commits.ts'
import { bytes, type JournalPromise, readChunks, rejects } from './journal-bed.ts'

/** What is promised of checkpoints and of forgetting entries. */
export const checkpointPromises: readonly JournalPromise[] = [
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
      const listed = await (await journal.readCheckpoint())?.listed()
      for (const [name, { bytes: length, sha256 }] of listed ?? []) {
        t.is(length, 2)
        t.is(sha256, hash('sha256', { a: 'a2', c: 'c1', d: 'd2' }[name] ?? ''), name)
      }
      t.is(listed?.size, 3)
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
  ]
]
