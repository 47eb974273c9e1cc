import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { realClock } from '#shared/clock.ts'
import type { Fault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import { type ConnectOptions, connectZooKeeper } from '#shared/zookeeper/connect.ts'
import { mayHaveHappened } from '#shared/zookeeper/faults.ts'
import type { Operation, ZooKeeperSession } from '#shared/zookeeper/session.ts'
import { checkEnsemble } from '../../tools/cli/run/doctor-ensemble.ts'
import { openRelay } from './relay.ts'
import { startEnsemble, type ZooKeeperEnsemble } from './zookeeper-ensemble.ts'

let ensemble: ZooKeeperEnsemble

test.before(async () => {
  ensemble = await startEnsemble()
})
test.after.always(() => ensemble?.[Symbol.asyncDispose]())

const connect = (options: Partial<ConnectOptions> = {}): Promise<ZooKeeperSession> =>
  connectZooKeeper({
    servers: ensemble.servers,
    // A slow machine's servers are silent for seconds; who tests silence waits for it.
    sessionMs: 12_000,
    secret: 'remuda:faults',
    log: silentLog,
    clock: realClock,
    ...options
  })

const untilMsMax = 60_000

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + untilMsMax
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`${what}: not within ${untilMsMax} ms`)
    await sleep(20)
  }
}

const none = new Uint8Array()
const create = (path: string, bytes = none): Operation => ({ op: 'create', path, bytes })
const attempt = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (thrown: unknown) => thrown
  )
/** Tries a write that is new each time until it is acknowledged. */
async function writeOn(session: ZooKeeperSession, path: string): Promise<void> {
  await until('a write', async () => {
    const name = `${path}/${randomBytes(6).toString('hex')}`
    return (await attempt(session.transact([create(name)]))) === undefined
  })
}

test.serial(
  'a server that is stopped in its tracks is left, and session and lease stay',
  async t => {
    await using session = await connect()
    const path = '/stopped'
    const mode = 'ephemeral'
    await session.transact([create(path), { op: 'create', path: '/alive', bytes: none, mode }])
    session.keepLease({ path, version: 0 })
    await until('a lease', () => session.leaseUntil() !== undefined)
    const number = ensemble.numberOf(session.server())
    ensemble.pause(number)
    try {
      const before = session.server()
      await until('another server', () => {
        const now = session.server()
        return now !== undefined && now !== before
      })
      t.false(session.ended.aborted)
      await until('the lease', () => session.leaseUntil()! > realClock.monotonic() + 2_000)
      await using other = await connect({ servers: [session.server()!] })
      await other.sync('/')
      t.is((await other.read('/alive'))?.stat.owner, BigInt(`0x${session.id}`))
    } finally {
      ensemble.resume(number)
    }
    await ensemble.untilQuorum(3)
  }
)

test.serial(
  'sessions outlive the death of the leader, and all that was acknowledged is there',
  async t => {
    const sessions = await Promise.all([connect(), connect(), connect()])
    const path = '/acknowledged'
    await sessions[0]!.transact([create(path)])
    const names: string[] = []
    const stop = new AbortController()
    const writers = sessions.map(async (session, index) => {
      for (let count = 0; !stop.signal.aborted; count++) {
        const name = `w${index}-${`${count}`.padStart(6, '0')}`
        if ((await attempt(session.transact([create(`${path}/${name}`)]))) === undefined)
          names.push(name)
        else await sleep(20)
      }
    })
    await until('some writes', () => names.length > 30)
    const leader = await ensemble.untilLed()
    await ensemble.kill(leader)
    const atDeath = names.length
    await until('writes after it', () => names.length > atDeath + 30)
    stop.abort()
    await Promise.all(writers)
    for (const session of sessions) t.false(session.ended.aborted)
    await ensemble.restart(leader)
    await ensemble.untilQuorum(3)
    for (const server of ensemble.servers) {
      await using reader = await connect({ servers: [server] })
      await reader.sync('/')
      const found = new Set(await reader.children(path))
      t.deepEqual(
        names.filter(name => !found.has(name)),
        [],
        server
      )
    }
    for (const session of sessions) await session[Symbol.asyncDispose]()
  }
)

test.serial(
  'without a quorum nothing is acknowledged, and nothing is lost on its return',
  async t => {
    await using session = await connect()
    await session.transact([create('/quorum'), create('/quorum/before')])
    const kept = ensemble.numberOf(session.server())
    const others = [1, 2, 3].filter(number => number !== kept)
    for (const number of others) await ensemble.kill(number)
    await until('the end of the connection', () => session.server() === undefined)
    const thrown = await attempt(session.transact([create('/quorum/never')]))
    t.is((thrown as Fault).code, 'unavailable')
    t.false(mayHaveHappened(thrown))
    const opened = await attempt(connect({ sessionMs: 2_000 }))
    t.is((opened as Fault).code, 'unavailable')
    for (const number of others) await ensemble.start(number)
    await ensemble.untilQuorum(3)
    await using next = await connect()
    await next.sync('/')
    t.deepEqual(await next.children('/quorum'), ['before'])
    await writeOn(next, '/quorum')
  }
)

test.serial('a busy main thread does not lose the lease, a hung one does lose it', async t => {
  await using session = await connect({ sessionMs: 12_000 })
  await session.transact([create('/busy')])
  session.keepLease({ path: '/busy', version: 0 })
  await until('a lease', () => session.leaseUntil() !== undefined)
  const still = new Int32Array(new SharedArrayBuffer(4))
  Atomics.wait(still, 0, 0, 14_000)
  t.true(session.leaseUntil()! > realClock.monotonic())
  t.false(session.ended.aborted)
  await writeOn(session, '/busy')

  await using hung = await connect({ hungMs: 5_000 })
  Atomics.wait(still, 0, 0, 7_000)
  await until('its end', () => hung.ended.aborted)
  t.regex((hung.ended.reason as Fault).message, /has not turned/)
})

test.serial('a reply that breaks off in its middle harms nothing that comes after', async t => {
  await using writer = await connect()
  await writer.transact([create('/large', randomBytes(700_000))])
  await using relay = await openRelay(ensemble.servers[0]!)
  await using session = await connect({ servers: [relay.address] })
  await session.sync('/')
  relay.cutAfter = relay.returned + 300_000
  const thrown = await attempt(session.read('/large'))
  t.is((thrown as Fault).code, 'unavailable')
  await until('a connection', () => session.server() !== undefined)
  t.is((await session.read('/large'))?.bytes.length, 700_000)
})

test.serial('the doctor finds a healthy ensemble healthy, and names who is missing', async t => {
  await ensemble.untilQuorum(3)
  const healthy = await checkEnsemble(ensemble)
  t.deepEqual(
    healthy.map(({ name, state }) => [name, state]),
    [['ensemble', 'ok']],
    healthy.map(({ found }) => found).join('; ')
  )
  await ensemble.kill(3)
  await ensemble.untilQuorum(2)
  const wounded = await checkEnsemble(ensemble)
  t.deepEqual(
    wounded.map(({ name, state }) => [name, state]),
    [
      ['ensemble', 'ok'],
      [ensemble.servers[2], 'warn']
    ]
  )
  await ensemble.start(3)
  await ensemble.untilQuorum(3)
})
