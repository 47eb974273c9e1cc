/** The power of hosts as it is typed, against an API that tells what it is told to. */
import test from 'ava'
import { type FakeAnswer, FakeApi, problem } from '../../world/fake-api.ts'
import { typeLine } from './type-line.ts'

const device = { level: 1, name: 'IPMI at 10.0.9.2', power: 'on', reachable: true }

type Story = {
  /** What the fence of h2 says while it is switched, look after look. */
  readonly underway?: readonly string[]
  /** What its history says at the end. */
  readonly end?: { readonly verb: string; readonly because: string }
  readonly refusal?: FakeAnswer
}

/** A host h2 with a device, and h3 without; a wish is done after a few looks. */
async function cloudOf({ underway = [], end, refusal }: Story = {}): Promise<FakeApi> {
  const api = await FakeApi.start()
  api.resources.put({ kind: 'host', name: 'h2' }, { status: { phase: 'offline' } })
  api.resources.put({ kind: 'host', name: 'h3' }, { status: { phase: 'online' } })
  const left = [...underway]
  const power = { step: 'off', since: '2026-11-20T10:00:00.000Z' }
  api.intercept = ({ method, path, query }): FakeAnswer | undefined => {
    if (path === '/v1/hosts/h2/power') {
      if (refusal) return refusal
      if (query.get('dryRun') === '1') return { status: 200, body: { dryRun: true, changed: true } }
      const status = { phase: 'offline', power }
      return { status: 200, body: api.resources.put({ kind: 'host', name: 'h2' }, { status }) }
    }
    const fence = /^\/v1\/hosts\/(h\d)\/fence$/.exec(path)?.[1]
    if (fence === 'h3') {
      return { status: 200, body: { host: 'h3', state: 'no-device', devices: [], plan: [] } }
    }
    if (fence === 'h2') {
      const sentence = left.shift()
      if (sentence === undefined && underway.length > 0) {
        api.resources.put({ kind: 'host', name: 'h2' }, { status: { phase: 'offline' } })
      }
      const now = sentence === undefined ? {} : { underway: { want: 'off', story: [sentence] } }
      return {
        status: 200,
        body: { host: 'h2', state: 'ready', devices: [device], plan: [], ...now }
      }
    }
    if (method === 'GET' && path === '/v1/hosts/h2/history') {
      const at = new Date(Date.now() + 1_000).toISOString()
      const told = { position: 7, at, by: 'controller', subjects: ['host/h2'], ...end }
      return { status: 200, body: { items: end ? [told] : [] } }
    }
    return undefined
  }
  return api
}

const wishes = (api: FakeApi) =>
  api.asked
    .filter(({ path }) => path.endsWith('/power'))
    .map(({ body, query }) => [query.get('dryRun') ?? '', JSON.parse(body.toString()) as object])

test('what devices read is shown of all hosts, and of one', async t => {
  await using api = await cloudOf()
  const all = await typeLine('power status', { server: api.url })
  t.is(all.code, 0, all.errors)
  t.regex(all.output, /^h2 +offline +on +IPMI at 10\.0\.9\.2 +-$/m)
  t.regex(all.output, /^h3 +online +unknown +no device: remuda host fence set +-$/m)
  const one = await typeLine('power status h2 -o json', { server: api.url })
  const { items } = JSON.parse(one.output) as { readonly items: readonly object[] }
  t.is(items.length, 1)
  t.like(items[0], { host: 'h2', devices: [{ device: device.name, power: 'on' }] } as object)
})

test('power that is cut is asked for once, followed, and told as it was read back', async t => {
  const because = 'its devices have read off twice'
  await using api = await cloudOf({
    underway: ['cuts the power', 'cuts the power', 'read off once'],
    end: { verb: 'powered-off', because }
  })
  const { code, output, errors } = await typeLine('power off h2 --yes', { server: api.url })
  t.is(code, 0, errors)
  t.is(errors, 'cuts the power\nread off once\n')
  t.is(output, `host/h2: ${because}\n`)
  t.deepEqual(wishes(api), [
    ['1', { want: 'off', force: false }],
    ['', { want: 'off', force: false }]
  ])
})

test('power that was not read as wanted ends with 1 and the reason', async t => {
  const end = { verb: 'power-failed', because: 'no device has read off within 120 s' }
  await using api = await cloudOf({ underway: ['cuts the power'], end })
  const { code, output } = await typeLine('power cycle h2 --yes --force', { server: api.url })
  t.is(code, 1)
  t.is(output, `host/h2: ${end.because}\n`)
  t.deepEqual(wishes(api).at(-1), ['', { want: 'cycle', force: true }])
})

test('cutting power is asked for by name; giving it is not', async t => {
  await using api = await cloudOf({ underway: ['x'], end: { verb: 'powered-on', because: 'on' } })
  const unasked = await typeLine('power off h2', { server: api.url })
  t.is(unasked.code, 2)
  t.regex(unasked.errors, /without asking/)
  const terminal = { columns: 200, typed: 'h3\n' }
  const other = await typeLine('power off h2', { server: api.url, terminal })
  t.is(other.code, 1)
  t.regex(other.errors, /Cut the power of h2\? Type h2 to go on:/)
  t.deepEqual(
    wishes(api).filter(([dry]) => dry === ''),
    [],
    'nothing was done'
  )
  t.is((await typeLine('power on h2', { server: api.url })).code, 0)
})

test('what would be refused is refused before anybody is asked', async t => {
  const refusal = problem(409, 'conflict', 'cannot cut the power of host h2: it is in service')
  await using api = await cloudOf({ refusal })
  const { code, errors } = await typeLine('power off h2', { server: api.url })
  t.is(code, 4)
  t.regex(errors, /it is in service/)
  t.is(wishes(api).length, 1)
})

test('a dry run does nothing, and a wish that is not waited for is only recorded', async t => {
  await using api = await cloudOf()
  const dry = await typeLine('power cycle h2 --dry-run', { server: api.url })
  t.is(dry.output, 'host/h2 may be switched (nothing was done)\n')
  t.deepEqual(wishes(api), [['1', { want: 'cycle', force: false }]])
  const short = await typeLine('power off h2 --yes --no-wait', { server: api.url })
  t.is(short.output, 'host/h2 is switched: remuda power status h2\n')
})

test('a switch that takes too long ends the waiting, and says how it stands', async t => {
  const underway = Array.from({ length: 1_000 }, () => 'tries level 1')
  await using api = await cloudOf({ underway })
  const line = 'power off h2 --yes --timeout 1s'
  const { code, errors } = await typeLine(line, { server: api.url })
  t.not(code, 0)
  t.regex(errors, /cannot see host h2 switched in time/)
  t.regex(errors, /it is switched off since 2026-11-20T10:00:00\.000Z, and goes on/)
})
