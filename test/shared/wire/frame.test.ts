import test from 'ava'
import fc from 'fast-check'
import { isFault } from '#shared/fault.ts'
import { encode } from '#shared/wire/codec.ts'
import { encodeBody, makeReader, readHeader, Sealer } from '#shared/wire/frame.ts'
import {
  channelWindowBytes,
  messageBytesMax,
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
  version: 1,
  bootId: 'boot-1',
  run: 'run-1',
  number: 1,
  epoch: 3,
  sentAtMs: 5,
  validMs: 10
}

test('a sealed message is read again, with the sender, the epoch and when it was sent', t => {
  const frames = sealer().seal('heartbeat', encodeBody(heartbeat), 1_234.5)
  t.deepEqual(readHeader(frames), { ...header, sentAtMs: 1_234.5, validMs: 3_000 })
  t.deepEqual(read(frames), heartbeat)
})

test('each message of a sender has the next number', t => {
  const seals = sealer()
  const numbers = [1, 2, 3].map(now => readHeader(seals.seal('order', encode({}), now)).number)
  t.deepEqual(numbers, [1, 2, 3])
})

for (const [what, frames, counted, message] of [
  ['one frame', [encode(header)], 'garbage', 'cannot read a message of 1 frames: it has two'],
  ['three frames', [encode(header), encode(1), encode(2)], 'garbage', /of 3 frames/],
  ['a header that is no map', [encode(7), encode(1)], 'garbage', /it must be an object, not 7/],
  [
    'a header without a run',
    [encode({ ...header, run: undefined }), encode(1)],
    'garbage',
    /"run" is missing/
  ],
  [
    'a header with an infinite moment',
    [encode({ ...header, sentAtMs: Infinity }), encode(1)],
    'garbage',
    /\/sentAtMs must be a number/
  ],
  [
    'a header with a further field',
    [encode({ ...header, x: 1 }), encode(1)],
    'garbage',
    /unknown field "x"/
  ],
  [
    'another protocol version',
    [encode({ version: 2, later: true }), encode(1)],
    'otherVersion',
    'cannot read a message of protocol version 2: version 1 is spoken'
  ],
  [
    'a long header',
    [encode({ ...header, bootId: 'x'.repeat(600) }), encode(1)],
    'oversized',
    /cannot read a header: it has \d+ bytes, at most 512 are taken/
  ]
] as const) {
  test(`${what} is refused as ${counted}`, t => {
    const fault = t.throws<UnreadableFault>(() => readHeader(frames), { code: 'protocol', message })
    t.is(fault.counted, counted)
  })
}

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
    const frames = [encode(header), encode(value)]
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
  const frames = [encode(header), encode({ type: 'order', text })]
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
    fc.property(fc.array(frame, { maxLength: 3 }), frames => {
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
