/** Which QEMU is there, and from which on emulated VMs may move. */
import { isInstalled, run } from '#shared/process.ts'
import { isAtLeast } from '#shared/zookeeper/version.ts'

const emulator = 'qemu-system-x86_64'

/** The first QEMU that sends all that a VM has written which it emulates. */
export const qemuMovesMin = '9.0'

/** Whether a QEMU may lose writes of a VM that it emulates while that is sent. */
export const mayBreakMoves = (version: string): boolean => !isAtLeast(version, qemuMovesMin)

/** Version that a program of QEMU says of itself, such as 7.2.22. Faults: `command`, `deadline`. */
export async function qemuVersionOf(program: string): Promise<string> {
  const { stdout } = await run(program, ['--version'], { deadlineMs: 30_000 })
  return /version ([\d.]+)/.exec(stdout)?.[1] ?? ''
}

/** Version of the machine's own; undefined: it has none. */
export const machineQemu = async (): Promise<string | undefined> =>
  isInstalled(emulator) ? await qemuVersionOf(emulator) : undefined
