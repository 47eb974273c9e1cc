/**
 * What the API shows of a resource: the stored wish and decisions together with what its host last
 * reported. Nothing here is stored; it is worked out when somebody looks.
 */

import { formatIpv4 } from '#shared/cidr.ts'
import type { Image } from '#shared/model/image.ts'
import type { Resource, ResourceDocument } from '#shared/model/index.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Network, Subnet } from '#shared/model/network.ts'
import type { Pool } from '#shared/model/pool.ts'
import type { Volume } from '#shared/model/volume.ts'
import type { ReportInstance } from '#shared/wire/order.ts'
import { rangeOf, sizeOf } from './addresses.ts'
import { showHost } from './host-document.ts'
import { instanceState, wayOf } from './instance-state.ts'
import { leftoverWords } from './leftovers.ts'
import { useBy } from './quota.ts'
import { reportedIn } from './reported.ts'
import { condition, type Shown } from './shown.ts'
import { instanceUseShown } from './use-shown.ts'
import type { Moment, View } from './view.ts'

/** The document of a resource at a moment. */
export function documentOf(view: View, resource: Resource, now: Moment): ResourceDocument {
  const shown = show(view, resource, now)
  return {
    kind: resource.kind,
    id: resource.id,
    name: resource.name,
    ...(resource.tenant !== undefined && { tenant: resource.tenant }),
    labels: resource.labels,
    spec: resource.spec as Readonly<Record<string, unknown>>,
    status: shown.status,
    conditions: shown.conditions ?? [],
    generation: resource.generation,
    observedGeneration: shown.observedGeneration ?? resource.generation,
    createdAt: resource.createdAt
  }
}

function show(view: View, resource: Resource, now: Moment): Shown {
  switch (resource.kind) {
    case 'instance':
      return showInstance(view, resource, now)
    case 'host':
      return showHost(view, resource, now)
    case 'volume':
      return showVolume(view, resource)
    case 'pool':
      return showPool(view, resource)
    case 'image':
      return showImage(view, resource)
    case 'network':
      return showNetwork(view, resource)
    case 'subnet':
      return { status: subnetStatus(view, resource) }
    case 'port': {
      const { address, mac } = resource.decided
      return { status: { phase: 'ready', address, mac } }
    }
    case 'tenant': {
      const phase = resource.decided.deletedAt ? 'deleting' : 'active'
      return { status: { phase, ...useBy(view, resource) } }
    }
    case 'size':
      return { status: { phase: 'ready' } }
    case 'event':
    case 'job':
      return { status: { ...resource.decided } }
    default:
      return resource satisfies never
  }
}

function showInstance(view: View, instance: Instance, now: Moment): Shown {
  const { host, vcpus, memoryMib, overheadMib, volumes, ports, moving } = instance.decided
  const state = instanceState(view, instance, now)
  const { seen } = state
  return {
    status: {
      phase: state.phase,
      ...(host !== undefined && { host }),
      ...(moving && {
        move: {
          to: moving.to,
          live: moving.live,
          phase: moving.phase,
          startedAt: moving.startedAt,
          ...wayOf(view, instance, moving)
        }
      }),
      vcpus,
      memoryMib,
      ...((overheadMib ?? 0) > 0 && { overheadMib }),
      ...instanceUseShown(view, instance.id, host, now.monotonic),
      addresses: ports.flatMap(id => view.get('port', id)?.decided.address ?? []),
      volumes: volumes.flatMap(id => view.get('volume', id)?.name ?? []),
      ...(seen?.startedAt !== undefined && { startedAt: seen.startedAt }),
      ...(seen && { startCount: seen.startCount }),
      ...(seen?.acceleration !== undefined && { acceleration: seen.acceleration }),
      ...(seen?.ready && state.phase === 'running' && { readiness: readinessOf(seen) })
    },
    conditions: state.conditions,
    observedGeneration: seen?.generation ?? 0
  }
}

const readinessOf = ({ ready, readyMessage = '' }: ReportInstance) => ({
  state: ready,
  message: readyMessage
})

function showVolume(view: View, volume: Volume): Shown {
  const { host, deletedAt } = volume.decided
  const report = host === undefined ? undefined : view.heard(host).report
  const seen = report && reportedIn(report.volumes, volume.id)
  const [user] = view.indexes.of('volume-user', volume.id)
  const instance = user === undefined ? undefined : view.get('instance', user)?.name
  const observed = seen?.phase === 'absent' ? 'pending' : (seen?.phase ?? 'unknown')
  const phase = deletedAt ? 'deleting' : host === undefined ? 'pending' : observed
  const message =
    leftoverWords(view, volume) ||
    seen?.message ||
    (host === undefined
      ? 'made when an instance uses it, on the host of that instance'
      : `${host} has not reported it yet`)
  const ready = phase === 'ready' && (seen?.sizeMib ?? 0) >= volume.spec.sizeMib
  return {
    status: {
      phase,
      ...(host !== undefined && { host }),
      ...(instance !== undefined && { instance }),
      ...(seen && { usedMib: seen.usedMib })
    },
    conditions: [condition('ready', ready, { reason: phase, message })],
    observedGeneration: ready ? volume.generation : 0
  }
}

function showPool(view: View, pool: Pool): Shown {
  let [capacityMib, freeMib] = [0, 0]
  const failures: string[] = []
  let seen = false
  for (const host of view.all('host').values()) {
    const one = view.heard(host.name).report?.pools.find(({ name }) => name === pool.name)
    if (!one) continue
    seen = true
    if (one.phase === 'failed') failures.push(`${host.name}: ${one.message}`)
    capacityMib = pool.spec.shared
      ? Math.max(capacityMib, one.capacityMib)
      : capacityMib + one.capacityMib
    freeMib = pool.spec.shared ? Math.max(freeMib, one.freeMib) : freeMib + one.freeMib
  }
  const promisedMib = view.indexes.crowds.of('pool-mib', pool.name)
  const phase = failures.length > 0 ? 'failed' : seen ? 'ready' : 'unknown'
  const message = failures.join('; ') || (seen ? `${freeMib} MiB free` : 'no host has reported it')
  return {
    status: { phase, capacityMib, freeMib, promisedMib },
    conditions: [condition('ready', phase === 'ready', { reason: phase, message })]
  }
}

function showImage(view: View, image: Image): Shown {
  const { content, failure, deletedAt } = image.decided
  let hosts = 0
  for (const host of view.all('host').values()) {
    if (view.heard(host.name).report?.images.includes(image.id)) hosts += 1
  }
  const phase = deletedAt ? 'deleting' : content ? 'ready' : failure ? 'failed' : 'pending'
  const message =
    failure ?? (content ? `${content.sizeBytes} bytes stored` : 'waits for its content')
  return {
    status: { phase, ...(content ?? {}), hosts },
    conditions: [condition('ready', phase === 'ready', { reason: phase, message })]
  }
}

function showNetwork(view: View, network: Network): Shown {
  const failures: string[] = []
  let standing = 0
  for (const host of view.all('host').values()) {
    const one = view.heard(host.name).report?.networks.find(({ id }) => id === network.id)
    if (one?.phase === 'failed') failures.push(`${host.name}: ${one.message}`)
    if (one?.phase === 'ready') standing += 1
  }
  const ports = view.indexes.crowds.of('network-ports', network.id)
  const phase = failures.length > 0 ? 'failed' : 'ready'
  const message = failures.join('; ') || `stands on ${standing} host${standing === 1 ? '' : 's'}`
  return {
    status: { phase, ports },
    conditions: [condition('ready', phase === 'ready', { reason: phase, message })]
  }
}

function subnetStatus(view: View, subnet: Subnet): Readonly<Record<string, unknown>> {
  const range = rangeOf(subnet.spec)
  const used = view.indexes.crowds.of('subnet-ports', subnet.id)
  if ('fault' in range) return { phase: 'ready', gateway: '', addresses: 0, used }
  return { phase: 'ready', gateway: formatIpv4(range.gateway), addresses: sizeOf(range), used }
}
