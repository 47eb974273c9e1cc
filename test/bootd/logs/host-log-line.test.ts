import test from 'ava'
import fc from 'fast-check'
import {
  hostLogLineMax,
  readHostLog,
  readKeptLine,
  writeHostLogLine
} from '../../../bootd/core/host-log-line.ts'

const head = '<13>1 - - remuda - - -'

const cases: readonly {
  readonly title: string
  readonly sent: string
  readonly read: ReturnType<typeof readHostLog>
}[] = [
  {
    title: 'a line of the journal has its own time, and no name of a host',
    sent: `${head} 2026-11-21T23:14:48.123456+0100 h2 remuda-agent[412]: joined`,
    read: [{ source: 'journal', at: '2026-11-21T22:14:48.123Z', text: 'remuda-agent[412]: joined' }]
  },
  {
    title: 'a line that is none of the journal is kept as it is',
    sent: `${head} the rest of a long one`,
    read: [{ source: 'journal', text: 'the rest of a long one' }]
  },
  {
    title: 'what the kernel says by itself has the seconds since its start',
    sent: '0,1234,98765432,-;Kernel panic - not syncing: sysrq triggered crash\n SUBSYSTEM=x\n',
    read: [
      { source: 'kernel', text: '[   98.765432] Kernel panic - not syncing: sysrq triggered crash' }
    ]
  },
  {
    title: 'a kernel of the short form is understood as well',
    sent: 'one line\nanother one\n',
    read: [
      { source: 'kernel', text: 'one line' },
      { source: 'kernel', text: 'another one' }
    ]
  },
  {
    title: 'what could fool a terminal is taken out',
    sent: `${head} 2026-11-21T23:14:48.1+0000 h2 su[1]: \u001b[2J\u202eevil\ttab`,
    read: [{ source: 'journal', at: '2026-11-21T23:14:48.100Z', text: 'su[1]:  [2J evil tab' }]
  },
  {
    title: 'the boot token in the command line of a kernel is not kept',
    sent: `${head} 2026-11-21T23:14:48.1+0000 h2 kernel: Command line: remuda.boot=aB-_9 quiet`,
    read: [
      {
        ...{ source: 'journal', at: '2026-11-21T23:14:48.100Z' },
        text: 'kernel: Command line: remuda.boot=- quiet'
      }
    ]
  },
  {
    title: 'a number that no kernel says is not read as one',
    sent: `6,1,${'9'.repeat(400)},-;hello`,
    read: [{ source: 'kernel', text: `6,1,${'9'.repeat(400)},-;hello` }]
  },
  {
    title: 'of one datagram only some lines are read',
    sent: 'a\n'.repeat(4_096),
    read: Array.from({ length: 64 }, () => ({ source: 'kernel', text: 'a' }))
  },
  { title: 'nothing is no line', sent: `${head} `, read: [] },
  { title: 'a datagram that is too long is not read', sent: 'x'.repeat(9_000), read: [] }
]
for (const { title, sent, read } of cases) {
  test(title, t => t.deepEqual(readHostLog(Buffer.from(sent)), read))
}

test('whatever comes becomes lines that are short, harmless, and read as they were written', t => {
  const received = '2026-11-21T23:14:48.123Z'
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 3_000 }),
    fc.string({ maxLength: 3_000, unit: 'binary' }).map(text => Buffer.from(text)),
    fc.string({ maxLength: 300 }).map(text => Buffer.from(`0,1,2,-;${text}`)),
    fc.string({ maxLength: 300, unit: 'grapheme' }).map(text => Buffer.from(`${head} ${text}`))
  )
  fc.assert(
    fc.property(anything, bytes => {
      for (const line of readHostLog(bytes)) {
        t.true(line.text.length <= hostLogLineMax)
        t.notRegex(line.text, /[\p{Cc}\p{Cf}]/u)
        const kept = writeHostLogLine(line, received)
        t.is(kept.indexOf('\n'), kept.length - 1)
        t.deepEqual(readKeptLine(kept.slice(0, -1)), { received, ...line })
      }
    })
  )
})
