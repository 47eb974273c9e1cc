/** A small cloud in a view: founded, with an image and hosts that have reported. For core tests. */

import type { Host } from '#shared/model/host.ts'
import type { HostFacts } from '#shared/model/host-facts.ts'
import { type Kind, kinds } from '#shared/model/index.ts'
import { withDefaults } from '#shared/model/validate.ts'
import type { Report } from '#shared/wire/order.ts'
import { admit, type Intent } from '../../controller/core/admission/admit.ts'
import type { Admitted, Context } from '../../controller/core/admission/context.ts'
import type { Commit } from '../../controller/core/commit.ts'
import { decide } from '../../controller/core/decide.ts'
import { firstCommit } from '../../controller/core/first-commit.ts'
import { isRefusal, type Refusal } from '../../controller/core/refusal.ts'
import { View } from '../../controller/core/view.ts'

/** Ids that count, so that every run is the same. */
export function counter(): (prefix: string) => string {
  let number = 0
  return prefix => {
    number += 1
    return `${prefix}-00000000-0000-7000-8000-${number.toString(16).padStart(12, '0')}`
  }
}

export type SampleCloud = {
  readonly view: View
  readonly context: Context
  /** Judges and folds; fails when refused. */
  readonly done: (intent: Intent) => Admitted
  /** Judges only. */
  readonly judged: (intent: Intent) => Admitted | Refusal
  readonly commit: (commit: Commit) => void
  readonly report: (host: string, changes?: Partial<Report>) => void
  readonly host: (name: string) => Host
}

const sha = 'a'.repeat(64)

/**
 * Makes a cloud with hosts of so much memory each, all heard; tells of each commit. Unless it is
 * said otherwise, instances take their own memory and no more, so that sums stay plain.
 */
export function sampleCloud(
  hosts: Readonly<Record<string, { readonly memoryMib: number }>> = { h1: { memoryMib: 4_608 } },
  onCommit: (commit: Commit) => void = () => {},
  overhead: 'counted' | 'ignored' = 'ignored'
): SampleCloud {
  const view = new View()
  const context: Context = {
    by: 'user/admin',
    now: { monotonic: 10_000, wall: Date.UTC(2026, 0, 1) },
    newId: counter()
  }
  const commit = (one: Commit): void => {
    view.fold({ type: 'commit', position: view.position + 1, commit: one })
    onCommit(one)
  }
  const judged = (intent: Intent): Admitted | Refusal => admit(view, intent, context)
  const done = (intent: Intent): Admitted => {
    const verdict = judged(intent)
    if (isRefusal(verdict)) throw new Error(JSON.stringify(verdict.refused))
    commit(verdict.commit)
    return verdict
  }
  const createdAt = new Date(context.now.wall).toISOString()
  const adminToken = { id: 'tk-1', name: 'admin', sha256: sha, role: 'admin' as const, createdAt }
  commit(firstCommit({ cloudId: 'c-1', adminToken, overhead }, context))
  const host = (name: string): Host => view.named('host', name)!
  const report = (name: string, changes: Partial<Report> = {}): void => {
    const { monotonic, wall } = context.now
    const said = { ...emptyReport(name, host(name)), ...changes }
    view.fold({ type: 'report', host: name, report: said, at: { monotonic, wall } })
  }
  for (const [name, { memoryMib }] of Object.entries(hosts)) {
    const wish = {
      uuid: `uuid-${name}`,
      hostname: name,
      publicKey: name.padEnd(40, 'k'),
      endpoint: `tcp://127.0.0.1:1${name.length}`,
      trusted: true
    }
    done({ verb: 'join', wish })
    report(name, { facts: sampleFacts(name, memoryMib) })
    const { decided, ...rest } = host(name)
    const known: Host = { ...rest, decided: { ...decided, bootId: 'boot' } }
    commit({ changes: [{ op: 'put', resource: known }], decisions: [] })
  }
  for (const [name, type] of [
    ['tiny', 'vm'],
    ['tiny-container', 'container']
  ] as const) {
    const spec = wishOf('image', { type, format: type === 'vm' ? 'qcow2' : 'tar' })
    const { resource } = done({ verb: 'create', kind: 'image', name, spec })
    const content = { sha256: sha, sizeBytes: 1_000, virtualMib: 64 }
    done({ verb: 'fill-image', id: resource.id, content })
  }
  return { view, context, done, judged, commit, report, host }
}

/** Decides one round and folds what comes of it, one commit after the other. */
export function decidedBy({ view, context, commit }: SampleCloud): readonly Commit[] {
  const commits: Commit[] = []
  for (const one of decide(view, context)) {
    if (!one) continue
    commit(one)
    commits.push(one)
  }
  return commits
}

/** A spec with its defaults, as it is after the schema. */
export const wishOf = (kind: Kind, spec: object): object =>
  withDefaults(kinds[kind].spec, spec) as object

/** The intent to create an instance from the image tiny. */
export const instanceIntent = (name: string, spec: object = {}): Intent => ({
  verb: 'create',
  kind: 'instance',
  name,
  spec: wishOf('instance', { image: 'tiny', memoryMib: 128, ...spec })
})

export const sampleFacts = (hostname: string, memoryMib: number): HostFacts => ({
  hostname,
  uuid: `uuid-${hostname}`,
  kernel: '6.1.0',
  cpu: { model: 'model', vendor: 'vendor', sockets: 1, cores: 2, threads: 4, features: [] },
  memoryMib,
  hugepages: [],
  numa: [],
  disks: [],
  nics: [],
  devices: [],
  bmc: false,
  kvm: { works: true, because: 'a guest ran' },
  drivers: ['qemu', 'lxc']
})

const emptyReport = (name: string, host: Host): Report => ({
  type: 'report',
  host: host.decided.uuid,
  hostname: name,
  agentVersion: '0',
  bootId: 'boot',
  agentRun: 'run',
  number: 1,
  epoch: 1,
  generation: 0,
  settledGeneration: 0,
  memoryFreeMib: 1_000,
  images: [],
  pools: [{ name: 'local', phase: 'ready', message: '', capacityMib: 10_000, freeMib: 9_000 }],
  networks: [],
  volumes: [],
  instances: [],
  foreign: [],
  notices: []
})
