import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { lookAtFiles, readLog } from '../../../controller/io/journal/level-files.ts'
import { writerIn } from '../../../controller/io/journal/lock-owner.ts'
import { makeFolder } from './folder.ts'

/** A record of LevelDB's log: checksum (not looked at), length, type (1 full, 2 first, 4 last). */
const record = (type: number, payload: Buffer): Buffer => {
  const header = Buffer.from([0xaa, 0xaa, 0xaa, 0xaa, 0, 0, type])
  header.writeUInt16LE(payload.length, 4)
  return Buffer.concat([header, payload])
}

/** A batch with one put: sequence (8), count (4), then 1, the key's length, key, length, value. */
const put = (key: string, value: string): Buffer =>
  Buffer.concat([
    Buffer.from([9, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]),
    Buffer.from([1, key.length]),
    Buffer.from(key),
    Buffer.from([value.length]),
    Buffer.from(value)
  ])

const entry = (position: number, value = 'v') =>
  put(`e/${position.toString(16).padStart(16, '0')}`, value)

const one = record(1, entry(1))
const two = record(1, entry(2))
const epoch = record(1, put('m/epoch', '0a0b0c0d {"epoch":7}'))
const [head, tail] = [
  entry(3, 'x'.repeat(100)).subarray(0, 40),
  entry(3, 'x'.repeat(100)).subarray(40)
]

const logs = [
  { title: 'an empty log', bytes: [], end: 'whole', whole: 0, highestWhole: 0, highest: 0 },
  {
    title: 'whole records',
    bytes: [one, two],
    end: 'whole',
    whole: 82,
    highestWhole: 2,
    highest: 2
  },
  {
    title: 'a record in two pieces',
    bytes: [one, record(2, head), record(4, tail)],
    end: 'whole',
    whole: 41 + 7 + head.length + 7 + tail.length,
    highestWhole: 3,
    highest: 3
  },
  {
    title: 'a last record that is cut off',
    bytes: [one, two.subarray(0, 40)],
    end: 'torn',
    whole: 41,
    highestWhole: 1,
    highest: 2
  },
  {
    title: 'a last record of which only the first piece is there',
    bytes: [one, record(2, head)],
    end: 'torn',
    whole: 41,
    highestWhole: 1,
    highest: 3
  },
  {
    title: 'a header that is cut off',
    bytes: [one, two.subarray(0, 5)],
    end: 'torn',
    whole: 41,
    highestWhole: 1,
    highest: 1
  },
  {
    title: 'zeros after the last record',
    bytes: [one, Buffer.alloc(100)],
    end: 'torn',
    whole: 41,
    highestWhole: 1,
    highest: 1
  },
  {
    title: 'a record of no known type before whole ones',
    bytes: [one, record(9, entry(2)), two],
    end: 'damaged',
    whole: 41,
    highestWhole: 1,
    highest: 2
  }
] as const

for (const { title, bytes, end, whole, highestWhole, highest } of logs) {
  test(`LevelDB's log with ${title} ends ${end}`, t => {
    const reading = readLog(Buffer.concat(bytes))
    t.deepEqual(reading, { end, wholeBytes: whole, highestWhole, highest, highestEpoch: 0 })
  })
}

test('a record that crosses from one block into the next is read as one', t => {
  const filler = record(1, Buffer.alloc(32_768 - 7 - 7 - 20))
  const [before, after] = [entry(5).subarray(0, 20), entry(5).subarray(20)]
  const reading = readLog(Buffer.concat([filler, record(2, before), record(4, after)]))
  t.is(reading.end, 'whole')
  t.is(reading.highestWhole, 5, 'its key lies on both sides of the border')
})

test('what is left of a block that is too short for a header is skipped', t => {
  const filler = record(1, Buffer.alloc(32_768 - 7 - 3))
  const reading = readLog(Buffer.concat([filler, Buffer.alloc(3), one]))
  t.deepEqual([reading.end, reading.highestWhole], ['whole', 1])
})

test('a log says which epochs were raised', t => {
  t.is(readLog(Buffer.concat([one, epoch])).highestEpoch, 7)
})

const folders = [
  { files: {}, state: 'empty' },
  { files: { LOCK: '', LOG: 'x', '000001.log': '' }, state: 'empty' },
  { files: { CURRENT: 'MANIFEST-000002\n', 'MANIFEST-000002': 'x' }, state: 'whole' },
  {
    files: { 'MANIFEST-000002': 'x', '000003.log': 'x', '000005.ldb': 'x' },
    state: 'damaged',
    because: 'CURRENT is missing beside 2 tables and logs'
  },
  {
    files: { CURRENT: 'MANIFEST-000004\n', 'MANIFEST-000002': 'x' },
    state: 'damaged',
    because: 'CURRENT names "MANIFEST-000004", which is missing'
  }
] as const

for (const { files, ...expected } of folders) {
  const names = Object.keys(files).join(', ') || 'nothing'
  test(`a folder with ${names} is ${expected.state}`, async t => {
    await using folder = await makeFolder()
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(folder.path, name), text)
    }
    t.deepEqual(await lookAtFiles(folder.path), expected)
  })
}

test('the writer among the holders of locks is found by device and inode', t => {
  const locks = [
    '1: OFDLCK ADVISORY  READ -1 fe:00:77 203 203',
    '2: POSIX  ADVISORY  READ 11 fe:00:77 0 EOF',
    '3: POSIX  ADVISORY  WRITE 12 fe:00:78 0 EOF',
    '4: POSIX  ADVISORY  WRITE 13 00:1a:77 0 EOF',
    '5: POSIX  ADVISORY  WRITE 14 fe:00:77 0 EOF',
    '6: POSIX  ADVISORY  WRITE 15 103:102:177 0 EOF'
  ].join('\n')
  t.is(writerIn(locks, { ino: 77, dev: 0xfe00 }), 14)
  t.is(writerIn(locks, { ino: 77 }), 13, 'of any device')
  t.is(writerIn(locks, { ino: 79, dev: 0xfe00 }), undefined)
  t.is(writerIn(locks, { ino: 177, dev: 0x110_302 }), 15)
})
