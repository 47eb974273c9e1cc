/**
 * How a host goes. Its key is worth nothing from then on: the controller hangs up, and if it knocks
 * again it waits for an operator, whatever token it brings.
 *
 * While it holds something it stays: what would become of that must be somebody's decision. By
 * force it goes all the same, and what only it holds is forgotten with it. That is safe where
 * moving would not be: what nobody wishes any more is started nowhere else, so that it cannot run
 * twice, even if the host still runs it.
 */
import type { Host } from '#shared/model/host.ts'
import type { ResourceOf } from '#shared/model/index.ts'
import type { Change, HostOut } from '../commit.ts'
import { listed, refuse } from '../refusal.ts'
import { subjectOf } from '../subject.ts'
import type { View } from '../view.ts'
import { type Context, decision, isoOf, type Verdict } from './context.ts'

/** Hosts that are remembered as removed; the one removed longest ago is forgotten first. */
export const hostsOutMax = 256

/** Judges the wish that a host goes. */
export function removeHost(
  view: View,
  wish: { readonly host: Host; readonly force: boolean },
  context: Context
): Verdict {
  const { host, force } = wish
  const arriving = [...view.indexes.of('host-arrivals', host.name)]
  if (arriving.length > 0) return refuseArrivals(view, host, arriving)
  const instances = held(view, 'instance', host)
  const volumes = held(view, 'volume', host)
  const count = instances.length + volumes.length
  if (count > 0 && !force) {
    const users = [...instances, ...volumes].map(({ kind, name }) => `${kind} ${name}`)
    return refuse(
      'conflict',
      `cannot remove host ${host.name}: it holds what cannot go elsewhere`,
      {
        reasons: [`${count} use${count === 1 ? 's' : ''} it: ${listed(users)}`],
        next: [
          ...users
            .slice(0, 3)
            .map(user => `remuda ${user.split(' ')[0]} delete ${user.split(' ')[1]}`),
          `remuda host delete ${host.name} --force forgets it with all that is on it, for good`
        ]
      }
    )
  }
  const { uuid, publicKey } = host.decided
  const out: HostOut = { uuid, publicKey, name: host.name, at: isoOf(context) }
  const { cloud } = view
  const hostsOut = [...(cloud?.hostsOut ?? []), out].slice(-hostsOutMax)
  const changes: Change[] = [
    ...instances.flatMap(instance => instanceChanges(view, instance)),
    ...volumes.map(gone),
    gone(host),
    ...(cloud ? [{ op: 'cloud-put' as const, cloud: { ...cloud, hostsOut } }] : [])
  ]
  const because =
    count === 0
      ? 'asked to go; nothing used it'
      : `asked to go by force; ${instances.length} instances and ${volumes.length} volumes that ` +
        'only it held are forgotten with it, and are started nowhere else'
  const subjects = [host, ...instances, ...volumes].map(subjectOf)
  const decisions = [decision(context, 'deleted', because, ...subjects)]
  return { commit: { changes, decisions }, resource: host }
}

/** By force neither: an instance that is on its way may run there already, and only there. */
function refuseArrivals(view: View, host: Host, ids: readonly string[]): Verdict {
  const names = ids.map(id => view.get('instance', id)?.name ?? id)
  return refuse('conflict', `cannot remove host ${host.name}: instances are on their way to it`, {
    reasons: [listed(names)],
    next: names.slice(0, 3).map(name => `remuda instance migrate ${name} --cancel`)
  })
}

const held = <K extends 'instance' | 'volume'>(view: View, kind: K, host: Host) =>
  [...view.indexes.of(kind === 'instance' ? 'host-instances' : 'host-volumes', host.name)]
    .sort()
    .flatMap(id => view.get(kind, id) ?? [])

const gone = (resource: ResourceOf['host' | 'instance' | 'volume' | 'port']): Change => ({
  op: 'remove',
  kind: resource.kind,
  id: resource.id,
  subject: subjectOf(resource)
})

/** An instance takes its ports with it; its volumes are among those of the host. */
const instanceChanges = (view: View, instance: ResourceOf['instance']): readonly Change[] => [
  gone(instance),
  ...instance.decided.ports.flatMap(id => view.get('port', id) ?? []).map(gone)
]
