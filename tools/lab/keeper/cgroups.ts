/**
 * A control group for each host, so that its daemons and instances are counted, frozen and found by
 * themselves. On version 1 of cgroups it is a group in each hierarchy, on version 2 a single one.
 */
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, exists } from '#shared/files.ts'

const root = '/sys/fs/cgroup'
/** Where the share of processors is set, on version 1 and 2 of cgroups, and that of one process. */
const shareFiles = [
  ['cpu.shares', 1024],
  ['cpu.weight', 100]
] as const
/** A group whose processes were killed is free after at most so long. Unit: ms. */
const emptyMsMax = 10_000

/** Names of the hierarchies of version 1, such as `cpu`; none: there is version 2 alone. */
export async function hierarchies(): Promise<readonly string[]> {
  if (await exists(join(root, 'cgroup.controllers'))) return []
  const text = await readFile('/proc/self/cgroup', 'utf8')
  const names = text.split('\n').map(line => line.split(':')[1] ?? '')
  return names.filter(name => name !== '' && !name.startsWith('name='))
}

/** A host's group in all hierarchies. */
export class Cgroup {
  readonly name: string
  readonly #folders: readonly string[]
  readonly #hierarchies: readonly string[]

  constructor(name: string, controllers: readonly string[]) {
    this.name = name
    this.#hierarchies = controllers
    const tops = controllers.length === 0 ? [root] : controllers.map(each => join(root, each))
    this.#folders = tops.map(top => join(top, name))
  }

  /** Files that a process writes its id to, to be in the group. */
  get entrances(): readonly string[] {
    return this.#folders.map(folder => join(folder, 'cgroup.procs'))
  }

  /**
   * Makes the group. Where processors are short it gets as much of them as so many processes of the
   * machine: to the kernel a group is one.
   */
  async make(share = 1): Promise<void> {
    for (const folder of this.#folders) {
      await mkdir(folder, { recursive: true })
      for (const [name, one] of shareFiles) {
        const file = join(folder, name)
        if (share !== 1 && (await exists(file))) await writeFile(file, String(share * one))
      }
      if (!(await exists(join(folder, 'cpuset.mems'))) || this.#hierarchies.length === 0) continue
      for (const name of ['cpuset.cpus', 'cpuset.mems']) {
        await writeFile(join(folder, name), await readFile(join(folder, '..', name)))
      }
    }
  }

  /** Stops all processes of the group where they stand, or lets them go on. */
  async freeze(frozen: boolean): Promise<void> {
    if (this.#hierarchies.length === 0) {
      await writeFile(join(this.#folders[0]!, 'cgroup.freeze'), frozen ? '1' : '0')
      return
    }
    const file = join(root, 'freezer', this.name, 'freezer.state')
    await writeFile(file, frozen ? 'FROZEN' : 'THAWED')
  }

  /** Kills whatever is in there and removes the group; safe to repeat. */
  async remove(): Promise<void> {
    const until = performance.now() + emptyMsMax
    for (;;) {
      for (const pid of await this.members()) kill(pid)
      if (await exists(this.#folders[0]!)) await this.freeze(false).catch(() => {})
      const left = await Promise.all(this.#folders.map(removeTree))
      if (left.every(gone => gone) || performance.now() > until) return
      await sleep(20)
    }
  }

  /** Processes that are in it, and in those below. */
  async members(): Promise<ReadonlySet<number>> {
    const pids = new Set<number>()
    for (const folder of this.#folders) {
      for (const each of await foldersBelow(folder)) {
        const text = await readFile(join(each, 'cgroup.procs'), 'utf8').catch(() => '')
        for (const pid of text.split('\n').filter(Boolean)) pids.add(Number(pid))
      }
    }
    return pids
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (thrown) {
    if (codeOf(thrown) !== 'ESRCH') throw thrown
  }
}

/** A folder with all below it, the deepest first. */
async function foldersBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  const below = await Promise.all(
    entries.filter(entry => entry.isDirectory()).map(({ name }) => foldersBelow(join(folder, name)))
  )
  return [...below.flat(), folder]
}

/** Removes a group with those below; false: something is still in it. */
async function removeTree(folder: string): Promise<boolean> {
  for (const each of await foldersBelow(folder)) {
    try {
      await rmdir(each)
    } catch (thrown) {
      if (codeOf(thrown) !== 'ENOENT') return false
    }
  }
  return true
}
