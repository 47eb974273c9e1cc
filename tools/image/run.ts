import { Fault } from '#shared/fault.ts'
import * as programs from '#shared/process.ts'

/** How a program of the image builder runs. */
export type RunOptions = {
  readonly deadlineMs?: number
  readonly signal?: AbortSignal | undefined
  /** The folder that it runs in; the root by default. */
  readonly cwd?: string
  /** Variables that it needs beside a minimal environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Given as standard input. */
  readonly input?: string
}

const deadlineMsDefault = 60_000

/** Debian's package of each program that a building machine may lack. */
const packageOf: Readonly<Record<string, string>> = {
  debugfs: 'e2fsprogs',
  depmod: 'kmod',
  mcopy: 'mtools',
  mformat: 'mtools',
  mke2fs: 'e2fsprogs',
  mksquashfs: 'squashfs-tools',
  mmdebstrap: 'mmdebstrap',
  'qemu-img': 'qemu-utils',
  strip: 'binutils',
  syslinux: 'syslinux'
}

/** Runs a program and gives its standard output. Faults: `command`, `deadline`, `aborted`. */
export async function run(
  program: string,
  programArguments: readonly string[],
  options: RunOptions = {}
): Promise<string> {
  if (!programs.isInstalled(program)) {
    const owner = packageOf[program]
    throw new Fault('command', `cannot run ${program}: it is not installed`, {
      next: owner ? [`apt-get install ${owner}`] : []
    })
  }
  const { cwd, env = {}, deadlineMs = deadlineMsDefault, ...others } = options
  const place = cwd === undefined ? [] : ['-C', cwd]
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`)
  const words = [...place, ...variables, program, ...programArguments]
  return (await programs.run('env', words, { ...others, deadlineMs })).stdout
}
