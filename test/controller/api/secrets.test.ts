/** What is put in as a secret comes out by no way but the backup. */
import { request } from 'node:http'
import test, { type ExecutionContext } from 'ava'
import { makeLog } from '#shared/log.ts'
import { routesOf } from '../../../controller/io/api/app.ts'
import { joinHost, type WorldController, worldController } from '../../world/world-controller.ts'

/** Nothing else in a cloud has this in it. */
const marker = 'marker-4711-not-to-be-seen'
const device = { type: 'ipmi', address: 'bmc1', user: 'admin', secret: 'bmc' }
const logged: string[] = []

async function withSecret(
  t: ExecutionContext,
  work: (world: WorldController) => Promise<void>
): Promise<void> {
  t.timeout(60_000)
  const write = (line: string): void => void logged.push(line)
  const log = makeLog('controller', { level: 'debug', write })
  await using world = await worldController({ log })
  await joinHost(world)
  await work(world)
}

const put = (name: string, body: unknown) => ({
  method: 'PUT',
  path: `/v1/secrets/${name}`,
  body
})
const fence = (levels: readonly object[], dry = false) => ({
  method: 'PATCH',
  path: `/v1/hosts/h1${dry ? '?dryRun=1' : ''}`,
  body: { spec: { fence: levels } },
  headers: { 'if-match': '*' }
})

/** All that the stream of events says until a tenant of this name has come about. */
function eventsUntil(world: WorldController, tenant: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { socketPath: world.socket('admin'), path: '/v1/events', agent: false }
    const sent = request(options, answer => {
      let text = ''
      answer.setEncoding('utf8').on('data', chunk => {
        text += chunk
        if (!text.includes(`tenant/${tenant}`)) return
        sent.destroy()
        resolve(text)
      })
    })
    sent.on('error', reject)
    sent.setTimeout(30_000, () => sent.destroy(new Error('the events do not end')))
    sent.end()
  })
}

const names: Readonly<Record<string, string>> = { hosts: 'h1', pools: 'local', tenants: 'default' }

test('no route, event, history or log ever shows the value of a secret', t =>
  withSecret(t, async world => {
    const events = eventsUntil(world, 'last')
    t.is((await world.ask(put('bmc', { value: marker }))).status, 204)
    t.is((await world.ask(fence([{ devices: [device] }]))).status, 200)
    t.is((await world.ask(put('bmc', { value: marker }))).status, 204)
    const dry = await world.ask(fence([], true))
    const kept = await world.ask({ method: 'DELETE', path: '/v1/secrets/bmc' })
    t.is(kept.status, 409)
    t.regex(kept.problem.detail, /1 host could not be fenced without it/)
    const said = [dry.text, kept.text]
    const shown: string[] = []
    for (const { method, path } of routesOf(world.running.service)) {
      if (method !== 'GET' || path === '/v1/events') continue
      const name = names[path.split('/')[2] ?? ''] ?? 'bmc'
      const { text } = await world.ask({ path: path.replace(':name', name) })
      if (text.includes(marker)) shown.push(path)
      else said.push(text)
    }
    t.true(said.length > 40, String(said.length))
    await world.ask({ method: 'POST', path: '/v1/tenants', body: { name: 'last' } })
    for (const text of [...said, await events, ...logged]) t.false(text.includes(marker), text)
    t.true(said.some(text => text.includes('"bmc"')))
    t.deepEqual(shown, ['/v1/cluster/backup'], 'the backup holds what the journal holds')
  }))

const wrong: readonly (readonly [string, object, RegExp])[] = [
  ['a line break', put('bmc', { value: `${marker}\nx` }), /control character/],
  [
    'too many characters',
    put('bmc', { value: marker.repeat(100) }),
    /2600 characters, at most 1024/
  ],
  ['no text', put('bmc', { value: [marker] }), /its value is not text/],
  ['another field', put('bmc', { password: marker }), /its value is not text/],
  ['no object', put('bmc', marker), /its value is not text/],
  ['an empty value', put('bmc', { value: '' }), /its value is empty/],
  ['a name that is none', put('B%20', { value: marker }), /its name cannot be used/],
  [
    'half of a body',
    {
      method: 'PUT',
      path: '/v1/secrets/bmc',
      raw: `{"value": "${marker}`,
      headers: { 'content-type': 'application/json' }
    },
    /not JSON/
  ],
  [
    'a body of another form',
    {
      method: 'PUT',
      path: '/v1/secrets/bmc',
      raw: marker,
      headers: { 'content-type': 'application/merge-patch+json' }
    },
    /not JSON/
  ]
]

test('what is wrong with a secret is said without the secret', t =>
  withSecret(t, async world => {
    for (const [what, asked, says] of wrong) {
      const { status, problem, text } = await world.ask(asked as ReturnType<typeof put>)
      t.true(status >= 400 && status < 500, `${what}: ${text}`)
      t.regex([problem.detail, ...problem.reasons].join(' '), says, what)
      t.false(text.includes(marker.slice(0, 9)), text)
    }
    t.deepEqual((await world.ask({ path: '/v1/secrets' })).list.items, [])
  }))

test('a secret tells who set it, when, and who needs it, and goes once nobody does', t =>
  withSecret(t, async world => {
    await world.ask(put('bmc', { value: marker }))
    await world.ask(fence([{ devices: [device] }]))
    const [secret] = (await world.ask({ path: '/v1/secrets' })).list.items
    t.deepEqual(Object.keys(secret ?? {}), ['name', 'changedAt', 'by', 'hosts'])
    t.like(secret, { name: 'bmc', by: 'user/admin', hosts: ['h1'] } as object)
    t.is((await world.ask(fence([]))).status, 200)
    t.is((await world.ask({ method: 'DELETE', path: '/v1/secrets/bmc' })).status, 204)
    t.is((await world.ask({ method: 'DELETE', path: '/v1/secrets/bmc' })).status, 404)
  }))

test('readers see no secrets at all, not even their names', t =>
  withSecret(t, async world => {
    await world.ask(put('bmc', { value: marker }))
    const body = { name: 'eyes', role: 'reader' }
    const { json } = await world.ask({ method: 'POST', path: '/v1/tokens', body })
    const headers = { authorization: `Bearer ${json.token}` }
    t.is((await world.askTcp({ path: '/v1/secrets', headers })).status, 403)
    t.is((await world.askTcp({ path: '/v1/cluster/backup', headers })).status, 403)
  }))
