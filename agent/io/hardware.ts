/**
 * Looks at the machine through the kernel's files. Those are quick, but a broken disk or driver can
 * hold a reader for ever; so each source is read on its own, none longer than the deadline, and one
 * that fails leaves only its own facts out. A reader that hangs keeps a thread, so while it does,
 * nobody else is sent after it.
 */
import os from 'node:os'
import { Fault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { HostFacts } from '#shared/model/host-facts.ts'
import { unknownCpu } from '../core/hardware-cpu.ts'
import { parseIdentity } from '../core/hardware-identity.ts'
import { parseMemoryFree } from '../core/hardware-memory.ts'
import type { Hardware } from '../core/ports.ts'
import { hostUuid } from './hardware/host-uuid.ts'
import { type SecondOpinion, secondOpinion } from './hardware/second-opinion.ts'
import * as sources from './hardware/sources.ts'
import { openTree, type Tree } from './hardware/tree.ts'

/** What facts are gathered from beside the kernel's files. */
export type HardwareOptions = {
  /** Folder of the agent's state, where a made-up host UUID is kept. */
  readonly folder: string
  readonly log: Log
  /** Where `/sys`, `/proc` and `/dev` are; `/` unless a test made its own. */
  readonly root?: string
  /** The UUID of a host that is not alone on its machine, as in the lab; the firmware's else. */
  readonly uuid?: string
  /** Whether KVM works, from `tryKvm`; without it the facts say that nobody tried. */
  readonly kvm?: () => Promise<HostFacts['kvm']>
  /** What libvirt says of itself; without it no driver can be used. */
  readonly hypervisor?: () => Promise<Pick<HostFacts, 'libvirt' | 'drivers'>>
  /** Who fills gaps; undefined: nobody, and the default for any root but `/`. */
  readonly secondOpinion?: SecondOpinion | undefined
  /** How long one source may take, if not `sourceMsMax`. Unit: ms. */
  readonly deadlineMs?: number
}

/** No source takes longer; together they take some 30 ms on a small machine, 300 on a large. */
const sourceMsMax = 2_000
/** Before it is known who this is nothing can be done, however slow a machine is when it boots. */
const firstIdentityMsMax = 30_000

/** Which host this is; all else of it takes longer to find out. */
export type HostNames = Pick<HostFacts, 'uuid' | 'hostname'>

/** The machine as the kernel describes it. */
export function openHardware(
  options: HardwareOptions
): Hardware & { readonly names: () => Promise<HostNames> } {
  const root = options.root ?? '/'
  const tree = openTree(root)
  const look = makeLook(options.log, options.deadlineMs ?? sourceMsMax)
  const opinion = 'secondOpinion' in options ? options.secondOpinion : localOpinion(root)
  let uuid = options.uuid

  const readIdentity = async () => {
    const patienceMs = uuid === undefined ? (options.deadlineMs ?? firstIdentityMsMax) : undefined
    const found = await look('identity', () => identify(tree, uuid, options.folder), patienceMs)
    const identity = found ?? missingIdentity()
    uuid = identity.uuid
    return identity
  }
  const gather = async (): Promise<HostFacts> => {
    const [cpu, disks, kvm, hypervisor, rest, { uuid: known, ...names }] = await Promise.all([
      look('cpu', () => sources.readCpu(tree)).then(cpu => nameCpu(cpu, opinion, look)),
      look('disks', () => sources.readDisks(tree)).then(disks => nameDisks(disks, opinion, look)),
      look('kvm', options.kvm ?? (async () => untried)),
      look('libvirt', options.hypervisor ?? (async () => ({ drivers: [] }))),
      readRest(tree, look),
      readIdentity()
    ])
    return {
      uuid: known,
      ...names,
      ...rest,
      cpu,
      ...(root === '/' && { architecture: os.machine() }),
      cellsChosen: true,
      disks,
      kvm: kvm ?? unended,
      ...(hypervisor ?? { drivers: [] })
    }
  }
  return {
    facts: gather,
    names: async () => ({ ...(await readIdentity()), hostname: await readHostname(tree, look) }),
    memoryFreeMib: async () => {
      const meminfo = await look('memory', () => tree.read('/proc/meminfo'))
      const freeMib = meminfo === undefined ? undefined : parseMemoryFree(meminfo)
      if (freeMib !== undefined) return freeMib
      throw new Fault('unavailable', 'cannot tell how much memory is free from /proc/meminfo')
    },
    counters: async () => await look('counters', () => sources.readCounters(tree))
  }
}

/** The kernel's boot id, below a root; Fault `unavailable` when the kernel has none. */
export async function readBootId(root = '/'): Promise<string> {
  const id = await sources.readBootId(openTree(root))
  if (id !== undefined) return id
  throw new Fault('unavailable', 'cannot read the boot id from /proc/sys/kernel/random/boot_id')
}

const untried = { works: false, because: 'nobody tried to run a guest under KVM' }
const unended = { works: false, because: 'the trial of KVM failed or has not ended' }
const localOpinion = (root: string) => (root === '/' ? secondOpinion : undefined)

/** What stays as it is while a machine runs: what it was counts where it cannot be read now. */
const steady: ReadonlySet<string> = new Set([
  'cpu',
  'memory-total',
  'identity',
  'hugepages',
  'numa',
  'devices'
])

/** Reads one source within the deadline; undefined when it failed, which is logged once. */
type Look = <Value>(
  source: string,
  read: () => Promise<Value>,
  patienceMs?: number
) => Promise<Value | undefined>

function makeLook(log: Log, deadlineMs: number): Look {
  const pending = new Map<string, Promise<unknown>>()
  const told = new Set<string>()
  const known = new Map<string, unknown>()
  return async <Value>(source: string, read: () => Promise<Value>, patienceMs = deadlineMs) => {
    try {
      const reading = (pending.get(source) as Promise<Value> | undefined) ?? read()
      pending.set(source, reading)
      const done = () => void (pending.get(source) === reading && pending.delete(source))
      reading.then(done, done)
      const value = await within(patienceMs, source, reading)
      if (steady.has(source)) known.set(source, value)
      return value
    } catch (error) {
      if (!told.has(source)) log.warn('facts left out', { source, because: sentence(error) })
      told.add(source)
      return known.get(source) as Value | undefined
    }
  }
}

async function within<Value>(
  deadlineMs: number,
  source: string,
  reading: Promise<Value>
): Promise<Value> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    reject(new Fault('deadline', `cannot read ${source}: no answer within ${deadlineMs} ms`))
  }, deadlineMs)
  try {
    return await Promise.race([reading, late])
  } finally {
    clearTimeout(timer)
  }
}

/** An identity that could not be read is no reason to make one up: that would be another host. */
async function identify(tree: Tree, given: string | undefined, folder: string) {
  const { uuid, ...names } = parseIdentity(await sources.readIdentity(tree))
  return { ...names, uuid: given ?? (await hostUuid(folder, uuid)) }
}

function missingIdentity(): never {
  throw new Fault('unavailable', 'cannot tell which host this is: its UUID could not be read', {
    next: ['see the log for the reason', 'run the agent as root']
  })
}

/** A host is named by it, for good: on a machine that is slow while it boots it is asked again. */
const readHostname = async (tree: Tree, look: Look): Promise<string> =>
  (await look('hostname', () => sources.readHostname(tree))) ?? os.hostname()

async function readRest(tree: Tree, look: Look) {
  const [hostname, kernel, memoryMib, hugepages, numa, nics, devices, tpm, bmc] = await Promise.all(
    [
      readHostname(tree, look),
      look('kernel', () => sources.readKernel(tree)),
      look('memory-total', () => sources.readMemoryTotal(tree)),
      look('hugepages', () => sources.readHugepages(tree)),
      look('numa', () => sources.readNuma(tree)),
      look('nics', () => sources.readNics(tree)),
      look('devices', () => sources.readDevices(tree)),
      look('tpm', () => sources.readTpm(tree)),
      look('bmc', () => sources.readBmc(tree))
    ]
  )
  return {
    hostname,
    kernel: kernel ?? 'unknown',
    memoryMib: memoryMib ?? 0,
    hugepages: hugepages ?? [],
    numa: numa ?? [],
    nics: nics ?? [],
    devices: devices ?? [],
    ...(tpm !== undefined && { tpm }),
    bmc: bmc ?? false
  }
}

async function nameCpu(
  cpu: HostFacts['cpu'] | undefined,
  opinion: SecondOpinion | undefined,
  look: Look
): Promise<HostFacts['cpu']> {
  if (cpu === undefined) return unknownCpu
  if (opinion === undefined || (cpu.model !== 'unknown' && cpu.vendor !== 'unknown')) return cpu
  const names = await look('cpu-names', opinion.cpu)
  return {
    ...cpu,
    model: cpu.model === 'unknown' ? (names?.model ?? cpu.model) : cpu.model,
    vendor: cpu.vendor === 'unknown' ? (names?.vendor ?? cpu.vendor) : cpu.vendor
  }
}

async function nameDisks(
  disks: HostFacts['disks'] | undefined,
  opinion: SecondOpinion | undefined,
  look: Look
): Promise<HostFacts['disks']> {
  if (disks === undefined) return []
  const gaps = disks.some(disk => disk.model === undefined || disk.serial === undefined)
  if (opinion === undefined || !gaps) return disks
  const names = await look('disk-names', opinion.disks)
  return disks.map(disk => {
    const model = disk.model ?? names?.get(disk.name)?.model
    const serial = disk.serial ?? names?.get(disk.name)?.serial
    return {
      ...disk,
      ...(model !== undefined && { model }),
      ...(serial !== undefined && { serial })
    }
  })
}
