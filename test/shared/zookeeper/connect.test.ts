import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { build } from 'esbuild'
import { realClock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import { run } from '#shared/process.ts'
import { type ConnectOptions, connectZooKeeper } from '#shared/zookeeper/connect.ts'
import { kinds, packet, RawZooKeeper, readReply } from '../../world/raw-zookeeper.ts'

const optionsOf = (server: RawZooKeeper): ConnectOptions => ({
  servers: [server.address],
  sessionMs: 12_000,
  secret: 'user:password',
  log: silentLog,
  clock: realClock
})

const untilMsMax = 60_000

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + untilMsMax
  while (!condition()) {
    if (performance.now() > end) throw new Error(`it did not come about in ${untilMsMax} ms`)
    await sleep(5)
  }
}

test('a session in a thread reads, and says goodbye when it is disposed of', async t => {
  await using server = await new RawZooKeeper().listen()
  server.answer = ({ number, kind }) =>
    kind === kinds.read ? readReply(number, 'hello') : packet(number, 7n, 0)
  const session = await connectZooKeeper(optionsOf(server))
  t.is(session.id, '1234')
  t.is(session.timeoutMs, 12_000)
  t.is(session.server(), server.address)
  t.is(Buffer.from((await session.read('/a'))!.bytes).toString(), 'hello')
  await session[Symbol.asyncDispose]()
  await until(() => server.requests.at(-1)?.kind === kinds.close)
  t.is((session.ended.reason as Fault).code, 'closed')
  await t.throwsAsync(session.read('/a'), { instanceOf: Fault }, 'it stays closed')
})

test('a lease is seen without waiting, on our own clock', async t => {
  await using server = await new RawZooKeeper().listen()
  // The head of a part that was checked, and the end of a transaction.
  const head = (kind: number, isLast: boolean) => {
    const bytes = packet(kind, -1).subarray(4)
    return Buffer.concat([bytes.subarray(0, 4), Buffer.from([isLast ? 1 : 0]), bytes.subarray(4)])
  }
  const checked = Buffer.concat([head(13, false), head(-1, true)])
  server.answer = ({ number, kind }) => {
    const reply = packet(number, 7n, 0)
    if (kind !== kinds.multi) return reply
    const whole = Buffer.concat([reply, checked])
    whole.writeInt32BE(whole.length - 4)
    return whole
  }
  const before = realClock.monotonic()
  await using session = await connectZooKeeper(optionsOf(server))
  t.is(session.leaseUntil(), undefined)
  session.keepLease({ path: '/epoch', version: 3 })
  await until(() => session.leaseUntil() !== undefined)
  t.true(session.leaseUntil()! >= before)
  t.true(session.leaseUntil()! <= realClock.monotonic() + session.timeoutMs)
})

test('what cannot be is refused before anybody is asked', async t => {
  await using server = await new RawZooKeeper().listen()
  const good = optionsOf(server)
  const bad: readonly (readonly [string, ConnectOptions])[] = [
    ['no server', { ...good, servers: [] }],
    ['no secret', { ...good, secret: 'password' }],
    ['no such file', { ...good, tls: { ca: '/nonexistent/ca.pem' } }]
  ]
  for (const [what, options] of bad) {
    const fault = await t.throwsAsync(connectZooKeeper(options), { instanceOf: Fault })
    t.is(fault?.code, 'invalid', what)
  }
  t.is(server.greeted.length, 0)
})

test('where no server consents, the thread ends too', async t => {
  const server = await new RawZooKeeper().listen()
  const options = optionsOf(server)
  await server[Symbol.asyncDispose]()
  const fault = await t.throwsAsync(connectZooKeeper(options), { instanceOf: Fault })
  t.is(fault?.code, 'unavailable')
  t.is(fault?.reasons.length, 1)
})

test('a bundle finds its thread, from the beginning or from a shared part', async t => {
  await using server = await new RawZooKeeper().listen()
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'remuda-bundle-'))
  t.teardown(() => fs.rm(folder, { recursive: true, force: true }))
  const root = path.resolve(import.meta.dirname, '../../..')
  const program = (name: string) => `
    const { connectZooKeeper } = await import('${root}/shared/zookeeper/connect.ts')
    const { realClock } = await import('${root}/shared/clock.ts')
    const { silentLog } = await import('${root}/shared/log.ts')
    const options = { sessionMs: 12000, secret: 'user:password', clock: realClock, log: silentLog }
    const session = await connectZooKeeper({ ...options, servers: ['${server.address}'] })
    console.log('${name}', session.id)
    await session[Symbol.asyncDispose]()
  `
  for (const name of ['one', 'two']) await fs.writeFile(`${folder}/${name}.ts`, program(name))
  await build({
    entryPoints: {
      one: `${folder}/one.ts`,
      two: `${folder}/two.ts`,
      'zookeeper-worker': `${root}/shared/zookeeper/worker.ts`
    },
    outdir: `${folder}/dist`,
    bundle: true,
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    format: 'esm',
    platform: 'node',
    banner: {
      js: [
        "import { createRequire } from 'node:module'",
        'const require = createRequire(import.meta.url)'
      ].join('\n')
    },
    absWorkingDir: root,
    tsconfigRaw: {},
    alias: { '#shared': `${root}/shared` },
    logLevel: 'error'
  })
  await fs.writeFile(`${folder}/dist/package.json`, '{ "type": "module" }')
  for (const name of ['one', 'two']) {
    const { stdout } = await run(process.execPath, [`${folder}/dist/${name}.js`], {
      deadlineMs: untilMsMax
    })
    t.is(stdout, `${name} 1234\n`)
  }
})
