import { createServer } from 'node:net'
import test from 'ava'
import { isFault, sentence } from '#shared/fault.ts'
import type { RedfishDevice as Model } from '#shared/model/fence.ts'
import type { FenceDevice } from '../../bootd/core/ports.ts'
import { RedfishDevice } from '../../bootd/io/fence/redfish.ts'
import { RedfishBmc, type RedfishFaults } from '../../tools/lab/bmc/redfish-bmc.ts'
import { fenceDeviceSuite } from '../contracts/fence-device.ts'
import { serviceCertificate } from '../world/redfish-certificate.ts'

type Rig = AsyncDisposable & {
  readonly bmc: RedfishBmc
  readonly device: FenceDevice
  readonly open: (more?: Partial<Model>, password?: string) => FenceDevice
}

async function start(faults: RedfishFaults = {}, more: Partial<Model> = {}): Promise<Rig> {
  const certificate = await serviceCertificate()
  const bmc = await RedfishBmc.start(certificate)
  Object.assign(bmc.faults, faults)
  const opened: FenceDevice[] = []
  const open = (other: Partial<Model> = {}, password = bmc.password): FenceDevice => {
    const { url, user } = bmc
    const { fingerprint } = certificate
    const model: Model = {
      ...{ type: 'redfish', url, user, secret: 'bmc', auth: 'session', fingerprint },
      ...other
    }
    const device = new RedfishDevice(model, { password })
    opened.push(device)
    return device
  }
  return {
    bmc,
    open,
    device: open(more),
    [Symbol.asyncDispose]: async () => {
      for (const device of opened) await device[Symbol.asyncDispose]()
      await bmc[Symbol.asyncDispose]()
    }
  }
}

const patient = (): AbortSignal => AbortSignal.timeout(60_000)

for (const auth of ['session', 'basic'] as const) {
  fenceDeviceSuite(`redfish, ${auth}`, async () => {
    const rig = await start({}, { auth })
    const silent = await start({ silent: true }, { auth })
    const password = 'wrong-9c'
    return {
      device: rig.device,
      isRunning: () => rig.bmc.isRunning,
      stranger: { device: rig.open({ auth }, password), password },
      silent: silent.device,
      [Symbol.asyncDispose]: async () => {
        await rig[Symbol.asyncDispose]()
        await silent[Symbol.asyncDispose]()
      }
    }
  })
}

const sound: readonly (readonly [string, RedfishFaults])[] = [
  ['a task', { task: { looks: 2, end: 'Completed' } }],
  ['a service that is busy at first', { busy: 2 }],
  ['a service that wants the ETag', { wantsEtag: true }],
  ['a root that is elsewhere in the service', { redirectsTo: '/redfish/v1/' }],
  ['a service that does not say which resets it knows', { resetTypes: undefined as never }]
]

for (const [title, faults] of sound) {
  test(`power is cut through ${title}`, async t => {
    await using rig = await start(faults)
    await rig.device.off(patient())
    t.false(rig.bmc.isRunning)
    t.is(await rig.device.power(patient()), 'off')
  })
}

const unsound: readonly (readonly [string, RedfishFaults, RegExp])[] = [
  [
    'a task that fails',
    { task: { looks: 1, end: 'Exception' } },
    /cannot switch .*: its task ended as Exception/
  ],
  ['a service that stays busy', { busy: 99 }, /cannot log in as admin: HTTP 503/],
  ['a service that answers with pages', { page: true }, /"<html>" is no object/],
  [
    'a service that sends us to another one',
    { redirectsTo: 'https://127.0.0.9/redfish/v1' },
    /cannot go to https:\/\/127\.0\.0\.9: it is not https:\/\/127\.0\.0\.1:\d+/
  ],
  [
    'a service that knows no such reset',
    { resetTypes: ['GracefulShutdown', 'PowerCycle'] },
    /cannot switch off: it knows none of ForceOff/
  ]
]

for (const [title, faults, says] of unsound) {
  test(`${title} is a fault, and the host runs on`, async t => {
    await using rig = await start(faults)
    const thrown = await t.throwsAsync(rig.device.off(patient()))
    t.regex(sentence(thrown), says)
    t.true(rig.bmc.isRunning)
  })
}

const states: readonly (readonly [RedfishFaults, string])[] = [
  [{ powerState: 'PoweringOff' }, 'unknown'],
  [{ powerState: 'PoweringOn' }, 'unknown'],
  [{ powerState: 'Paused' }, 'on'],
  [{ powerState: null }, 'unknown'],
  [{ powerState: undefined }, 'unknown'],
  [{ powerState: 'off' }, 'unknown'],
  [{ powerState: 'Off', state: 'Absent' }, 'unknown'],
  [{ powerState: 'Off' }, 'off']
]

for (const [faults, power] of states) {
  test(`a system that shows ${JSON.stringify(faults)} reads ${power}`, async t => {
    await using rig = await start(faults)
    t.is(await rig.device.power(patient()), power as 'off')
  })
}

test('a refusal because it is off already says so', async t => {
  await using rig = await start({ refusesSame: true })
  rig.bmc.isRunning = false
  const thrown = await t.throwsAsync(rig.device.off(patient()))
  t.regex(sentence(thrown), /cannot switch off .*: HTTP 409, it is so already/)
  t.is(await rig.device.power(patient()), 'off')
})

test('with several systems none is guessed, and one that is named is taken', async t => {
  await using rig = await start()
  rig.bmc.systems.push('2')
  const fault = await t.throwsAsync(rig.device.off(patient()))
  t.true(isFault(fault, 'invalid'))
  t.deepEqual((fault as { reasons?: unknown }).reasons, ['it has 2: 1, 2'])
  t.true(rig.bmc.isRunning)
  t.is(await rig.open({ system: '2' }).power(patient()), 'on')
  await rig.open({ system: '/redfish/v1/Systems/1' }).off(patient())
  t.false(rig.bmc.isRunning)
})

test('a session is used again, opened anew when it has expired, and closed at the end', async t => {
  await using rig = await start()
  const logins = () => rig.bmc.requests.filter(each => each.startsWith('POST')).length
  await rig.device.power(patient())
  await rig.device.power(patient())
  t.is(logins(), 1)
  rig.bmc.sessions.clear()
  t.is(await rig.device.power(patient()), 'on')
  t.is(logins(), 2)
  await rig.device[Symbol.asyncDispose]()
  t.is(rig.bmc.sessions.size, 0)
})

test('no password is sent to a service with another certificate', async t => {
  await using rig = await start()
  const fingerprint = 'ab'.repeat(32)
  const device = rig.open({ fingerprint })
  const thrown = await t.throwsAsync(device.power(patient()))
  t.regex(sentence(thrown), /cannot trust 127\.0\.0\.1: its certificate is [0-9a-f]{64}/)
  const { fingerprint: _, ...bare } = { fingerprint: undefined }
  const untrusted = rig.open({ ...bare, fingerprint: undefined as never })
  t.regex(sentence(await t.throwsAsync(untrusted.power(patient()))), /self-signed certificate/)
  t.deepEqual(rig.bmc.requests, [])
})

test('an authority may vouch for the certificate instead', async t => {
  await using rig = await start()
  const { certificate } = await serviceCertificate()
  const device = rig.open({ fingerprint: undefined as never, authority: certificate })
  t.is(await device.power(patient()), 'on')
})

test('a service that does not even shake hands is given up by itself', async t => {
  const server = createServer(socket => void socket.on('error', () => {}).resume())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const url = `https://127.0.0.1:${(server.address() as { port: number }).port}`
  await using device = new RedfishDevice(
    { type: 'redfish', url, user: 'admin', secret: 'bmc', auth: 'session' },
    { password: 'sesame', connectMsMax: 50 }
  )
  const thrown = await t.throwsAsync(device.power(patient()))
  t.regex(sentence(thrown), /no answer to POST .*Sessions \(no connection in 50 ms\)/)
})
