import type { HostFacts } from '#shared/model/host-facts.ts'
import type { Ms } from '#shared/units.ts'
import type { Report } from '#shared/wire/order.ts'
import type { Seen } from './acceptance.ts'
import type { Plan, Verdicts } from './diff.ts'
import { fingerprint } from './fingerprint.ts'
import type { Memory } from './memory.ts'
import type { OwnDomain } from './metadata.ts'
import type { Observed } from './observed.ts'
import { readinessOf } from './readiness.ts'
import { keyOfStart } from './steps.ts'
import { storageStillMs } from './storage-heartbeats.ts'

/** Who reports: what stays the same during one run of the agent. */
export type Reporter = {
  readonly host: string
  readonly hostname: string
  readonly agentVersion: string
  readonly bootId: string
  readonly agentRun: string
}

/** What others than the loop have to say. */
export type Beside = Pick<
  Report,
  | 'bootstrapVersion'
  | 'probeEndpoint'
  | 'peersPrint'
  | 'peers'
  | 'storage'
  | 'migration'
  | 'selfFence'
  | 'locks'
  | 'use'
>

/** Sentences are cut to what the schema takes. */
const messageMax = 2048
/** How a failed run ended is said more shortly. */
const wordsMax = 512

/**
 * Writes the report: all that the host holds, where each part of the order stands, and why. An
 * instance that is not in it is gone: so those that still end are in it, ordered or not.
 */
export function writeReport(given: {
  readonly reporter: Reporter
  readonly number: number
  /** The order that all this is about; generation 0: none. */
  readonly actedOn: Pick<Seen, 'epoch' | 'generation'>
  readonly settledGeneration: number
  readonly observed: Observed
  readonly memory: Memory
  /** By the clock of `memory`. */
  readonly now?: Ms
  /** undefined: no order is known. */
  readonly plan: Plan | undefined
  /** undefined: they were sent not long ago. */
  readonly facts: HostFacts | undefined
  readonly beside?: Beside
}): Report {
  const { reporter, number, actedOn, settledGeneration, observed, memory, plan, facts } = given
  return {
    type: 'report',
    ...reporter,
    number,
    epoch: actedOn.epoch,
    generation: actedOn.generation,
    settledGeneration,
    ...(facts === undefined ? {} : { facts }),
    memoryFreeMib: observed.memoryFreeMib,
    ...(observed.domains.state === 'fresh'
      ? {}
      : { libvirtSilence: cut(observed.domains.because) }),
    images: observed.images ?? [],
    ...resources(plan?.verdicts),
    instances: plan === undefined ? [] : instances(plan.verdicts, memory, given.now ?? 0),
    foreign: (plan?.verdicts.sorted.foreign ?? []).map(({ name, driver, memoryMib }) => ({
      name,
      driver,
      memoryMib
    })),
    notices: memory.notices.waiting,
    ...given.beside
  }
}

function resources(verdicts: Verdicts | undefined): Pick<Report, 'pools' | 'networks' | 'volumes'> {
  if (verdicts === undefined) return { pools: [], networks: [], volumes: [] }
  return {
    // Nothing is said yet of what is being opened: it has neither failed nor can it be used.
    pools: verdicts.pools.flatMap(({ pool, observed, phase, message }) => {
      if (phase === 'opening') return []
      const { capacityMib, freeMib } = observed ?? { capacityMib: 0, freeMib: 0 }
      return [{ name: pool.name, phase, message: cut(message), capacityMib, freeMib }]
    }),
    networks: verdicts.networks.each.flatMap(({ network, phase, message, stands }) => {
      if (phase === 'opening' && !stands) return []
      const said = phase === 'failed' ? 'failed' : 'ready'
      return [{ id: network.id, phase: said, message: cut(message) }]
    }),
    volumes: verdicts.volumes.map(({ volume, stored, phase, message }) => ({
      id: volume.id,
      phase,
      message: cut(message),
      sizeMib: stored?.sizeMib ?? 0,
      usedMib: stored?.usedMib ?? 0
    }))
  }
}

const instances = (verdicts: Verdicts, memory: Memory, now: Ms): Report['instances'] => [
  ...verdicts.instances.map(({ instance, own, power, reason, message, restartNeeded, move }) => ({
    id: instance.id,
    ...(move && { move: { ...move, message: cut(move.message) } }),
    power,
    reason,
    message: cut(message),
    restartNeeded,
    ...ownFacts(own),
    ...(own && readinessOf(instance, memory.readiness.get(instance.id), now)),
    // What was judged is this wish; whether the running one has all of it, restartNeeded says.
    generation: instance.generation,
    startCount: startCount(memory, instance.id),
    ...failedOf(instance.id, reason, memory)
  })),
  ...verdicts.leaving.map(({ id, own, message }) => ({
    id,
    power: 'stopping' as const,
    reason: 'stopping',
    message: cut(message),
    restartNeeded: false,
    ...ownFacts(own),
    startCount: startCount(memory, id)
  }))
]

const ownFacts = (own: OwnDomain | undefined) =>
  own === undefined
    ? { generation: 0 }
    : {
        generation: own.metadata.generation,
        startedAt: own.metadata.startedAt,
        acceleration: own.metadata.acceleration,
        ...(own.domain.cell !== undefined && { cell: own.domain.cell })
      }

const startCount = (memory: Memory, id: string): number =>
  memory.instances.get(id)?.history.startCount ?? 0

/** Starts that libvirt refuses count as well, as long as it does. */
function failedOf(id: string, reason: string, { instances, retries }: Memory) {
  const { streak = 0, failing } = instances.get(id)?.history ?? {}
  const isRefused = reason === 'hypervisor-refused'
  const refused = isRefused ? retries.get(keyOfStart(id)) : undefined
  const runs = streak + (refused?.failures ?? 0)
  if (runs === 0) return {}
  const withinMs = failing ? Math.round(failing.until - failing.since) : 0
  const last = (refused?.message ?? failing?.last ?? '').slice(0, wordsMax)
  return { failed: { runs, withinMs, last } }
}

const cut = (message: string): string => message.slice(0, messageMax)

/** Stands for what a controller must hear of at once: all but what is different at every look. */
export function reportFingerprint(report: Report): string {
  const { number: _, memoryFreeMib: __, facts: ___, use: ____, ...rest } = report
  return fingerprint({
    ...rest,
    pools: rest.pools.map(({ name, phase }) => [name, phase]),
    peers: rest.peers?.map(({ host, reached }) => [host, reached]),
    storage: storageNews(rest),
    volumes: rest.volumes.map(({ id, phase, sizeMib }) => [id, phase, sizeMib]),
    // Sentences count seconds down.
    instances: rest.instances.map(({ message: _____, readyMessage: ______, ...each }) => each)
  })
}

/** Each beat of one that peers do not reach is news: it lives. Of others, that it stands still. */
function storageNews({ storage, peers }: Pick<Report, 'storage' | 'peers'>): unknown {
  const missed = new Set(peers?.flatMap(({ host, reached }) => (reached ? [] : [host])))
  return storage?.map(({ pool, fault, seen }) => [
    pool,
    fault === undefined,
    ...seen.map(({ host, bootId, number, stillMs }) => [
      ...[host, bootId, stillMs >= storageStillMs],
      ...(missed.has(host) ? [number] : [])
    ])
  ])
}
