/** Draining, resuming and rolling over hosts, against an API that tells what it is told to. */
import test from 'ava'
import { type FakeAnswer, FakeApi } from '../../world/fake-api.ts'
import { typeLine } from './type-line.ts'

type Duty = Readonly<Record<string, unknown>>

const leaving = {
  ...{ tenant: 'default', name: 'web', state: 'leaving', because: 'sending', to: 'h3' },
  ...{ live: true, totalMib: 128, remainingMib: 32, mibPerSecond: 10, writtenMibPerSecond: 2 }
}
const held = {
  tenant: 'default',
  name: 'db',
  state: 'held',
  because: 'none of 2 hosts can take it'
}
const stays = { tenant: 'ann', name: 'box', state: 'stays', because: 'it is a container' }
const draining = (...instances: readonly object[]): Duty => ({
  ...{ state: 'draining', total: 3, done: 1, stillMsMax: 40, instances }
})
const out: Duty = { state: 'maintenance', total: 3, done: 2, instances: [stays] }

/** Each look at the host shows the next of these duties; the last one stays. */
async function cloudWith(duties: readonly (Duty | undefined)[]): Promise<FakeApi> {
  const api = await FakeApi.start()
  let looks = 0
  api.intercept = ({ method, path, query }): FakeAnswer | undefined => {
    if (!path.startsWith('/v1/hosts')) return undefined
    if (query.get('dryRun') === '1') {
      const going = { ...leaving, state: 'goes', because: 'h3 has the most free memory' }
      return { status: 200, body: { dryRun: true, changed: true, plan: [going, held, stays] } }
    }
    const at = Math.min(looks, duties.length - 1)
    const isOne = /^\/v1\/hosts\/h2(\?|$)/.test(path)
    if (method === 'GET' && isOne) looks += 1
    const duty = duties[at]
    const status = { phase: duty ? String(duty['state']) : 'online', ...(duty && { duty }) }
    const host = {
      ...{ kind: 'host', id: 'h-2', name: 'h2', labels: {}, spec: {}, status, conditions: [] },
      ...{ generation: 1, observedGeneration: 1, createdAt: '2026-11-20T10:00:00.000Z' }
    }
    const isList = /^\/v1\/hosts(\?|$)/.test(path)
    return { status: 200, body: isList ? { kind: 'list', items: [host] } : host }
  }
  return api
}

const asked = (api: FakeApi): readonly string[] =>
  api.asked.filter(({ method }) => method === 'POST').map(({ path }) => path)

test('the plan of a drain says who goes where, who waits and who stays', async t => {
  await using api = await cloudWith([undefined])
  const { code, output } = await typeLine('host drain h2 --plan', { server: api.url })
  t.is(code, 0)
  t.regex(output, /^web +live +h3 +h3 has the most free memory$/m)
  t.regex(output, /^db +held +- +none of 2 hosts can take it$/m)
  t.regex(output, /^ann\/box +stays +- +it is a container$/m)
  t.regex(output, /^1 live, 1 held for want of a host, 1 stay \(nothing was done\)$/m)
})

test('a drain that is waited for says how far it is, and at the end who stays', async t => {
  await using api = await cloudWith([draining(leaving), draining(leaving), out])
  const line = 'host drain h2 --wait --parallel 3 --bandwidth 100 --downtime 50ms'
  const { code, output, errors } = await typeLine(line, { server: api.url })
  t.is(code, 0, errors)
  t.regex(errors, /^h2: 1 of 3 have left; web to h3, 75 %, 32 MiB left, about 4 s; .* 40 ms$/m)
  t.regex(output, /^host\/h2 out of service: 2 of 3 instances have left in/)
  t.regex(output, /^ {2}box stays: it is a container$/m)
  const sent = api.asked.find(({ method }) => method === 'POST')!
  const body: unknown = JSON.parse(sent.body.toString())
  t.deepEqual(body, { parallel: 3, bandwidthMib: 100, downtimeMs: 50 })
})

const speeds = [
  [
    'sending',
    8,
    /web to h3, 75 %, 32 MiB left, no end in sight: it writes 8 MiB\/s, 10 MiB\/s are/
  ],
  ['crossing', 8, /web to h3, runs there already, 75 %, 32 MiB left, about 3.2 s/]
] as const
for (const [phase, writtenMibPerSecond, expected] of speeds) {
  test(`what is said of the end of one that is ${phase} is what is to be expected`, async t => {
    const way = { ...leaving, phase, writtenMibPerSecond }
    await using api = await cloudWith([draining(way), draining(way), out])
    const { errors } = await typeLine('host drain h2 --wait', { server: api.url })
    t.regex(errors, expected)
  })
}

test('a drain that cannot go on ends the waiting and says what is missing', async t => {
  await using api = await cloudWith([draining(held)])
  const { code, errors } = await typeLine('host drain h2 --wait', { server: api.url })
  t.is(code, 1)
  t.regex(errors, /cannot drain host h2: 1 instance has nowhere to go/)
  t.regex(errors, /db: none of 2 hosts can take it/)
  t.regex(errors, /to stop it: remuda host resume h2/)
})

test('who stops waiting is told that the drain goes on', async t => {
  await using api = await cloudWith([draining(leaving)])
  const stop = new AbortController()
  const watch = (_: string, errors: string) => {
    if (errors.includes('have left')) stop.abort()
  }
  const options = { server: api.url, interrupted: stop.signal, watch }
  const { code, errors } = await typeLine('host drain h2 --wait', options)
  t.is(code, 130)
  t.regex(errors, /what was asked for is recorded and goes on/)
})

test('hosts are drained and resumed one after another, and the first failure ends it', async t => {
  await using api = await cloudWith([undefined, out, undefined])
  const { code, output, errors } = await typeLine('host roll h2', { server: api.url })
  t.is(code, 0, errors)
  t.regex(output, /^1 host, 1 at a time: h2; each is emptied, used again$/m)
  t.regex(
    output,
    /^..:..:.. {2}host\/h2 is out of service: 2 of 3 .*; box stays: it is a container/m
  )
  t.regex(output, /^..:..:.. {2}host\/h2 is in use again \(.*\), 1 of 1$/m)
  t.deepEqual(asked(api), ['/v1/hosts/h2/drain', '/v1/hosts/h2/resume'])

  await using full = await cloudWith([undefined, draining(held)])
  const failed = await typeLine('host roll --back --parallel 3', { server: full.url })
  t.is(failed.code, 1)
  t.regex(failed.errors, /cannot drain host h2: .*\n.*db: none of 2 hosts/)
  t.regex(failed.errors, /h2 is draining now, and stays so/)
  t.regex(failed.errors, /0 of 1 hosts are done, 0 not begun/)
  t.regex(failed.errors, /remuda host resume h2 && remuda host roll h2 --back --parallel 3/)
  t.deepEqual(asked(full), ['/v1/hosts/h2/drain'])
})
