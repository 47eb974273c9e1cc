/** Power devices of Debian, called by the programs of Debian. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { realClock } from '#shared/clock.ts'
import { sentence } from '#shared/fault.ts'
import { makeLog } from '#shared/log.ts'
import type { IpmiDevice, Outlet } from '#shared/model/fence.ts'
import type { FenceState } from '#shared/wire/fence.ts'
import type { FenceDevice, Reading } from '../../bootd/core/ports.ts'
import { agentDevice } from '../../bootd/io/fence/agent-exec.ts'
import { ipmiDevice } from '../../bootd/io/fence/ipmi.ts'
import { PduDevice } from '../../bootd/io/fence/pdu.ts'
import { Fencer } from '../../bootd/io/fencer.ts'
import { fenceDeviceSuite } from '../contracts/fence-device.ts'
import {
  bmcPassword,
  bmcUser,
  type PowerService,
  processesWith,
  startBmc,
  startSilence,
  startStrip,
  stripCommunity
} from './fence-services.ts'

const patienceMs = 90_000
/** Ample: the machine may be busy. */
const deadlineMs = 60_000
const patient = (): AbortSignal => AbortSignal.timeout(patienceMs)

const ipmiModel = ({ port }: PowerService): IpmiDevice => ({
  ...{ type: 'ipmi', address: '127.0.0.1', port, user: bmcUser, secret: 'bmc' },
  ...{ cipherSuite: 3, privilege: 'operator' }
})

const outletModel = ({ port }: PowerService, plug: number): Outlet => ({
  agent: 'fence_apc_snmp',
  parameters: { ip: '127.0.0.1', ipport: String(port), snmp_version: '2c', plug: String(plug) },
  secrets: { community: 'strip' }
})

/** Waits until a service answers. */
async function answering<Device extends FenceDevice<Reading>>(device: Device): Promise<Device> {
  const signal = patient()
  for (;;) {
    try {
      await device.power(signal)
      return device
    } catch (thrown) {
      if (signal.aborted) throw thrown
    }
  }
}

/** Waits until something is so. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const signal = patient()
  while (!(await isSo())) {
    signal.throwIfAborted()
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

fenceDeviceSuite('ipmitool with ipmi_sim', async () => {
  const bmc = await startBmc()
  const silence = await startSilence()
  const password = 'wrong-9c'
  const device = ipmiDevice(ipmiModel(bmc), { password: bmcPassword, deadlineMs })
  return {
    device: await answering(device),
    isRunning: bmc.isRunning,
    stranger: { device: ipmiDevice(ipmiModel(bmc), { password, deadlineMs }), password },
    silent: ipmiDevice(ipmiModel(silence), { password: bmcPassword, deadlineMs }),
    [Symbol.asyncDispose]: async () => {
      await bmc[Symbol.asyncDispose]()
      await silence[Symbol.asyncDispose]()
    }
  }
})

fenceDeviceSuite('two outlets through fence_apc_snmp', async () => {
  const strip = await startStrip()
  const silence = await startSilence()
  const outlets = (service: PowerService) =>
    new PduDevice(
      [1, 2].map(plug =>
        agentDevice(outletModel(service, plug), {
          secrets: { community: stripCommunity },
          deadlineMs
        })
      )
    )
  return {
    device: await answering(outlets(strip)),
    isRunning: async () => (await strip.isRunning(1)) || (await strip.isRunning(2)),
    silent: outlets(silence),
    [Symbol.asyncDispose]: async () => {
      await strip[Symbol.asyncDispose]()
      await silence[Symbol.asyncDispose]()
    }
  }
})

test.serial('no outlet goes on while another one is on that was never off', async t => {
  await using strip = await startStrip()
  const [first, second] = [1, 2].map(plug =>
    agentDevice(outletModel(strip, plug), { secrets: { community: stripCommunity }, deadlineMs })
  )
  await (await answering(first!)).off(patient())
  const both = new PduDevice([first!, second!])
  t.like(await both.power(patient()), { power: 'on', dark: `${first!.name} reads off` })
  const thrown = await t.throwsAsync(both.on(patient()))
  t.regex(sentence(thrown), /all must be off before any is switched on/)
  t.false(await strip.isRunning(1))
  await both.off(patient())
  t.is(await both.power(patient()), 'off')
  await both.on(patient())
  t.true((await strip.isRunning(1)) && (await strip.isRunning(2)))
  await first!.off(patient())
  await both.on(patient(), () => {})
  t.is(await both.power(patient()), 'on')
  t.true((await strip.isRunning(1)) && (await strip.isRunning(2)))
})

test.serial('a password is in no list of processes, and no process outlives its call', async t => {
  await using silence = await startSilence()
  const device = ipmiDevice(ipmiModel(silence), { password: bmcPassword, deadlineMs })
  const stop = new AbortController()
  const call = device.power(stop.signal)
  call.catch(() => {})
  const place = `-p ${silence.port}`
  await until(async () => (await processesWith(place)).length > 0)
  t.deepEqual(await processesWith(bmcPassword), [])
  stop.abort(new Error('enough'))
  await t.throwsAsync(call)
  await until(async () => (await processesWith(place)).length === 0)
})

test.serial('what an agent has started ends with it, in whichever session', async t => {
  await using silence = await startSilence()
  const outlet = outletModel(silence, 1)
  const device = agentDevice(outlet, { secrets: { community: stripCommunity }, deadlineMs })
  const stop = new AbortController()
  const call = device.power(stop.signal)
  call.catch(() => {})
  const place = `127.0.0.1:${silence.port}`
  await until(async () => (await processesWith(place)).length > 0)
  stop.abort(new Error('enough'))
  await t.throwsAsync(call)
  await until(async () => (await processesWith(place)).length === 0)
  t.pass()
})

test.serial(
  'a host whose controller is silent is fenced by its outlets, and the story tells it',
  async t => {
    t.timeout(patienceMs * 2)
    await using silence = await startSilence()
    await using strip = await startStrip()
    const folder = await mkdtemp(join(tmpdir(), 'remuda-fencer-'))
    t.teardown(() => rm(folder, { recursive: true, force: true }))
    const lines: string[] = []
    await using fencer = await Fencer.open({
      epochFile: join(folder, 'epoch.json'),
      clock: realClock,
      silenceMsMax: 600_000,
      log: makeLog('bootd', { write: line => void lines.push(line) }),
      deadlines: { ipmi: 20_000, redfish: deadlineMs, agent: deadlineMs, lab: deadlineMs },
      onChanged: () => {}
    })
    await fencer.want([
      {
        ...{ host: 'uuid-2', name: 'h2', want: 'off', fence: 'f-1', epoch: 3 },
        levels: [
          { devices: [ipmiModel(silence)] },
          {
            devices: [{ type: 'pdu', outlets: [outletModel(strip, 1), outletModel(strip, 2)] }]
          }
        ],
        secrets: { bmc: bmcPassword, strip: stripCommunity }
      }
    ])
    const state = (): FenceState => fencer.reports()[0]!
    await until(() => state().phase === 'proven')
    t.false((await strip.isRunning(1)) || (await strip.isRunning(2)))
    t.like(state().verdict, { verdict: 'off-confirmed', fence: 'f-1', epoch: 3 })
    t.regex(state().story[0]!, /level 1 of 2: IPMI at 127\.0\.0\.1 gives no answer/)
    t.log(state().story)
    const all = JSON.stringify([state(), lines])
    for (const secret of [bmcPassword, stripCommunity]) t.false(all.includes(secret))
  }
)
