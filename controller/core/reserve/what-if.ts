/** A ground of one's own to think on: as the cloud is, or as it would be with other hosts. */
import type { Host } from '#shared/model/host.ts'
import { volumesOf, whyBound, whyItStays } from '../evacuation.ts'
import { Groups } from '../groups.ts'
import { type Refusal, refuse } from '../refusal.ts'
import { noScarce, scarceSum } from '../scarce.ts'
import type { Moment, View } from '../view.ts'
import { byPriority, type Evacuee, leaverOf } from './evacuee.ts'
import { Ground, type Row } from './ground.ts'
import { planOf } from './plan.ts'
import { surveyed } from './survey.ts'

/** Other hosts than there are. */
export type WhatIf = {
  /** Names of hosts that were gone, and what was on them elsewhere. */
  readonly without: readonly string[]
  /** So many more hosts that are empty, each like one that is there. */
  readonly with: readonly { readonly count: number; readonly like: string }[]
}

/** Hosts that are thought up at most. */
export const thoughtUpMax = 1_000

/** A ground that is nobody else's. */
export type Imagined = {
  readonly ground: Ground
  /** Names of those who would have found no place on it. */
  readonly stranded: readonly string[]
  /** Who would be down with its host, as it can run nowhere else. */
  readonly staying: readonly Staying[]
}

/** One that can run on its own host alone. */
export type Staying = { readonly name: string; readonly host: string; readonly because: string }

/** The cloud as it is now, on a ground that stays so whatever becomes of the cloud. */
export const copied = (view: View, now: Moment): Ground => copyOf(surveyed(view, now), [])

function copyOf(ground: Ground, more: readonly Row[]): Ground {
  const copy = new Ground(ground.wants, new Groups(ground.groups))
  copy.fill([...ground.rows, ...more])
  copy.waiting = ground.waiting
  return copy
}

/** Imagines it; refuses hosts that are not there or whose hardware is not known. */
export function imagined(view: View, wish: WhatIf, now: Moment): Imagined | Refusal {
  const ground = surveyed(view, now)
  const names = [...wish.without, ...wish.with.map(({ like }) => like)]
  const unknown = names.find(name => !ground.rows.some(({ host }) => host.name === name))
  if (unknown !== undefined) {
    return refuse('not-found', `there is no host "${unknown}"`, { next: ['remuda host list'] })
  }
  const bare = wish.with.find(({ like }) => !rowNamed(ground, like).candidate.capacity)
  if (bare) {
    return refuse('conflict', `cannot think of hosts like ${bare.like}: its hardware is unknown`, {
      reasons: ['it has not reported to this controller yet'],
      next: [`remuda host show ${bare.like}`]
    })
  }
  const more = wish.with.reduce((sum, { count }) => sum + count, 0)
  if (more > thoughtUpMax) {
    return refuse('invalid', `cannot think of ${more} more hosts: at most ${thoughtUpMax}`)
  }
  const whole = copyOf(
    ground,
    wish.with.flatMap(one => likeRows(ground, one))
  )
  if (wish.without.length === 0) return { ground: whole, stranded: [], staying: [] }
  return emptied(view, whole, wish.without)
}

const rowNamed = (ground: Ground, name: string): Row =>
  ground.rows.find(({ host }) => host.name === name)!

function likeRows(
  ground: Ground,
  { count, like }: { readonly count: number; readonly like: string }
): readonly Row[] {
  const { candidate, host } = rowNamed(ground, like)
  const { recovery: _, duty: __, ...decided } = host.decided
  const open: Host = {
    ...host,
    spec: { ...host.spec, schedulable: true },
    decided: { ...decided, approval: 'approved' }
  }
  return Array.from({ length: count }, (_, at) => {
    const named = { ...open, name: `${like}+${at + 1}` }
    const capacity = {
      ...candidate.capacity!,
      memoryPromisedMib: 0,
      vcpusPromised: 0,
      scarcePromised: noScarce,
      instances: 0
    }
    const empty = { ...candidate, host: named, phase: 'online' as const, capacity, orderBytes: 0 }
    return { host: named, candidate: empty, evacuees: [] }
  })
}

/**
 * The ground without some hosts, and what was on them where it would have gone. All that can leave
 * do, as when a host is emptied and what cannot go while it runs is shut down for it.
 */
function emptied(view: View, ground: Ground, without: readonly string[]): Imagined {
  const lost = without.map(name => ground.rows.findIndex(({ host }) => host.name === name))
  const { leavers, staying } = leaversOf(view, ground, lost)
  const { stranded, taken } = planOf(ground, lost, { leavers })
  const rows = [...ground.rows]
  const seats = new Map<string, string | undefined>(stranded.map(({ id }) => [id, undefined]))
  for (const { host, evacuees, ...left } of taken) {
    const row = rows[host]!
    const { memoryMib = 0, vcpus = 0, orderBytes = 0, scarce = noScarce } = row.more ?? {}
    const more = {
      memoryMib: memoryMib + ground.freeMib[host]! - left.freeMib,
      vcpus: vcpus + ground.freeVcpus[host]! - left.freeVcpus,
      orderBytes: orderBytes + ground.freeBytes[host]! - left.freeBytes,
      scarce: evacuees.reduce((sum, one) => scarceSum(sum, one.scarce ?? noScarce), scarce)
    }
    const { name } = row.host
    for (const { id } of evacuees) seats.set(id, name)
    const newcomers = evacuees
      .filter(({ id }) => startsElsewhere(view, id))
      .map(one => ({ ...one, at: [name] }))
    rows[host] = { ...row, more, evacuees: [...row.evacuees, ...newcomers].sort(byPriority) }
  }
  const isGrouped = [...stranded, ...taken.flatMap(({ evacuees }) => evacuees)].some(
    ({ groups }) => groups.length > 0
  )
  const groups = isGrouped ? groupsAfter(view, seats) : ground.groups
  const rest = new Ground(ground.wants, groups)
  rest.fill(rows.filter((_, host) => !lost.includes(host)))
  rest.waiting = stranded
  return { ground: rest, stranded: stranded.map(({ name }) => name), staying }
}

/** Who leaves hosts that are gone, and who cannot. */
function leaversOf(
  view: View,
  ground: Ground,
  lost: readonly number[]
): { readonly leavers: readonly Evacuee[]; readonly staying: readonly Staying[] } {
  const leavers = new Map<string, Evacuee>()
  const staying: Staying[] = []
  for (const number of lost) {
    const host = ground.name(number)
    // One that is on its way to another host arrives there.
    for (const id of view.indexes.of('host-instances', host)) {
      const instance = view.get('instance', id)
      if (!instance || instance.decided.deletedAt !== undefined || instance.decided.moving) continue
      const volumes = volumesOf(view, instance)
      const because = whyBound(view, instance, volumes)
      if (because !== undefined) staying.push({ name: instance.name, host, because })
      else leavers.set(id, leaverOf(view, { instance, volumes }, ground.wants))
    }
    for (const one of ground.rows[number]!.evacuees) leavers.set(one.id, one)
  }
  ground.meetWants()
  return { leavers: [...leavers.values()].sort(byPriority), staying }
}

/** Whether the loss of its host would have it start on another one. */
function startsElsewhere(view: View, id: string): boolean {
  const instance = view.get('instance', id)
  return instance !== undefined && whyItStays(view, instance) === undefined
}

/** The groups with their members where they would be; undefined: on no host. */
function groupsAfter(view: View, seats: ReadonlyMap<string, string | undefined>): Groups {
  const groups = new Groups()
  for (const instance of view.all('instance').values()) {
    if (!instance.spec.affinity?.length) continue
    if (!seats.has(instance.id)) {
      groups.enter(instance)
      continue
    }
    const { host: _, moving: __, ...decided } = instance.decided
    const host = seats.get(instance.id)
    groups.enter({ ...instance, decided: { ...decided, ...(host !== undefined && { host }) } })
  }
  return groups
}
