/** Requests that are wrong in one way each. */
import type { Asked } from '../../world/world-controller.ts'

/** What is asked, and how it must be answered. */
export type Case = readonly [
  title: string,
  asked: Asked,
  status: number,
  type: string,
  says: RegExp
]

/** A POST. */
export const post = (path: string, body: unknown): Asked => ({
  method: 'POST',
  path: `/v1/${path}`,
  body
})
/** A POST of an instance. */
export const instance = (spec: object, name: unknown = 'x'): Asked =>
  post('instances', { name, spec: { image: 'tiny', memoryMib: 64, ...spec } })
/** Whatever generation it is of. */
export const whatever = { 'if-match': '*' }
/** A PUT. */
export const put = (path: string, body: unknown, headers: Asked['headers'] = whatever): Asked => ({
  method: 'PUT',
  path: `/v1/${path}`,
  body,
  headers: headers!
})

/** Wishes for instances that are wrong. */
export const instanceCases: readonly Case[] = [
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
    /needs 9074 MiB \(74 MiB beside its own\), has \d+ MiB unpromised/
  ],
  ['too many processors', instance({ vcpus: 512 }), 409, 'capacity', /needs 512 vcpus/],
  ['a host that does not exist', instance({ host: 'h9' }), 409, 'capacity', /bound to h9/],
  [
    'a subnet that is full',
    instance({ ports: [{ network: 'narrow' }] }),
    409,
    'capacity',
    /5 of 5 used/
  ]
]
