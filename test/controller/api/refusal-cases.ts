/** Requests that are wrong in one way each. */
import {
  type Case,
  instance,
  instanceCases,
  post,
  put,
  whatever
} from './refusal-cases-instances.ts'

/** Everything that is wrong. */
export const cases: readonly Case[] = [
  ...instanceCases,
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
    { method: 'DELETE', path: '/v1/instances/none', headers: whatever },
    404,
    'not-found',
    /there is no instance "none"/
  ],
  [
    'the deletion of an image in use',
    { method: 'DELETE', path: '/v1/images/tiny', headers: whatever },
    409,
    'conflict',
    /in use.*web-root/
  ],
  [
    'the deletion of the default tenant',
    { method: 'DELETE', path: '/v1/tenants/default', headers: whatever },
    409,
    'conflict',
    /whoever names no tenant/
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
    'a list of a tenant that does not exist',
    { path: '/v1/instances?tenant=acme' },
    404,
    'not-found',
    /there is no tenant "acme"/
  ],
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
