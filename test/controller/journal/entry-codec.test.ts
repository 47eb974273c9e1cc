import test from 'ava'
import fc from 'fast-check'
import { Fault } from '#shared/fault.ts'
import {
  commitBytesMax,
  decodeCommit,
  encodeCommit,
  entryKey,
  firstLink,
  follow,
  openEntry,
  positionOf,
  sealEntry
} from '../../../controller/io/journal/entry-codec.ts'
import { numbered } from '../../world/numbered-commits.ts'

const body = encodeCommit({ changes: [], decisions: [] })
const first = sealEntry(firstLink, { epoch: 1, body })
const second = sealEntry(first.link, { epoch: 2, body })
const asPair = ({ link, bytes }: typeof first) => ({ key: entryKey(link.position), bytes })

test('an entry is a line of text and JSON', t => {
  const zeros = '0'.repeat(64)
  // SHA-256 of `${zeros} 1 1\n{"changes":[],"decisions":[]}`
  const hash = '4c5a63af44b5ae6940d3e3788b93610d4c9d4f4ede1c6bc5380d925f14754abc'
  t.is(Buffer.from(first.bytes).toString(), `1 ${hash} ${zeros} 1 1\n{"changes":[],"decisions":[]}`)
  t.deepEqual(first.link, { position: 1, hash, epoch: 1 })
})

test('an entry names the one before it', t => {
  const opened = openEntry(second.bytes)
  t.is(opened?.previous, first.link.hash)
  t.is(opened?.position, 2)
  t.is(opened?.epoch, 2)
  t.deepEqual(decodeCommit(opened!), { changes: [], decisions: [] })
})

test('an entry of which any byte differs, or any part is missing, is not whole', t => {
  for (let at = 0; at < first.bytes.length; at++) {
    const bytes = Uint8Array.from(first.bytes)
    bytes[at]! ^= 1
    t.is(openEntry(bytes), undefined, `byte ${at}`)
    t.is(openEntry(first.bytes.subarray(0, at)), undefined, `${at} bytes`)
  }
})

const third = sealEntry(second.link, { epoch: 2, body })
const otherSecond = sealEntry(first.link, { epoch: 3, body })
const older = sealEntry(second.link, { epoch: 1, body })
const refusals = [
  { title: 'a gap', pair: asPair(third), because: 'entry 2 is missing although 3 is there' },
  {
    title: 'an entry under the key of another',
    pair: { key: entryKey(2), bytes: third.bytes },
    because: 'entry 2 is damaged: it says that it is 3'
  },
  {
    title: 'a torn entry',
    pair: { key: entryKey(2), bytes: second.bytes.subarray(0, 150) },
    because: 'entry 2 is damaged: its checksum differs'
  }
]
for (const { title, pair, because } of refusals) {
  test(`${title} does not follow`, t => t.is(follow(first.link, pair), because))
}

test('an entry of another history, or of an older epoch, does not follow', t => {
  t.is(follow(otherSecond.link, asPair(third)), 'entry 3 does not follow from 2')
  t.is(follow(second.link, asPair(older)), 'entry 3 has epoch 1, the one before it 2')
  t.is((follow(second.link, asPair(third)) as { position: number }).position, 3)
})

test('keys of entries sort as positions do', t => {
  const position = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
  fc.assert(
    fc.property(position, position, (a, b) => {
      t.is(entryKey(a) < entryKey(b), a < b)
      t.is(positionOf(entryKey(a)), a)
    })
  )
})

test('a commit comes back as it was', t => {
  const because = fc.string({ unit: 'binary' })
  fc.assert(
    fc.property(because, text => {
      const commit = numbered(1, text)
      const { bytes } = sealEntry(firstLink, { epoch: 1, body: encodeCommit(commit) })
      t.deepEqual(decodeCommit(openEntry(bytes)!), commit)
    })
  )
})

test('a commit that is too long is refused with its length', t => {
  const long = numbered(1, 'x'.repeat(commitBytesMax))
  const fault = t.throws(() => encodeCommit(long), { instanceOf: Fault })
  t.is(fault?.code, 'invalid')
  t.regex(fault!.message, /^cannot take a commit of 4194\d+ bytes$/)
})
