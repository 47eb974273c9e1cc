/** Logs of hosts over real sockets: from whom they are taken, and how much. */
import { execFileSync, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import test from 'ava'
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import { isInstalled } from '#shared/process.ts'
import type { HostLogLine } from '../../../bootd/core/host-log-line.ts'
import {
  type HostLogBounds,
  LogReceiver,
  strangerBytesMax
} from '../../../bootd/io/boot/log-receiver.ts'
import { until } from '../boot/boot-server.ts'

const host = '4c4c4544-0042-3510-8052-b4c04f4e3132'
const ofHost = { host, boot: 'b1', hasJoined: true }
const mac = '52:54:00:77:00:01'

/** A receiver that knows one address, and what it has kept. */
async function receiving(bounds?: HostLogBounds) {
  const kept: HostLogLine[] = []
  let now = 0
  let looked = 0
  const clock = { ...realClock, monotonic: () => now }
  const receiver = await LogReceiver.open({
    ...{ address: '127.0.0.1', port: 0, clock, log: silentLog },
    whose: (from, of) => (from === '127.0.0.31' || of === mac ? ofHost : undefined),
    neighbours: async () => {
      looked += 1
      return new Map([['127.0.0.33', mac]])
    },
    logs: { add: (of, lines) => of.host === host && void kept.push(...lines) },
    ...(bounds && { bounds })
  })
  return {
    kept,
    port: receiver.port,
    looked: () => looked,
    pass: (ms: number) => {
      now += ms
    },
    texts: () => kept.map(({ source, text }) => `${source}: ${text}`),
    [Symbol.asyncDispose]: () => receiver[Symbol.asyncDispose]()
  }
}

async function send(port: number, from: string, texts: readonly string[]): Promise<void> {
  const socket = createSocket('udp4')
  socket.bind({ address: from, port: 0 })
  await once(socket, 'listening')
  for (const text of texts) {
    await new Promise<void>((resolve, reject) =>
      socket.send(text, port, '127.0.0.1', problem => (problem ? reject(problem) : resolve()))
    )
  }
  await new Promise<void>(resolve => socket.close(() => resolve()))
}

test('what comes from the address of a host is kept, what comes from elsewhere is not', async t => {
  t.timeout(60_000)
  await using receiver = await receiving()
  await send(receiver.port, '127.0.0.32', ['0,1,2,-;of a stranger'])
  await send(receiver.port, '127.0.0.31', ['0,1,2000000,-;its last words'])
  await until(() => receiver.kept.length > 0)
  t.deepEqual(receiver.texts(), ['kernel: [    2.000000] its last words'])
})

test('who is known by a MAC alone is looked up, together with all strangers', async t => {
  t.timeout(60_000)
  await using receiver = await receiving()
  const { port } = receiver
  const lines = Array.from({ length: 20 }, (_, index) => `line ${index}`)
  for (const stranger of ['127.0.0.32', '127.0.0.34', '127.0.0.35'])
    await send(port, stranger, ['x'])
  await send(port, '127.0.0.33', lines)
  await until(() => receiver.kept.length === lines.length)
  t.deepEqual(
    receiver.texts(),
    lines.map(line => `kernel: ${line}`)
  )
  t.is(receiver.looked(), 1)
  receiver.pass(1_000)
  await send(port, '127.0.0.33', ['later'])
  await until(() => receiver.texts().at(-1) === 'kernel: later')
  t.is(receiver.looked(), 2)
})

test('who is known is heard while strangers wait, of whom only so much is kept', async t => {
  t.timeout(60_000)
  const kept: string[] = []
  const table = Promise.withResolvers<ReadonlyMap<string, string>>()
  const receiver = await LogReceiver.open({
    ...{ address: '127.0.0.1', port: 0, clock: realClock, log: silentLog },
    whose: (from, of) => (from === '127.0.0.31' || of === mac ? ofHost : undefined),
    neighbours: () => table.promise,
    logs: { add: (_, lines) => void kept.push(...lines.map(({ text }) => text)) }
  })
  try {
    const count = Math.ceil(strangerBytesMax / 8_000) + 100
    for (let sent = 0; sent < count; sent += 10) {
      await send(receiver.port, '127.0.0.33', Array(10).fill('s'.repeat(8_000)))
      await send(receiver.port, '127.0.0.31', [`known ${sent}`])
      await until(() => kept.at(-1) === `known ${sent}`)
    }
    await send(receiver.port, '127.0.0.33', ['t'.repeat(9_000)])
    const known = kept.length
    table.resolve(new Map([['127.0.0.33', mac]]))
    await until(() => kept.length > known)
    const strange = kept.slice(known)
    t.true(strange.length <= strangerBytesMax / 8_000, `${strange.length} of ${count}`)
    t.true(strange.every(text => /^(s+|\d+ lines of the kernel left out.*)$/.test(text)))
  } finally {
    await receiver[Symbol.asyncDispose]()
  }
})

test('who says too much loses the rest, and that is told once it says less', async t => {
  t.timeout(60_000)
  const bound = { burstBytes: 200, bytesPerS: 1_024 }
  await using receiver = await receiving({ journal: bound, kernel: bound })
  const { port } = receiver
  await send(port, '127.0.0.31', ['a'.repeat(90), 'b'.repeat(95), 'c'.repeat(95), 'the end'])
  await until(() => receiver.texts().at(-1) === 'kernel: the end')
  receiver.pass(1_000)
  await send(port, '127.0.0.31', ['d'])
  await until(() => receiver.texts().at(-1) === 'kernel: d')
  t.deepEqual(receiver.texts(), [
    `kernel: ${'a'.repeat(90)}`,
    'bootd: 2 lines of the kernel left out: more than 1 KiB came each second',
    'kernel: the end',
    'kernel: d'
  ])
})

test('a host that has said too much in its journal is heard when its kernel dies', async t => {
  t.timeout(60_000)
  const bound = { burstBytes: 300, bytesPerS: 1_024 }
  await using receiver = await receiving({ journal: bound, kernel: bound })
  const head = '<13>1 - - remuda - - - '
  const lines = [`${head}${'a'.repeat(200)}`, `${head}${'b'.repeat(200)}`, '0,1,2,-;Kernel panic']
  await send(receiver.port, '127.0.0.31', lines)
  await until(() => receiver.kept.some(({ source }) => source === 'kernel'))
  t.deepEqual(receiver.texts(), [
    `journal: ${'a'.repeat(200)}`,
    'kernel: [    0.000002] Kernel panic'
  ])
})

test('what is counted is what is written: short lines cost more than their bytes', async t => {
  t.timeout(60_000)
  const bound = { burstBytes: 2_000, bytesPerS: 1_024 }
  await using receiver = await receiving({ journal: bound, kernel: bound })
  await send(receiver.port, '127.0.0.31', ['a\n'.repeat(64), 'the end'])
  await until(() => receiver.kept.length > 0)
  t.deepEqual(receiver.texts(), [
    'bootd: 64 lines of the kernel left out: more than 1 KiB came each second',
    'kernel: the end'
  ])
})

test('lines that logger sends are read as the journal has written them', async t => {
  if (!isInstalled('logger')) {
    t.pass('logger is not installed')
    return
  }
  t.timeout(60_000)
  await using receiver = await receiving()
  const told = `2026-11-21T23:14:48.123456+0000 h2 remuda-agent[412]: ${'long '.repeat(500)}`
  // logger has no choice of its own address: what comes from loopback is that of the host here.
  const own = await LogReceiver.open({
    ...{ address: '127.0.0.1', port: 0, clock: realClock, log: silentLog },
    whose: () => ofHost,
    neighbours: async () => new Map(),
    logs: { add: (_, lines) => void receiver.kept.push(...lines) }
  })
  try {
    const logger = spawn('logger', [
      ...['--server', '127.0.0.1', '--port', String(own.port), '--udp'],
      ...['--rfc5424=notime,notq,nohost', '--tag', 'remuda', '--size', '2000', '--skip-empty']
    ])
    logger.stdin.end(`${told}\n\n2026-11-21T23:14:49.000000+0000 h2 kernel: the last one\n`)
    await once(logger, 'close')
    await until(() => receiver.texts().at(-1) === 'journal: kernel: the last one')
    t.is(receiver.kept[0]?.at, '2026-11-21T23:14:48.123Z')
    t.regex(receiver.kept[0]?.text ?? '', /^remuda-agent\[412\]: long long/)
    t.true(receiver.kept.every(({ source }) => source === 'journal'))
  } finally {
    await own[Symbol.asyncDispose]()
  }
})

test('what the kernel drops since it is read too late is told', async t => {
  t.timeout(60_000)
  let look = () => {}
  const clock = {
    ...realClock,
    sleep: (_: number, signal?: AbortSignal) =>
      new Promise<void>(resolve => {
        look = resolve
        signal?.addEventListener('abort', () => resolve())
      })
  }
  const receiver = await LogReceiver.open({
    ...{ address: '127.0.0.1', port: 0, clock, log: silentLog },
    ...{ whose: () => ofHost, neighbours: async () => new Map(), logs: { add: () => {} } }
  })
  try {
    t.is(receiver.problem, undefined)
    // Nobody reads while this thread waits for a program, so what does not fit is dropped.
    const program = `const socket = require('node:dgram').createSocket('udp4')
      let left = 8000
      const send = () => socket.send(Buffer.alloc(8000), ${receiver.port}, '127.0.0.1', () =>
        (left -= 1) > 0 ? send() : socket.close())
      send()`
    execFileSync(process.execPath, ['-e', program])
    look()
    await until(() => receiver.problem !== undefined)
    t.regex(receiver.problem ?? '', /datagrams were dropped before they could be read/)
  } finally {
    await receiver[Symbol.asyncDispose]()
  }
})
