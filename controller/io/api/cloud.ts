/** Routes about the cloud as a whole: what it is, how it is, whether it can be used. */

import { setImmediate as breathe } from 'node:timers/promises'
import Type from 'typebox'
import { kindNames, kinds } from '#shared/model/index.ts'
import { Strict } from '#shared/model/resource.ts'
import { capacityOf } from '../../core/capacity.ts'
import { healingStatus } from '../../core/healing.ts'
import { standingShown } from '../../core/host-document.ts'
import { instanceState } from '../../core/instance-state.ts'
import { exposition, type Sample } from '../metrics.ts'
import { HttpFault } from './problem.ts'
import type { Route } from './route.ts'
import type { Service } from './service.ts'

/** What this API can do beyond the first version, for clients that must know. */
const features: readonly string[] = ['dry-run', 'idempotency-key', 'prefer-wait', 'events-resume']
/** Instances that are judged between two breaths of the event loop. */
const sliceMax = 500

const Counts = Type.Record(Type.String(), Type.Integer())
const SummaryReply = Strict({
  cloud: Type.String(),
  version: Type.String(),
  epoch: Type.Integer({ description: 'How often a controller has begun to lead.' }),
  position: Type.Integer({ description: 'Last place in the journal.' }),
  recording: Type.Boolean({ description: 'Whether changes can be recorded now.' }),
  recordingBecause: Type.String({ description: 'Why not, where they cannot.' }),
  startedAt: Type.String({ format: 'date-time' }),
  uptimeMs: Type.Integer({ description: 'Since this controller began. Unit: ms.' }),
  hosts: Counts,
  instances: Counts,
  capacity: Strict({
    memoryMib: Type.Integer(),
    memoryPromisedMib: Type.Integer(),
    vcpus: Type.Integer(),
    vcpusPromised: Type.Integer()
  }),
  healing: Strict({
    armed: Type.Boolean({ description: 'Whether hosts that are dead are fenced.' }),
    fencing: Type.Integer({ description: 'Hosts that are to be proven off. Unit: count.' }),
    suspects: Type.Integer({ description: 'Hosts that are not heard, nor fenced. Unit: count.' }),
    exposed: Type.Integer({
      description: 'Hosts whose fence devices could not do it, or not all. Unit: count.'
    })
  }),
  notifications: Type.Integer({ description: 'Warnings and alarms of the last hour.' }),
  eventLoopDelay: Strict({ p50Ms: Type.Number(), p99Ms: Type.Number(), maxMs: Type.Number() })
})

/** `/healthz` and `/readyz` answer without a token, for whoever restarts and balances. */
export const cloudRoutes = (service: Service): readonly Route[] => [
  {
    method: 'GET',
    path: '/v1',
    operation: 'get-api',
    summary: 'What this API is.',
    tag: 'cloud',
    role: 'reader',
    replies: {
      200: Strict({
        version: Type.String(),
        cloud: Type.String(),
        epoch: Type.Integer(),
        features: Type.Array(Type.String()),
        kinds: Type.Array(
          Strict({ kind: Type.String(), plural: Type.String(), doc: Type.String() })
        )
      })
    },
    answer: async () => ({
      body: {
        version: service.version,
        cloud: service.reign.view.cloud?.id ?? '',
        epoch: service.ledger.epoch,
        features,
        kinds: kindNames.map(kind => ({ kind, plural: kinds[kind].plural, doc: kinds[kind].doc }))
      }
    })
  },
  {
    method: 'GET',
    path: '/v1/status',
    operation: 'get-status',
    summary: 'How the cloud is, in numbers.',
    tag: 'cloud',
    role: 'reader',
    replies: { 200: SummaryReply },
    answer: async () => ({ body: await summary(service) })
  },
  {
    method: 'GET',
    path: '/healthz',
    operation: 'health',
    summary: 'Whether this process is alive.',
    tag: 'cloud',
    role: 'anyone',
    replies: { 200: Strict({ alive: Type.Literal(true) }) },
    answer: async () => ({ body: { alive: true } })
  },
  {
    method: 'GET',
    path: '/readyz',
    operation: 'ready',
    summary: 'Whether this controller leads and can record changes.',
    tag: 'cloud',
    role: 'anyone',
    replies: { 200: Strict({ ready: Type.Literal(true) }) },
    answer: async () => {
      const { broken } = service.ledger
      if (!broken) return { body: { ready: true } }
      throw new HttpFault(503, 'unavailable', broken.message, {
        reasons: broken.reasons,
        next: broken.next
      })
    }
  },
  {
    method: 'GET',
    path: '/metrics',
    operation: 'metrics',
    summary: 'Measurements in the Prometheus text format.',
    tag: 'cloud',
    role: 'reader',
    replies: { 200: Type.String() },
    answer: async () => ({
      body: exposition(await samples(service)),
      type: 'text/plain; version=0.0.4; charset=utf-8'
    })
  }
]

async function summary(service: Service) {
  const { reign, ledger, clock } = service
  const { view } = reign
  const now = reign.now()
  const hourAgo = new Date(now.wall - 3_600_000).toISOString()
  const capacity = { memoryMib: 0, memoryPromisedMib: 0, vcpus: 0, vcpusPromised: 0 }
  const hosts: Record<string, number> = {}
  for (const host of view.all('host').values()) {
    count(hosts, standingShown(view, host, now.monotonic))
    const one = capacityOf(view, host)
    for (const key of ['memoryMib', 'memoryPromisedMib', 'vcpus', 'vcpusPromised'] as const) {
      capacity[key] += one?.[key] ?? 0
    }
  }
  let notifications = 0
  for (const { spec, decided } of view.all('event').values()) {
    if (spec.severity !== 'notice' && decided.lastAt >= hourAgo) notifications += 1
  }
  return {
    cloud: view.cloud?.id ?? '',
    version: service.version,
    epoch: ledger.epoch,
    position: ledger.durablePosition,
    recording: ledger.broken === undefined,
    recordingBecause: ledger.broken?.message ?? '',
    startedAt: service.startedAt,
    uptimeMs: Math.max(0, Math.round(clock.wall() - Date.parse(service.startedAt))),
    hosts,
    instances: await instancesByPhase(service),
    capacity,
    healing: healingOf(service),
    notifications,
    eventLoopDelay: service.meters.eventLoopDelay()
  }
}

function healingOf({ reign }: Service) {
  const { armed, fenced, suspects, exposed } = healingStatus(reign.view, reign.now())
  const fencing = fenced.filter(({ phase }) => phase === 'fencing').length
  return { armed, fencing, suspects: suspects.length, exposed: exposed.length }
}

async function instancesByPhase(service: Service): Promise<Readonly<Record<string, number>>> {
  const { view } = service.reign
  const phases: Record<string, number> = {}
  let seen = 0
  for (const instance of view.all('instance').values()) {
    count(phases, instanceState(view, instance, service.reign.now()).phase)
    seen += 1
    if (seen % sliceMax === 0) await breathe()
  }
  return phases
}

const count = (counts: Record<string, number>, key: string): void => {
  counts[key] = (counts[key] ?? 0) + 1
}

async function samples(service: Service): Promise<readonly Sample[]> {
  const { hosts, instances, capacity, healing, ...cloud } = await summary(service)
  const { position, epoch, recording } = cloud
  const gauge = (name: string, help: string, value: number): Sample => ({
    name,
    help,
    type: 'gauge',
    values: [{ value }]
  })
  const byPhase = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts).map(([phase, value]) => ({ labels: { phase }, value }))
  return [
    { name: 'remuda_hosts', help: 'Hosts by phase.', type: 'gauge', values: byPhase(hosts) },
    {
      name: 'remuda_instances',
      help: 'Instances by phase.',
      type: 'gauge',
      values: byPhase(instances)
    },
    gauge('remuda_memory_bytes', 'Memory that instances may have.', capacity.memoryMib * 2 ** 20),
    gauge(
      'remuda_memory_promised_bytes',
      'Memory that instances were promised.',
      capacity.memoryPromisedMib * 2 ** 20
    ),
    gauge('remuda_journal_position', 'Last place in the journal.', position),
    gauge('remuda_epoch', 'How often a controller has begun to lead.', epoch),
    gauge('remuda_healing_armed', 'Whether dead hosts are fenced.', Number(healing.armed)),
    gauge('remuda_hosts_fencing', 'Hosts that are to be proven off.', healing.fencing),
    gauge('remuda_hosts_suspect', 'Hosts that are not heard, nor fenced.', healing.suspects),
    gauge('remuda_hosts_exposed', 'Hosts that could not be fenced.', healing.exposed),
    gauge('remuda_recording', 'Whether changes can be recorded.', Number(recording)),
    gauge('remuda_leading', 'Whether this candidate leads.', Number(service.ledger.isOpen)),
    gauge('remuda_event_listeners', 'Clients that follow the events.', service.feed.listeners),
    ...service.meters.samples()
  ]
}
