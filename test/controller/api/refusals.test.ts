/** Everything that is wrong is answered with a problem document that says what to do. */
import test from 'ava'
import {
  type Asked,
  giveImage,
  joinHost,
  type WorldController,
  worldController
} from '../../world/world-controller.ts'

let world: WorldController
test.before(async () => {
  world = await worldController()
  await joinHost(world)
  await giveImage(world)
  const tree = { name: 'box', spec: { type: 'container', format: 'tar' } }
  await world.ask({ method: 'POST', path: '/v1/images', body: tree })
  const web = { name: 'web', spec: { image: 'tiny', memoryMib: 128 } }
  await world.ask({ method: 'POST', path: '/v1/instances', body: web })
  const full = { name: 'full', spec: { cidr: '10.9.0.0/29', network: 'narrow' } }
  await world.ask({ method: 'POST', path: '/v1/networks', body: { name: 'narrow' } })
  await world.ask({ method: 'POST', path: '/v1/subnets', body: full })
  for (let count = 0; count < 5; count += 1) {
    const ports = [{ network: 'narrow' }]
    const spec = { image: 'tiny', memoryMib: 16, desiredPower: 'stopped', ports }
    await world.ask({ method: 'POST', path: '/v1/instances', body: { name: `n${count}`, spec } })
  }
})
test.after.always(async () => await world?.[Symbol.asyncDispose]())

type Case = readonly [title: string, asked: Asked, status: number, type: string, says: RegExp]

const post = (path: string, body: unknown): Asked => ({ method: 'POST', path: `/v1/${path}`, body })
const instance = (spec: object, name: unknown = 'x'): Asked =>
  post('instances', { name, spec: { image: 'tiny', memoryMib: 64, ...spec } })
const any = { 'if-match': '*' }
const put = (path: string, body: unknown, headers: Asked['headers'] = any): Asked => ({
  method: 'PUT',
  path: `/v1/${path}`,
  body,
  headers: headers!
})

const cases: readonly Case[] = [
  ['an unknown kind', { path: '/v1/gadgets' }, 404, 'not-found', /there is no GET \/v1\/gadgets/],
  ['an unknown path', { path: '/nothing' }, 404, 'not-found', /there is no GET \/nothing/],
  ['an unknown method', { method: 'PUT', path: '/v1/status' }, 404, 'not-found', /no PUT/],
  [
    'broken JSON',
    {
      method: 'POST',
      path: '/v1/instances',
      raw: '{"name": "x" "spec"}',
      headers: { 'content-type': 'application/json' }
    },
    400,
    'invalid',
    /it is not JSON/
  ],
  [
    'an empty body',
    {
      method: 'POST',
      path: '/v1/instances',
      raw: '',
      headers: { 'content-type': 'application/json' }
    },
    400,
    'invalid',
    /it is not JSON/
  ],
  [
    'no body at all',
    { method: 'POST', path: '/v1/instances' },
    415,
    'media-type',
    /without a JSON body/
  ],
  [
    'a body that is no JSON type',
    {
      method: 'POST',
      path: '/v1/instances',
      raw: 'a: 1',
      headers: { 'content-type': 'text/yaml' }
    },
    415,
    'media-type',
    /cannot read a body of this type/
  ],
  [
    'a body of 10 MB',
    {
      method: 'POST',
      path: '/v1/instances',
      raw: `"${'x'.repeat(10_000_000)}"`,
      headers: { 'content-type': 'application/json' }
    },
    413,
    'too-large',
    /at most 1048576 bytes/
  ],
  ['a list for an object', post('instances', []), 422, 'invalid', /object/],
  ['null for an object', post('instances', null), 422, 'invalid', /object/],
  ['a number for an object', post('instances', 7), 422, 'invalid', /object/],
  ['no name', post('instances', { spec: {} }), 422, 'invalid', /name/],
  ['a name with capitals', instance({}, 'Web'), 422, 'invalid', /\/name/],
  ['a name that is too long', instance({}, 'x'.repeat(64)), 422, 'invalid', /\/name/],
  ['an empty name', instance({}, ''), 422, 'invalid', /\/name/],
  ['a name with a slash', instance({}, 'a/b'), 422, 'invalid', /\/name/],
  ['a name that is a number', instance({}, 7), 422, 'invalid', /\/name/],
  ['an unknown field', instance({ memory: 5 }), 422, 'invalid', /memory/],
  [
    'an unknown field at the top',
    post('instances', { name: 'x', size: 1 }),
    422,
    'invalid',
    /size/
  ],
  [
    'a prototype as a field',
    {
      method: 'POST',
      path: '/v1/instances',
      raw: '{"name":"x","__proto__":{"a":1}}',
      headers: { 'content-type': 'application/json' }
    },
    400,
    'invalid',
    /not JSON|prototype/
  ],
  [
    'negative memory',
    instance({ memoryMib: -1 }),
    422,
    'invalid',
    /\/spec\/memoryMib must be between 16/
  ],
  ['memory with a unit', instance({ memoryMib: '128MiB' }), 422, 'invalid', /\/spec\/memoryMib/],
  ['half a MiB', instance({ memoryMib: 64.5 }), 422, 'invalid', /\/spec\/memoryMib/],
  ['memory beyond all bounds', instance({ memoryMib: 1e300 }), 422, 'invalid', /\/spec\/memoryMib/],
  ['no processors', instance({ vcpus: 0 }), 422, 'invalid', /\/spec\/vcpus/],
  [
    'a type that does not exist',
    instance({ type: 'pod' }),
    422,
    'invalid',
    /\/spec\/type.*vm.*container/
  ],
  [
    'a power state that does not exist',
    instance({ desiredPower: 'on' }),
    422,
    'invalid',
    /desiredPower/
  ],
  [
    'a restart policy that does not exist',
    instance({ restart: { policy: 'maybe' } }),
    422,
    'invalid',
    /\/spec\/restart\/policy/
  ],
  [
    'an address that is none',
    instance({ ports: [{ network: 'default', address: '10.66.0.999' }] }),
    422,
    'invalid',
    /\/spec\/ports\/0\/address/
  ],
  ['ports that are no list', instance({ ports: 'default' }), 422, 'invalid', /\/spec\/ports/],
  [
    '17 ports',
    instance({ ports: Array(17).fill({ network: 'default' }) }),
    422,
    'invalid',
    /\/spec\/ports/
  ],
  [
    'user data of 70 kB',
    instance({ userData: 'x'.repeat(70_000) }),
    422,
    'invalid',
    /\/spec\/userData/
  ],
  [
    'a label that is a number',
    post('instances', { name: 'x', labels: { a: 1 }, spec: {} }),
    422,
    'invalid',
    /\/labels\/a/
  ],
  [
    '65 labels',
    post('instances', {
      name: 'x',
      labels: Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`l${at}`, ''])),
      spec: {}
    }),
    422,
    'invalid',
    /\/labels/
  ],
  [
    'an image that does not exist',
    instance({ image: 'none' }),
    404,
    'not-found',
    /there is no image "none"/
  ],
  [
    'a volume that does not exist',
    instance({ volumes: ['none'] }),
    404,
    'not-found',
    /there is no volume "none"/
  ],
  [
    'a network that does not exist',
    instance({ ports: [{ network: 'none' }] }),
    404,
    'not-found',
    /there is no network "none"/
  ],
  [
    'a pool that does not exist',
    instance({ pool: 'none' }),
    404,
    'not-found',
    /there is no pool "none"/
  ],
  [
    'a size that does not exist',
    instance({ size: 'none' }),
    404,
    'not-found',
    /there is no size "none"/
  ],
  [
    'an image for the other type',
    instance({ type: 'container' }),
    422,
    'invalid',
    /image tiny is for a vm/
  ],
  [
    'an image without content',
    instance({ type: 'container', image: 'box' }),
    409,
    'conflict',
    /no content yet/
  ],
  [
    'nothing to start from',
    post('instances', { name: 'x', spec: { memoryMib: 64 } }),
    422,
    'invalid',
    /neither an image nor a volume/
  ],
  [
    'a root volume that is too small',
    instance({ rootMib: 1 }),
    422,
    'invalid',
    /needs 16 MiB, 1 MiB/
  ],
  ['a name that is taken', instance({}, 'web'), 409, 'conflict', /the name is taken/],
  [
    'a host that is full',
    instance({ memoryMib: 9_000 }),
    409,
    'capacity',
    /needs 9000 MiB, has 7552 MiB unpromised/
  ],
  ['too many processors', instance({ vcpus: 512 }), 409, 'capacity', /needs 512 vcpus/],
  ['a host that does not exist', instance({ host: 'h9' }), 409, 'capacity', /bound to h9/],
  [
    'a subnet that is full',
    instance({ ports: [{ network: 'narrow' }] }),
    409,
    'capacity',
    /5 of 5 used/
  ],
  [
    'a tenant that does not exist',
    { ...instance({}), path: '/v1/instances?tenant=acme' },
    404,
    'not-found',
    /there is no tenant "acme"/
  ],
  [
    'two tenants at once',
    { method: 'POST', path: '/v1/instances?tenant=a', body: { name: 'x', tenant: 'b', spec: {} } },
    422,
    'invalid',
    /query says a, the body says b/
  ],
  [
    'a change without saying what was read',
    put('instances/web', { spec: {} }, {}),
    428,
    'precondition-required',
    /send If-Match: "1"/
  ],
  [
    'a stale ETag',
    put('instances/web', { spec: { image: 'tiny', memoryMib: 96 } }, { 'if-match': '"9"' }),
    412,
    'stale',
    /you read generation 9, it is at 1/
  ],
  [
    'an ETag that is none',
    put('instances/web', { spec: {} }, { 'if-match': 'nine' }),
    400,
    'invalid',
    /cannot read If-Match/
  ],
  [
    'another name',
    put('instances/web', { name: 'other', spec: {} }),
    422,
    'invalid',
    /names never change/
  ],
  ['another kind', put('instances/web', { kind: 'volume', spec: {} }), 422, 'invalid', /\/kind/],
  [
    'another image of an instance',
    put('instances/web', { spec: { image: 'new', memoryMib: 128 } }),
    422,
    'invalid',
    /cannot change image/
  ],
  [
    'a deletion without saying what was read',
    { method: 'DELETE', path: '/v1/instances/web' },
    428,
    'precondition-required',
    /If-Match/
  ],
  [
    'the deletion of what is not there',
    { method: 'DELETE', path: '/v1/instances/none', headers: any },
    404,
    'not-found',
    /there is no instance "none"/
  ],
  [
    'the deletion of an image in use',
    { method: 'DELETE', path: '/v1/images/tiny', headers: any },
    409,
    'conflict',
    /in use.*web-root/
  ],
  [
    'the deletion of the default tenant',
    { method: 'DELETE', path: '/v1/tenants/default', headers: any },
    409,
    'conflict',
    /in use/
  ],
  [
    'a range that overlaps',
    post('subnets', { name: 's', spec: { network: 'default', cidr: '10.66.0.0/25' } }),
    409,
    'conflict',
    /overlaps/
  ],
  [
    'a range that is none',
    post('subnets', { name: 's', spec: { network: 'default', cidr: '10.66.0.0' } }),
    422,
    'invalid',
    /\/spec\/cidr/
  ],
  [
    'a range that is too wide',
    post('subnets', { name: 's', spec: { network: 'default', cidr: '0.0.0.0/0' } }),
    422,
    'invalid',
    /outside the supported/
  ],
  [
    'a host made by hand',
    post('hosts', { name: 'h', spec: { reservedMib: 1 } }),
    422,
    'invalid',
    /hosts join by themselves/
  ],
  [
    'a verb on nothing',
    post('instances/none/start', {}),
    404,
    'not-found',
    /there is no instance "none"/
  ],
  [
    'a verb that does not exist',
    post('instances/web/explode', {}),
    404,
    'not-found',
    /there is no POST/
  ],
  ['resuming what is stopped', post('instances/n0/resume', {}), 409, 'conflict', /it is stopped/],
  [
    'a filter that cannot be read',
    { path: '/v1/instances?filter=name' },
    422,
    'invalid',
    /cannot read the filter/
  ],
  ['a limit that is no number', { path: '/v1/instances?limit=many' }, 422, 'invalid', /limit/],
  [
    'a cursor of another list',
    { path: '/v1/instances?next=abc' },
    422,
    'invalid',
    /not of this list/
  ],
  ['an unknown question', { path: '/v1/instances?colour=red' }, 422, 'invalid', /colour/],
  [
    'content for an image that has it',
    {
      method: 'PUT',
      path: '/v1/images/tiny/content',
      raw: 'x',
      headers: { 'content-type': 'application/octet-stream' }
    },
    409,
    'conflict',
    /has its content already/
  ],
  [
    'content that is no such image',
    {
      method: 'PUT',
      path: '/v1/images/box/content',
      raw: 'no tar',
      headers: { 'content-type': 'application/octet-stream' }
    },
    422,
    'invalid',
    /is no tar/
  ],
  ['content that is JSON', put('images/box/content', {}), 415, 'media-type', /octet-stream/],
  ['a token without a role', post('tokens', { name: 't' }), 422, 'invalid', /role/],
  [
    'revoking the last admin token',
    { method: 'DELETE', path: '/v1/tokens/admin' },
    409,
    'conflict',
    /last admin token/
  ],
  [
    'an Idempotency-Key that is too long',
    { ...instance({}), headers: { 'idempotency-key': 'k'.repeat(300) } },
    400,
    'invalid',
    /300 characters/
  ]
]

for (const [title, asked, status, type, says] of cases) {
  test(`${title} is refused with ${status} and what to do`, async t => {
    const { json, headers, status: got, text } = await world.ask(asked)
    t.is(got, status, text)
    t.regex(String(headers['content-type']), /application\/problem\+json/)
    t.is(json.type, `urn:remuda:${type}`)
    const said = [json.detail, ...json.reasons, ...json.next].join(' ')
    t.regex(said, says)
    t.true(json.reasons.length + json.next.length > 0, text)
    t.is(json.instance, asked.path)
  })
}

test('the table holds at least 60 cases', t => t.true(cases.length >= 60, String(cases.length)))
