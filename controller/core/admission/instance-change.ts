import type { Instance, InstanceDecided, InstanceSpec } from '#shared/model/instance.ts'
import type { Volume } from '#shared/model/volume.ts'
import { lingers } from '../capacity.ts'
import type { Change } from '../commit.ts'
import { isResting } from '../indexes.ts'
import { phaseOf } from '../liveness.ts'
import { orderBytesOf } from '../order-size.ts'
import { heldMib } from '../overhead.ts'
import { isRefusal, type Refusal, refuse } from '../refusal.ts'
import { noScarce, scarceOf, scarceSum } from '../scarce.ts'
import { defaultTenant, subjectOf } from '../subject.ts'
import type { View } from '../view.ts'
import { refuseColdStart } from './cold-start.ts'
import { admitted, type Context, decision, unchanged, type Verdict } from './context.ts'
import { refuseTooLittle } from './image-memory.ts'
import { attachedVolumes, onHost, shapedOf } from './instance-create.ts'
import { moveInstance, refuseMoving } from './instance-move.ts'
import { refuseNoRoom } from './instance-place.ts'
import { startWhereRoomIsMade } from './instance-start.ts'
import { refuseMisplaced } from './placing-change.ts'
import { refuseStartOrder } from './start-order.ts'

/** What is fixed once an instance is made, and what one does instead. */
const fixed: readonly (readonly [keyof InstanceSpec, string])[] = [
  ['type', 'create another instance'],
  ['image', 'create another instance from that image'],
  ['pool', 'create another instance in that pool'],
  ['host', 'create another instance there'],
  ['ports', 'create another instance with those ports'],
  ['hugePages', 'create another instance with those pages'],
  ['devices', 'create another instance with those devices'],
  ['numa', 'create another instance with it'],
  ['architecture', 'create another instance for it']
]

type Wish = {
  readonly instance: Instance
  readonly labels: Readonly<Record<string, string>>
  readonly spec: InstanceSpec
}

/** Judges a changed wish for an instance that is there. */
export function changeInstance(view: View, wish: Wish, context: Context): Verdict {
  const { instance, spec } = wish
  const { desiredPower, restarts } = instance.spec
  const moves = spec.desiredPower !== desiredPower || spec.restarts !== restarts
  // That a plug was to be pulled was said of an earlier stop.
  return changeMarked(view, moves ? { ...wish, instance: marked(instance, false) } : wish, context)
}

/** An instance whose plug is to be pulled, or not. */
function marked(instance: Instance, forced: boolean): Instance {
  const { forced: _, ...decided } = instance.decided
  return { ...instance, decided: forced ? { ...decided, forced } : decided }
}

function changeMarked(view: View, wish: Wish, context: Context): Verdict {
  const { instance, spec, labels } = wish
  if (same(spec, instance.spec) && same(labels, instance.labels)) return unchanged(instance)
  const refused = refuseGoing(instance) ?? refuseMoving(instance, 'change')
  if (refused) return refused
  for (const [field, instead] of fixed) {
    if (same(spec[field], instance.spec[field])) continue
    return refuse('invalid', `cannot change ${field} of instance ${instance.name}`, {
      pointer: `/spec/${field}`,
      reasons: [`it is ${JSON.stringify(instance.spec[field])} since the instance was made`],
      next: [`keep it, or ${instead}`]
    })
  }
  if (spec.restarts < instance.spec.restarts) {
    return refuse('invalid', `cannot set restarts of instance ${instance.name} back`, {
      pointer: '/spec/restarts',
      reasons: [`it is ${instance.spec.restarts}, ${spec.restarts} is asked for`],
      next: ['leave restarts out to keep it, or raise it by one to have the instance restarted']
    })
  }
  const { name, tenant = defaultTenant } = instance
  const alone = refuseColdStart(view, { name, tenant, spec })
  if (alone) return alone
  const order = startOrderAfter(view, instance, spec)
  if (order) return order
  const shape = shapeAfter(view, instance, spec)
  if (isRefusal(shape)) return shape
  const [rootId = ''] = instance.decided.volumes
  const root = view.get('volume', rootId)
  const { memoryMib } = shape
  if (memoryMib < instance.decided.memoryMib) {
    const tooLittle = refuseTooLittle(view, { name, memoryMib, root })
    if (tooLittle) return tooLittle
  }
  const volumes = volumesAfter(view, instance, spec)
  if (isRefusal(volumes)) return volumes
  const isOther = !same(spec, instance.spec)
  const decided = isOther ? begunAnew(instance.decided, spec) : instance.decided
  const after: Instance = {
    ...instance,
    labels,
    spec,
    decided: { ...decided, ...shape, volumes: volumes.ids },
    generation: instance.generation + (isOther ? 1 : 0)
  }
  const elsewhere = startElsewhere(
    view,
    { before: instance, after, more: volumes.changes },
    context
  )
  if (elsewhere) return elsewhere
  const misplaced = refuseMisplaced(view, { before: instance, after }, context)
  if (misplaced) return misplaced
  const room = refuseGrowth(view, { before: instance, after }, context)
  const [because, more] = [differences(instance, after), volumes.changes]
  if (room) {
    const given = { before: instance, after, more, because, refusal: room }
    return startWhereRoomIsMade(view, given, context)
  }
  return admitted(context, after, { verb: 'changed', because, more })
}

/** What was admitted once stays: only another wish is judged. */
function startOrderAfter(view: View, instance: Instance, spec: InstanceSpec): Refusal | undefined {
  const fields = ['after', 'readiness', 'coldStart'] as const
  if (fields.every(field => same(spec[field], instance.spec[field]))) return undefined
  const { name, tenant = defaultTenant } = instance
  return refuseStartOrder(view, { name, tenant, spec })
}

/** What failed before says nothing of another wish; who is to rest needs no room. */
function begunAnew(before: InstanceDecided, { desiredPower }: InstanceSpec): InstanceDecided {
  const { crashes: _, ...decided } = before
  if (desiredPower !== 'stopped') return decided
  const { preempted: __, roomFrom: ___, ...resting } = decided
  return resting
}

/** A size is looked up only when the wish for it changes: no stop or start shall resize. */
function shapeAfter(
  view: View,
  instance: Instance,
  spec: InstanceSpec
): ReturnType<typeof shapedOf> {
  const fields = ['size', 'vcpus', 'memoryMib'] as const
  const { vcpus, memoryMib } = instance.decided
  return fields.every(field => spec[field] === instance.spec[field])
    ? { vcpus, memoryMib }
    : shapedOf(view, spec)
}

/** Judges a wish for another power state. */
export function powerInstance(
  view: View,
  wish: {
    readonly instance: Instance
    readonly power: InstanceSpec['desiredPower']
    readonly force?: boolean
  },
  context: Context
): Verdict {
  const { instance, power } = wish
  if (power === 'paused' && instance.spec.desiredPower === 'stopped') {
    return refuse('conflict', `cannot pause instance ${instance.name}: it is stopped`, {
      next: [`remuda instance start ${instance.name}`]
    })
  }
  const spec = { ...instance.spec, desiredPower: power }
  return changeByForce(view, { instance, spec, force: wish.force === true }, context)
}

/** Judges a wish for one restart: the count goes up, and a stopped instance is started. */
export function restartInstance(
  view: View,
  wish: { readonly instance: Instance; readonly force?: boolean },
  context: Context
): Verdict {
  const { instance, force = false } = wish
  const restarts = instance.spec.restarts + 1
  const spec = { ...instance.spec, restarts, desiredPower: 'running' as const }
  return changeByForce(view, { instance, spec, force }, context)
}

/** Changes the wish, and whether the plug is pulled for it instead of asking to shut down. */
function changeByForce(
  view: View,
  wish: { readonly instance: Instance; readonly spec: InstanceSpec; readonly force: boolean },
  context: Context
): Verdict {
  const { instance, spec, force } = wish
  const { labels } = instance
  if (force === (instance.decided.forced === true) || !same(spec, instance.spec)) {
    return changeMarked(view, { instance: marked(instance, force), labels, spec }, context)
  }
  const moving = refuseMoving(instance, 'change')
  if (moving) return moving
  const because = `asked for: ${force ? 'pull the plug' : 'let it shut down by itself'}`
  return admitted(context, marked(instance, force), { verb: 'changed', because })
}

/** Refuses to change what is asked to go. */
export function refuseGoing(instance: Instance): Refusal | undefined {
  if (!instance.decided.deletedAt) return undefined
  return refuse('conflict', `instance ${instance.name} is being deleted`, {
    reasons: [`since ${instance.decided.deletedAt}`],
    next: [`remuda why instance/${instance.name}`]
  })
}

/** What is to start on a host that is out of service starts on another one, if it can go there. */
function startElsewhere(
  view: View,
  given: {
    readonly before: Instance
    readonly after: Instance
    readonly more: readonly Change[]
  },
  context: Context
): Verdict | undefined {
  const { before, after, more } = given
  const host = view.named('host', after.decided.host ?? '')
  const { duty } = host?.decided ?? {}
  if (!host || !duty || !isResting(before) || isResting(after)) return undefined
  const out = `${host.name} is out of service since ${duty.since} (${duty.state})`
  const phase = phaseOf(host, view.heard(host.name), context.now.monotonic)
  const next = [`remuda host resume ${host.name}`, 'remuda host list']
  if (phase === 'silent') {
    return refuse('conflict', `cannot start instance ${after.name}: ${out}`, {
      reasons: [`${host.name} is silent, so nobody says that it has not got it any more`],
      next: [...next, `once it is surely off: remuda host confirm-off ${host.name}`]
    })
  }
  const verdict = moveInstance(view, { instance: after, live: false, because: out }, context)
  if (isRefusal(verdict)) {
    const { message, reasons } = verdict.refused
    const because = `${out}, and it cannot go elsewhere`
    return refuse('conflict', `cannot start instance ${after.name}: ${because}`, {
      reasons: [message, ...reasons],
      next
    })
  }
  const { changes, decisions } = verdict.commit
  const asked = decision(context, 'changed', differences(before, after), subjectOf(after))
  return {
    ...verdict,
    commit: { changes: [...changes, ...more], decisions: [asked, ...decisions] }
  }
}

/** More memory, processors or user data, or a start, must find room on the host where it is. */
function refuseGrowth(
  view: View,
  change: { readonly before: Instance; readonly after: Instance },
  context: Context
): Refusal | undefined {
  const { before, after } = change
  const { host } = after.decided
  if (host === undefined) return undefined
  const [was, will] = [shareOf(view, before), shareOf(view, after)]
  const more = {
    memoryMib: will.memoryMib - was.memoryMib,
    vcpus: will.vcpus - was.vcpus,
    orderBytes: orderBytesOf(after) - orderBytesOf(before),
    ...(will.scarce !== noScarce && { scarce: scarceSum(will.scarce, was.scarce, -1) })
  }
  const isInCell = after.decided.numaFit && was.memoryMib > 0 && will.memoryMib > 0
  if (isInCell && (more.memoryMib > 0 || more.vcpus > 0)) {
    return refuse('conflict', `cannot make instance ${after.name} larger while it runs`, {
      reasons: ['it is in one NUMA cell, and which one has room is found out at its start'],
      next: [`remuda instance stop ${after.name}, and change it then`]
    })
  }
  return refuseNoRoom(view, { name: after.name, host, more }, context.now)
}

/** What it counts for: nothing once it is stopped, but as long as it still shuts down. */
const shareOf = (view: View, instance: Instance) =>
  isResting(instance) && !lingers(view, instance)
    ? { memoryMib: 0, vcpus: 0, scarce: noScarce }
    : {
        memoryMib: heldMib(instance.decided),
        vcpus: instance.decided.vcpus,
        scarce: scarceOf(instance.decided)
      }

function volumesAfter(
  view: View,
  instance: Instance,
  spec: InstanceSpec
): { readonly ids: readonly string[]; readonly changes: readonly Change[] } | Refusal {
  const owned = instance.decided.volumes
    .map(id => view.get('volume', id))
    .filter(volume => volume?.decided.ownerId === instance.id) as readonly Volume[]
  const tenant = instance.tenant ?? defaultTenant
  const attached = attachedVolumes(view, { name: instance.name, id: instance.id, tenant, spec })
  if (isRefusal(attached)) return attached
  const ids = [...owned, ...attached.volumes].map(volume => volume.id)
  const bound = boundTo(view, instance, attached.volumes)
  if (isRefusal(bound)) return bound
  const [root] = owned
  if (spec.rootMib === undefined || !root || spec.rootMib === root.spec.sizeMib) {
    return { ids, changes: bound }
  }
  if (spec.rootMib < root.spec.sizeMib) {
    return refuse('invalid', `cannot make the root volume of ${instance.name} smaller`, {
      pointer: '/spec/rootMib',
      reasons: [`it has ${root.spec.sizeMib} MiB, ${spec.rootMib} MiB are asked for`],
      next: [`ask for ${root.spec.sizeMib} MiB or more`]
    })
  }
  const resource = {
    ...root,
    spec: { ...root.spec, sizeMib: spec.rootMib },
    generation: root.generation + 1
  }
  return { ids, changes: [...bound, { op: 'put', resource }] }
}

/** Volumes that come to a placed instance come to its host; one that is elsewhere cannot. */
function boundTo(
  view: View,
  instance: Instance,
  volumes: readonly Volume[]
): readonly Change[] | Refusal {
  const { host } = instance.decided
  if (host === undefined) return []
  const elsewhere = volumes.find(({ decided }) => (decided.host ?? host) !== host)
  if (elsewhere) {
    return refuse('conflict', `instance ${instance.name} cannot use volume ${elsewhere.name}`, {
      pointer: '/spec/volumes',
      reasons: [`the instance is on ${host}, the volume on ${elsewhere.decided.host}`],
      next: [`create an instance with volume ${elsewhere.name}: it will be placed there`]
    })
  }
  return volumes
    .map(volume => onHost(volume, host))
    .filter(volume => view.get('volume', volume.id) !== volume)
    .map(resource => ({ op: 'put', resource }))
}

/** What has changed, field by field, for the history. */
export function differences(before: Instance, after: Instance): string {
  const parts: string[] = []
  if (!same(before.labels, after.labels)) parts.push('labels')
  const keys = new Set([...Object.keys(before.spec), ...Object.keys(after.spec)])
  for (const key of [...keys].sort() as (keyof InstanceSpec)[]) {
    const [old, now] = [before.spec[key], after.spec[key]]
    if (same(old, now)) continue
    const secret = key === 'userData' || key === 'sshKeys'
    parts.push(secret ? key : `${key} ${short(old)} → ${short(now)}`)
  }
  return `asked for: ${parts.join(', ')}`
}

const short = (value: unknown): string =>
  value === undefined ? 'unset' : typeof value === 'string' ? value : JSON.stringify(value)

/** Deep equality of JSON values, without regard to the order of keys. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>]
  const keys = Object.keys(left).filter(key => left[key] !== undefined)
  const others = Object.keys(right).filter(key => right[key] !== undefined)
  return keys.length === others.length && keys.every(key => same(left[key], right[key]))
}
