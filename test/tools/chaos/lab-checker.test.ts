/** The judge of a lab's journal: one that agrees with all that was seen, and each way not to. */
import test from 'ava'
import { judgeJournal, type LabEntry } from '../../../tools/chaos/lab-checker.ts'

const entry = (position: number, epoch: number, hash = `#${position}`): LabEntry => ({
  position,
  epoch,
  hash
})
const entries = [entry(1, 1), entry(2, 1), entry(3, 2), entry(4, 4)]
const good = {
  entries,
  reigns: [
    { host: 'h1', epoch: 1, position: 1 },
    { host: 'h2', epoch: 2, position: 2 },
    // Nothing was recorded in it.
    { host: 'h3', epoch: 3, position: 3 },
    { host: 'h1', epoch: 4, position: 3 }
  ],
  told: [
    { epoch: 1, position: 2 },
    { epoch: 4, position: 4 }
  ],
  ofServers: new Map([
    ['s1', entries.slice(2)],
    ['s2', entries.slice(2)]
  ])
}

test('a journal that agrees with who led and what was told is in order', t => {
  t.deepEqual(judgeJournal(good), [])
})

type Row = readonly [title: string, given: Partial<typeof good>, says: string]
const rows: readonly Row[] = [
  [
    'an entry is missing',
    { entries: [entry(1, 1), entry(3, 2)], told: [], ofServers: new Map() },
    'entry 3 stands where 2 must'
  ],
  [
    'an epoch comes back',
    { entries: [...entries, entry(5, 2)], reigns: [], ofServers: new Map() },
    'entry 5 is of epoch 2, after 4'
  ],
  [
    'an entry of a deposed epoch stands after the next one has begun',
    { reigns: [{ host: 'h2', epoch: 2, position: 1 }] },
    'entry 2 is of epoch 1: 2 began after 1'
  ],
  [
    'an epoch began later than its first entry',
    { reigns: [{ host: 'h2', epoch: 2, position: 4 }] },
    'entry 4 is of epoch 4: 2 had 4 before it'
  ],
  [
    'two led in one epoch',
    {
      reigns: [
        { host: 'h1', epoch: 4, position: 3 },
        { host: 'h2', epoch: 4, position: 3 }
      ]
    },
    'epoch 4 is of h1 and of h2'
  ],
  [
    'what was acknowledged is not there',
    { told: [{ epoch: 4, position: 5 }] },
    'entry 5 was acknowledged in epoch 4 and is not there'
  ],
  [
    'what was acknowledged became something else',
    { told: [{ epoch: 2, position: 4 }] },
    'entry 4 was acknowledged in epoch 2 and is of 4'
  ],
  [
    'a server holds another entry',
    { ofServers: new Map([['s1', [entry(3, 2), entry(4, 4, 'other')]]]) },
    's1 has another entry 4'
  ],
  [
    'a server lacks the last entry',
    { ofServers: new Map([['s1', [entry(3, 2)]]]) },
    's1 ends at 3, others at 4'
  ],
  ['a server has nothing', { ofServers: new Map([['s1', []]]) }, 's1 ends at 0, others at 4']
]

for (const [title, given, says] of rows) {
  test(`it is found that ${title}`, t => {
    const found = judgeJournal({ ...good, ...given })
    t.true(found.includes(says), found.join('\n'))
  })
}
