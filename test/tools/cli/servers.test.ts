import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { FakeApi, problem } from '../../world/fake-api.ts'
import { typeLine } from './type-line.ts'

const web = { kind: 'instance', name: 'web' } as const

/** An address at which nobody listens. */
async function nobody(): Promise<string> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { readonly port: number }
  await new Promise(resolve => server.close(resolve))
  return `http://127.0.0.1:${port}`
}

const standsBy = problem(503, 'not-leading', 'cannot record the change: h1 does not lead')

test('the next server is asked when nobody listens at the first, also for a change', async t => {
  await using api = await FakeApi.start()
  api.resources.put({ kind: 'size', name: 's' }, { spec: { vcpus: 1 } })
  const dead = await nobody()
  const server = `${dead},${api.url}`
  t.is((await typeLine('size list -o name', { server })).output, 'size/s\n')
  t.is((await typeLine('size delete s --yes', { server })).code, 0)
  const environment = { REMUDA_SERVER: server }
  t.is((await typeLine('size list -o name', { environment })).code, 0)
  const twice = ['size', 'list', '--server', dead, '--server', api.url]
  t.is((await typeLine(twice)).code, 0)
})

test('the server that has answered is asked first for the rest of the run', async t => {
  await using first = await FakeApi.start()
  await using second = await FakeApi.start()
  first.intercept = () => standsBy
  second.resources.isHeld = false
  const { code } = await typeLine('vm create web --memory 64', {
    server: `${first.url},${second.url}`
  })
  t.is(code, 0)
  t.is(first.asked.length, 1)
  t.true(second.asked.length > 1)
})

test('a candidate that does not lead has done nothing: any change goes to the next', async t => {
  await using first = await FakeApi.start()
  await using second = await FakeApi.start()
  first.intercept = () => standsBy
  second.resources.put({ kind: 'size', name: 's' }, { spec: { vcpus: 1 } })
  const { code } = await typeLine('size delete s --yes', { server: `${first.url},${second.url}` })
  t.is(code, 0)
  t.is(second.resources.find({ kind: 'size', name: 's' }), undefined)
})

test('a candidate that sees nobody who leads refuses for itself alone', async t => {
  await using first = await FakeApi.start()
  await using second = await FakeApi.start()
  const said = 'cannot record the change: nobody leads at the moment: 0 of 3 servers answer'
  first.intercept = () => problem(503, 'no-leader', said, { next: ['start the servers'] })
  second.resources.put({ kind: 'size', name: 's' }, { spec: { vcpus: 1 } })
  const remove = (server: string) => typeLine('size delete s --yes', { server })
  t.is((await remove(`${first.url},${second.url}`)).code, 0)
  t.is(second.resources.find({ kind: 'size', name: 's' }), undefined)
  const alone = await remove(first.url)
  t.is(alone.code, 6)
  t.regex(alone.errors, /nobody leads at the moment: 0 of 3 servers answer/)
  t.regex(alone.errors, /next {2}start the servers/)
})

test('a candidate that sees no controller is believed only where no other one does', async t => {
  await using cutOff = await FakeApi.start()
  await using other = await FakeApi.start()
  const said = (name: string, headers: Readonly<Record<string, string>>) => () => ({
    ...{ status: 200, headers: { 'remuda-position': '3.95', ...headers } },
    body: { items: [{ kind: 'size', name, spec: {}, status: {} }] }
  })
  cutOff.intercept = said('old', {})
  other.intercept = said('new', { 'remuda-controller': 'h2 http://h2:7410' })
  const server = `${cutOff.url},${other.url}`
  t.is((await typeLine('size list -o name', { server })).output, 'size/new\n')
  other.intercept = said('new', {})
  t.is((await typeLine('size list -o name', { server })).output, 'size/old\n', 'the first')
  other.intercept = () => 'cut'
  t.is((await typeLine('size list -o name', { server })).output, 'size/old\n')
  const { url } = cutOff
  t.is((await typeLine('size list -o name', { server: url })).output, 'size/old\n')
})

test('a change that was lost under way is not said to another server, a creation is', async t => {
  await using first = await FakeApi.start()
  await using second = await FakeApi.start()
  second.resources.put({ kind: 'size', name: 's' }, { spec: { vcpus: 1 } })
  first.resources.put({ kind: 'size', name: 's' }, { spec: { vcpus: 1 } })
  first.intercept = ({ method }) => (method === 'GET' ? undefined : 'cut')
  const server = `${first.url},${second.url}`
  const remove = await typeLine('size delete s --yes', { server })
  t.is(remove.code, 6)
  t.truthy(second.resources.find({ kind: 'size', name: 's' }))
  const create = await typeLine('size create z --vcpus 1 --memory 64', { server })
  t.is(create.code, 0, create.errors)
  const keyOf = (api: FakeApi) =>
    api.asked.find(({ method }) => method === 'POST')?.headers['idempotency-key']
  t.truthy(keyOf(first))
  t.is(keyOf(first), keyOf(second))
})

test('when no server can be asked each is named with its reason', async t => {
  const [one, other] = [await nobody(), await nobody()]
  const { code, errors } = await typeLine('size list', { server: `${one},${other}` })
  t.is(code, 6)
  t.is(
    errors,
    `error: cannot list sizes: none of 2 servers could do it\n` +
      `  why   ${one}: no controller listens on ${one}\n` +
      `        ${other}: no controller listens on ${other}\n` +
      '  next  remuda doctor\n' +
      '        name other servers: --server URL,URL or REMUDA_SERVER\n'
  )
})

test('while a controller is elected the candidates are asked again', async t => {
  await using api = await FakeApi.start()
  let refusals = 0
  api.intercept = () => (refusals++ < 4 ? standsBy : undefined)
  t.is((await typeLine('size create z --vcpus 1 --memory 64', { server: api.url })).code, 0)
  t.is(refusals, 5)
})

test('an answer that names another server is followed to those of the cloud only', async t => {
  await using stranger = await FakeApi.start()
  await using first = await FakeApi.start()
  await using second = await FakeApi.start()
  let candidates: readonly object[] = []
  let to = second.url
  first.intercept = ({ path }) =>
    path === '/v1/cluster'
      ? { status: 200, body: { candidates } }
      : { status: 307, headers: { location: `${to}${path}` } }
  const create = (name: string, server: string) =>
    typeLine(`size create ${name} --vcpus 1 --memory 64`, { server })
  t.is((await create('a', `${first.url},${second.url}`)).code, 0)
  candidates = [{ name: 'h2', apiUrl: second.url }]
  t.is((await create('b', first.url)).code, 0)
  to = stranger.url
  const { code, errors } = await create('c', first.url)
  t.is(code, 6)
  t.regex(errors, /names http:\S+\n {2}why {3}it is none of the servers that were named, and no/)
  t.is(stranger.asked.length, 0)
})

test('waiting goes on at another server when the one that was asked ends', async t => {
  const first = await FakeApi.start()
  await using second = await FakeApi.start()
  for (const api of [first, second]) {
    api.resources.isHeld = true
    api.resources.wish(web, { spec: { memoryMib: 64 }, labels: {} })
  }
  let isOver = false
  const { code, errors } = await typeLine('wait instance/web --timeout 60s', {
    server: `${first.url},${second.url}`,
    watch: (output, errors) => {
      if (isOver || !(output + errors).includes('has not taken it on')) return
      isOver = true
      setImmediate(async () => {
        await first[Symbol.asyncDispose]()
        second.resources.settle(web)
      })
    }
  })
  t.is(code, 0, errors)
})

test('events go on at another server with the next one, and none is shown twice', async t => {
  const first = await FakeApi.start()
  await using second = await FakeApi.start()
  // Both have the same history; the first one ends after half of it.
  for (const name of ['a', 'b']) {
    for (const api of [first, second]) api.resources.put({ kind: 'size', name }, { spec: {} })
  }
  const interrupt = new AbortController()
  let seen = ''
  const typed = typeLine('events -w -o json', {
    server: `${first.url},${second.url}`,
    interrupted: interrupt.signal,
    watch: output => {
      seen = output
    }
  })
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await sleep(10)
  }
  await until(() => first.resources.listeners > 0)
  for (const api of [first, second]) api.resources.put({ kind: 'size', name: 'c' }, { spec: {} })
  await until(() => seen.includes('"name":"c"'))
  second.resources.put({ kind: 'size', name: 'd' }, { spec: {} })
  await first[Symbol.asyncDispose]()
  await until(() => seen.includes('"name":"d"'))
  interrupt.abort()
  const { output, errors } = await typed
  const shown = output
    .trim()
    .split('\n')
    .map(line => JSON.parse(line).name)
  t.deepEqual(shown, ['c', 'd'])
  t.regex(errors, /the controller closed the stream; trying again/)
})
