import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test from 'ava'
import { type FakeAnswer, FakeApi } from '../../world/fake-api.ts'
import { typeLine } from './type-line.ts'

const value = 'hunter2-marker'
const healing = {
  armed: false,
  disarmed: { at: '2026-11-20T10:00:00.000Z', by: 'user/ann', because: 'new switch' },
  reserveHosts: 1,
  reserveDomain: 'rack',
  reserveBroken: ['if h2 is lost, web (2048 MiB) could start nowhere'],
  watches: true,
  brake: { missing: ['h1', 'h2'], hosts: 3, most: 1 },
  fenced: [
    {
      ...{ host: 'h4', phase: 'fenced', since: '2026-11-20T10:00:00.000Z' },
      ...{ because: 'not heard for 3 s', progress: 'read off twice' }
    }
  ],
  suspects: [
    { host: 'h1', hold: 'brake', because: '2 of 3 are missing', next: 'remuda host confirm-off h1' }
  ],
  exposed: [{ host: 'h3', state: 'no-device', because: 'it has no fence device' }]
}

/** An API that says this of healing and takes secrets. */
async function fakeApi(said: object = healing): Promise<FakeApi> {
  const api = await FakeApi.start()
  api.intercept = ({ method, path }): FakeAnswer | undefined => {
    if (path.startsWith('/v1/ha')) return { status: 200, body: said }
    if (path === '/v1/secrets') {
      const secret = { name: 'bmc', changedAt: '2026-11-20T10:00:00.000Z', by: 'user/ann' }
      return { status: 200, body: { kind: 'list', items: [{ ...secret, hosts: ['h1'] }] } }
    }
    if (path.startsWith('/v1/secrets/')) return { status: method === 'GET' ? 404 : 204 }
    return undefined
  }
  return api
}

const bodyOf = (api: FakeApi): unknown => JSON.parse(api.asked.at(-1)!.body.toString())

test('ha status says what is armed, missing, reserved, fenced, held and exposed', async t => {
  await using api = await fakeApi()
  const { code, output } = await typeLine('ha status', { server: api.url })
  t.is(code, 0)
  for (const says of [
    /^fencing +disarmed since .* by user\/ann: new switch; remuda ha arm$/m,
    /^missing +2 of 3: h1, h2; 1 at once is fenced, more are not$/m,
    /^reserve +room is kept for the loss of any 1 host, or of any one rack$/m,
    /^! if h2 is lost, web \(2048 MiB\) could start nowhere$/m,
    /^h4 +fenced +.* ago +read off twice +not heard for 3 s$/m,
    /^h1 +brake +2 of 3 are missing +remuda host confirm-off h1$/m,
    /^h3 +no-device +it has no fence device/m
  ]) {
    t.regex(output, says)
  }
  const raw = await typeLine('ha status -o json', { server: api.url })
  t.deepEqual(JSON.parse(raw.output), healing)
})

test('where all is well, ha status has no tables', async t => {
  const brake = { missing: [], hosts: 3, most: 1 }
  const well = { armed: true, reserveHosts: 0, watches: true, brake }
  await using api = await fakeApi({ ...well, fenced: [], suspects: [], exposed: [] })
  const { output } = await typeLine('ha status', { server: api.url })
  t.is(output.split('\n').length, 8, output)
  t.regex(output, /^fencing +armed$/m)
})

const changes: readonly (readonly [readonly string[], string, unknown, RegExp])[] = [
  [
    ['ha', 'disarm', '--because', 'new switch'],
    'POST /v1/ha/disarm',
    { because: 'new switch' },
    /^disarmed since .* by user\/ann: no host is fenced until "remuda ha arm"$/m
  ],
  [
    ['ha', 'set', '--reserve-hosts', '1', '--reserve-domain', 'rack'],
    'PATCH /v1/ha',
    { reserveHosts: 1, reserveDomain: 'rack' },
    /^reserve: room is kept/
  ],
  [['ha', 'set', '--reserve-domain', 'none'], 'PATCH /v1/ha', { reserveDomain: null }, /^reserve/],
  [
    ['ha', 'set', '--brake-share', '50', '--fences-per-rack', '2'],
    'PATCH /v1/ha',
    { brakePercent: 50, fencesPerRack: 2 },
    /^brake: 1 at once is fenced.*; racks: hosts of a rack are fenced one at a time$/m
  ],
  [['ha', 'set', '--brake-share', '0'], 'PATCH /v1/ha', { brakePercent: null }, /^brake: 1 at once/]
]

for (const [line, what, body, says] of changes) {
  test(`remuda ${line.join(' ')} asks for ${what}`, async t => {
    await using api = await fakeApi()
    const { code, output } = await typeLine(line, { server: api.url })
    t.is(code, 0)
    const { method, path: asked } = api.asked.at(-1)!
    t.is(`${method} ${asked}`, what)
    t.deepEqual(bodyOf(api), body)
    t.regex(output, says)
  })
}

test('who disarms is told of the fences that go on', async t => {
  const [known] = healing.fenced
  const progress = 'bootd: attempt 3, level 1: no answer'
  const running = { ...known, host: 'h3', phase: 'fencing', progress }
  await using api = await fakeApi({ ...healing, fenced: [known, running] })
  const { output } = await typeLine(['ha', 'disarm', '--because', 'new switch'], {
    server: api.url
  })
  t.regex(output, /no other host is fenced.*gone on with: h3 \(bootd: attempt 3.*no answer\)$/m)
})

test('to disarm without a reason, or to set nothing, is no command', async t => {
  t.is((await typeLine('ha disarm')).code, 2)
  t.is((await typeLine('ha set')).code, 2)
})

test('a secret comes from a file or standard input, and is never shown', async t => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'remuda-secret-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'password')
  fs.writeFileSync(file, `${value}\n`)
  await using api = await fakeApi()
  for (const [line, input] of [
    [`secret set bmc --file ${file} --debug`, ''],
    ['secret set bmc --debug', `${value}\n`],
    ['secret set bmc -f -', value]
  ] as const) {
    const { code, output, errors } = await typeLine(line, { server: api.url, input })
    t.is(code, 0, errors)
    t.is(output, 'secret/bmc set\n')
    t.false(errors.includes(value), errors)
    t.deepEqual(bodyOf(api), { value })
  }
})

test('on a terminal a secret is asked for, and what is typed does not appear', async t => {
  await using api = await fakeApi()
  const terminal = { columns: 80, typed: `${value}\n` }
  const { code, output, errors } = await typeLine('secret set bmc', { server: api.url, terminal })
  t.is(code, 0, errors)
  t.regex(errors, /Value of secret bmc \(it is not shown\)/)
  t.false(`${output}${errors}`.includes(value))
  t.deepEqual(bodyOf(api), { value })
})

test('secrets are listed with who needs them, and deleted after asking', async t => {
  await using api = await fakeApi()
  const { output } = await typeLine('secret list', { server: api.url })
  t.regex(output, /^bmc +.* ago +user\/ann +h1$/m)
  t.is((await typeLine('secret list -o name', { server: api.url })).output, 'secret/bmc\n')
  t.is((await typeLine('secret delete bmc', { server: api.url })).code, 2)
  const { code } = await typeLine('secret delete bmc --yes', { server: api.url })
  t.is(code, 0)
  t.is(api.asked.at(-1)?.method, 'DELETE')
})

test('who confirms that a host is off is told what comes of it, and types its name', async t => {
  await using api = await FakeApi.start()
  api.resources.put({ kind: 'host', name: 'h2' }, { status: { phase: 'silent' } })
  const because = ['user/ann has seen that it is off', '3 start elsewhere: instance/web']
  api.intercept = ({ path: asked, query }) =>
    asked === '/v1/hosts/h2/confirm-off' && query.get('dryRun') === '1'
      ? { status: 200, body: { dryRun: true, changed: true, decision: { changes: [], because } } }
      : undefined
  const line = 'host confirm-off h2'
  const typed = (text: string) => ({ server: api.url, terminal: { columns: 80, typed: text } })
  const { errors } = await typeLine(line, typed('y\n'))
  t.regex(errors, /3 start elsewhere: instance\/web/)
  t.regex(errors, /run twice and destroy each other's volumes\. Type h2 to go on:/)
  t.regex(errors, /it was not confirmed, and nothing was done/)
  const said = () => api.asked.filter(({ query }) => !query.has('dryRun')).map(one => one.path)
  t.deepEqual(said(), [])
  await typeLine(line, typed('h2\n'))
  t.deepEqual(said(), ['/v1/hosts/h2/confirm-off'])
  t.is((await typeLine(line, { server: api.url })).code, 2)
})

const heal = { armed: true, fencing: 0, suspects: 0, exposed: 0 }

for (const [what, said, line] of [
  ['all is well', heal, 'armed'],
  ['it is disarmed', { ...heal, armed: false }, 'disarmed: no host is fenced: remuda ha status'],
  [
    'hosts are ill',
    { ...heal, fencing: 1, suspects: 2, exposed: 3 },
    '1 being fenced, 2 not heard, 3 could not be fenced: remuda ha status'
  ]
] as const) {
  test(`status says in one line where ${what}`, async t => {
    await using api = await FakeApi.start()
    const usual = (await (await fetch(`${api.url}/v1/status`)).json()) as object
    api.intercept = ({ path: asked }) =>
      asked === '/v1/status' ? { status: 200, body: { ...usual, healing: said } } : undefined
    const { output } = await typeLine('status', { server: api.url })
    t.is(/^healing +(.*)$/m.exec(output)?.[1], line)
  })
}
