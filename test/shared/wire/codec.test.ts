import test from 'ava'
import fc from 'fast-check'
import { isFault } from '#shared/fault.ts'
import { decode, encode } from '#shared/wire/codec.ts'
import { containersMax, depthMax, valuesMax } from '#shared/wire/scan.ts'

/** Writes packets as they read: hexadecimal with spaces. */
const packet = (text: string): Uint8Array =>
  new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'))

const plainText = fc.string().filter(text => text !== '__proto__')
const { value: plainValue } = fc.letrec<{ value: unknown }>(tie => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }).map(number => (Object.is(number, -0) ? 0 : number)),
    plainText,
    fc.uint8Array(),
    fc.array(tie('value')),
    fc.dictionary(plainText, tie('value'), { noNullPrototype: true })
  )
}))

test('what is written is read again as it was, bytes as a Uint8Array', t => {
  fc.assert(
    fc.property(plainValue, value => {
      t.deepEqual(decode(encode(value)), value)
    })
  )
})

test('bytes come out as a plain Uint8Array, not as a Buffer', t => {
  const { bytes } = decode(encode({ bytes: Buffer.from([1, 2]) })) as { bytes: Uint8Array }
  t.is(Object.getPrototypeOf(bytes), Uint8Array.prototype)
  t.deepEqual([...bytes], [1, 2])
})

test('fields that are undefined are left out', t => {
  t.deepEqual(decode(encode({ a: undefined, b: 1 })), { b: 1 })
})

test('any bytes give a value or a Fault protocol, and change no prototype', t => {
  const reads = (bytes: Uint8Array): boolean => {
    try {
      decode(bytes)
      return true
    } catch (thrown) {
      return isFault(thrown, 'protocol')
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), reads), { numRuns: 2_000 })
  t.deepEqual(Object.keys(Object.prototype), [])
})

test('bytes of a good message with some changed, cut off or added give a value or a Fault', t => {
  const good = encode({
    type: 'order',
    list: [1, 'two', { three: new Uint8Array(3) }],
    big: 2 ** 40
  })
  const change = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 4 })
  fc.assert(
    fc.property(change, fc.nat(good.length), fc.uint8Array({ maxLength: 4 }), (all, cut, more) => {
      const bytes = new Uint8Array([...good.subarray(0, cut), ...more])
      for (const [at, value] of all) if (at < bytes.length) bytes[at] = value
      try {
        decode(bytes)
        return true
      } catch (thrown) {
        return isFault(thrown, 'protocol')
      }
    }),
    { numRuns: 2_000 }
  )
  t.pass()
})

test('every shorter piece of a good message is refused', t => {
  const good = encode({ a: [1, 'two', { b: new Uint8Array(3) }], c: 'x'.repeat(300) })
  for (let length = 0; length < good.length; length++) {
    t.throws(() => decode(good.subarray(0, length)), {
      code: 'protocol',
      message: /ends too early/
    })
  }
})

for (const [what, bytes, because] of [
  ['nothing', '', 'it ends too early'],
  ['a value and one more', 'c0 c0', '1 bytes are left over at its end'],
  ['a list of 4294967295 without any', 'dd ff ff ff ff', 'it ends too early'],
  ['a map of 4294967295 without any', 'df ff ff ff ff', 'it ends too early'],
  ['a text of 4294967295 without any', 'db ff ff ff ff', 'it ends too early'],
  ['bytes of 4294967295 without any', 'c6 ff ff ff ff', 'it ends too early'],
  ['a length that is cut off', 'dd ff', 'it ends too early'],
  ['a map with the key 1', '81 01 02', 'a key of a map is not a short text'],
  ['a map with a list as key', '81 90 02', 'a key of a map is not a short text'],
  ['the key __proto__', '81 a9 5f5f70726f746f5f5f 80', 'a key of a map is "__proto__"'],
  ['the key __proto__, written longer', '81 d9 09 5f5f70726f746f5f5f 80', '"__proto__"'],
  ['the unused type', 'c1', 'it holds a value of the type 0xc1, which is not spoken here'],
  ['undefined as an extension', 'd4 00 00', 'the type 0xd4'],
  ['a moment', 'd6 ff 00000000', 'the type 0xd6'],
  ['a record with code in its key', 'd4 72 40 91 a1 61 01', 'the type 0xd4'],
  ['an error', 'c7 00 65 92 a1 61 a1 62', 'the type 0xc7'],
  ['a pattern', 'c7 00 78 92 a1 61 a0', 'the type 0xc7'],
  ['texts in a bundle', 'd6 62 00000000', 'the type 0xd6']
] as const) {
  test(`${what} is refused: ${because}`, t => {
    const fault = t.throws(() => decode(packet(bytes)), { code: 'protocol' })
    t.true(fault.message.includes(because), fault.message)
  })
}

test('lists within lists are taken to a depth and refused beyond it', t => {
  const nested = (depth: number) => new Uint8Array([...Array(depth).fill(0x91), 0xc0])
  t.notThrows(() => decode(nested(depthMax)))
  for (const depth of [depthMax + 1, 4_000_000]) {
    t.throws(() => decode(nested(depth)), { code: 'protocol', message: /nests deeper than 16/ })
  }
})

test('very many values, and very many lists, are refused before they are built', t => {
  const filled = (count: number, token: number) => {
    const bytes = new Uint8Array(5 + count).fill(token)
    bytes[0] = 0xdd
    new DataView(bytes.buffer).setUint32(1, count)
    return bytes
  }
  t.notThrows(() => decode(filled(1_000, 0x90)))
  t.throws(() => decode(filled(valuesMax, 0xc0)), { message: /more than 1000000 values/ })
  t.throws(() => decode(filled(containersMax, 0x80)), { message: /more than 131072 lists/ })
})
