import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import test from 'ava'
import { type FakeAnswer, FakeApi } from '../../world/fake-api.ts'
import { typeLine } from './type-line.ts'

const device = { level: 1, name: 'IPMI at 10.0.9.2', power: 'on', reachable: true }
const plan = ['level 1: IPMI at 10.0.9.2 cuts the power, and is read until it has read off twice']
const well = { host: 'h2', state: 'ready', because: 'it reads on', devices: [device], plan }

/** An API with host h2, that says these of its fence, one after the other. */
async function fakeApi(...said: readonly object[]): Promise<FakeApi> {
  const api = await FakeApi.start()
  const level = { devices: [{ type: 'lab', socket: '/run/keeper.sock', host: 'h2' }] }
  api.resources.put({ kind: 'host', name: 'h2' }, { spec: { fence: [level] } })
  const left = [...said]
  api.intercept = ({ path: asked, query }): FakeAnswer | undefined => {
    if (asked === '/v1/hosts/h2/fence') {
      return { status: 200, body: left.length > 1 ? left.shift() : (left[0] ?? well) }
    }
    if (asked === '/v1/hosts/h2/fence-test') {
      return { status: 200, body: query.has('dryRun') ? { dryRun: true, changed: true } : {} }
    }
    return undefined
  }
  return api
}

const writtenTo = (api: FakeApi) =>
  api.asked
    .filter(({ method }) => method !== 'GET')
    .map(({ body, query, path: asked }) => ({
      asked: `${asked}${query.size === 0 ? '' : `?${query}`}`,
      body: body.length === 0 ? undefined : JSON.parse(body.toString())
    }))

const first = { devices: [{ type: 'lab', socket: '/run/keeper.sock', host: 'h2' }] }
const outlet = (plug: string) => ({
  agent: 'fence_apc_snmp',
  parameters: { ip: '10.0.9.100', snmp_version: '1', plug },
  secrets: { community: 'pdu' }
})

const lines: readonly (readonly [string, readonly object[]])[] = [
  [
    '--ipmi 10.0.9.2 --user u --secret bmc',
    [{ devices: [{ type: 'ipmi', address: '10.0.9.2', user: 'u', secret: 'bmc' }] }]
  ],
  [
    '--level 2 --redfish https://10.0.9.2 --user u --secret bmc --basic --system /redfish/v1/S/1',
    [
      first,
      {
        devices: [
          {
            ...{ type: 'redfish', url: 'https://10.0.9.2', user: 'u', secret: 'bmc' },
            ...{ system: '/redfish/v1/S/1', auth: 'basic' }
          }
        ]
      }
    ]
  ],
  [
    '--agent fence_raritan --user u --secret pdu --parameter ip=pdu1 --parameter plug=4',
    [
      {
        devices: [
          {
            ...{ type: 'agent', agent: 'fence_raritan', secrets: { password: 'pdu' } },
            parameters: { username: 'u', ip: 'pdu1', plug: '4' }
          }
        ]
      }
    ]
  ],
  [
    '--level 2 --pdu 10.0.9.100 --agent fence_apc_snmp --outlet 3 --outlet 7 ' +
      '--parameter snmp_version=1 --secret-parameter community=pdu',
    [first, { devices: [{ type: 'pdu', outlets: [outlet('3'), outlet('7')] }] }]
  ]
]

for (const [line, fence] of lines) {
  test(`host fence set h2 ${line} says so in the form of the API`, async t => {
    await using api = await fakeApi()
    const { code, errors } = await typeLine(`host fence set h2 ${line}`, { server: api.url })
    t.is(code, 0, errors)
    t.deepEqual(writtenTo(api), [{ asked: '/v1/hosts/h2', body: { spec: { fence } } }])
  })
}

test('levels come from a file as well, alone or as a host has them', async t => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'remuda-fence-'))
  t.teardown(() => fs.rmSync(folder, { recursive: true, force: true }))
  const file = path.join(folder, 'levels.yaml')
  for (const value of [[first], { fence: [first] }, { kind: 'host', spec: { fence: [first] } }]) {
    fs.writeFileSync(file, JSON.stringify(value))
    await using api = await fakeApi()
    const line = `host fence set h2 -f ${file} --after-fence off --no-wait`
    t.is((await typeLine(line, { server: api.url })).code, 0)
    t.deepEqual(writtenTo(api)[0]?.body, { spec: { fence: [first], afterFence: 'off' } })
  }
  fs.writeFileSync(file, 'fence: none')
  await using api = await fakeApi()
  const wrong = await typeLine(`host fence set h2 -f ${file}`, { server: api.url })
  t.regex(wrong.errors, /cannot find levels in/)
})

for (const [line, because] of [
  ['', /one of --ipmi, --redfish and --agent/],
  ['--ipmi a --redfish https://b', /one of --ipmi/],
  ['--ipmi a --user u', /without --user and --secret/],
  ['--pdu a --agent fence_apc_snmp', /without its outlets/],
  ['--pdu a --outlet 1', /or --pdu with --agent/],
  ['--level 3 --ipmi a --user u --secret s', /there are 1 levels/],
  ['-f x.yaml --ipmi a', /from a file and from --ipmi/]
] as const) {
  test(`host fence set h2 ${line} is no command`, async t => {
    await using api = await fakeApi()
    const { code, errors } = await typeLine(`host fence set h2 ${line}`, { server: api.url })
    t.is(code, 2)
    t.regex(errors, because)
    t.deepEqual(writtenTo(api), [])
  })
}

test('set devices are waited for, and none that works is a failure', async t => {
  const { reachable: _, ...unasked } = device
  const waits = { ...well, state: 'not-asked', devices: [unasked] }
  const silent = { ...device, reachable: false, because: 'no answer after 4 s' }
  const dead = {
    ...{ ...well, state: 'device-silent', because: 'IPMI at 10.0.9.2: no answer after 4 s' },
    devices: [silent]
  }
  await using api = await fakeApi(waits, waits, dead)
  const line = 'host fence set h2 --ipmi 10.0.9.2 --user u --secret bmc'
  const { code, errors } = await typeLine(line, { server: api.url })
  t.is(code, 1)
  t.regex(errors, /no level of devices works/)
  t.regex(errors, /no answer after 4 s/)
})

test('host fence show writes readings, the last test and the plan', async t => {
  const tested = { at: '2026-11-20T10:00:00.000Z', passed: true, because: 'proven off after 3 s' }
  await using api = await fakeApi({ ...well, tested })
  const { output } = await typeLine('host fence show h2', { server: api.url })
  t.regex(output, /^fence +ready: it reads on$/m)
  t.regex(output, /^tested +passed .* ago: proven off after 3 s$/m)
  t.regex(output, /^1 +IPMI at 10\.0\.9\.2 +on +yes/m)
  t.regex(output, /if it died\n {2}level 1: IPMI at/)
})

test('a test that is only told switches nothing', async t => {
  await using api = await fakeApi()
  const { code, errors, output } = await typeLine('host fence test h2', { server: api.url })
  t.is(code, 0)
  t.regex(output, /level 1: IPMI at 10\.0\.9\.2 cuts the power/)
  t.regex(errors, /nothing was switched/)
  t.deepEqual(writtenTo(api), [])
  t.is((await typeLine('host fence test h2 --force', { server: api.url })).code, 2)
  t.is((await typeLine('host fence test h2 --level 2', { server: api.url })).code, 2)
})

for (const [isNow, code] of [
  [true, 0],
  [false, 1]
] as const) {
  test(`a test that is only told has devices asked, and exits with ${code}`, async t => {
    const because = isNow ? 'bootd of c1 has asked them now' : 'not asked now: no bootd is heard'
    const askedAt = new Date(Date.now() - 40_000).toISOString()
    const devices = [{ ...device, askedAt }]
    await using api = await fakeApi({ ...well, devices, asked: { isNow, because } })
    const typed = await typeLine('host fence test h2', { server: api.url })
    t.is(typed.code, code, typed.errors)
    t.is(api.asked.at(-1)?.query.get('ask'), '1')
    t.regex(typed.output, new RegExp(`^asked +${because}$`, 'm'))
    t.regex(typed.output, /^1 +IPMI at 10\.0\.9\.2 +on +yes +- +4\d(\.\d)? s ago/m)
  })
}

const testing = { ...well, test: { step: 'off', since: 'noon', by: 'user/ann' } }
const underway = { want: 'off', phase: 'working', attempt: 1, story: ['level 1 is tried'] }

for (const [passed, code] of [
  [true, 0],
  [false, 1]
] as const) {
  test(`a real test is confirmed by name, told as it goes, and exits with ${code}`, async t => {
    const tested = { at: '2026-11-20T10:00:00.000Z', passed, because: 'what was found' }
    await using api = await fakeApi({ ...testing, underway }, testing, { ...well, tested })
    const terminal = { columns: 100, typed: 'h2\n' }
    const line = 'host fence test h2 --really'
    const typed = await typeLine(line, { server: api.url, terminal })
    t.is(typed.code, code, typed.errors)
    t.regex(typed.errors, /Cut the power of h2\? Type h2 to go on:/)
    t.regex(typed.errors, /level 1 is tried/)
    t.is(typed.output, `host/h2 ${passed ? 'passed' : 'failed'}: what was found\n`)
    t.deepEqual(
      writtenTo(api).map(({ asked }) => asked),
      ['/v1/hosts/h2/fence-test?dryRun=1', '/v1/hosts/h2/fence-test']
    )
  })
}

test('a real test of one level says which', async t => {
  const tested = { at: '2026-11-20T10:00:00.000Z', passed: true, because: 'by level 2' }
  await using api = await fakeApi({ ...well, tested })
  const line = 'host fence test h2 --really --level 2 --yes'
  const { code, errors } = await typeLine(line, { server: api.url })
  t.is(code, 0, errors)
  t.deepEqual(writtenTo(api).at(-1)?.body, { force: false, level: 2 })
})

test('devices are taken away after asking', async t => {
  await using api = await fakeApi()
  t.is((await typeLine('host fence clear h2', { server: api.url })).code, 2)
  t.is((await typeLine('host fence clear h2 --yes', { server: api.url })).code, 0)
  t.deepEqual(writtenTo(api), [{ asked: '/v1/hosts/h2', body: { spec: { fence: null } } }])
})
