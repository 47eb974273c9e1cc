import test from 'ava'
import fc from 'fast-check'
import { makeSseReader, type SseEvent } from '../../../tools/cli/api/sse.ts'
import { makeEscape } from '../../../tools/cli/escape.ts'
import { newBytes } from '../../../tools/cli/run/console-log.ts'
import { differences, withoutDefaults } from '../../../tools/cli/run/fields.ts'
import { formatOfName, sniffFormat } from '../../../tools/cli/run/image-format.ts'

const stream = Buffer.from(
  ': hello\r\nid: 1.1\nevent: change\ndata: {"a":\ndata: "ü"}\n\n' +
    'data:no space\rid\r\n\r\nevent: empty\n\nid: 1.2\nevent: bookmark\ndata: {}\n\nrest: '
)
const expected: readonly SseEvent[] = [
  { id: '1.1', event: 'change', text: '{"a":\n"ü"}' },
  { id: '', event: 'message', text: 'no space' },
  { id: '1.2', event: 'bookmark', text: '{}' }
]

test('events are read the same however the bytes are cut', t => {
  t.deepEqual(makeSseReader()(stream), expected)
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 80 }), sizes => {
      const read = makeSseReader()
      const events: SseEvent[] = []
      let at = 0
      for (const size of sizes) {
        events.push(...read(stream.subarray(at, at + size)))
        at += size
      }
      events.push(...read(stream.subarray(at)))
      t.deepEqual(events, expected)
    }),
    { numRuns: 200 }
  )
})

test('an event without end is refused', t => {
  const read = makeSseReader()
  const chunk = Buffer.alloc(1024 * 1024, 'x')
  t.throws(
    () => {
      for (let count = 0; count < 10; count++) read(chunk)
    },
    { message: /cannot read events: one exceeds 8388608 characters/ }
  )
})

for (const [typed, sent, leave] of [
  ['ls\r', 'ls\r', false],
  ['\u001dq', '', true],
  ['\u001d.', '', true],
  ['ab\u001dQ', 'ab', true],
  ['\u001d\u001d', '\u001d', false],
  ['\u001d\u001dq', '\u001dq', false],
  ['\u001dx', '\u001dx', false],
  ['q.', 'q.', false]
] as const) {
  const [keys, bytes] = [JSON.stringify(typed), JSON.stringify(sent)]
  test(`typing ${keys} sends ${bytes}${leave ? ' and leaves' : ''}`, t => {
    const whole = makeEscape()(Buffer.from(typed))
    t.deepEqual([whole.send.toString(), whole.leave], [sent, leave])
    const read = makeEscape()
    const parts = [...typed].map(one => read(Buffer.from(one)))
    t.is(parts.map(part => part.send.toString()).join(''), sent, 'byte by byte')
    t.is(parts.at(-1)?.leave, leave)
  })
}

for (const [before, now, fresh] of [
  ['', 'abc', 'abc'],
  ['abc', 'abc', ''],
  ['abc', 'abcdef', 'def'],
  ['abcdef', 'defghi', 'defghi'],
  [`${'x'.repeat(2000)}end`, `${'x'.repeat(1500)}endmore`, 'more']
] as const) {
  const title = `after ${before.length} bytes of a log, ${now.length} show ${fresh.length} new ones`
  test(title, t => {
    t.is(newBytes(Buffer.from(before), Buffer.from(now)).toString(), fresh)
  })
}

for (const [bytes, format] of [
  [[0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3], 'qcow2'],
  [[0x1f, 0x8b, 8], 'tar'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'tar'],
  [[0xeb, 0x63], 'raw'],
  [[], 'raw']
] as const) {
  const digits = Buffer.from(bytes).toString('hex')
  test(`content that begins with ${digits || 'nothing'} is ${format}`, t => {
    t.is(sniffFormat(Buffer.from(bytes)), format)
  })
}

test('a tar is known by its magic, and files by their names where there is no content', t => {
  const head = Buffer.alloc(512)
  head.write('ustar', 257)
  t.is(sniffFormat(head), 'tar')
  t.is(formatOfName('/x/debian.qcow2'), 'qcow2')
  t.is(formatOfName('/x/rootfs.tar.zst'), 'tar')
  t.is(formatOfName('/x/disk.raw'), 'raw')
})

test('wishes are compared field by field', t => {
  const from = { labels: { app: 'x', old: '1' }, spec: { a: 1, list: [1, 2], same: { b: 2 } } }
  const to = {
    labels: { app: 'x' },
    spec: { a: 2, list: [1, 2, 3], same: { b: 2 }, fresh: { c: 3 } }
  }
  t.deepEqual(differences(from, to), [
    { sign: '-', path: 'labels.old', from: '1' },
    { sign: '~', path: 'spec.a', from: 1, to: 2 },
    { sign: '~', path: 'spec.list', from: [1, 2], to: [1, 2, 3] },
    { sign: '+', path: 'spec.fresh.c', to: 3 }
  ])
  t.deepEqual(differences(from, structuredClone(from)), [])
})

test('what is at its default is left out, at every depth', t => {
  const schema = {
    properties: {
      type: { default: 'vm' },
      list: { default: [] },
      image: {},
      restart: {
        default: {},
        properties: { policy: { default: 'always' }, delayMsMin: { default: 100 } }
      }
    }
  }
  const spec = { type: 'vm', list: [], image: 'x', restart: { policy: 'never', delayMsMin: 100 } }
  t.deepEqual(withoutDefaults(schema, spec), { image: 'x', restart: { policy: 'never' } })
  const plain = { ...spec, restart: { policy: 'always', delayMsMin: 100 } }
  t.deepEqual(withoutDefaults(schema, plain), { image: 'x' })
})
