import test from 'ava'
import fc from 'fast-check'
import { Fault } from '#shared/fault.ts'
import {
  type ChunkIndex,
  chunkBytesMean,
  chunkName,
  chunkOf,
  type DirtyChunks,
  decodeChunk,
  emptyChunkIndex,
  encodeChunk,
  growToFit,
  noteKey,
  noteLoaded,
  noteStored,
  putBack,
  takeDirty
} from '../../../controller/core/journal-chunks.ts'

/** Stores what was taken, as the journal would, and tells the index. */
function store(stored: Map<string, Uint8Array>, index: ChunkIndex, taken: DirtyChunks): void {
  const sizes = new Map<string, number>()
  for (const name of taken.gone) stored.delete(name)
  for (const { name, chunk } of taken.chunks) {
    const bytes = encodeChunk(chunk)
    stored.set(name, bytes)
    sizes.set(name, bytes.length)
  }
  noteStored(index, taken, sizes)
}

function load(stored: ReadonlyMap<string, Uint8Array>) {
  const index = emptyChunkIndex()
  const values = new Map<string, unknown>()
  for (const [name, bytes] of stored) {
    const chunk = decodeChunk(bytes)
    noteLoaded(index, { name, chunk, bytes: bytes.length })
    for (const [at, key] of chunk.keys.entries()) values.set(key, chunk.values[at])
  }
  return { index, values }
}

const grow = (index: ChunkIndex): void => void [...growToFit(index)]

test('a key is in one chunk, and doubling the count sends it there or as far again', t => {
  fc.assert(
    fc.property(fc.string(), fc.integer({ min: 0, max: 15 }), (key, power) => {
      const count = 2 ** power
      const number = chunkOf(key, count)
      t.true(number >= 0 && number < count)
      t.true([number, number + count].includes(chunkOf(key, count * 2)))
    })
  )
})

test('keys spread evenly over the chunks, also ids that were made in a row', t => {
  const counts = new Array<number>(64).fill(0)
  for (let number = 0; number < 64_000; number++) {
    const id = `instance/i-0190e4b2-${number.toString(16).padStart(4, '0')}-7000-8000-000000000000`
    counts[chunkOf(id, 64)]! += 1
  }
  t.true(
    Math.min(...counts) > 800 && Math.max(...counts) < 1200,
    `${Math.min(...counts)} to ${Math.max(...counts)}`
  )
})

test('only chunks with a changed key are written', t => {
  const index = emptyChunkIndex()
  const stored = new Map<string, Uint8Array>()
  for (let number = 0; number < 5_000; number++) noteKey(index, `key-${number}`, 'x'.repeat(600))
  grow(index)
  t.is(index.count, 16, '5,000 entries of 600 bytes are 2.9 MiB')
  store(stored, index, takeDirty(index))
  t.is(stored.size, 16)
  t.deepEqual(takeDirty(index), { chunks: [], gone: [] })

  noteKey(index, 'key-7', 'y')
  noteKey(index, 'key-7', 'y')
  const taken = takeDirty(index)
  t.deepEqual(
    taken.chunks.map(({ name }) => name),
    [chunkName(chunkOf('key-7', 16), 16)]
  )
})

test('when chunks get too long their count doubles, and those of the old count go', t => {
  const index = emptyChunkIndex()
  const stored = new Map<string, Uint8Array>()
  noteKey(index, 'a', 'x'.repeat(chunkBytesMean - 100))
  store(stored, index, takeDirty(index))
  t.deepEqual([...stored.keys()], ['00001/00000'])
  for (const key of ['a', 'b', 'c', 'd']) noteKey(index, key, 'short')
  grow(index)
  t.is(index.count, 4)
  store(stored, index, takeDirty(index))
  t.true([...stored.keys()].every(name => name.startsWith('00004/')))
  t.deepEqual([...load(stored).values.keys()].sort(), ['a', 'b', 'c', 'd'])
})

test('what was taken is of one moment, whatever changes afterwards', t => {
  const index = emptyChunkIndex()
  noteKey(index, 'a', 'before')
  const taken = takeDirty(index)
  noteKey(index, 'a', 'after')
  noteKey(index, 'b', 'after')
  t.deepEqual(taken.chunks[0]?.chunk, { keys: ['a'], values: ['before'] })
  t.deepEqual(takeDirty(index).chunks[0]?.chunk.values, ['after', 'after'])
})

test('a chunk whose last key is gone is removed', t => {
  const index = emptyChunkIndex()
  const stored = new Map<string, Uint8Array>()
  noteKey(index, 'a', 1)
  store(stored, index, takeDirty(index))
  noteKey(index, 'a', undefined)
  t.deepEqual(takeDirty(index), { chunks: [], gone: ['00001/00000'] })
})

type Step =
  | { readonly do: 'put'; readonly key: string; readonly value: string }
  | { readonly do: 'remove'; readonly key: string }
  | { readonly do: 'save'; readonly fails: boolean }
  | { readonly do: 'restart' }

const keys = fc.integer({ min: 0, max: 30 }).map(number => `key-${number}`)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('put' as const),
      key: keys,
      value: fc.string({ maxLength: 5 })
    })
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), key: keys }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('save' as const), fails: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const) }) }
)

test('whatever is put, removed, saved, failed and restarted, the chunks hold the state', t => {
  // Values as long as a third of a chunk, so that a few keys make the chunks split.
  const long = (text: string) => text.padEnd(90_000, 'x')
  // In which sequence keys are read back is nobody's business.
  const sorted = (values: ReadonlyMap<string, unknown>) =>
    new Map([...values].toSorted(([one], [other]) => (one < other ? -1 : 1)))
  const run = (steps: readonly Step[]) => {
    const values = new Map<string, unknown>()
    const stored = new Map<string, Uint8Array>()
    let index = emptyChunkIndex()
    let saved = new Map<string, unknown>()
    for (const step of [...steps, { do: 'save', fails: false } as const]) {
      if (step.do === 'put') {
        values.set(step.key, long(step.value))
        noteKey(index, step.key, long(step.value))
      } else if (step.do === 'remove') {
        values.delete(step.key)
        noteKey(index, step.key, undefined)
      } else if (step.do === 'restart') {
        const loaded = load(stored)
        t.deepEqual(sorted(loaded.values), sorted(saved))
        index = loaded.index
        values.clear()
        for (const [key, value] of saved) values.set(key, value)
      } else {
        grow(index)
        const taken = takeDirty(index)
        if (step.fails) {
          putBack(index, taken)
        } else {
          store(stored, index, taken)
          saved = new Map(values)
        }
      }
    }
    t.deepEqual(sorted(load(stored).values), sorted(values))
    t.is(index.keys, values.size)
  }
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), run), { numRuns: 60 })
})

const noChunks = [
  { bytes: Buffer.from('{"keys":["a"]'), because: /it is not JSON/ },
  { bytes: Buffer.from([0xff, 0xfe]), because: /it is not JSON/ },
  {
    bytes: Buffer.from('{"keys":["a"],"values":[]}'),
    because: /it is not keys and as many values/
  },
  { bytes: Buffer.from('null'), because: /it is not keys and as many values/ }
]
for (const { bytes, because } of noChunks) {
  test(`the bytes ${bytes.toString('latin1')} are no chunk`, t => {
    const fault = t.throws(() => decodeChunk(bytes), { instanceOf: Fault })
    t.is(fault?.code, 'corrupt')
    t.regex(fault!.message, because)
  })
}

for (const name of ['', 'a', '00003/00001', '00004/00004', '99999/00000', '0004/00000']) {
  test(`the chunk name "${name}" is refused`, t => {
    const loaded = { name, chunk: { keys: [], values: [] }, bytes: 0 }
    const fault = t.throws(() => noteLoaded(emptyChunkIndex(), loaded), { instanceOf: Fault })
    t.is(fault?.code, 'corrupt')
  })
}
