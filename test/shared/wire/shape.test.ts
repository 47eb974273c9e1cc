import test from 'ava'
import fc from 'fast-check'
import Type, { type TUnion } from 'typebox'
import { validator } from '#shared/model/validate.ts'
import { decode, encode } from '#shared/wire/codec.ts'
import { unexpected } from '#shared/wire/cursor.ts'
import { Join, Joined, toAgent, toController } from '#shared/wire/messages.ts'
import { containersMax, valuesMax } from '#shared/wire/scan.ts'
import { shapeReader } from '#shared/wire/shape.ts'
import { anOrder, aReport } from '../../world/messages.ts'

const Strict = <Properties extends Type.TProperties>(properties: Properties) =>
  Type.Object(properties, { additionalProperties: false })

/** One of each kind of value that may be read. */
const Sample = Strict({
  type: Type.Literal('sample'),
  text: Type.String({ maxLength: 8 }),
  key: Type.Optional(Type.String({ minLength: 3, maxLength: 40 })),
  hash: Type.Optional(Type.String({ pattern: '^[0-9a-f]{4}$' })),
  count: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  share: Type.Optional(Type.Number({ minimum: -2 })),
  word: Type.Optional(Type.Unsafe<string>(Type.Enum(['on', 'off', 'once']))),
  flag: Type.Optional(Type.Boolean()),
  bytes: Type.Optional(
    Type.Refine(
      Type.Unsafe<Uint8Array>(Type.Any()),
      value => value instanceof Uint8Array && value.length <= 4,
      () => 'must be at most 4 bytes'
    )
  ),
  list: Type.Optional(Type.Array(Strict({ id: Type.String() }), { maxItems: 3 }))
})
const read = shapeReader(Type.Union([Sample]))
const check = validator(Sample)
const least = { type: 'sample', text: 'eight', count: 7 } as const
const full = {
  ...least,
  key: 'a key',
  hash: '00ff',
  share: -1.5,
  word: 'off',
  flag: false,
  bytes: new Uint8Array([0, 255]),
  list: [{ id: 'a' }, { id: '' }]
} as const

for (const [whom, schema, plain] of [
  // Orders to fence, boot plans and questions to bootd are few, and have many forms.
  ['agents', toAgent, ['fence-orders', 'boot-plan', 'bootd-question']],
  ['controllers', toController, ['boot-report']],
  ['the door', Type.Union([Join]), []],
  ['those who knock', Type.Union([Joined]), []]
] as const) {
  test(`which messages to ${whom} go the plain way is known: ${plain.length}`, t => {
    const told: unknown[] = []
    shapeReader(schema as TUnion, type => told.push(type))
    t.deepEqual(told, [...plain])
  })
}

test('orders and reports are read by their shape, also where they stand amid other bytes', t => {
  for (const [schema, message] of [
    [toAgent, anOrder({ host: 'häst', generation: 2 ** 40 })],
    [toController, aReport({ host: 'h', images: ['a', 'b'], memoryFreeMib: 70_000 })]
  ] as const) {
    const readMessage = shapeReader(schema)
    for (let times = 0; times < 3; times++) t.deepEqual(readMessage(encode(message), 0), message)
    const amid = Buffer.concat([Buffer.alloc(5, 0xc1), encode(message)])
    t.deepEqual(readMessage(amid, 5), message)
    t.deepEqual(readMessage(new Uint8Array(amid), 5), message)
  }
})

for (const [what, value] of [
  ['only what is required', least],
  ['all', full],
  ['fields in another order', { type: 'sample', count: 1, text: '' }],
  ['a text of characters that take several bytes', { ...least, text: 'ä€😀' }],
  ['a number beyond 32 bits', { ...least, count: 2 ** 53 - 1 }],
  ['a whole number where any may be', { ...least, share: -2 }],
  ['numbers of each width', { ...least, share: 70_000, count: 300 }]
] as const) {
  test(`${what} is read by its shape`, t => {
    t.deepEqual(read(encode(value), 0), value)
  })
}

for (const [what, value] of [
  ['a field that nobody knows', { ...least, extra: 1 }],
  ['a lack of what is required', { type: 'sample', text: '' }],
  ['another type', { ...least, type: 'simple' }],
  ['no type at the beginning', { text: '', type: 'sample', count: 1 }],
  ['a text that is too long', { ...least, text: 'more than' }],
  ['a text that is too short', { ...least, key: 'ab' }],
  ['a text whose characters would have to be counted', { ...least, key: 'äöü' }],
  ['a text that does not match', { ...least, hash: '00FF' }],
  ['a number that is too low', { ...least, count: -1 }],
  ['a number that is too high', { ...least, count: 2 ** 53 }],
  ['a broken number for a whole one', { ...least, count: 0.5 }],
  ['a number that is none', { ...least, share: Number.NaN }],
  ['an endless number', { ...least, share: Number.POSITIVE_INFINITY }],
  ['a word that is none of those', { ...least, word: 'of' }],
  ['text for bytes', { ...least, bytes: 'abc' }],
  ['bytes that are too many', { ...least, bytes: new Uint8Array(5) }],
  ['a list that is too long', { ...least, list: Array(4).fill({ id: '' }) }],
  ['nothing for a value', { ...least, flag: null }],
  ['a list', [least]],
  ['no map', 7]
] as const) {
  test(`${what} is not read by the shape`, t => {
    t.is(read(encode(value), 0), unexpected)
  })
}

test('a field that comes twice is not read by the shape', t => {
  const twice = Buffer.concat([encode(least), encode('count'), encode(9)])
  twice[0]! += 1
  t.deepEqual(decode(twice), { ...least, count: 9 })
  t.is(read(twice, 0), unexpected)
})

test('text that is no UTF-8 is not read by the shape', t => {
  const bytes = Buffer.from(encode({ ...least, text: 'eight' }))
  bytes[bytes.indexOf('eight')] = 0xff
  t.is(read(bytes, 0), unexpected)
})

test('a shape that says what is not known here is told of and never read', t => {
  const Odd = Strict({ type: Type.Literal('odd'), at: Type.String({ format: 'date-time' }) })
  const told: unknown[] = []
  const readOdd = shapeReader(Type.Union([Odd, Sample]), type => told.push(type))
  t.deepEqual(told, ['odd'])
  t.is(readOdd(encode({ type: 'odd', at: 'x' }), 0), unexpected)
  t.deepEqual(readOdd(encode(least), 0), least)
})

test('every shorter piece of a message, and every longer one, is not read by the shape', t => {
  const good = encode(full)
  for (let length = 0; length < good.length; length++) {
    t.is(read(good.subarray(0, length), 0), unexpected)
  }
  t.is(read(Buffer.concat([good, encode(1)]), 0), unexpected)
})

test('a few bytes that promise very much are not read by the shape', t => {
  const Lists = Strict({
    type: Type.Literal('lists'),
    of: Type.Array(Type.Array(Type.Boolean()))
  })
  const readLists = shapeReader(Type.Union([Lists]))
  const start = encode({ type: 'lists', of: 0 })
  const body = (count: number, tail: Uint8Array): Buffer => {
    const list = Buffer.alloc(5, 0xdd)
    list.writeUInt32BE(count, 1)
    return Buffer.concat([start.subarray(0, -1), list, tail])
  }
  t.deepEqual(readLists(body(2, Buffer.alloc(2, 0x90)), 0), { type: 'lists', of: [[], []] })
  for (const [count, tail] of [
    [2 ** 32 - 1, Buffer.alloc(0)],
    [3, Buffer.alloc(2, 0x90)],
    [containersMax, Buffer.alloc(containersMax, 0x90)],
    [1, Buffer.concat([body(valuesMax, Buffer.alloc(valuesMax, 0xc2)).subarray(start.length - 1)])]
  ] as const) {
    t.is(readLists(body(count, tail), 0), unexpected)
  }
})

/** What the plain way makes of bytes. */
function plainly(bytes: Uint8Array): unknown {
  try {
    const value = decode(bytes)
    return check(value).length === 0 ? value : unexpected
  } catch {
    return unexpected
  }
}

test('what a shape reads of broken bytes, the plain way reads as the same', t => {
  const goods = [full, least, { ...full, text: 'ä€', share: 1e9 }].map(value => encode(value))
  const place = fc.nat(Math.max(...goods.map(({ length }) => length)) - 1)
  const change = fc.array(fc.tuple(place, fc.nat(255)), { maxLength: 3 })
  let readByShape = 0
  fc.assert(
    fc.property(fc.constantFrom(...goods), change, fc.nat(3), (good, changes, cut) => {
      const bytes = new Uint8Array(good.subarray(0, good.length - cut))
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
      const value = read(bytes, 0)
      if (value === unexpected) return
      readByShape++
      t.deepEqual(value, plainly(bytes))
    }),
    { numRuns: 5_000 }
  )
  t.true(readByShape > 100)
})
