import test from 'ava'
import fc from 'fast-check'
import Type from 'typebox'
import { FenceLevels } from '#shared/model/fence.ts'
import { InstanceSpec } from '#shared/model/instance.ts'
import { nearest } from '#shared/model/near.ts'
import { Condition, Labels, Strict, Timestamp } from '#shared/model/resource.ts'
import { problemsMax, validator, withDefaults } from '#shared/model/validate.ts'

const spec = withDefaults(InstanceSpec, {}) as Record<string, unknown>
const ports = (port: unknown) => [{ network: 'default' }, port]

const faults: readonly (readonly [string, Record<string, unknown>, string, string])[] = [
  [
    'a field that is nearly right',
    { memroyMib: 1 },
    '/memroyMib',
    'unknown field "memroyMib"; did you mean "memoryMib"?'
  ],
  ['a field like no other', { zebra: 1 }, '/zebra', 'unknown field "zebra"'],
  [
    'a word that is nearly right',
    { type: 'vmm' },
    '/type',
    'must be one of vm, container, not "vmm"; did you mean "vm"?'
  ],
  ['a word like no other', { type: 'zebra' }, '/type', 'must be one of vm, container, not "zebra"'],
  ['a broken number', { vcpus: 0.5 }, '/vcpus', 'must be a whole number, not 0.5'],
  ['no number at all', { priority: Number.NaN }, '/priority', 'must be a whole number, not NaN'],
  ['too small a number', { memoryMib: 3 }, '/memoryMib', 'must be between 16 and 16777216, not 3'],
  ['too large a number', { vcpus: 700 }, '/vcpus', 'must be between 1 and 512, not 700'],
  ['null', { image: null }, '/image', 'must be text, not null'],
  ['an object for a text', { image: { a: 1 } }, '/image', 'must be text, not an object'],
  ['a text for a list', { volumes: 'x' }, '/volumes', 'must be a list, not "x"'],
  [
    'a number for a flag',
    { highlyAvailable: 1 },
    '/highlyAvailable',
    'must be true or false, not 1'
  ],
  [
    'no name',
    { pool: 'A_' },
    '/pool',
    'must be a name: 1 to 63 lower-case letters, digits and dashes, no dash at either end, not "A_"'
  ],
  [
    'no address',
    { ports: ports({ network: 'a', address: '1.2.3.256' }) },
    '/ports/1/address',
    'must be an IPv4 address such as 10.66.0.7, not "1.2.3.256"'
  ],
  ['a missing field', { ports: ports({}) }, '/ports/1/network', '"network" is missing'],
  [
    'an unknown field inside',
    { ports: ports({ network: 'a', adress: 'x' }) },
    '/ports/1/adress',
    'unknown field "adress"; did you mean "address"?'
  ],
  [
    'too long a text',
    { userData: 'x'.repeat(70_000) },
    '/userData',
    'must have at most 65536 characters, has 70000'
  ],
  ['too short a text', { sshKeys: ['a'] }, '/sshKeys/0', 'must have 16 to 16384 characters, has 1'],
  [
    'too long a list',
    { volumes: Array(33).fill('v') },
    '/volumes',
    'must have at most 32 entries, has 33'
  ],
  ['a secret of the wrong form', { userData: 7 }, '/userData', 'must be text, not 7']
]

for (const [what, fields, pointer, detail] of faults) {
  test(`${what} is refused: ${detail}`, t => {
    t.deepEqual(validator(InstanceSpec)({ ...spec, ...fields }), [{ pointer, detail }])
  })
}

test('a spec with all its defaults has no fault', t => {
  t.deepEqual(validator(InstanceSpec)(spec), [])
})

for (const [value, detail] of [
  [undefined, 'must be an object, not nothing'],
  [null, 'must be an object, not null'],
  [[], 'must be an object, not a list of 0'],
  ['spec', 'must be an object, not "spec"']
] as const) {
  test(`instead of a spec ${JSON.stringify(value)} is refused: ${detail}`, t => {
    t.deepEqual(validator(InstanceSpec)(value), [{ pointer: '', detail }])
  })
}

test('all faults of a value are told, each once', t => {
  const problems = validator(InstanceSpec)({ ...spec, vcpus: 0, type: 'x', pool: '', extra: 1 })
  t.deepEqual(problems.map(each => each.pointer).toSorted(), ['/extra', '/pool', '/type', '/vcpus'])
})

test('a value with very many faults yields a bounded list', t => {
  const volumes = Array.from({ length: 30 }, () => 'A')
  const sshKeys = Array.from({ length: 60 }, () => 'A')
  const problems = validator(InstanceSpec)({ ...spec, volumes, sshKeys })
  t.true(problems.length > 0 && problems.length <= problemsMax)
})

test('a union of words is told as the list of words', t => {
  const condition = { type: 'running', reason: 'x', message: 'y', status: 'maybe' }
  t.deepEqual(validator(Condition)(condition), [
    { pointer: '/status', detail: 'must be one of true, false, unknown, not "maybe"' }
  ])
})

test('a moment that is not RFC 3339 is refused', t => {
  const check = validator(Strict({ at: Timestamp('When.') }))
  t.deepEqual(check({ at: '2026-01-31T12:00:00Z' }), [])
  t.deepEqual(check({ at: 'yesterday' }), [
    {
      pointer: '/at',
      detail: 'must be a moment as in RFC 3339, such as 2026-01-31T12:00:00Z, not "yesterday"'
    }
  ])
})

test('a key of a record that is not allowed is named', t => {
  const [problem] = validator(Labels)({ 'A/~': 'x' })
  t.is(problem?.pointer, '/A~1~0')
  t.regex(problem?.detail ?? '', /^the key "A\/~" must match /)
})

test('a field called __proto__ is an unknown field and changes no prototype', t => {
  const value = JSON.parse('{"__proto__": {"vcpus": 7}}')
  const problems = [{ pointer: '/__proto__', detail: 'unknown field "__proto__"' }]
  t.deepEqual(validator(Strict({ a: Type.Optional(Type.Number()) }))(value), problems)
  t.deepEqual(validator(InstanceSpec)(withDefaults(InstanceSpec, value)), problems)
  t.is(({} as { vcpus?: number }).vcpus, undefined)
})

test('an offending text is shown shortened and without control characters', t => {
  const [problem] = validator(Strict({ at: Type.Integer() }))({ at: `\u001b[2J${'x'.repeat(500)}` })
  t.regex(problem?.detail ?? '', /^must be a whole number, not "\?\[2Jx{1,40}…"$/)
})

test('the value of a field that may be a secret is not shown', t => {
  const check = validator(Strict({ joinToken: Type.String({ pattern: '^[0-9a-f]+$' }) }))
  t.deepEqual(check({ joinToken: 'hunter2' }), [
    { pointer: '/joinToken', detail: 'must match ^[0-9a-f]+$, not what was given' }
  ])
})

test('no value at all makes a check throw', t => {
  fc.assert(
    fc.property(fc.anything(), value => {
      for (const { pointer, detail } of validator(InstanceSpec)(value)) {
        if (detail === '' || (pointer !== '' && !pointer.startsWith('/'))) return false
      }
      return true
    })
  )
  t.pass()
})

test('defaults fill in what was left out, at every depth, and change no argument', t => {
  const given = Object.freeze({ ports: [Object.freeze({ network: 'a' })], restart: { resetMs: 5 } })
  const filled = withDefaults(InstanceSpec, given) as InstanceSpec
  t.deepEqual(filled.ports, [{ network: 'a' }])
  t.deepEqual(filled.restart, {
    policy: 'always',
    delayMsMin: 100,
    delayMsMax: 60_000,
    resetMs: 5
  })
  t.is(filled.desiredPower, 'running')
  t.deepEqual(given, { ports: [{ network: 'a' }], restart: { resetMs: 5 } })
})

test('a default that is filled in can be changed without changing the next one', t => {
  const first = withDefaults(InstanceSpec, {}) as { volumes: string[] }
  first.volumes.push('v')
  t.deepEqual((withDefaults(InstanceSpec, {}) as { volumes: string[] }).volumes, [])
})

test('of several forms that one gives its defaults which has the type of the value', t => {
  const ipmi = { type: 'ipmi', address: 'bmc1', user: 'u', secret: 's' }
  const filled = withDefaults(FenceLevels, [{ devices: [ipmi, { type: 'none' }] }])
  const known = { ...ipmi, port: 623, privilege: 'operator' }
  t.deepEqual(filled, [{ devices: [known, { type: 'none' }] }])
})

test('of several forms it says what is wrong with that one which the value has by its type', t => {
  const problemsIn = (device: object) =>
    validator(FenceLevels)([{ devices: [device] }]).map(problem => Object.values(problem).join(' '))
  const ipmi = { type: 'ipmi', address: 'bmc1', user: 'u', secret: 's', privilege: 'operator' }
  t.deepEqual(problemsIn({ ...ipmi, port: 0 }), [
    '/0/devices/0/port must be between 1 and 65535, not 0'
  ])
  t.deepEqual(problemsIn({ type: 'lab', host: 'h1' }), ['/0/devices/0/socket "socket" is missing'])
  t.deepEqual(problemsIn({ type: 'magic' }), [
    '/0/devices/0 must have as type one of ipmi, redfish, agent, pdu, lab'
  ])
})

test('defaults leave a value of the wrong form to the check', t => {
  for (const value of [null, 7, 'x', []]) t.deepEqual(withDefaults(InstanceSpec, value), value)
  t.is((withDefaults(InstanceSpec, { type: null }) as { type: unknown }).type, null)
})

for (const [word, near] of [
  ['memroyMib', 'memoryMib'],
  ['memory', 'memoryMib'],
  ['zebra', undefined],
  ['VCPUS', 'vcpus'],
  ['vcpu', 'vcpus'],
  ['', undefined],
  ['x', undefined]
] as const) {
  test(`"${word}" was probably meant as ${near ?? 'nothing that is known'}`, t => {
    t.is(nearest(word, ['memoryMib', 'vcpus', 'image']), near)
  })
}
