import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test from 'ava'
import { Fault, type FaultCode } from '#shared/fault.ts'
import { chooseAddresses } from '../../../tools/cli/api/address.ts'
import { Api } from '../../../tools/cli/api/client.ts'
import { createResource } from '../../../tools/cli/api/resources.ts'
import { masked } from '../../../tools/cli/api/trace.ts'
import { describeFailure, exitCodeOf, UsageFault } from '../../../tools/cli/failure.ts'
import type { Settings } from '../../../tools/cli/settings.ts'
import { FakeApi, problem } from '../../world/fake-api.ts'
import { typeLine } from './type-line.ts'

const settings = (parts: Partial<Settings>): Settings => ({
  state: '/nonexistent',
  lab: '/nonexistent',
  isLab: false,
  servers: [],
  tokenFile: undefined,
  tenant: undefined,
  tenantNamed: false,
  format: undefined,
  quiet: false,
  debug: false,
  noColour: false,
  ...parts
})

function makeState(t: { teardown: (act: () => void) => void }): string {
  const state = fs.mkdtempSync(path.join(os.tmpdir(), 'remuda-cli-'))
  t.teardown(() => fs.rmSync(state, { recursive: true, force: true }))
  fs.mkdirSync(path.join(state, 'run'))
  fs.writeFileSync(path.join(state, 'admin.token'), 'rmd_local\n', { mode: 0o600 })
  return state
}

test('the way goes over the admin socket, else the readers’ one, else the local port', t => {
  const state = makeState(t)
  const token = 'rmd_local'
  t.like(chooseAddresses(settings({ state })), [{ via: 'url', token }])
  const reader = path.join(state, 'run', 'read.sock')
  fs.writeFileSync(reader, '')
  t.deepEqual(chooseAddresses(settings({ state })), [{ via: 'socket', path: reader }])
  const admin = path.join(state, 'run', 'admin.sock')
  fs.writeFileSync(admin, '')
  t.deepEqual(chooseAddresses(settings({ state })), [{ via: 'socket', path: admin }])
  t.deepEqual(chooseAddresses(settings({ state, servers: ['unix:/x/y.sock'] })), [
    { via: 'socket', path: '/x/y.sock' }
  ])
})

test('the token of this machine is sent to no other one', t => {
  const state = makeState(t)
  const tokenFor = (server: string, tokenFile?: string) => {
    const address = chooseAddresses(settings({ state, servers: [server], tokenFile }))[0]!
    return address.via === 'url' ? address.token : undefined
  }
  t.is(tokenFor('http://127.0.0.1:7410'), 'rmd_local')
  t.is(tokenFor('http://localhost:7410'), 'rmd_local')
  t.is(tokenFor('https://cloud.example.org'), undefined)
  t.is(tokenFor('https://127.0.0.1.example.org'), undefined)
  t.is(tokenFor('https://cloud.example.org', path.join(state, 'admin.token')), 'rmd_local')
  t.throws(() => tokenFor('http://x', '/nonexistent/token'), { message: /cannot read the token/ })
  t.throws(() => tokenFor('ftp://x'), { instanceOf: UsageFault })
})

test('a token opens the API, and without one the way to it is told', async t => {
  const state = makeState(t)
  await using api = await FakeApi.start({ token: 'rmd_local' })
  const environment = { REMUDA_STATE: state }
  t.is((await typeLine('status', { server: api.url, environment })).code, 0)
  const refused = await typeLine('status', { server: api.url })
  t.is(refused.code, 5)
  t.regex(
    refused.errors,
    /^error: cannot show the status: no token\n {2}why {3}only its sockets.*\n {2}next {2}on the m/
  )
})

test('a socket is spoken to like a port', async t => {
  const state = makeState(t)
  await using api = await FakeApi.start({ socketPath: path.join(state, 'run', 'admin.sock') })
  t.is((await typeLine('size list', { environment: { REMUDA_STATE: state } })).code, 0)
  t.is(api.asked[0]?.path, '/v1/sizes')
})

test('a create that lost its connection is said once more, under the same key', async t => {
  await using fake = await FakeApi.start()
  let cuts = 0
  fake.intercept = ({ method }) => (method === 'POST' && cuts++ === 0 ? 'cut' : undefined)
  await using api = new Api({ via: 'url', url: new URL(fake.url), token: undefined })
  const spec = { vcpus: 1, memoryMib: 64 }
  const { document } = await createResource(api, { kind: 'size', name: 's' }, { spec })
  t.is(document?.name, 's')
  const keys = fake.asked.map(asked => asked.headers['idempotency-key'])
  t.is(keys.length, 2)
  t.is(keys[0], keys[1])
  t.regex(keys[0] as string, /^[0-9a-f-]{36}$/)
})

test('one that loses it again is told, and a change is never said twice', async t => {
  await using api = await FakeApi.start()
  api.resources.put({ kind: 'size', name: 's' }, { spec: { vcpus: 1 } })
  api.intercept = ({ method }) => (method === 'GET' ? undefined : 'cut')
  const create = await typeLine('size create z --vcpus 1 --memory 64', { server: api.url })
  t.is(create.code, 6)
  t.regex(create.errors, /cannot create size\/z: the connection to http:\S+ was lost/)
  t.is(api.asked.filter(({ method }) => method === 'POST').length, 2)
  const remove = await typeLine('size delete s --yes', { server: api.url })
  t.is(remove.code, 6)
  t.is(api.asked.filter(({ method }) => method === 'DELETE').length, 1)
})

test('an answer that does not come in time is given up', async t => {
  const { createServer } = await import('node:http')
  const server = createServer(() => {})
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await using api = new Api({
    via: 'url',
    url: new URL(`http://127.0.0.1:${port}`),
    token: undefined
  })
  const ask = { method: 'GET', path: '/', deadlineMs: 20, doing: 'ask' } as const
  const fault = await t.throwsAsync(api.ask(ask), { instanceOf: Fault })
  t.regex(fault?.message ?? '', /^cannot ask: no answer from http:\S+ within 20 ms$/)
  t.is(exitCodeOf(fault), 7)
  server.closeAllConnections()
  server.close()
})

test('lists are read page by page to their end', async t => {
  await using api = await FakeApi.start()
  for (let count = 0; count < 1203; count++) {
    api.resources.put({ kind: 'tenant', name: `t${count}` })
  }
  const { output } = await typeLine('tenant list -o name', { server: api.url })
  t.is(output.split('\n').length - 1, 1203)
  t.deepEqual(
    api.asked.map(({ query }) => query.get('next')),
    [null, '500', '1000']
  )
})

test('the trace shows the exchange, and no token', async t => {
  const state = makeState(t)
  await using api = await FakeApi.start({ token: 'rmd_local' })
  const { errors } = await typeLine('token create ci --debug', {
    server: api.url,
    environment: { REMUDA_STATE: state }
  })
  t.regex(errors, /^> POST \/v1\/tokens \(http:/m)
  t.regex(errors, /^> authorization: Bearer rmd_…$/m)
  t.regex(errors, /^< 201 Created$/m)
  t.notRegex(errors, /rmd_(local|secret)/)
  t.is(masked('Bearer rmd_a-b_C9 x'), 'Bearer rmd_… x')
})

test('a problem document becomes what, why and next', async t => {
  await using api = await FakeApi.start()
  api.intercept = ({ method }) =>
    method === 'POST'
      ? problem(422, 'invalid', 'cannot accept the body', {
          errors: [{ pointer: '/spec/memoryMib', detail: 'must be at least 16, not 1' }],
          reasons: ['/spec/memoryMib must be at least 16, not 1', 'two\nlines \u001b[2J'],
          next: ['mend /spec/memoryMib and send it again', 'go on']
        })
      : undefined
  const { code, errors } = await typeLine('instance create web --memory 16', { server: api.url })
  t.is(code, 1)
  t.is(
    errors,
    'error: cannot accept the body\n' +
      '  why   spec.memoryMib: must be at least 16, not 1\n' +
      '        two\n        lines \n' +
      '  next  go on\n'
  )
})

test('where only fields are at fault, they are named in the words of the command', async t => {
  await using api = await FakeApi.start()
  const error = { pointer: '/name', detail: 'must be a name, not "X_Y"' }
  api.intercept = () =>
    problem(422, 'invalid', 'cannot accept the body', {
      instance: '/v1/instances',
      errors: [error],
      reasons: [`${error.pointer} ${error.detail}`],
      next: ['mend /name and send it again']
    })
  const { errors } = await typeLine('instance create X_Y --memory 16', { server: api.url })
  t.is(
    errors,
    'error: cannot create instance/X_Y: the field name cannot be used\n' +
      '  why   name: must be a name, not "X_Y"\n' +
      '  next  remuda explain instance\n'
  )
})

test('what the message says already is not repeated as its reason', async t => {
  await using api = await FakeApi.start()
  api.intercept = () =>
    problem(404, 'not-found', 'there is no image "nope"', {
      errors: [{ pointer: '/spec/image', detail: 'there is no image "nope"' }],
      reasons: ['images that can be used: tiny']
    })
  const { errors } = await typeLine('instance create web --image nope', { server: api.url })
  t.is(
    errors,
    'error: cannot create instance/web: there is no image "nope"\n' +
      '  why   images that can be used: tiny\n'
  )
})

const codes: readonly (readonly [number, string, number])[] = [
  [422, 'invalid', 1],
  [400, 'invalid', 1],
  [413, 'too-large', 1],
  [404, 'not-found', 3],
  [409, 'conflict', 4],
  [409, 'capacity', 4],
  [412, 'stale', 4],
  [428, 'precondition-required', 4],
  [401, 'unauthenticated', 5],
  [403, 'forbidden', 5],
  [503, 'unavailable', 6],
  [504, 'deadline', 7],
  [500, 'bug', 1]
]
for (const [status, type, exitCode] of codes) {
  test(`the answer ${status} ${type} ends with exit code ${exitCode}`, async t => {
    await using api = await FakeApi.start()
    api.intercept = () => problem(status, type, 'it is so')
    const { code, errors } = await typeLine('size list', { server: api.url })
    t.is(code, exitCode)
    t.regex(errors, /^error: cannot list sizes: it is so$/m)
  })
}

test('every code of a fault has an exit code, and a bug has 1', t => {
  const faults: readonly FaultCode[] = ['invalid', 'closed', 'aborted', 'corrupt', 'hypervisor']
  t.deepEqual(
    faults.map(code => exitCodeOf(new Fault(code, 'x'))),
    [1, 6, 130, 1, 1]
  )
  t.is(exitCodeOf(new TypeError('x')), 1)
  t.is(exitCodeOf(new UsageFault('x')), 2)
  t.is(describeFailure(new Error('odd')), 'error: odd\n')
})

test('a controller that is not there is told with the way on', async t => {
  const { code, errors } = await typeLine('status', { server: 'unix:/nonexistent/a.sock' })
  t.is(code, 6)
  t.is(
    errors,
    'error: cannot show the status: no controller listens on /nonexistent/a.sock\n' +
      '  next  remuda doctor\n'
  )
})
