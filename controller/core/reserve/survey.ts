/**
 * Keeps the ground of a view. What a host's row is made of is compared by identity: its document,
 * its report, what it has promised. The view replaces these values whenever something changes, and
 * never alters them. So nothing has to tell the survey of changes, and none can be missed, whether
 * a commit was folded or taken back; only rows that something changed in are made anew.
 */
import type { Host } from '#shared/model/host.ts'
import type { Pool } from '#shared/model/pool.ts'
import type { Report } from '#shared/wire/order.ts'
import type { Promised } from '../indexes.ts'
import { phaseOf } from '../liveness.ts'
import { candidateOf } from '../placement/candidates.ts'
import type { Candidate } from '../placement/pipeline.ts'
import { noScarce, type Scarce } from '../scarce.ts'
import type { Moment, View } from '../view.ts'
import { byPriority, type Evacuee, evacueeOf, type Wants, waitingOf } from './evacuee.ts'
import { Ground, type Row } from './ground.ts'

/** What a row was made of. */
type Seen = {
  readonly host: Host
  readonly report: Report | undefined
  readonly promised: Promised
  readonly phase: Candidate['phase']
}

type Survey = {
  ground: Ground
  readonly seen: Seen[]
  pools: readonly Pool[]
  /** Tenants with hosts of their own: by these the wants of instances are told apart. */
  owners: string
}

const surveys = new WeakMap<View, Survey>()

/** The ground as the view is at a moment. It is the view's own: whoever alters it puts it back. */
export function surveyed(view: View, now: Moment): Ground {
  const survey = surveyOf(view)
  startAnew(view, survey)
  const { ground, seen } = survey
  const pools = [...view.all('pool').values()]
  const isSame = pools.length === survey.pools.length && pools.every(isIn(survey.pools))
  survey.pools = pools
  const hosts = view.all('host')
  let number = 0
  let isKnown = isSame && hosts.size === seen.length
  for (const host of hosts.values()) {
    if (!isKnown) break
    const before = seen[number]!
    if (before.host.id !== host.id) isKnown = false
    else refresh(view, survey, { number, host, now })
    number += 1
  }
  if (!isKnown) {
    seen.length = 0
    for (const host of hosts.values()) seen.push(seenOf(view, host, now))
    ground.fill(seen.map(({ host }) => rowOf(view, { host, now, wants: ground.wants })))
  }
  ground.waiting = waitingIn(view, ground)
  ground.meetWants()
  return ground
}

function surveyOf(view: View): Survey {
  const known = surveys.get(view)
  if (known) return known
  const ground = new Ground(undefined, view.indexes.groups)
  const survey: Survey = { ground, seen: [], pools: [], owners: '' }
  surveys.set(view, survey)
  return survey
}

/** Wants that were told apart by other owners are worth nothing. */
function startAnew(view: View, survey: Survey): void {
  const owners = [...view.indexes.dedicated.keys()].sort().join(' ')
  if (owners === survey.owners) return
  survey.owners = owners
  survey.ground = new Ground(undefined, view.indexes.groups)
  survey.seen.length = 0
}

const isIn = (pools: readonly Pool[]) => (pool: Pool, at: number) => pools[at] === pool

function seenOf(view: View, host: Host, now: Moment): Seen {
  const heard = view.heard(host.name)
  const promised = view.indexes.promised(host.name)
  return { host, report: heard.report, promised, phase: phaseOf(host, heard, now.monotonic) }
}

function refresh(
  view: View,
  { ground, seen }: Survey,
  { number, host, now }: { readonly number: number; readonly host: Host; readonly now: Moment }
): void {
  const before = seen[number]!
  const heard = view.heard(host.name)
  const promised = view.indexes.promised(host.name)
  const phase = phaseOf(host, heard, now.monotonic)
  const isPromised = promised === before.promised
  if (isPromised && before.host === host && before.report === heard.report) {
    if (phase === before.phase) return
  }
  seen[number] = { host, report: heard.report, promised, phase }
  const evacuees = isPromised ? ground.rows[number]!.evacuees : undefined
  const row = rowOf(view, { host, now, wants: ground.wants, evacuees })
  if (isPromised && isAlike(ground.rows[number]!, row)) ground.rows[number] = row
  else ground.set(number, row)
}

/** Most reports say nothing new of what matters here. */
function isAlike(a: Row, b: Row): boolean {
  const [was, is] = [a.candidate, b.candidate]
  return (
    a.host === b.host &&
    was.phase === is.phase &&
    was.capacity?.memoryMib === is.capacity?.memoryMib &&
    was.capacity?.memoryPromisedMib === is.capacity?.memoryPromisedMib &&
    was.capacity?.vcpus === is.capacity?.vcpus &&
    was.capacity?.vcpusPromised === is.capacity?.vcpusPromised &&
    isSameScarce(was.capacity?.scarcePromised, is.capacity?.scarcePromised) &&
    was.facts === is.facts &&
    was.networkFaults === is.networkFaults &&
    was.poolFreeMib === is.poolFreeMib
  )
}

function rowOf(
  view: View,
  given: {
    readonly host: Host
    readonly now: Moment
    readonly wants: Wants
    /** When they are known to be the same. */
    readonly evacuees?: readonly Evacuee[] | undefined
  }
): Row {
  const { host, now, wants } = given
  return {
    host,
    candidate: candidateOf(view, host, now.monotonic),
    evacuees: given.evacuees ?? evacueesOf(view, host, wants)
  }
}

/**
 * Who leaves a host when it is lost. One on its way is counted on both hosts: wherever it will be
 * by then, there is a place for it.
 */
function evacueesOf(view: View, host: Host, wants: Wants): readonly Evacuee[] {
  const evacuees: Evacuee[] = []
  for (const relation of ['host-instances', 'host-arrivals'] as const) {
    for (const id of view.indexes.of(relation, host.name)) {
      const instance = view.get('instance', id)
      if (!instance) continue
      const volumes = instance.decided.volumes.flatMap(id => view.get('volume', id) ?? [])
      const evacuee = evacueeOf(view, { instance, volumes }, wants)
      if (evacuee) evacuees.push(evacuee)
    }
  }
  return evacuees.sort(byPriority)
}

/** Who waits for a host. */
function waitingIn(view: View, ground: Ground): readonly Evacuee[] {
  const { unplaced, preempted } = view.indexes
  if (unplaced.size + preempted.size === 0) return []
  const waiting: Evacuee[] = []
  for (const id of [...unplaced, ...preempted]) {
    const instance = view.get('instance', id)
    if (!instance) continue
    const volumes = instance.decided.volumes.flatMap(id => view.get('volume', id) ?? [])
    const one = waitingOf(view, { instance, volumes }, ground.wants)
    if (one) waiting.push(one)
  }
  return waiting.sort(byPriority)
}

/** Where in its cells a host has what it has promised is told by its reports alone. */
const isSameScarce = (one: Scarce = noScarce, other: Scarce = noScarce): boolean =>
  one === other || JSON.stringify(one) === JSON.stringify(other)
