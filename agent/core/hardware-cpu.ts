/**
 * Processors. `/proc/cpuinfo` names them and their features; how threads share cores and packages
 * is counted from sysfs, by the distinct sets of siblings. Core ids are no use for that: they
 * repeat in each package, and on some machines in each die.
 */
import type { HostFacts } from '#shared/model/host-facts.ts'
import { parseTable, plain } from './hardware-text.ts'

type Cpu = HostFacts['cpu']

/** Who shares what with one hardware thread, as in `/sys/devices/system/cpu/cpuN/topology`. */
export type ThreadText = {
  /** `core_cpus_list`, or `thread_siblings_list` on kernels before 5.7. */
  readonly core: string | undefined
  /** `package_cpus_list`, or `core_siblings_list`. */
  readonly package: string | undefined
}

/** What the facts say where the processor could not be read at all. */
export const unknownCpu: Cpu = {
  model: 'unknown',
  vendor: 'unknown',
  sockets: 0,
  cores: 0,
  threads: 0,
  features: []
}

/** The processors from `/proc/cpuinfo` and one text per hardware thread that is online. */
export function parseCpu(cpuinfo: string, threads: readonly ThreadText[]): Cpu {
  const blocks = cpuinfo.split(/\n\s*\n/).map(parseTable)
  const named = blocks.filter(block => block.has('processor'))
  const say = (...keys: readonly string[]) =>
    keys.map(key => plain(blocks.find(block => block.has(key))?.get(key))).find(Boolean)
  const counted = countBySiblings(threads) ?? countByIds(named)
  return {
    model: say('model name', 'cpu model', 'cpu', 'Processor') ?? 'unknown',
    vendor: say('vendor_id', 'vendor') ?? 'unknown',
    ...counted,
    features: (say('flags', 'Features') ?? '').split(' ').filter(Boolean).slice(0, 1024)
  }
}

type Counted = Pick<Cpu, 'sockets' | 'cores' | 'threads'>

function countBySiblings(threads: readonly ThreadText[]): Counted | undefined {
  const cores = new Set(threads.map(thread => thread.core?.trim()))
  const packages = new Set(threads.map(thread => thread.package?.trim()))
  if (threads.length === 0 || cores.has(undefined) || packages.has(undefined)) return undefined
  return { sockets: packages.size, cores: cores.size, threads: threads.length }
}

function countByIds(blocks: readonly ReadonlyMap<string, string>[]): Counted {
  const threads = blocks.length
  const packages = new Set(blocks.map(block => block.get('physical id')))
  const cores = new Set(blocks.map(block => `${block.get('physical id')}/${block.get('core id')}`))
  if (packages.has(undefined)) return { sockets: Math.min(1, threads), cores: threads, threads }
  return { sockets: packages.size, cores: cores.size, threads }
}
