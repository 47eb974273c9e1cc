import { Fault } from '#shared/fault.ts'
import { run } from '#shared/process.ts'
import type { Reboot } from './act.ts'

/** The program answers at once; the machine goes down after that. Unit: ms. */
const answerMsMax = 30_000

/** Has this machine boot anew, by systemd or by a program; a wish about an earlier boot is over. */
export const rebooting =
  ({ rebootProgram }: { readonly rebootProgram?: string | undefined }, bootId: string): Reboot =>
  async (boot, signal) => {
    if (boot !== bootId) return
    const [command, args] =
      rebootProgram === undefined ? ['systemctl', ['reboot']] : [rebootProgram, []]
    try {
      await run(command, args, { deadlineMs: answerMsMax, signal })
    } catch (cause) {
      throw new Fault('command', 'cannot have this machine boot anew', { cause })
    }
  }
