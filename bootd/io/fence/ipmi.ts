/**
 * Power by IPMI 2.0, through ipmitool. The password goes by the environment: as an argument it
 * would stand in the list of processes.
 */
import { Fault } from '#shared/fault.ts'
import type { IpmiDevice } from '#shared/model/fence.ts'
import { deviceName } from '#shared/model/fence.ts'
import { run } from '#shared/process.ts'
import type { Power } from '#shared/wire/fence.ts'
import type { FenceDevice } from '../../core/ports.ts'

/** How long it waits for an answer and how often it asks: it gives up after some 4 s. Unit: s. */
const answerSeconds = 2
const repeats = 1

/** A baseboard controller; ipmitool ends with its deadline whatever the controller does. */
export function ipmiDevice(
  device: IpmiDevice,
  given: { readonly password: string; readonly deadlineMs: number }
): FenceDevice {
  const ipmitool = async (verb: string, signal: AbortSignal): Promise<string> => {
    const { stdout } = await run('ipmitool', [...argsOf(device), 'chassis', 'power', verb], {
      deadlineMs: given.deadlineMs,
      environment: { IPMI_PASSWORD: given.password },
      signal
    })
    return stdout
  }
  return {
    name: deviceName(device),
    power: async signal => readPower(await ipmitool('status', signal)),
    off: async signal => void (await ipmitool('off', signal)),
    on: async signal => void (await ipmitool('on', signal)),
    [Symbol.asyncDispose]: async () => {}
  }
}

const argsOf = (device: IpmiDevice): readonly string[] => [
  ...['-I', 'lanplus', '-H', device.address, '-p', String(device.port)],
  ...['-U', device.user, '-E', '-L', device.privilege.toUpperCase()],
  ...(device.cipherSuite === undefined ? [] : ['-C', String(device.cipherSuite)]),
  ...['-N', String(answerSeconds), '-R', String(repeats)]
]

/** Reads what ipmitool says. Fault `protocol`: something else. */
export function readPower(stdout: string): Power {
  const [, power] = /^Chassis Power is (on|off)\s*$/m.exec(stdout) ?? []
  if (power === 'on' || power === 'off') return power
  const said = stdout.trim().slice(0, 80)
  throw new Fault('protocol', `cannot read the power: ipmitool says "${said}"`)
}
