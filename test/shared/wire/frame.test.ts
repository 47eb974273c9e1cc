import test from 'ava'
import fc from 'fast-check'
import { isFault } from '#shared/fault.ts'
import { encode } from '#shared/wire/codec.ts'
import { encodeBody, makeReader, readHeader, Sealer } from '#shared/wire/frame.ts'
import {
  channelWindowBytes,
  messageBytesMax,
  protocolVersion,
  type ToAgent,
  toAgent
} from '#shared/wire/messages.ts'
import type { UnreadableFault } from '#shared/wire/unreadable.ts'

const sender = { bootId: 'boot-1', run: 'run-1' }
const sealer = () => new Sealer(sender, () => 3)
const read = makeReader<ToAgent>(toAgent)
const heartbeat: ToAgent = {
  type: 'heartbeat',
  number: 1,
  loopLagMs: 0.25,
  epoch: 3,
  generation: 40
}
const header = {
  version: protocolVersion,
  bootId: 'boot-1',
  run: 'run-1',
  number: 1,
  epoch: 3,
  sentAtMs: 1_234.5,
  validMs: 3_000
}

test('a sealed message is read again, with the sender, the epoch and when it was sent', t => {
  const frames = sealer().seal('heartbeat', encodeBody(heartbeat), 1_234.5)
  t.deepEqual(readHeader(frames), header)
  t.deepEqual(read(frames), heartbeat)
})

test('a message is written with room for its header and stamped each time it is sent', t => {
  let epoch = 3
  const seals = new Sealer(sender, () => epoch)
  const envelope = seals.envelop(heartbeat)
  const first = readHeader([seals.stamp(envelope, 1_234.5)])
  epoch = 4
  const frames = [seals.stamp(envelope, 2_000)]
  t.deepEqual(
    [first, readHeader(frames)],
    [header, { ...header, number: 2, epoch: 4, sentAtMs: 2_000 }]
  )
  t.deepEqual(read(frames), heartbeat)
})

test('a header is written as it is drawn', t => {
  const [frame] = new Sealer({ bootId: 'ab', run: 'c' }, () => 2).seal('order', encode(7), 0.5)
  const drawn =
    '526d 0002 00007530 3ff0000000000000 4000000000000000 3fe0000000000000 02 01 6162 63 07'
  t.is(Buffer.from(frame).toString('hex'), drawn.replaceAll(' ', ''))
})

test('each message of a sender has the next number', t => {
  const seals = sealer()
  const numbers = [1, 2, 3].map(now => readHeader(seals.seal('order', encode({}), now)).number)
  t.deepEqual(numbers, [1, 2, 3])
})

test('names of a sender that are too long for a header are a bug', t => {
  const long = 'x'.repeat(65)
  for (const names of [{ bootId: long }, { run: long }, { run: '' }]) {
    t.throws(() => new Sealer({ ...sender, ...names }, () => 1))
  }
})

/** A good message with other bytes at some place of its header. */
const altered = (at: number, hex: string): Uint8Array[] => {
  const [frame] = sealer().seal('heartbeat', encodeBody(heartbeat), 5)
  frame.set(Buffer.from(hex.replaceAll(' ', ''), 'hex'), at)
  return [frame]
}
const [good] = altered(0, '')
const asInVersion1 = [encode({ version: 1, bootId: 'b', run: 'r', number: 1 }), encode(heartbeat)]

for (const [what, frames, counted, message] of [
  ['nothing', [], 'garbage', 'cannot read a message: it is empty'],
  ['an empty frame', [new Uint8Array()], 'garbage', /does not begin as our messages do/],
  ['two frames', [good!, encode(1)], 'garbage', 'cannot read a message: it has 2 frames, not one'],
  ['another protocol', altered(0, '00'), 'garbage', /does not begin as our messages do/],
  [
    'a header that is cut short',
    [good!.subarray(0, 33)],
    'garbage',
    'cannot read a header: it has 33 bytes, at least 34 are needed'
  ],
  [
    'a header that is cut short in its names',
    [good!.subarray(0, 40)],
    'garbage',
    'cannot read a header: it ends 5 bytes too early'
  ],
  ['a long boot id', altered(32, '41'), 'garbage', /its boot id has 65 characters/],
  ['a header without a run', altered(33, '00'), 'garbage', /its run has 0 characters/],
  ['a negative number', altered(8, 'bff0 0000 0000 0000'), 'garbage', /its number is -1/],
  ['a broken number', altered(8, '3fe0 0000 0000 0000'), 'garbage', /its number is 0.5/],
  ['an endless epoch', altered(16, '7ff0 0000 0000 0000'), 'garbage', /its epoch is Infinity/],
  ['no moment', altered(24, '7ff8 0000 0000 0000'), 'garbage', /it was sent at NaN ms/],
  ['a moment before all', altered(24, 'bff0 0000 0000 0000'), 'garbage', /sent at -1 ms/],
  ['an infinite moment', altered(24, '7ff0 0000 0000 0000'), 'garbage', /sent at Infinity ms/],
  [
    'a later protocol version',
    [...altered(2, '0063'), encode(1)],
    'otherVersion',
    'cannot read a message of protocol version 99: version 2 is spoken'
  ],
  [
    'the first protocol version',
    asInVersion1,
    'otherVersion',
    'cannot read a message of protocol version 1: version 2 is spoken'
  ]
] as const) {
  test(`${what} is refused as ${counted}`, t => {
    const fault = t.throws<UnreadableFault>(() => readHeader(frames), { code: 'protocol', message })
    t.is(fault.counted, counted)
  })
}

const framed = (value: unknown) => sealer().seal('any', encode(value), 5)

for (const [what, value, message] of [
  ['no object', 7, /its type is none of order, heartbeat,/],
  ['null', null, /its type is none of/],
  ['a type that only agents send', { type: 'report' }, /its type is none of/],
  ['a type of the prototype', { type: 'constructor' }, /its type is none of/],
  [
    'a heartbeat with a further field',
    { ...heartbeat, extra: 1 },
    'cannot read a message of type heartbeat: /extra unknown field "extra"'
  ],
  [
    'a negative epoch',
    { ...heartbeat, epoch: -1 },
    /\/epoch must be between 0 and 9007199254740991, not -1/
  ],
  ['an epoch beyond what is exact', { ...heartbeat, epoch: 2n ** 60n }, /\/epoch must be/],
  [
    'an object for bytes',
    { type: 'channel-data', channel: 'c', bytes: { length: 1 } },
    /\/bytes must be at most 262144 bytes/
  ],
  [
    'more bytes than a window',
    { type: 'channel-data', channel: 'c', bytes: new Uint8Array(channelWindowBytes + 1) },
    /\/bytes must be at most 262144 bytes/
  ]
] as const) {
  test(`${what} is refused as a message to an agent`, t => {
    const frames = framed(value)
    const fault = t.throws<UnreadableFault>(() => read(frames), { code: 'protocol', message })
    t.is(fault.counted, 'garbage')
  })
}

test('bytes of a channel arrive as they were', t => {
  const bytes = Uint8Array.from({ length: 300 }, (_, index) => index % 256)
  const message: ToAgent = { type: 'channel-data', channel: 'c', bytes }
  t.deepEqual(read(sealer().seal(message.type, encodeBody(message), 1)), message)
})

test('a message that is too long is sent by none and taken by none', t => {
  const text = 'x'.repeat(messageBytesMax)
  t.throws(() => encodeBody({ type: 'order', text } as { type: string }), {
    code: 'invalid',
    message: /^cannot send a message of type order: it has \d+ bytes, at most 4194304 are sent$/
  })
  const frames = framed({ type: 'order', text })
  const fault = t.throws<UnreadableFault>(() => read(frames), { code: 'protocol' })
  t.is(fault.counted, 'oversized')
})

test('whatever the frames, reading them gives a message or a Fault protocol', t => {
  const frame = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.jsonValue().map(encode),
    fc.record({ type: fc.constantFrom('order', 'heartbeat'), epoch: fc.jsonValue() }).map(encode)
  )
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 3 }), fc.boolean(), (some, isSealed) => {
      const frames = isSealed ? some.flatMap(body => sealer().seal('any', body, 1)) : some
      for (const attempt of [() => readHeader(frames), () => read(frames)]) {
        try {
          attempt()
        } catch (thrown) {
          if (!isFault(thrown, 'protocol')) return false
        }
      }
      return true
    }),
    { numRuns: 1_000 }
  )
  t.pass()
})
