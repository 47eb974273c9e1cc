/** A cloud of many hosts with a shared pool, filled to a share of its memory, in a view alone. */
import { newId } from '#shared/ids.ts'
import type { Host } from '#shared/model/host.ts'
import type { HostFacts } from '#shared/model/host-facts.ts'
import { type Instance, InstanceSpec } from '#shared/model/instance.ts'
import type { Pool } from '#shared/model/pool.ts'
import { withDefaults } from '#shared/model/validate.ts'
import type { Volume } from '#shared/model/volume.ts'
import type { Report } from '#shared/wire/order.ts'
import type { Context } from '../../controller/core/admission/context.ts'
import type { Change, Healing } from '../../controller/core/commit.ts'
import { firstCommit } from '../../controller/core/first-commit.ts'
import { View } from '../../controller/core/view.ts'

/** How large it is. */
export type Extent = {
  readonly hosts: number
  readonly instances: number
  /** Share of all memory that is promised. */
  readonly full: number
  /** Hosts that are empty. */
  readonly spare?: number
  readonly healing: Healing
}

/** Memory of an instance by its number: many small ones, few large. Unit: MiB. */
const memories = [512, 1_024, 1_024, 2_048, 2_048, 4_096, 8_192] as const
const threads = 64
const at = new Date().toISOString()
const born = { labels: {}, generation: 1, createdAt: at }
const now = { monotonic: 10_000, wall: Date.now() }

/** Who asks in benches, and when: time stands still. */
export const benchContext: Context = { by: 'bench', now, newId }

/** Makes it, and gives its view. */
export function reserveCloud(extent: Extent): View {
  const view = new View()
  const commit = (changes: readonly Change[]): void => {
    view.fold({ type: 'commit', position: view.position + 1, commit: { changes, decisions: [] } })
  }
  const adminToken = { id: 'tk', name: 'a', sha256: '0', role: 'admin' as const, createdAt: at }
  const first = firstCommit({ cloudId: 'c', adminToken, cidr: '10.0.0.0/8' }, benchContext)
  commit(first.changes)
  commit([{ op: 'cloud-put', cloud: { ...view.cloud!, healing: extent.healing } }])
  commit([{ op: 'put', resource: pool }])
  const promisedMib = Array.from({ length: extent.hosts }, () => 0)
  const instances = Array.from({ length: extent.instances }, (_, number) => {
    const host = number % (extent.hosts - (extent.spare ?? 0))
    const made = instanceOf(number, `h${host}`)
    promisedMib[host]! += made[0].decided.memoryMib
    return made
  })
  for (let host = 0; host < extent.hosts; host += 1) {
    commit([{ op: 'put', resource: hostOf(host) }])
    const memoryMib = Math.ceil((promisedMib[host]! || promisedMib[0]!) / extent.full)
    view.fold({ type: 'report', host: `h${host}`, report: reportOf(host, memoryMib), at: now })
  }
  for (const made of instances) {
    commit(made.map((resource): Change => ({ op: 'put', resource })))
  }
  return view
}

const pool: Pool = {
  ...born,
  kind: 'pool',
  id: newId('sp'),
  name: 'far',
  spec: { driver: 'directory', path: '/far', shared: true },
  decided: {}
}

const hostOf = (number: number): Host => ({
  ...born,
  kind: 'host',
  id: newId('h'),
  name: `h${number}`,
  labels: { rack: `r${Math.floor(number / 20)}` },
  spec: { schedulable: true, reservedMib: 0, vcpusPerThread: 4 },
  decided: {
    approval: 'approved',
    uuid: newId('u'),
    publicKey: 'k'.repeat(40),
    endpoint: 'tcp://127.0.0.1:7411',
    bootId: 'boot'
  }
})

const spec = (withDefaults(InstanceSpec, { image: 'tiny', pool: 'far', ports: [] }) ??
  {}) as Instance['spec']

/** The next instance, with its volume, on a host. */
export function instanceOf(number: number, host: string): readonly [Instance, Volume] {
  const [id, volumeId] = [newId('i'), newId('v')]
  const common = { ...born, tenant: 'default' }
  const memoryMib = memories[Math.floor(number / 7 + number) % memories.length]!
  const name = `i${number}`
  const decided = { host, vcpus: 2, memoryMib, volumes: [volumeId], ports: [] }
  return [
    { ...common, kind: 'instance', id, name, spec, decided },
    {
      ...common,
      kind: 'volume',
      id: volumeId,
      name: `${name}-root`,
      spec: { pool: 'far', format: 'qcow2', sizeMib: 64 },
      decided: { host, ownerId: id }
    }
  ]
}

const facts: HostFacts = {
  hostname: 'h',
  uuid: 'u',
  kernel: '6.1.0',
  cpu: { model: 'm', vendor: 'v', sockets: 1, cores: threads, threads, features: [] },
  memoryMib: 0,
  hugepages: [],
  numa: [],
  disks: [],
  nics: [],
  devices: [],
  bmc: false,
  kvm: { works: true, because: 'tried' },
  drivers: ['qemu']
}

const reportOf = (number: number, memoryMib: number): Report => ({
  type: 'report',
  host: `u${number}`,
  hostname: `h${number}`,
  agentVersion: '0',
  bootId: 'boot',
  agentRun: 'run',
  number: 1,
  epoch: 1,
  generation: 0,
  settledGeneration: 0,
  memoryFreeMib: 0,
  facts: { ...facts, hostname: `h${number}`, memoryMib },
  images: [],
  pools: [{ name: 'far', phase: 'ready', message: '', capacityMib: 1e6, freeMib: 1e6 }],
  networks: [],
  volumes: [],
  instances: [],
  foreign: [],
  notices: []
})
