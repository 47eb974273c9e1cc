/**
 * What the ground would be if some changes were recorded: the rows of the hosts that they concern
 * are exchanged for a while. A trial is over before anybody else looks at the ground.
 */
import type { Host } from '#shared/model/host.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Volume } from '#shared/model/volume.ts'
import { lingers } from '../capacity.ts'
import type { Change } from '../commit.ts'
import { countsOn } from '../indexes.ts'
import { orderBytesOf } from '../order-size.ts'
import { heldMib } from '../overhead.ts'
import { candidateOf } from '../placement/candidates.ts'
import { noScarce, scarceOf, scarceSum } from '../scarce.ts'
import type { Moment, View } from '../view.ts'
import { byPriority, type Evacuee, evacueeOf, waitingOf } from './evacuee.ts'
import type { Ground, Room, Row } from './ground.ts'

/** Changes on trial; both ways may be taken any number of times. */
export type Trial = {
  readonly begin: () => void
  readonly end: () => void
}

/** Prepares to try some changes of a view on its ground. */
export function trialOf(
  view: View,
  tried: { readonly ground: Ground; readonly changes: readonly Change[] },
  now: Moment
): Trial {
  const { ground, changes } = tried
  const rows = new Map<number, Row>()
  const members = new Map<string, Exchanged>()
  let { waiting } = ground
  for (const change of changes) {
    if (change.op === 'put' && change.resource.kind === 'host') {
      changeHost(view, { ground, rows, host: change.resource }, now)
    } else if (change.op === 'remove' && change.kind === 'host') {
      removeHost({ ground, rows }, change.id)
    }
    const instances = instancesOf(view, change)
    if (!instances) continue
    const volumes = volumesIn(view, changes, instances.after)
    const { id } = (instances.after ?? instances.before)!
    members.set(id, instances)
    exchange(view, { ground, rows, ...instances, volumes })
    waiting = waitingAfter(view, ground, waiting, { ...instances, volumes })
  }
  ground.meetWants()
  const before = new Map([...rows.keys()].map(host => [host, ground.rows[host]!]))
  const waitedBefore = ground.waiting
  const put = (all: ReadonlyMap<number, Row>, those: readonly Evacuee[]): void => {
    for (const [host, row] of all) ground.set(host, row)
    ground.waiting = those
  }
  let isOn = false
  return {
    begin: () => {
      if (isOn) return
      isOn = true
      for (const { before, after } of members.values()) regroup(ground, before, after)
      put(rows, waiting)
    },
    end: () => {
      if (!isOn) return
      isOn = false
      for (const { before, after } of members.values()) regroup(ground, after, before)
      put(before, waitedBefore)
    }
  }
}

function regroup(ground: Ground, from: Instance | undefined, to: Instance | undefined): void {
  if (from) ground.groups.leave(from)
  if (to) ground.groups.enter(to)
}

type Exchanged = { readonly before: Instance | undefined; readonly after: Instance | undefined }

function instancesOf(view: View, change: Change): Exchanged | undefined {
  if (change.op === 'put' && change.resource.kind === 'instance') {
    return { before: view.get('instance', change.resource.id), after: change.resource }
  }
  if (change.op !== 'remove' || change.kind !== 'instance') return undefined
  return { before: view.get('instance', change.id), after: undefined }
}

/** The volumes of an instance, also those that the same changes make. */
export function volumesIn(
  view: View,
  changes: readonly Change[],
  instance: Instance | undefined
): readonly Volume[] {
  const made = new Map<string, Volume>()
  for (const change of changes) {
    if (change.op === 'put' && change.resource.kind === 'volume') {
      made.set(change.resource.id, change.resource)
    }
  }
  const ids = instance?.decided.volumes ?? []
  return ids.flatMap(id => made.get(id) ?? view.get('volume', id) ?? [])
}

type Rows = { readonly ground: Ground; readonly rows: Map<number, Row> }

const rowIn = ({ ground, rows }: Rows, host: number): Row => rows.get(host) ?? ground.rows[host]!

function numberOf(ground: Ground, name: string): number | undefined {
  const host = ground.rows.findIndex(row => row.host.name === name)
  return host < 0 ? undefined : host
}

function changeHost(
  view: View,
  { host, ...tried }: Rows & { readonly host: Host },
  now: Moment
): void {
  const number = numberOf(tried.ground, host.name)
  if (number === undefined) return
  const candidate = candidateOf(view, host, now.monotonic)
  tried.rows.set(number, { ...rowIn(tried, number), host, candidate })
}

/** Its row stays, and is nothing any more. */
function removeHost(tried: Rows, id: string): void {
  const number = tried.ground.rows.findIndex(row => row.host.id === id)
  if (number < 0) return
  const row = rowIn(tried, number)
  const candidate = { ...row.candidate, capacity: undefined }
  tried.rows.set(number, { host: row.host, candidate, evacuees: [] })
}

function exchange(
  view: View,
  given: Rows & Exchanged & { readonly volumes: readonly Volume[] }
): void {
  const { ground, rows, before, after: instance, volumes } = given
  const names = new Set([...hostsOf(before), ...hostsOf(instance)])
  const evacuee = instance && evacueeOf(view, { instance, volumes }, ground.wants)
  for (const name of names) {
    const number = numberOf(ground, name)
    if (number === undefined) continue
    const row = rowIn(given, number)
    const others = row.evacuees.filter(({ id }) => id !== (before ?? instance)?.id)
    const isHere = evacuee !== undefined && hostsOf(instance).includes(name)
    const evacuees = isHere ? [...others, evacuee].sort(byPriority) : others
    const [was, will] = [shareOn(view, before, name), shareOn(view, instance, name)]
    const { memoryMib = 0, vcpus = 0, orderBytes = 0, scarce = noScarce } = row.more ?? {}
    const more: Room = {
      memoryMib: memoryMib + will.memoryMib - was.memoryMib,
      vcpus: vcpus + will.vcpus - was.vcpus,
      orderBytes: orderBytes + will.orderBytes - was.orderBytes,
      scarce: scarceSum(scarceSum(scarce, will.scarce ?? noScarce), was.scarce ?? noScarce, -1)
    }
    rows.set(number, { ...row, evacuees, more, ...(evacuee && { about: evacuee.id }) })
  }
}

const hostsOf = (instance: Instance | undefined): readonly string[] => {
  const { host, moving } = instance?.decided ?? {}
  return [...(host === undefined ? [] : [host]), ...(moving ? [moving.to] : [])]
}

const nothing: Room = { memoryMib: 0, vcpus: 0, orderBytes: 0 }

/** What an instance takes up on a host, as the indexes and the capacity count it. */
function shareOn(view: View, instance: Instance | undefined, host: string): Room {
  if (!instance || !hostsOf(instance).includes(host)) return nothing
  const { vcpus, deletedAt } = instance.decided
  const isThere = instance.decided.host === host && lingers(view, instance)
  const counts = countsOn(host, instance) || isThere
  return {
    memoryMib: counts ? heldMib(instance.decided) : 0,
    vcpus: counts ? vcpus : 0,
    scarce: counts ? scarceOf(instance.decided) : noScarce,
    orderBytes: deletedAt === undefined ? orderBytesOf(instance) : 0
  }
}

function waitingAfter(
  view: View,
  ground: Ground,
  waiting: readonly Evacuee[],
  changed: Exchanged & { readonly volumes: readonly Volume[] }
): readonly Evacuee[] {
  const { before, after, volumes } = changed
  const isIn =
    after !== undefined &&
    (after.decided.host === undefined || after.decided.preempted !== undefined)
  if (waiting.length === 0 && !isIn) return waiting
  const others = waiting.filter(({ id }) => id !== (before ?? after)?.id)
  const one = isIn ? waitingOf(view, { instance: after, volumes }, ground.wants) : undefined
  return one ? [...others, one].sort(byPriority) : others
}
