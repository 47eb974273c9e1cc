import test from 'ava'
import fc from 'fast-check'
import { type DiskRecord, judgeDisk, readRecords } from '../../../tools/chaos/disk-log.ts'

/** A life that writes: its token, its host, and which it is. */
type Writer = {
  readonly start: readonly [number, number]
  readonly host: string
  readonly boot: string
}

const bootId = (number: number): string =>
  `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`
const first: Writer = { start: [1, 10], host: 'h1', boot: bootId(1) }
const second: Writer = { start: [1, 12], host: 'h2', boot: bootId(2) }
const third: Writer = { start: [2, 11], host: 'h1', boot: bootId(3) }

const record = (writer: Writer, count: number): DiskRecord => ({ ...writer, count, up: count / 8 })
const some = (writer: Writer, from: number, to: number): readonly DiskRecord[] =>
  Array.from({ length: to - from + 1 }, (_, at) => record(writer, from + at))

const written = ({ start, boot, host, count, up }: DiskRecord): string =>
  `${`start=${start.join('/')} boot=${boot} host=${host} count=${count} up=${up}`.padEnd(511)}\n`

test('records are read up to the first sector that nobody has written', t => {
  const records = some(first, 1, 3)
  const bytes = Buffer.alloc(4096)
  bytes.write(records.map(written).join(''), 'latin1')
  t.deepEqual(readRecords(bytes), records)
})

test('a sector that holds something else is no record', t => {
  const bytes = Buffer.alloc(1024)
  bytes.write(`${'start=1/1 torn'.padEnd(511)}\n`)
  t.deepEqual(readRecords(bytes), [undefined])
  t.deepEqual(judgeDisk(readRecords(bytes)).violations, ['record 0 cannot be read'])
})

const cases: readonly (readonly [string, readonly DiskRecord[], readonly string[]])[] = [
  ['nothing was written', [], []],
  ['one writes', some(first, 1, 5), []],
  ['each takes over from the one before', [first, second, third].flatMap(w => some(w, 1, 3)), []],
  [
    'an instance boots anew where it is, by the same order',
    [...some(first, 1, 2), ...some({ ...first, boot: bootId(9) }, 1, 2)],
    []
  ],
  [
    'the old one writes on once more',
    [...some(first, 1, 2), ...some(second, 1, 2), ...some(first, 3, 3)],
    [
      'record 4: h1 writes on (start 1/10) after start 1/12 on h2 began',
      'record 4: start 1/10 on h1 after start 1/12 on h2'
    ]
  ],
  [
    'a record was written over by another writer',
    [...some(first, 1, 2), ...some(first, 4, 4)],
    ['record 2: count 4 after 2: some were lost']
  ],
  [
    'the first record of a life was written over',
    [...some(first, 1, 2), ...some(second, 2, 3)],
    ['record 2: the first record of start 1/12 on h2 has count 2']
  ],
  [
    'an older order starts one after a newer one has',
    [...some(second, 1, 2), ...some(first, 1, 1)],
    ['record 2: start 1/10 on h1 after start 1/12 on h2']
  ],
  [
    'one order starts it on two hosts',
    [...some(first, 1, 2), ...some({ ...second, start: first.start }, 1, 1)],
    ['record 2: start 1/10 on h2 and on h1']
  ]
]
for (const [name, records, violations] of cases) {
  test(`what is found wrong where ${name}`, t => {
    t.deepEqual(judgeDisk(records).violations, violations)
  })
}

test('who wrote how much is told, in the order in which they began', t => {
  const { lives, records } = judgeDisk([...some(first, 1, 4), ...some(second, 1, 2)])
  t.is(records, 6)
  t.deepEqual(lives, [
    { ...first, from: 0, records: 4 },
    { ...second, from: 4, records: 2 }
  ])
})

test('however the records of two writers mix, it is seen, unless one ended before the other', t => {
  const turns = fc.array(fc.boolean(), { minLength: 2, maxLength: 40 })
  fc.assert(
    fc.property(turns, order => {
      const counts = { first: 0, second: 0 }
      const records = order.map(isSecond =>
        isSecond ? record(second, ++counts.second) : record(first, ++counts.first)
      )
      const changes = order.filter((turn, at) => at > 0 && turn !== order[at - 1]).length
      const isInTurn = changes === 0 || (changes === 1 && order[0] === false)
      t.is(judgeDisk(records).violations.length === 0, isInTurn)
    })
  )
})
