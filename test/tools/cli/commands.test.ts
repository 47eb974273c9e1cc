import test from 'ava'
import { FakeApi, problem } from '../../world/fake-api.ts'
import { typeLine } from './type-line.ts'

/** What was sent to the API with a method other than GET. */
const written = (api: FakeApi) =>
  api.asked
    .filter(({ method }) => method !== 'GET')
    .map(({ method, path, query, headers, body }) => ({
      what: `${method} ${path}${query.size === 0 ? '' : `?${query}`}`,
      match: headers['if-match'],
      body: body.length === 0 ? undefined : (JSON.parse(body.toString()) as unknown)
    }))

const lines: readonly (readonly [line: string, what: string, body: unknown, match?: string])[] = [
  [
    'instance create web --image debian --memory 512MiB --label app=x',
    'POST /v1/instances',
    { name: 'web', labels: { app: 'x' }, spec: { memoryMib: 512, image: 'debian' } }
  ],
  [
    'vm create c --type container --image b --memory 64 --vcpus 2 --size s --root 1g --pool p ' +
      '--host h --priority 7 --no-ha --power stopped --volume v1 --volume v2 ' +
      '--restart never --stop-grace 1m',
    'POST /v1/instances',
    {
      name: 'c',
      spec: {
        type: 'container',
        size: 's',
        vcpus: 2,
        memoryMib: 64,
        image: 'b',
        rootMib: 1024,
        pool: 'p',
        volumes: ['v1', 'v2'],
        desiredPower: 'stopped',
        priority: 7,
        highlyAvailable: false,
        host: 'h',
        restart: { policy: 'never' },
        stopGraceMs: 60_000
      }
    }
  ],
  [
    '--tenant acme vm create n --network a --network b --address 10.0.0.5 --no-wait',
    'POST /v1/instances?tenant=acme',
    { name: 'n', spec: { ports: [{ network: 'a', address: '10.0.0.5' }, { network: 'b' }] } }
  ],
  [
    'vm create n --address 10.66.0.9',
    'POST /v1/instances',
    { name: 'n', spec: { ports: [{ network: 'default', address: '10.66.0.9' }] } }
  ],
  ['vm create n --network none', 'POST /v1/instances', { name: 'n', spec: { ports: [] } }],
  ['instance start one', 'POST /v1/instances/one/start', undefined],
  ['instance stop one --force', 'POST /v1/instances/one/stop?force=1', undefined],
  ['instance restart one', 'POST /v1/instances/one/restart', undefined],
  ['instance pause one', 'POST /v1/instances/one/pause', undefined],
  ['instance resume one', 'POST /v1/instances/one/resume', undefined],
  [
    'instance resize one --memory 1g',
    'PATCH /v1/instances/one',
    { spec: { memoryMib: 1024 } },
    '*'
  ],
  [
    'instance resize one --size big --vcpus 3',
    'PATCH /v1/instances/one',
    { spec: { memoryMib: null, vcpus: 3, size: 'big' } },
    '*'
  ],
  ['instance rm one -y', 'DELETE /v1/instances/one', undefined, '*'],
  [
    'volume create d --size 2g --pool fast --format raw --image i',
    'POST /v1/volumes',
    { name: 'd', spec: { sizeMib: 2048, pool: 'fast', format: 'raw', image: 'i' } }
  ],
  ['volume resize vol --size 4g', 'PATCH /v1/volumes/vol', { spec: { sizeMib: 4096 } }, '*'],
  [
    'pool create fast --path /srv --shared',
    'POST /v1/pools',
    { name: 'fast', spec: { path: '/srv', shared: true } }
  ],
  [
    'network create n --mtu 9000 --no-nat --uplink eth1 --shared',
    'POST /v1/networks',
    { name: 'n', spec: { uplink: 'eth1', mtu: 9000, nat: false, shared: true } }
  ],
  [
    'subnet create s --network n --cidr 10.1.0.0/24 --gateway 10.1.0.1 --dns 9.9.9.9 ' +
      '--first 10.1.0.9',
    'POST /v1/subnets',
    {
      name: 's',
      spec: {
        network: 'n',
        cidr: '10.1.0.0/24',
        first: '10.1.0.9',
        gateway: '10.1.0.1',
        dns: ['9.9.9.9']
      }
    }
  ],
  [
    'size create s --vcpus 2 --memory 2GiB',
    'POST /v1/sizes',
    { name: 's', spec: { vcpus: 2, memoryMib: 2048 } }
  ],
  [
    'tenant create acme --description x',
    'POST /v1/tenants',
    { name: 'acme', spec: { description: 'x' } }
  ],
  ['token create ci --role admin', 'POST /v1/tokens', { name: 'ci', role: 'admin' }],
  ['host approve h2', 'POST /v1/hosts/h2/approve', undefined],
  [
    'image import i --url https://example.org/i.tar.gz',
    'POST /v1/images',
    {
      name: 'i',
      spec: { type: 'container', format: 'tar', source: 'https://example.org/i.tar.gz' }
    }
  ]
]
for (const [line, what, body, match] of lines) {
  test(`"${line}" asks for exactly that`, async t => {
    await using api = await FakeApi.start()
    const spec = { desiredPower: 'running', volumes: [] }
    api.resources.put({ kind: 'instance', name: 'one' }, { spec, status: { phase: 'running' } })
    api.resources.put({ kind: 'volume', name: 'vol' }, { spec: { sizeMib: 10 } })
    api.resources.put({ kind: 'host', name: 'h2' }, { status: { phase: 'pending' } })
    const { code, errors, output } = await typeLine(line, { server: api.url })
    t.is(code, 0, errors)
    t.not(output, '')
    t.deepEqual(written(api), [{ what, match, body }])
  })
}

test('a network with a range gets a subnet of its name', async t => {
  await using api = await FakeApi.start()
  const { output } = await typeLine('network create n --cidr 10.1.0.0/24', { server: api.url })
  t.is(output, 'network/n created: ready\nsubnet/n created: ready\n')
  t.deepEqual(written(api)[1]?.body, {
    name: 'n',
    spec: { network: 'n', cidr: '10.1.0.0/24' }
  })
})

test('a list shows the usual columns, and as JSON the document of the API', async t => {
  await using api = await FakeApi.start()
  await typeLine('vm create web --memory 512 --image debian', { server: api.url })
  const now = new Date().toISOString()
  api.resources.put({ kind: 'host', name: 'h1' }, { status: { phase: 'online', lastHeardAt: now } })
  const { output } = await typeLine('vm ls --columns name,type,phase,host,memory', {
    server: api.url
  })
  t.is(output, 'NAME  TYPE  PHASE    HOST   MEMORY\nweb   vm    running  h1    512 MiB\n')
  const json = await typeLine('vm ls -o json', { server: api.url })
  const list = JSON.parse(json.output) as { kind: string; items: { name: string }[] }
  t.is(list.kind, 'list')
  t.is(list.items[0]?.name, 'web')
  t.is((await typeLine('vm ls -o name', { server: api.url })).output, 'instance/web\n')
  t.regex((await typeLine('vm ls -o wide', { server: api.url })).output, /READY .* IMAGE/)
  t.regex((await typeLine('host list', { server: api.url })).output, /h1 +online .* \d+ ms /)
})

test('filters and sorting are left to the API, with columns as fields', async t => {
  await using api = await FakeApi.start()
  await typeLine(['vm', 'ls', '--filter', 'labels.app=x and not name~y', '--sort', '-memory'], {
    server: api.url
  })
  const { query } = api.asked[0]!
  t.is(query.get('filter'), 'labels.app=x and not name~y')
  t.is(query.get('sort'), '-status.memoryMib')
})

test('the tenant goes where resources have one; all tenants show whose they are', async t => {
  await using api = await FakeApi.start()
  const environment = { REMUDA_TENANT: 'acme' }
  api.resources.put({ kind: 'volume', name: 'v', tenant: 'acme' }, { spec: { sizeMib: 1 } })
  t.regex((await typeLine('volume list', { server: api.url, environment })).output, /^v /m)
  await typeLine('host list', { server: api.url, environment })
  t.deepEqual(
    api.asked.map(({ query }) => query.get('tenant')),
    ['acme', null]
  )
  const all = await typeLine(['--tenant', '*', 'volume', 'list'], { server: api.url })
  t.regex(all.output, /^TENANT +NAME/)
  t.is((await typeLine(['--tenant', '*', 'volume', 'show', 'v'], { server: api.url })).code, 2)
  t.is((await typeLine('get volume/acme/v -o name', { server: api.url })).output, 'volume/v\n')
})

test('an empty list says so beside the output, not in it', async t => {
  await using api = await FakeApi.start()
  const { output, errors, code } = await typeLine('volume list -o name', { server: api.url })
  t.deepEqual([code, output], [0, ''])
  t.is(errors, 'no volumes in tenant default; remuda volume create --help\n')
  t.is((await typeLine('volume list -o name -q', { server: api.url })).errors, '')
})

test('deleting asks on a terminal, and nowhere else', async t => {
  await using api = await FakeApi.start()
  const put = () =>
    api.resources.put(
      { kind: 'instance', name: 'web' },
      { status: { phase: 'running', host: 'h1' } }
    )
  put()
  const silent = await typeLine('instance delete web', { server: api.url })
  t.is(silent.code, 2)
  t.regex(silent.errors, /add --yes/)
  const no = await typeLine('instance delete web', {
    server: api.url,
    terminal: { columns: 80, typed: 'n\n' }
  })
  t.is(no.code, 1)
  t.regex(no.errors, /Delete instance\/web \(running on h1\) with its root volume\? \[y\/N\]/)
  for (const typed of ['\u0003', '\u0004', '\n']) {
    const terminal = { columns: 80, typed }
    const left = await typeLine('instance delete web', { server: api.url, terminal })
    t.is(left.code, 1)
    t.regex(left.errors, /it was not confirmed, and nothing was done/)
  }
  t.deepEqual(written(api), [])
  const yes = await typeLine('instance delete web', {
    server: api.url,
    terminal: { columns: 80, typed: 'yes\n' }
  })
  t.is(yes.code, 0)
  t.is(written(api)[0]?.match, '"1"', 'only what was shown may be deleted')
})

test('of several names one that is wrong deletes none', async t => {
  await using api = await FakeApi.start()
  api.resources.put({ kind: 'volume', name: 'a' })
  const { code, errors } = await typeLine('volume delete a b --yes', { server: api.url })
  t.is(code, 3)
  t.regex(errors, /there is no volume "b"/)
  t.deepEqual(written(api), [])
})

test('a dry run says what would happen and why, and nothing happens', async t => {
  await using api = await FakeApi.start()
  const { output, code } = await typeLine('vm create web --memory 1g --dry-run', {
    server: api.url
  })
  t.is(code, 0)
  t.is(
    output,
    'instance/web: would change the following (dry run, nothing was done)\n' +
      '  put instance/web\n  because host h1 has most room\n' +
      '  placed on h1\n  not on h2: needs 512 MiB\n'
  )
  t.is(api.resources.all('instance').length, 0)
})

test('why tells each decision once and in full, however narrow the terminal', async t => {
  await using api = await FakeApi.start()
  const at = '2026-11-20T10:00:00.000Z'
  const because = `h1 has the most memory of all hosts ${'that were asked '.repeat(9)}here`
  const history = [{ at, by: 'user/admin', verb: 'placed', because }]
  const summary = ['instance/web is running', 'ready: true', `${at} placed: ${because}`]
  api.intercept = () => ({ status: 200, body: { subject: 'instance/web', summary, history } })
  const { output } = await typeLine('why vm/web', {
    server: api.url,
    terminal: { columns: 60 },
    environment: { NO_COLOR: '1' }
  })
  const [first, second, ...rest] = output.split('\n')
  t.deepEqual([first, second], ['instance/web is running', '  ready: true'])
  t.regex(rest[1]!, /^2026-11-20T10:00:00.000Z, .* ago$/)
  const lines = rest.slice(2)
  t.true(lines.every(line => line.length <= 60))
  t.is(lines.map(line => line.trim()).join(' '), `placed by user/admin: ${because} `)
})

test('why and history are told in tables', async t => {
  await using api = await FakeApi.start()
  api.resources.put({ kind: 'instance', name: 'web' }, { status: { phase: 'pending' } })
  const why = await typeLine('why vm/web', { server: api.url })
  t.regex(why.output, /^instance\/web is pending\n {2}host h1 has most room\n\nplaced on h1\n/)
  t.regex(why.output, /^h2 +needs 512 MiB, has 100 MiB$/m)
  const history = await typeLine('history vm/web', { server: api.url })
  t.regex(history.output, /controller +placed +host h1 has most room\n$/)
  const wrong = await typeLine('why web', { server: api.url })
  t.is(wrong.code, 2)
  t.regex(wrong.errors, /KIND\/NAME/)
})

test('a token goes to the output alone, so that it can be kept in a file', async t => {
  await using api = await FakeApi.start()
  const { output, errors } = await typeLine('token create ci', { server: api.url })
  t.is(output, 'rmd_secret-of-ci\n')
  t.regex(errors, /shown this once/)
  t.regex((await typeLine('token list', { server: api.url })).output, /^ci +reader/m)
  t.is((await typeLine('token delete ci', { server: api.url })).code, 2)
  t.is((await typeLine('token delete ci --yes', { server: api.url })).code, 0)
})

test('api sends what it is given and writes what comes', async t => {
  await using api = await FakeApi.start()
  const asked = await typeLine(
    ['api', 'POST', 'sizes', '-i', '-d', '{"name":"s","spec":{"vcpus":1,"memoryMib":64}}'],
    { server: api.url }
  )
  t.is(asked.code, 0)
  t.regex(asked.output, /^HTTP\/1\.1 201\n/)
  t.regex(asked.output, /^etag: "\d+"$/m)
  const piped = await typeLine('api PATCH /v1/sizes/s -H If-Match:* -d @-', {
    server: api.url,
    input: '{"labels":{"a":"b"}}'
  })
  t.like(JSON.parse(piped.output) as object, { labels: { a: 'b' } })
  const missing = await typeLine('api GET sizes/x', { server: api.url })
  t.is(missing.code, 3)
  t.is((JSON.parse(missing.output) as { status: number }).status, 404)
  t.is((await typeLine('api POST sizes -d {broken', { server: api.url })).code, 2)
})

test('version and status speak of the controller', async t => {
  await using api = await FakeApi.start()
  t.regex(
    (await typeLine('version', { server: api.url })).output,
    /^controller +0\.1\.0 \(cloud c-1\)$/m
  )
  const alone = await typeLine('version', { server: 'unix:/nonexistent/a.sock' })
  t.is(alone.code, 0)
  t.regex(alone.output, /^remuda +0\.1\.0\n$/)
  const { output } = await typeLine('status', { server: api.url })
  t.regex(output, /^controller +epoch 1, up 3 min, journal at 42, recording$/m)
  t.regex(output, /^memory +1 GiB of 8 GiB promised \(13 %\)$/m)
})

test('keys and user data are read from files, and private keys are refused', async t => {
  await using api = await FakeApi.start()
  const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPinned someone@somewhere'
  const typed = await typeLine(
    ['vm', 'create', 'a', '--memory', '64', '--ssh-key', key, '--user-data', '-'],
    { server: api.url, input: '#cloud-config\n' }
  )
  t.is(typed.code, 0, typed.errors)
  const { spec } = written(api)[0]!.body as { spec: object }
  t.like(spec, { sshKeys: [key], userData: '#cloud-config\n' })
  const { default: fs } = await import('node:fs')
  const { default: os } = await import('node:os')
  const folder = fs.mkdtempSync(`${os.tmpdir()}/remuda-cli-`)
  t.teardown(() => fs.rmSync(folder, { recursive: true }))
  const begin = ['-----BEGIN OPENSSH', 'PRIVATE KEY-----'].join(' ')
  fs.writeFileSync(`${folder}/id`, `${begin}\n`)
  const refused = await typeLine(`vm create b --memory 64 --ssh-key ${folder}/id`, {
    server: api.url
  })
  t.is(refused.code, 2)
  t.regex(refused.errors, /it is a private key/)
  t.regex(refused.errors, /give \S+\/id\.pub/)
  const missing = await typeLine('vm create b --memory 64 --ssh-key /nonexistent', {
    server: api.url
  })
  t.regex(missing.errors, /cannot read the file \/nonexistent: there is none/)
})

test('a failure of the API in the middle of a command is its own', async t => {
  await using api = await FakeApi.start()
  api.intercept = ({ path }) =>
    path === '/v1/subnets'
      ? problem(409, 'conflict', 'cannot create subnet n: it overlaps')
      : undefined
  const { code, output, errors } = await typeLine('network create n --cidr 10.1.0.0/24', {
    server: api.url
  })
  t.is(code, 4)
  t.is(output, 'network/n created: ready\n')
  t.is(errors, 'error: cannot create subnet n: it overlaps\n')
})
