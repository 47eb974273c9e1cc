/**
 * Power through one of Debian's fence agents. It is told everything, secrets too, on its standard
 * input. It runs in a pid namespace of its own: what an agent starts on a terminal leaves our
 * process group, and would outlive it.
 *
 * Its return codes are no proof. That of `status` alone is no reading either: 2 means *off*, but
 * Python ends with 2 as well when it cannot even read the program. So its words must agree.
 */
import { Fault } from '#shared/fault.ts'
import { type Outlet, outletName } from '#shared/model/fence.ts'
import { isInstalled, run } from '#shared/process.ts'
import type { Power } from '#shared/wire/fence.ts'
import type { FenceDevice } from '../../core/ports.ts'

/** Ends all that the agent has started, whichever session it went to. */
const alone = ['--pid', '--fork', '--kill-child=KILL', '--']

/** A device behind an agent; `secrets` has the values by the names of the parameters. */
export function agentDevice(
  outlet: Outlet,
  given: { readonly secrets: Readonly<Record<string, string>>; readonly deadlineMs: number }
): FenceDevice {
  const { agent, parameters } = outlet
  const told = Object.entries({ ...parameters, ...given.secrets })
  const ask = async (
    action: string,
    signal: AbortSignal,
    exitCodes: readonly number[]
  ): Promise<string> => {
    if (!isInstalled(agent)) {
      throw new Fault('command', `cannot run ${agent}: it is not installed`, {
        next: ['apt-get install fence-agents']
      })
    }
    const input = [['action', action], ...told].map(([name, value]) => `${name}=${value}\n`)
    const { deadlineMs } = given
    const { stdout } = await run('unshare', [...alone, agent], {
      ...{ input: input.join(''), deadlineMs, signal, exitCodes }
    })
    return stdout
  }
  return {
    name: outletName(outlet),
    power: async signal => readStatus(await ask('status', signal, [0, 2])),
    off: async signal => void (await ask('off', signal, [0])),
    on: async signal => void (await ask('on', signal, [0])),
    [Symbol.asyncDispose]: async () => {}
  }
}

/** Reads what an agent says of the power. Fault `protocol`: something else. */
export function readStatus(stdout: string): Power {
  const words = [...stdout.matchAll(/^Status: (ON|OFF)\s*$/gm)].map(([, word]) => word)
  if (words.length === 1) return words[0] === 'ON' ? 'on' : 'off'
  const said = stdout.trim().slice(0, 80)
  throw new Fault('protocol', `cannot read the power: the agent says "${said}"`)
}
