/** The journal in PostgreSQL, in a real one: its contract, and what a kill of the server leaves. */
import test from 'ava'
import { Fault, isFault } from '#shared/fault.ts'
import { type Log, silentLog } from '#shared/log.ts'
import { openPostgresJournal } from '../../controller/io/journal/postgres.ts'
import { openPostgres } from '../../controller/io/journal/postgres-connection.ts'
import { sharedSuite } from '../contracts/journal.ts'
import { rejects } from '../contracts/journal-bed.ts'
import { FaultyDatabase } from '../world/faulty-database.ts'
import { numbered, read } from '../world/numbered-commits.ts'
import { Authority } from './certificates.ts'
import { PostgresServer, postgresPassword as password } from './postgres.ts'

const recoverMsMax = 60_000
let server: PostgresServer
let databases = 0

test.before(async () => {
  server = await PostgresServer.start()
})
test.after.always(() => server?.[Symbol.asyncDispose]())

/** Makes an empty database and says where it is. */
async function makeDatabase(): Promise<string> {
  databases += 1
  const name = `cloud_${databases}`
  await using connection = await openPostgres({ url: server.url(), password })
  await connection.query(`create database ${name}`)
  return server.url(name)
}

sharedSuite(
  'the journal in PostgreSQL',
  async () => {
    const url = await makeDatabase()
    const faulty = new FaultyDatabase(openPostgres)
    return {
      shared: true,
      open: () => openPostgresJournal({ url, password, log: silentLog, openDatabase: faulty.open }),
      failNext: fate => faulty.failNext(fate),
      heal: () => faulty.heal(),
      [Symbol.asyncDispose]: async () => {}
    }
  },
  { serial: true }
)

test.serial(
  'when the server is killed under appends, all that it has acknowledged is there',
  async t => {
    const url = await makeDatabase()
    await using journal = await openPostgresJournal({ url, password, log: silentLog })
    let epoch = await journal.raiseEpoch()
    const acknowledged = new Map<number, number>()
    let number = 0
    for (let round = 1; round <= 3; round += 1) {
      const wanted = acknowledged.size + 200
      const writers = Array.from({ length: 16 }, async () => {
        for (;;) {
          number += 1
          const ours = number
          const position = await journal.append(numbered(ours), { epoch })
          acknowledged.set(position, ours)
          if (acknowledged.size === wanted) void server.kill()
        }
      })
      const outcomes = await Promise.allSettled(writers)
      t.true(outcomes.every(each => each.status === 'rejected' && isFault(each.reason)))
      await server.restart()
      const until = performance.now() + recoverMsMax
      for (;;) {
        try {
          await journal.recover()
          epoch = await journal.raiseEpoch()
          break
        } catch (thrown) {
          if (!isFault(thrown, 'unavailable') || performance.now() > until) throw thrown
        }
      }
      t.true(epoch > round)
      t.true(journal.head() >= acknowledged.size)
    }
    const entries = await read(journal)
    t.is(entries.length, journal.head())
    for (const [position, ours] of acknowledged) {
      t.deepEqual(entries[position - 1]?.commit, numbered(ours))
    }
  }
)

test.serial('a follower goes on after the server was killed', async t => {
  const url = await makeDatabase()
  await using journal = await openPostgresJournal({ url, password, log: silentLog })
  const epoch = await journal.raiseEpoch()
  await journal.append(numbered(1), { epoch })
  await using follower = await openPostgresJournal({ url, password, log: silentLog })
  const seen: number[] = []
  const stop = new AbortController()
  const seesAll = async (count: number) => {
    while (seen.length < count) await new Promise(resolve => setTimeout(resolve, 10))
  }
  const follow = async () => {
    for await (const { position } of follower.tail(seen.length, stop.signal)) seen.push(position)
  }
  const failing = follow()
  await Promise.race([failing, seesAll(1)])
  await server.restart()
  await rejects(t, failing, 'unavailable')
  await journal.append(numbered(2), { epoch }).catch(() => {})
  await journal.recover()
  const raised = await journal.raiseEpoch()
  await journal.append(numbered(3), { epoch: raised })
  const going = follow()
  await Promise.race([going, seesAll(journal.head())])
  stop.abort()
  await going
  t.deepEqual(
    seen,
    seen.map((_, at) => at + 1)
  )
})

test.serial('a second cloud in the same database is refused by name', async t => {
  const url = await makeDatabase()
  {
    await using _ = await openPostgresJournal({ url, password, cloud: 'north', log: silentLog })
  }
  const opened = openPostgresJournal({ url, password, cloud: 'south', log: silentLog })
  const fault = await rejects(t, opened, 'conflict')
  t.regex(fault.message, /it is of the cloud "north"/)
})

test.serial('a password is taken from its own place only, and is never said', async t => {
  const said: string[] = []
  const line = (message: string, fields: unknown) => said.push(message + JSON.stringify(fields))
  const log: Log = { debug: line, info: line, warn: line, error: line }
  const url = await makeDatabase()
  {
    await using journal = await openPostgresJournal({ url, password, log })
    await journal.raiseEpoch()
  }
  t.true(said.length > 0)
  const wrong = await rejects(
    t,
    openPostgresJournal({ url, password: 'not the password', log }),
    'forbidden'
  )
  const inUrl = url.replace('postgres:///', `postgres://remuda:${password}@localhost/`)
  const refused = await rejects(t, openPostgresJournal({ url: inUrl, log }), 'invalid')
  const nowhere = openPostgresJournal({ url: server.url('nowhere'), password, log })
  const missing = await rejects(t, nowhere, 'not-found')
  for (const fault of [wrong, refused, missing]) said.push(textOf(fault))
  t.false(said.some(each => each.includes(password) || each.includes('not the password')))
})

test.serial('where no server answers, opening says so', async t => {
  const url = server.url().replace(encodeURIComponent(server.folder), '%2Fnowhere')
  await rejects(t, openPostgresJournal({ url, password, log: silentLog }), 'unavailable')
})

test.serial('TLS is spoken only with a server whose certificate is for its address', async t => {
  await using authority = await Authority.make()
  await using stranger = await Authority.make()
  const address = `127.${100 + (process.pid % 100)}.${Math.floor(process.pid / 100) % 250}.9`
  const signed = await authority.sign('database', [address])
  await using server = await PostgresServer.start({ address, ...signed })
  const open = (url: string, ca: string) =>
    openPostgresJournal({ url, password, log: silentLog, tls: { ca } })
  {
    await using journal = await open(server.url(), authority.certificate)
    const epoch = await journal.raiseEpoch()
    t.is(await journal.append(numbered(1), { epoch }), 1)
  }
  await rejects(t, open(server.url(), stranger.certificate), 'unavailable')
  const elsewhere = await authority.sign('elsewhere', ['127.0.0.200'])
  await using other = await PostgresServer.start({
    address: address.replace(/9$/, '10'),
    ...elsewhere
  })
  await rejects(t, open(other.url(), authority.certificate), 'unavailable')
})

const textOf = (thrown: unknown): string =>
  thrown instanceof Fault
    ? [thrown.message, ...thrown.reasons, ...thrown.next, thrown.stack, textOf(thrown.cause)].join()
    : String(thrown)
