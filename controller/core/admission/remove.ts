import type { Kind, Resource, ResourceOf } from '#shared/model/index.ts'
import type { Port } from '#shared/model/network.ts'
import type { Volume } from '#shared/model/volume.ts'
import type { Change } from '../commit.ts'
import type { Crowd } from '../crowds.ts'
import { listed, type Refusal, refuse } from '../refusal.ts'
import { defaultTenant, subjectOf } from '../subject.ts'
import type { View } from '../view.ts'
import { admitted, type Context, decision, isoOf, unchanged, type Verdict } from './context.ts'
import { refuseMoving } from './instance-move.ts'
import { refuseLeaving } from './start-order.ts'

/** Judges a wish that a resource goes: what others need stays, what hosts hold goes first there. */
export function removeResource(view: View, resource: Resource, context: Context): Verdict {
  if (resource.kind === 'tenant' && resource.name === defaultTenant) {
    return refuse('conflict', 'cannot delete tenant default: whoever names no tenant is it', {
      next: ['delete what it has instead: remuda instance list']
    })
  }
  const users = usersOf(view, resource)
  if (users.length > 0) return inUse(resource, users)
  switch (resource.kind) {
    case 'instance':
    case 'volume':
      return goSlowly(view, resource, context)
    case 'image':
    case 'network':
    case 'subnet':
    case 'pool':
    case 'size':
    case 'tenant':
      return goAtOnce(resource, context)
    case 'host':
      return refuse('invalid', `cannot delete host ${resource.name} as other resources are`)
    case 'port':
      return refuse('conflict', `cannot delete port ${resource.name}: it goes with its instance`, {
        reasons: [`instance ${resource.spec.instance ?? 'unknown'} has it`],
        next: [`remuda instance delete ${resource.spec.instance ?? 'NAME'}`]
      })
    case 'event':
    case 'job':
      return goAtOnce(resource, context)
    default:
      return resource satisfies never
  }
}

/** Sets the mark; the decision that sees it gone from its host removes it. */
function goSlowly(
  view: View,
  resource: ResourceOf['instance' | 'volume'],
  context: Context
): Verdict {
  if (resource.decided.deletedAt) return unchanged(resource)
  if (resource.kind === 'instance') {
    const refused = refuseMoving(resource, 'delete') ?? refuseLeaving(view, resource)
    if (refused) return refused
  }
  const deletedAt = isoOf(context)
  const after = { ...resource, decided: { ...resource.decided, deletedAt } } as Resource
  const { host } = resource.decided
  const because = host === undefined ? 'asked to go; no host has it' : `asked to go from ${host}`
  return admitted(context, after, { verb: 'deleting', because })
}

function goAtOnce(resource: Resource, context: Context): Verdict {
  const { kind, id } = resource
  const subject = subjectOf(resource)
  const changes: readonly Change[] = [{ op: 'remove', kind, id, subject }]
  const decisions = [decision(context, 'deleted', 'asked to go; nothing used it', subject)]
  return { commit: { changes, decisions }, resource }
}

const inUse = (resource: Resource, users: readonly string[]): Refusal =>
  refuse('conflict', `cannot delete ${resource.kind} ${resource.name}: it is in use`, {
    reasons: [`${users.length} use${users.length === 1 ? 's' : ''} it: ${listed(users)}`],
    next: users.slice(0, 3).map(user => `remuda ${user.split(' ')[0]} delete ${user.split(' ')[1]}`)
  })

function usersOf(view: View, resource: Resource): readonly string[] {
  const names = <K extends Kind>(kind: K, ids: Iterable<string>): string[] =>
    [...ids].map(id => `${kind} ${view.get(kind, id)?.name ?? id}`)
  switch (resource.kind) {
    case 'volume':
      return names('instance', view.indexes.of('volume-user', resource.id))
    case 'image':
      return crowd(view, 'image-volumes', resource.id)
        ? volumesWhere(view, ({ decided }) => decided.imageId === resource.id)
        : []
    case 'network':
      return [
        ...(crowd(view, 'network-ports', resource.id)
          ? pluggedIn(view, ({ networkId }) => networkId === resource.id)
          : []),
        ...names('subnet', view.indexes.of('network-subnets', subjectOf(resource)))
      ]
    case 'subnet':
      return crowd(view, 'subnet-ports', resource.id)
        ? pluggedIn(view, ({ subnetId }) => subnetId === resource.id)
        : []
    case 'size':
      return [...view.all('instance').values()]
        .filter(({ spec }) => spec.size === resource.name)
        .map(({ name }) => `instance ${name}`)
    case 'pool':
      return crowd(view, 'pool-volumes', resource.name)
        ? volumesWhere(view, ({ spec }) => spec.pool === resource.name)
        : []
    case 'tenant':
      return crowd(view, 'tenant-resources', resource.name) ? tenantUsers(view, resource.name) : []
    case 'host':
    case 'instance':
    case 'port':
    case 'event':
    case 'job':
      return []
    default:
      return resource satisfies never
  }
}

/** All resources of a kind are only walked where there is somebody to be found. */
const crowd = (view: View, which: Crowd, key: string): boolean =>
  view.indexes.crowds.of(which, key) > 0

const volumesWhere = (view: View, isMeant: (volume: Volume) => boolean): readonly string[] =>
  [...view.all('volume').values()].filter(isMeant).map(({ name }) => `volume ${name}`)

/** Ports go with their instances, so these are who must go first. */
const pluggedIn = (
  view: View,
  isMeant: (decided: Port['decided']) => boolean
): readonly string[] => {
  const ports = [...view.all('port').values()].filter(({ decided }) => isMeant(decided))
  const instances = ports.flatMap(({ spec }) => spec.instance ?? [])
  return [...new Set(instances)].map(name => `instance ${name}`)
}

function tenantUsers(view: View, name: string): readonly string[] {
  const users: string[] = []
  for (const kind of ['instance', 'volume', 'image', 'network', 'subnet', 'port'] as const) {
    for (const resource of view.all(kind).values()) {
      if (resource.tenant === name) users.push(`${kind} ${resource.name}`)
    }
  }
  return users
}
