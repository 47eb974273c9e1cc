import test from 'ava'
import { until } from '../world/world-candidates.ts'
import { CandidateProcess } from './candidate-process.ts'
import { startEnsemble } from './zookeeper-ensemble.ts'

const sessionMs = 6_000
const secret = 'remuda:only for this test'
const create = (name: string) => ({
  method: 'POST',
  path: '/v1/tenants',
  body: { name, spec: {} },
  headers: { 'idempotency-key': name }
})

test('on a real ensemble what is written outlives kills, pauses and hand-overs', async t => {
  t.timeout(300_000)
  await using opened = new AsyncDisposableStack()
  const ensemble = opened.use(await startEnsemble())
  const all: CandidateProcess[] = []
  for (const name of ['c1', 'c2', 'c3']) {
    const given = { servers: ensemble.servers, secret, sessionMs }
    all.push(opened.use(await CandidateProcess.start({ name, ensemble: given })))
  }
  const leader = (but?: CandidateProcess) =>
    until(async () => {
      for (const one of all) {
        if (one !== but && (await one.cluster())?.state === 'leads') return one
      }
      return undefined
    })
  const written: string[] = []
  /** Writes through whoever answers, as often as it takes. */
  const write = async (name: string, but?: CandidateProcess): Promise<number> => {
    const begunAt = performance.now()
    await until(async () => {
      for (const one of all) {
        const answer = one === but ? undefined : await one.ask(create(name))
        if (answer?.status === 201) return true
      }
      return undefined
    })
    written.push(name)
    return Math.round(performance.now() - begunAt)
  }
  /** All three answer, and those that do not lead follow. */
  const settled = () =>
    until(async () => {
      const said = await Promise.all(all.map(one => one.cluster()))
      return said.every(one => one?.state === 'leads' || one?.state === 'follows')
    })
  await write('first')
  await settled()

  written.push(...(await writeThroughFollower(all)))

  const killed = await leader()
  killed.signal('SIGKILL')
  t.log(`killed ${killed.name}: written again after ${await write('killed', killed)} ms`)

  await settled()
  const stepped = await leader()
  const answer = await stepped.ask({ method: 'POST', path: '/v1/cluster/step-down' })
  t.is(answer?.status, 200)
  t.log(`${stepped.name} stepped down: written again after ${await write('stepped')} ms`)
  await until(() => stepped.ends.includes(75))

  await settled()
  const paused = await leader()
  const epoch = (await paused.cluster())!.epoch
  paused.signal('SIGSTOP')
  t.log(`paused ${paused.name}: written again after ${await write('paused', paused)} ms`)
  const next = await leader(paused)
  t.true((await next.cluster())!.epoch > epoch)
  paused.signal('SIGCONT')
  await until(() => paused.ends.includes(75))
  await write('continued')

  const seen = await until(async () => {
    const said = await Promise.all(all.map(one => one.cluster()))
    const isEven = said.every(one => one && one.position === said[0]!.position)
    return isEven && said.every(one => one?.state === 'leads' || one?.state === 'follows') && said
  })
  t.deepEqual(
    seen.map(one => one!.name),
    ['c1', 'c2', 'c3']
  )
  for (const one of all) {
    for (const name of written) {
      const found = await one.ask({ path: `/v1/tenants/${name}` })
      t.is(found?.status, 200, `${one.name} has ${name}`)
    }
  }
})

/** Writes through one that follows, and reads there what was written; gives the names of it. */
async function writeThroughFollower(all: readonly CandidateProcess[]): Promise<readonly string[]> {
  const follower = await until(async () => {
    for (const one of all) if ((await one.cluster())?.state === 'follows') return one
    return undefined
  })
  const names = Array.from({ length: 20 }, (_, number) => `passed-on-${number}`)
  for (const name of names) {
    // Of a server that is slow the outcome is unknown: then it is asked again, under the same key.
    await until(async () => (await follower.ask(create(name)))?.status === 201 || undefined)
    const read = { path: `/v1/tenants/${name}` }
    await until(async () => (await follower.ask(read))?.status === 200 || undefined)
  }
  return names
}
