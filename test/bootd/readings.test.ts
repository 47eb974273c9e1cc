import test from 'ava'
import { isFault } from '#shared/fault.ts'
import type { FenceDevice as Model } from '#shared/model/fence.ts'
import { deviceName, deviceSchemas, FenceLevels, secretsOf } from '#shared/model/fence.ts'
import { validator, withDefaults } from '#shared/model/validate.ts'
import { placeInRound } from '../../bootd/core/device-watch.ts'
import { readStatus } from '../../bootd/io/fence/agent-exec.ts'
import { FenceExecutor } from '../../bootd/io/fence/executor.ts'
import { readPower } from '../../bootd/io/fence/ipmi.ts'
import { addressOf, openDevice } from '../../bootd/io/fence/open.ts'
import { PduDevice, togetherOf } from '../../bootd/io/fence/pdu.ts'
import { FakeBmc } from '../world/fake-bmc.ts'
import { FakeClock } from '../world/fake-clock.ts'

const ipmitool: readonly (readonly [string, string | undefined])[] = [
  ['Chassis Power is on\n', 'on'],
  ['Chassis Power is off\n', 'off'],
  ['Chassis Power Control: Down/Off\n', undefined],
  ['Chassis Power is off by one\n', undefined],
  ['', undefined]
]

for (const [stdout, power] of ipmitool) {
  test(`ipmitool's ${JSON.stringify(stdout)} reads ${power ?? 'nothing'}`, t => {
    if (power !== undefined) t.is(readPower(stdout), power as 'on')
    else
      t.true(
        isFault(
          t.throws(() => readPower(stdout)),
          'protocol'
        )
      )
  })
}

const agents: readonly (readonly [string, string | undefined])[] = [
  ['Status: ON\n', 'on'],
  ['Status: OFF\n', 'off'],
  ['notice\nStatus: OFF\n', 'off'],
  // What Python says when it cannot read the program, with the exit code of "off".
  ['', undefined],
  ['Success: Already OFF\n', undefined],
  ['Status: ON\nStatus: OFF\n', undefined]
]

for (const [stdout, power] of agents) {
  test(`an agent's ${JSON.stringify(stdout)} reads ${power ?? 'nothing'}`, t => {
    if (power !== undefined) t.is(readStatus(stdout), power as 'on')
    else
      t.true(
        isFault(
          t.throws(() => readStatus(stdout)),
          'protocol'
        )
      )
  })
}

const together: readonly (readonly [readonly ('on' | 'off' | 'unknown')[], string])[] = [
  [['off', 'off'], 'off'],
  [['on', 'on'], 'on'],
  [['off', 'on'], 'on in part: o1 reads off'],
  [['on', 'unknown', 'off'], 'on in part: o2 reads unknown and o3 reads off'],
  [['off', 'unknown'], 'unknown'],
  [[], 'unknown']
]

for (const [powers, power] of together) {
  test(`outlets that read ${powers.join(', ') || 'nothing'} read ${power} together`, t => {
    const outlets = powers.map((each, index) => ({ name: `o${index + 1}`, power: each }))
    const said = togetherOf(outlets)
    t.is(typeof said === 'string' ? said : `${said.power} in part: ${said.dark}`, power)
  })
}

const never = new AbortController().signal

test('an outlet that comes on late is waited for, and no other need be off again', async t => {
  const [first, second] = [new FakeBmc('o1'), new FakeBmc('o2')]
  first.isRunning = false
  second.isRunning = false
  second.faults.lying = true
  const both = new PduDevice([first, second])
  const thrown = await t.throwsAsync(both.on(never))
  t.is(thrown?.message, 'cannot give power by o1 and o2: o2 is not on yet')
  second.faults.lying = false
  await both.on(never)
  t.true(first.isRunning && second.isRunning)
})

test('an outlet that does not say how it is leaves the host unproven', async t => {
  const [first, second] = [new FakeBmc('o1'), new FakeBmc('o2')]
  const both = new PduDevice([first, second])
  await both.off(never)
  t.is(await both.power(never), 'off')
  second.faults.failing = 1
  await t.throwsAsync(both.power(never))
  second.faults.vague = true
  t.is(await both.power(never), 'unknown')
})

test('a device whose secret was not given says so, and is not called', async t => {
  const executor = new FenceExecutor({ clock: new FakeClock() })
  const model = withDefaults(FenceLevels, [
    { devices: [{ type: 'ipmi', address: '127.0.0.1', user: 'admin', secret: 'bmc' }] }
  ]) as FenceLevels
  t.deepEqual(secretsOf(model), ['bmc'])
  const { fence, watch } = openDevice(model[0]!.devices[0]!, { other: 'x' }, { executor })
  const says = 'cannot use IPMI at 127.0.0.1: its secret bmc is not given'
  t.is((await t.throwsAsync(fence.off(never)))?.message, says)
  t.is((await t.throwsAsync(watch.power(never)))?.message, says)
})

const apc = (parameters: Record<string, string>, secrets: Record<string, string> = {}) => ({
  ...{ type: 'agent', agent: 'fence_apc_snmp', parameters, secrets }
})
const ipmi = { type: 'ipmi', address: 'bmc2', port: 623, user: 'a', secret: 's' }
type Row = readonly [string, { readonly type: string; readonly [field: string]: unknown }, RegExp?]
const models: readonly Row[] = [
  ['an agent with its place', apc({ ip: '10.0.0.9', plug: '2' }, { community: 'strip' })],
  ['an agent with a password in the open', apc({ password: 'x' }), /the key "password" must match/],
  [
    'an agent with a community in the open',
    apc({ community: 'x' }),
    /the key "community" must match/
  ],
  [
    'an agent that runs another program',
    apc({ password_script: '/bin/sh' }),
    /the key "\w+" must match/
  ],
  [
    'an agent that calls another snmpget',
    apc({ snmpget_path: '/tmp/x' }),
    /the key "\w+" must match/
  ],
  ['an agent with its own action', apc({ action: 'reboot' }), /the key "action" must match/],
  [
    'an agent that takes what is missing for off',
    apc({ missing_as_off: '1' }),
    /the key "\w+" must match/
  ],
  ['an agent that says more in two lines', apc({ ip: 'a\nplug=3' }), /./],
  ['an agent that cuts storage only', { ...apc({}), agent: 'fence_scsi' }, /./],
  ['the agent that hangs', { ...apc({}), agent: 'fence_redfish' }, /./],
  ['another program', { ...apc({}), agent: '/bin/sh' }, /./],
  ['IPMI', { ...ipmi, privilege: 'operator' }],
  ['an address that is an option', { ...ipmi, privilege: 'operator', address: '-f' }, /./],
  [
    'Redfish with the password in the address',
    { type: 'redfish', url: 'https://a:b@bmc', user: 'a', secret: 's', auth: 'basic' },
    /./
  ],
  [
    'Redfish that is not encrypted',
    { type: 'redfish', url: 'http://bmc', user: 'a', secret: 's', auth: 'basic' },
    /./
  ]
]
const checkLevels = validator(FenceLevels)

for (const [title, device, problem] of models) {
  test(`${title} is ${problem ? 'refused' : 'taken'}`, t => {
    const [first] = validator(deviceSchemas[device.type as Model['type']])(device)
    t.is(checkLevels([{ devices: [device] }]).length === 0, problem === undefined)
    if (problem === undefined) t.is(first, undefined)
    else t.regex(first?.detail ?? '', problem)
  })
}

test('all that goes to one controller has one address, and no name has a secret', t => {
  const both: readonly Exclude<Model, { type: 'pdu' }>[] = [
    { type: 'ipmi', address: '10.0.0.7', port: 623, user: 'a', secret: 's', privilege: 'operator' },
    { type: 'redfish', url: 'https://10.0.0.7/', user: 'a', secret: 's', auth: 'session' },
    {
      type: 'agent',
      agent: 'fence_ilo',
      parameters: { ip: '10.0.0.7' },
      secrets: { password: 's' }
    }
  ]
  for (const model of both) t.is(addressOf(model), '10.0.0.7')
  t.deepEqual(both.map(deviceName), [
    'IPMI at 10.0.0.7',
    'Redfish at https://10.0.0.7/',
    'fence_ilo at 10.0.0.7'
  ])
})

test('hosts are spread evenly over a round', t => {
  for (const nameOf of [
    (each: number) => `h${each}`,
    (each: number) => `4c4c4544-0032-3010-8050-${String(each).padStart(12, '0')}`
  ]) {
    const tenths = Array.from({ length: 10 }, () => 0)
    for (let each = 0; each < 1_000; each++) {
      const place = placeInRound(nameOf(each))
      t.true(place >= 0 && place < 1)
      tenths[Math.floor(place * 10)]! += 1
    }
    for (const count of tenths) t.true(count > 60 && count < 140, tenths.join(' '))
  }
})
