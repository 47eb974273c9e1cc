/**
 * What really runs where: emulators and containers by the process table of the machine, which sees
 * them also on a host that is frozen, cut off, or whose libvirt does not answer. Looked at again
 * and again, it shows whether an instance ever ran on two hosts at once.
 */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cgroup, hierarchies } from './keeper/cgroups.ts'
import type { Lab } from './lab.ts'

/** Between two looks. Unit: ms. */
const lookMs = 200

/** The domains that run on each host of a lab at a moment, such as `default.web`. */
export async function runsOf(
  lab: Pick<Lab, 'plan'>
): Promise<ReadonlyMap<string, readonly string[]>> {
  const { tag, hosts } = lab.plan
  const all = await hierarchies()
  const one = all.includes('freezer') ? ['freezer'] : all.slice(0, 1)
  const found = await Promise.all(
    hosts.map(async ({ name }) => {
      const pids = await new Cgroup(`remuda-${tag}-${name}`, one).members()
      const names = await Promise.all([...pids].map(domainOf))
      return [name, [...new Set(names.filter(domain => domain !== undefined))].sort()] as const
    })
  )
  return new Map(found)
}

/** Domains that run on more than one host, as sentences. */
export function doublesIn(runs: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const places = new Map<string, string[]>()
  for (const [host, domains] of runs) {
    for (const domain of domains) places.set(domain, [...(places.get(domain) ?? []), host])
  }
  return [...places]
    .filter(([, hosts]) => hosts.length > 1)
    .map(([domain, hosts]) => `${domain} on ${hosts.join(' and ')}`)
}

/** Looks until it is disposed of. */
export class RunWatch implements AsyncDisposable {
  /** What ran on two hosts at once, at any look. */
  readonly doubles = new Set<string>()
  readonly #over = new AbortController()
  readonly #looking: Promise<void>
  #rests = false
  looks = 0

  constructor(lab: Pick<Lab, 'plan'>) {
    this.#looking = this.#look(lab)
  }

  async #look(lab: Pick<Lab, 'plan'>): Promise<void> {
    const { signal } = this.#over
    while (!signal.aborted) {
      const rested = this.#rests
      const found = doublesIn(await runsOf(lab))
      if (!rested && !this.#rests) for (const double of found) this.doubles.add(double)
      this.looks += 1
      await sleep(lookMs, undefined, { signal }).catch(() => {})
    }
  }

  /** Looks away while something moves live: that is on both hosts until it has arrived. */
  async unwatched<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#rests = true
    try {
      return await work()
    } finally {
      this.#rests = false
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort()
    await this.#looking
  }
}

/**
 * The domain that a process is the emulator or the keeper of; undefined: of none, or it is gone.
 */
async function domainOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  return domainIn(text.split('\0'))
}

/** The domain in the command line of an emulator, or of the process that keeps a container. */
export function domainIn(words: readonly string[]): string | undefined {
  const program = words[0]?.split('/').at(-1) ?? ''
  const after = (flag: string): string => words[words.indexOf(flag) + 1] ?? ''
  if (program.startsWith('qemu-system')) return /(?:^|,)guest=([^,]+)/.exec(after('-name'))?.[1]
  return program === 'libvirt_lxc' ? after('--name') : undefined
}
