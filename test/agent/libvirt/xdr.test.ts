import test from 'ava'
import fc from 'fast-check'
import { Fault } from '#shared/fault.ts'
import { events, procedures, remoteError } from '../../../agent/io/libvirt/procedures.ts'
import {
  array,
  type Codec,
  decode,
  encode,
  fixedArray,
  fixedOpaque,
  hyper,
  int,
  nothing,
  opaque,
  optional,
  string,
  stringBytesMax,
  struct,
  type TypedValue,
  typedValue,
  uhyper,
  uint
} from '../../../agent/io/libvirt/xdr.ts'

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')
const row = <Value>(
  codec: Codec<Value>,
  value: Value,
  hex: string
): { codec: Codec<unknown>; value: unknown; hex: string } => ({ codec, value, hex })

const wellFormed = [
  row(int, -2, 'fffffffe'),
  row(uint, 0xffff_fffe, 'fffffffe'),
  row(hyper, -2n, 'ffffffff fffffffe'),
  row(uhyper, 2n ** 64n - 2n, 'ffffffff fffffffe'),
  row(nothing, undefined, ''),
  row(string, '', '00000000'),
  row(string, 'abc', '00000003 61626300'),
  row(string, 'abcd', '00000004 61626364'),
  row(string, 'é', '00000002 c3a90000'),
  row(opaque, bytes('0102030405'), '00000005 01020304 05000000'),
  row(fixedOpaque(2), bytes('0102'), '01020000'),
  row(optional(int), undefined, '00000000'),
  row(optional(int), 7, '00000001 00000007'),
  row(array(string), ['a', ''], '00000002 00000001 61000000 00000000'),
  row(fixedArray(2, int), [1, 2], '00000001 00000002'),
  row(
    struct({ b: int, a: optional(string) }),
    { b: 1, a: 'x' },
    '00000001 00000001 00000001 78000000'
  ),
  row(typedValue, { type: 'int', value: -1 }, '00000001 ffffffff'),
  row(typedValue, { type: 'uint', value: 1 }, '00000002 00000001'),
  row(typedValue, { type: 'hyper', value: -1n }, '00000003 ffffffff ffffffff'),
  row(typedValue, { type: 'uhyper', value: 1n }, '00000004 00000000 00000001'),
  row(typedValue, { type: 'double', value: 1.5 }, '00000005 3ff80000 00000000'),
  row(typedValue, { type: 'boolean', value: true }, '00000006 00000001'),
  row(typedValue, { type: 'string', value: 'x' }, '00000007 00000001 78000000')
]

for (const { codec, value, hex } of wellFormed) {
  test(`${show(value)} is written as "${hex}", and read back`, t => {
    t.is(encode(codec, value).toString('hex'), hex.replaceAll(' ', ''))
    t.deepEqual(decode(codec, bytes(hex)), value)
  })
}

const garbled = [
  { what: 'a number cut short', codec: int, hex: '000000', says: /4 bytes are announced, 3 are/ },
  { what: 'left-over bytes', codec: int, hex: '00000001 00', says: /1 bytes are left over/ },
  { what: 'a string longer than its packet', codec: string, hex: '00000009 61', says: /9 bytes/ },
  { what: 'a string beyond the limit', codec: string, hex: '7fffffff', says: /too long/ },
  { what: 'padding that is not zero', codec: string, hex: '00000001 61626364', says: /padding/ },
  { what: 'missing padding', codec: string, hex: '00000001 61', says: /3 bytes are announced/ },
  { what: 'a count without elements', codec: array(int), hex: 'ffffffff', says: /4294967295 ele/ },
  { what: 'a truth value of 2', codec: optional(int), hex: '00000002', says: /no truth value/ },
  { what: 'a parameter of type 8', codec: typedValue, hex: '00000008', says: /8 is no type/ },
  { what: 'a parameter of type 0', codec: typedValue, hex: '00000000', says: /0 is no type/ }
] as const

for (const { what, codec, hex, says } of garbled) {
  test(`${what} is a protocol fault`, t => {
    const fault = t.throws(() => decode<unknown>(codec, bytes(hex)), { instanceOf: Fault })
    t.is(fault?.code, 'protocol')
    t.regex(fault?.message ?? '', says)
  })
}

test('a text that is no UTF-8 is read all the same: a strange name must not hide a domain', t => {
  t.is(decode(string, bytes('00000002 41ff0000')), 'A\ufffd')
})

test('a text beyond the limit is refused before it is sent', t => {
  const text = 'x'.repeat(stringBytesMax + 1)
  t.throws(() => encode(string, text), { code: 'invalid', message: /4194305 bytes/ })
})

const typed: fc.Arbitrary<TypedValue> = fc.oneof(
  fc.record({ type: fc.constant('int' as const), value: fc.integer() }),
  fc.record({
    type: fc.constant('hyper' as const),
    value: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)
  }),
  fc.record({ type: fc.constant('double' as const), value: fc.double() }),
  fc.record({ type: fc.constant('boolean' as const), value: fc.boolean() }),
  fc.record({ type: fc.constant('string' as const), value: fc.string({ unit: 'grapheme' }) })
)

test('whatever is written is read back', t => {
  const codec = struct({
    numbers: array(int),
    text: optional(string),
    big: uhyper,
    blob: opaque,
    pairs: array(struct({ field: string, value: typedValue }))
  })
  const value = fc.record({
    numbers: fc.array(fc.integer()),
    text: fc.option(fc.string({ unit: 'grapheme' }), { nil: undefined }),
    big: fc.bigInt(0n, 2n ** 64n - 1n),
    blob: fc.uint8Array().map(array => Buffer.from(array)),
    pairs: fc.array(fc.record({ field: fc.string({ unit: 'grapheme' }), value: typed }))
  })
  fc.assert(
    fc.property(value, written => {
      t.deepEqual(decode(codec, encode(codec, written)), written)
    })
  )
  t.pass()
})

const everyCodec: readonly Codec<unknown>[] = [
  remoteError,
  ...Object.values(events).map(({ body }) => body),
  ...Object.values(procedures).flatMap(({ args, ret }) => [args, ret])
] as readonly Codec<unknown>[]

/** Bytes as chance gives them, and bytes that look like lengths and counts. */
const anyBytes = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 12 }),
      fc.integer({ min: 0, max: 12 }).map(count => Uint8Array.of(0, 0, 0, count))
    ),
    { maxLength: 24 }
  )
  .map(parts => Buffer.concat(parts))

test('any bytes give a value or a protocol fault, in every structure that we know', t => {
  fc.assert(
    fc.property(anyBytes, fc.constantFrom(...everyCodec), (noise, codec) => {
      try {
        decode(codec, noise)
      } catch (thrown) {
        if (!(thrown instanceof Fault) || thrown.code !== 'protocol') throw thrown
      }
    }),
    { numRuns: 5_000 }
  )
  t.pass()
})

function show(value: unknown): string {
  return (
    JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}n` : part)) ?? 'none'
  )
}
