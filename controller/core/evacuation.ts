/**
 * What becomes of the instances of a host that is proven off. Those that can, lose their host and
 * are placed anew like any that wait for one: by priority, all together, and again whenever
 * anything changes. What only that host holds waits for its return, and `why` says so.
 */
import type { Host } from '#shared/model/host.ts'
import type { Resource } from '#shared/model/index.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Volume } from '#shared/model/volume.ts'
import { type Context, decision, isoOf } from './admission/context.ts'
import type { Change, Commit } from './commit.ts'
import { slicesOf } from './commit-slices.ts'
import { notification } from './notification.ts'
import { listed } from './refusal.ts'
import { subjectOf } from './subject.ts'
import type { View } from './view.ts'

/** Frees what may start elsewhere from hosts that are proven off. */
export function* evacuations(view: View, context: Context): Iterable<Commit> {
  if (view.indexes.lost.size === 0) return
  for (const id of [...view.all('host').keys()]) {
    const host = view.indexes.lost.has(id) ? fencedHost(view, id) : undefined
    if (!host) continue
    const split = splitOf(view, host)
    for (const slice of slicesOf(split.leaving, one => [one, ...volumesOf(view, one)])) {
      // Between two commits others may have recorded something of those whose turn is next.
      const some = slice.flatMap(one => stillLeaving(view, one))
      if (some.length === 0 || !fencedHost(view, id)) continue
      const told = slice[0] === split.leaving[0] ? split : undefined
      yield evacuation(view, { host, some, told }, context)
    }
    const volumes = fencedHost(view, id) ? freeVolumesOf(view, host) : []
    if (volumes.length > 0) {
      const because = `${host.name} is proven off, and other hosts see their pools`
      yield {
        changes: volumes.map(volume => ({ op: 'put', resource: unboundVolume(volume) })),
        decisions: [decision(context, 'evacuated', because, ...volumes.map(subjectOf))]
      }
    }
  }
}

function fencedHost(view: View, id: string): Host | undefined {
  const host = view.get('host', id)
  return host?.decided.recovery?.phase === 'fenced' ? host : undefined
}

/** The instance as it is now, if it is to leave as it was to before. */
function stillLeaving(view: View, { id, decided }: Instance): readonly Instance[] {
  const now = view.get('instance', id)
  if (!now || now.decided.host !== decided.host || now.decided.moving) return []
  return whyItStays(view, now) === undefined ? [now] : []
}

type Split = {
  readonly leaving: readonly Instance[]
  /** With why. */
  readonly staying: readonly { readonly instance: Instance; readonly because: string }[]
}

/** Who leaves a dead host, the most important first, and who stays, and why. */
export function splitOf(view: View, host: Host): Split {
  const leaving: Instance[] = []
  const staying: { instance: Instance; because: string }[] = []
  for (const id of view.indexes.of('host-instances', host.name)) {
    const instance = view.get('instance', id)
    if (!instance || instance.decided.moving) continue
    const because = whyItStays(view, instance)
    if (because === undefined) leaving.push(instance)
    else staying.push({ instance, because })
  }
  leaving.sort((a, b) => b.spec.priority - a.spec.priority || (a.id < b.id ? -1 : 1))
  return { leaving, staying }
}

/**
 * Why an instance waits for its own host, also when that is proven off; undefined: it does not. Of
 * one that is only wished so far the volumes are given.
 */
export function whyItStays(
  view: View,
  instance: Instance,
  volumes: readonly Volume[] = volumesOf(view, instance)
): string | undefined {
  const { spec, decided } = instance
  if (decided.deletedAt !== undefined) return 'it is being deleted'
  if (!spec.highlyAvailable) return 'it is not highly available (highlyAvailable: false)'
  return whyBound(view, instance, volumes)
}

/** Why an instance can be on its own host alone, by its wish and volumes; undefined: it can. */
export function whyBound(
  view: View,
  { spec }: Instance,
  volumes: readonly Volume[]
): string | undefined {
  if (spec.host !== undefined) return `it may run on ${spec.host} alone (spec.host)`
  const local = volumes.find(volume => !isShared(view, volume))
  if (!local) return undefined
  return `its volume ${local.name} is in pool ${local.spec.pool}, which only that host sees`
}

/** Its volumes, as far as they are there. */
export const volumesOf = (view: View, { decided }: Instance): readonly Volume[] =>
  decided.volumes.flatMap(id => view.get('volume', id) ?? [])

const isShared = (view: View, volume: Volume): boolean =>
  view.named('pool', volume.spec.pool)?.spec.shared === true

/** Volumes without a user that other hosts could use as well. */
const freeVolumesOf = (view: View, host: Host): readonly Volume[] =>
  [...view.indexes.of('host-volumes', host.name)]
    .flatMap(id => view.get('volume', id) ?? [])
    .filter(volume => volume.decided.deletedAt === undefined && isShared(view, volume))
    .filter(volume => view.indexes.of('volume-user', volume.id).size === 0)

const unboundVolume = (volume: Volume): Volume => {
  const { host: _, ...decided } = volume.decided
  return { ...volume, decided }
}

function evacuation(
  view: View,
  given: {
    readonly host: Host
    readonly some: readonly Instance[]
    /** What is told of the whole, with the first commit. */
    readonly told: Split | undefined
  },
  context: Context
): Commit {
  const { host, some, told } = given
  const freed = some.map((instance): Instance => {
    const { host: _, preempted: __, roomFrom: ___, ...decided } = instance.decided
    const displaced = { from: host.name, at: isoOf(context) }
    return { ...instance, decided: { ...decided, displaced } }
  })
  const volumes = some
    .flatMap(({ decided }) => decided.volumes)
    .flatMap(id => view.get('volume', id) ?? [])
    .map(unboundVolume)
  const { proof } = host.decided.recovery!
  const because = proof?.because ?? `${host.name} is proven off`
  const event = told && eventOf(view, { host, ...told }, context)
  const resources: Resource[] = [...freed, ...volumes, ...(event ? [event] : [])]
  return {
    changes: resources.map((resource): Change => ({ op: 'put', resource })),
    decisions: [
      decision(context, 'evacuated', because, ...some.map(subjectOf)),
      ...(event ? [decision(context, 'evacuated', event.spec.message, subjectOf(host))] : [])
    ]
  }
}

/** Who waits for the return of a host, where nobody leaves it; undefined: nobody does. */
export function waitingWordsOf(view: View, host: Host): string | undefined {
  const { leaving, staying } = splitOf(view, host)
  return leaving.length > 0 || staying.length === 0 ? undefined : waitingWords(staying)
}

function waitingWords(staying: Split['staying']): string {
  const some = staying.map(({ instance, because }) => `${instance.name} (${because})`)
  const who = some.length === 1 ? '1 instance waits' : `${some.length} instances wait`
  return `${who} for its return: ${listed(some)}`
}

function eventOf(
  view: View,
  { host, leaving, staying }: Split & { readonly host: Host },
  context: Context
) {
  const rest = staying.length === 0 ? '' : `; ${waitingWords(staying)}`
  const who = leaving.length === 1 ? '1 instance' : `${leaving.length} instances`
  const message = `${who} may start elsewhere${rest}`
  const at = isoOf(context)
  const seen = { subject: subjectOf(host), reason: 'evacuated', message, at }
  return notification(view, { ...seen, severity: 'warning', source: 'controller' }, context)
}
