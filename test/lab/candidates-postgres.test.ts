/** Whole controllers whose journal is in PostgreSQL: elected by an ensemble, and one alone. */
import test, { type ExecutionContext } from 'ava'
import { silentLog } from '#shared/log.ts'
import { openPostgresJournal } from '../../controller/io/journal/postgres.ts'
import { openPostgres } from '../../controller/io/journal/postgres-connection.ts'
import { read } from '../world/numbered-commits.ts'
import { until } from '../world/world-candidates.ts'
import { CandidateProcess, rivalCode } from './candidate-process.ts'
import { PostgresServer, postgresPassword as password } from './postgres.ts'
import { startEnsemble } from './zookeeper-ensemble.ts'

const sessionMs = 2_000
const secret = 'remuda:only for this test'
let server: PostgresServer

test.before(async () => {
  server = await PostgresServer.start()
})
test.after.always(() => server?.[Symbol.asyncDispose]())

/** Makes an empty database and says where it is. */
async function makeDatabase(name: string) {
  await using connection = await openPostgres({ url: server.url(), password })
  await connection.query(`create database ${name}`)
  return { url: server.url(name), password }
}

const create = (name: string) => ({
  method: 'POST',
  path: '/v1/tenants',
  body: { name, spec: {} },
  headers: { 'idempotency-key': name }
})

/** Asks one after another until one has recorded a tenant. */
const write = (name: string, some: readonly CandidateProcess[]) =>
  until(async () => {
    for (const one of some) if ((await one.ask(create(name)))?.status === 201) return one
    return undefined
  })

/** All that was acknowledged is there, the chain holds, and no epoch comes after a later one. */
async function judge(
  t: ExecutionContext,
  database: { readonly url: string; readonly password: string },
  names: readonly string[]
): Promise<void> {
  await using journal = await openPostgresJournal({ ...database, log: silentLog })
  const entries = await read(journal)
  t.deepEqual(
    entries.map(({ position }) => position),
    entries.map((_, at) => at + 1)
  )
  const epochs = entries.map(({ epoch }) => epoch)
  t.deepEqual(
    epochs,
    epochs.toSorted((a, b) => a - b)
  )
  const tenants = entries.flatMap(({ commit }) =>
    commit.changes.flatMap(change =>
      change.op === 'put' && change.resource.kind === 'tenant' ? [change.resource.name] : []
    )
  )
  for (const name of names) t.is(tenants.filter(each => each === name).length, 1, name)
  t.false(tenants.includes('late'))
}

test.serial('elected by an ensemble, the next one goes on in the database', async t => {
  t.timeout(300_000)
  const postgres = await makeDatabase('elected')
  await using opened = new AsyncDisposableStack()
  const { servers } = opened.use(await startEnsemble({ count: 1 }))
  const all: CandidateProcess[] = []
  for (const name of ['p1', 'p2']) {
    const given = { name, ensemble: { servers, secret, sessionMs }, postgres }
    all.push(opened.use(await CandidateProcess.start(given)))
  }
  /** Who leads, once the other one follows. */
  const leader = () =>
    until(async () => {
      const said = await Promise.all(all.map(one => one.cluster()))
      const follows = said.some(each => each?.state === 'follows')
      return follows ? all.find((_, at) => said[at]?.state === 'leads') : undefined
    })
  await write('first', all)

  const killed = await leader()
  killed.signal('SIGKILL')
  await write(
    'killed',
    all.filter(one => one !== killed)
  )

  const paused = await leader()
  const others = all.filter(one => one !== paused)
  const epoch = (await paused.cluster())!.epoch
  paused.signal('SIGSTOP')
  const late = paused.ask(create('late'))
  await write('paused', others)
  t.true((await others[0]!.cluster())!.epoch > epoch)
  paused.signal('SIGCONT')
  t.not((await late)?.status, 201)
  await until(() => paused.ends.includes(75))
  await leader()
  for (const one of all) {
    for (const name of ['first', 'killed', 'paused']) {
      const found = () => one.ask({ path: `/v1/tenants/${name}` })
      await until(async () => (await found())?.status === 200)
    }
  }
  await judge(t, postgres, ['first', 'killed', 'paused'])
})

test.serial(
  'alone with a database, it goes on after a kill, until another one takes it',
  async t => {
    t.timeout(300_000)
    const postgres = await makeDatabase('alone')
    await using first = await CandidateProcess.start({ name: 'a1', postgres })
    await write('first', [first])
    first.signal('SIGKILL')
    await until(() => first.ends.includes('SIGKILL'))
    await write('killed', [first])
    t.is((await first.ask({ path: '/v1/tenants/first' }))?.status, 200)

    await using second = await CandidateProcess.start({ name: 'a2', postgres })
    await until(async () => (await second.ask({ path: '/v1/tenants/killed' }))?.status === 200)
    const refused = await first.ask(create('late'))
    t.log(`the first one: ${refused?.status} ${refused?.text}, ends ${first.ends}`)
    t.log(first.log.slice(-3).join('\n'))
    t.not(refused?.status, 201)
    await until(async () => first.ends.includes(rivalCode))
    t.true(first.log.some(line => line.includes('another controller uses the same journal')))
    await write('second', [second])
    await judge(t, postgres, ['first', 'killed', 'second'])
  }
)
