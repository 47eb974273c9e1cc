/**
 * The top of the controller's judgement: given all that is known and the time, what is to be
 * recorded next. It decides and does not act: its decisions are data, each with the sentence that
 * the operator reads. It looks only at what is left to do, never at everything.
 */
import type { Event } from '#shared/model/event.ts'
import type { Resource, ResourceOf } from '#shared/model/index.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Volume } from '#shared/model/volume.ts'
import type { Report } from '#shared/wire/order.ts'
import { type Context, decision, isoOf } from './admission/context.ts'
import { onHost, placedDecision } from './admission/instance-create.ts'
import { demandOf, placeInstance } from './admission/instance-place.ts'
import { staleJoinTokens } from './admission/join-token.ts'
import { balances } from './balance/rounds.ts'
import { bootNews } from './boot/news.ts'
import type { Because, Change, Commit } from './commit.ts'
import { crashes } from './crashes.ts'
import { drains } from './drain.ts'
import { evacuations } from './evacuation.ts'
import { fenceTests } from './fence-test.ts'
import { fencings, isOff } from './fencing.ts'
import { handedOver } from './leftovers.ts'
import { livingOrigin } from './living-origin.ts'
import { moves } from './moves.ts'
import { eventsMax, notification } from './notification.ts'
import type { Demand } from './placement/pipeline.ts'
import { powers } from './power.ts'
import { returned, roomMade, yielded, yieldingTo } from './preemption.ts'
import { isRefusal, listed, type Refusal } from './refusal.ts'
import { reportedIn } from './reported.ts'
import { othersOf } from './reserve/room-for-others.ts'
import { startNews } from './start-news.ts'
import { subjectOf } from './subject.ts'
import type { View } from './view.ts'

/** Most commits of one round; the rest waits for the next, so that no round is long. */
const commitsMax = 256
/** How long a reply to a request with an Idempotency-Key is kept. Unit: ms. */
export const replyKeptMs = 24 * 60 * 60 * 1000
/** Notices and old replies that go into one commit, so that none is long; the rest waits. */
const noticesPerCommit = 32
const repliesPerCommit = 1_000

/**
 * Decides one round: at most `commitsMax` commits, one at a time. Each is decided on the view as it
 * is when it is asked for, so whoever folds one before asking for the next gets no two that clash.
 * Undefined is no commit, but a good moment for others to have their turn. As long as `places` is
 * false nothing is placed: not all hosts are known yet.
 */
export function* decide(
  view: View,
  context: Context,
  { places = true }: { readonly places?: boolean } = {}
): Iterable<Commit | undefined> {
  let commits = 0
  for (const some of places ? all : allButPlaces) {
    for (const commit of some(view, context)) {
      yield commit
      if (commit) commits += 1
      if (commits >= commitsMax) return
    }
  }
}

// Notices before departures: the last words of what has ended belong into its own history.
const healing = [fencings, evacuations, fenceTests, powers]
const news = [moves, startNews, noticesOf, bootNews]
const all = [...healing, placements, drains, balances, ...news, crashes, departures, forgotten]
const allButPlaces = [...healing, ...news, departures, forgotten]

/** Finds hosts for instances that had none. Whoever still finds none waits, and `why` says so. */
function* placements(view: View, context: Context): Iterable<Commit | undefined> {
  yield* roomMade(view, context)
  if (view.indexes.unplaced.size + view.indexes.preempted.size === 0) return
  const waiting = [...view.indexes.unplaced, ...view.indexes.preempted]
    .flatMap(id => view.get('instance', id) ?? [])
    .sort((a, b) => b.spec.priority - a.spec.priority || (a.id < b.id ? -1 : 1))
  const hopeless = new Map<string, Refusal>()
  const others = othersOf(view, context.now)
  for (const { id } of waiting) {
    const instance = view.get('instance', id)
    if (instance?.decided.preempted) {
      const commit = returned(view, instance, context)
      if (commit) yield commit
      continue
    }
    if (!instance || !view.indexes.unplaced.has(id)) continue
    if (livingOrigin(view, instance)) continue
    const volumes = instance.decided.volumes.flatMap(id => view.get('volume', id) ?? [])
    const shape = shapeOf(demandOf(view, { instance, volumes }))
    const known = hopeless.get(shape)
    const changesOn = (host: string): readonly Change[] => placedOn(instance, volumes, host)
    const placement =
      known ?? placeInstance(view, { instance, volumes }, context.now, { changesOn, others })
    if (isRefusal(placement)) {
      hopeless.set(shape, placement)
      const yielding = yieldingTo(view, { instance, volumes }, context.now)
      if (yielding) {
        yield yielded(view, { instance, volumes, ...yielding }, context)
        continue
      }
      const told = nowhereToGo(view, { instance, refusal: placement }, context)
      if (told || !known) yield told
      continue
    }
    if (!placement.chosen) continue
    const { chosen, because } = placement
    const placed = withHost(instance, chosen.name)
    yield { changes: changesOn(chosen.name), decisions: [placedDecision(context, placed, because)] }
  }
}

const placedOn = (
  instance: Instance,
  volumes: readonly Volume[],
  host: string
): readonly Change[] =>
  [withHost(instance, host), ...volumes.map(volume => onHost(volume, host))].map(
    (resource: Resource): Change => ({ op: 'put', resource })
  )

function withHost(instance: Instance, host: string): Instance {
  const { displaced: _, ...decided } = instance.decided
  return { ...instance, decided: { ...decided, host } }
}

/** Who has lost its host, or was let in, and finds none: that is told, once. */
function nowhereToGo(
  view: View,
  given: { readonly instance: Instance; readonly refusal: Refusal },
  context: Context
): Commit | undefined {
  const subject = subjectOf(given.instance)
  const { numaFit, displaced } = given.instance.decided
  const last = view.history(subject).at(-1)?.verb
  // It waited until it was known in which cells others are: by now it is, and none is left.
  const hasWaited = numaFit === true && !displaced && last === 'not-placed'
  if (last !== 'evacuated' && !hasWaited) return undefined
  const { message, reasons } = given.refusal.refused
  const because = `${message}: ${listed(reasons)}; it waits for one that can`
  const seen = { subject, reason: 'not-placed', message: because, at: isoOf(context) }
  const event = notification(view, { ...seen, severity: 'alarm', source: 'controller' }, context)
  return {
    changes: [{ op: 'put', resource: event }],
    decisions: [decision(context, hasWaited ? 'no-cell' : 'not-placed', because, subject)]
  }
}

/** Instances that ask for the same are judged once: where one finds no host, none does. */
const shapeOf = ({ name: _, pools, avoided, networks, imageIds: __, ...rest }: Demand): string =>
  JSON.stringify({
    ...rest,
    pools: [...pools],
    networks: [...(networks?.keys() ?? [])],
    avoided: [...(avoided?.keys() ?? [])]
  })

/** Removes what was asked to go once its host says that it is gone. */
function* departures(view: View, context: Context): Iterable<Commit> {
  for (const [key, since] of view.indexes.going) {
    const [kind, id] = key.split('/') as ['instance' | 'volume', string]
    const resource = view.get(kind, id)
    if (!resource) continue
    if (resource.kind === 'volume' && isOff(view, resource.decided.host)) {
      const commit = handedOver(view, resource, context)
      if (commit) yield commit
      continue
    }
    const proof = goneFrom(view, resource, since)
    if (proof === undefined) continue
    yield resource.kind === 'instance'
      ? instanceGone(view, { instance: resource, proof }, context)
      : volumeGone(resource, proof, context)
  }
}

/** The sentence that proves that no host holds it any more; undefined while one may. */
function goneFrom(
  view: View,
  resource: ResourceOf['instance' | 'volume'],
  since: number
): string | undefined {
  const { host } = resource.decided
  if (host === undefined) return 'no host has it'
  if (resource.kind === 'instance' && isOff(view, host)) return `${host} is proven off`
  const { report } = view.heard(host)
  if (!report || report.generation < since) return undefined
  return resource.kind === 'instance' ? noInstance(report, resource) : noVolume(report, resource)
}

const noInstance = (report: Report, instance: Instance): string | undefined =>
  reportedIn(report.instances, instance.id)
    ? undefined
    : `${report.hostname} reports that it no longer runs`

const noVolume = (report: Report, volume: Volume): string | undefined => {
  const seen = reportedIn(report.volumes, volume.id)
  return seen === undefined || seen.phase !== 'absent'
    ? undefined
    : `${report.hostname} reports that it is removed`
}

function instanceGone(
  view: View,
  gone: { readonly instance: Instance; readonly proof: string },
  context: Context
): Commit {
  const { instance, proof } = gone
  const changes: Change[] = [
    { op: 'remove', kind: 'instance', id: instance.id, subject: subjectOf(instance) }
  ]
  for (const id of instance.decided.ports) {
    const port = view.get('port', id)
    if (port) changes.push({ op: 'remove', kind: 'port', id, subject: subjectOf(port) })
  }
  for (const id of instance.decided.volumes) {
    const volume = view.get('volume', id)
    if (volume?.decided.ownerId !== instance.id || volume.decided.deletedAt) continue
    const decided = { ...volume.decided, deletedAt: isoOf(context) }
    changes.push({ op: 'put', resource: { ...volume, decided } })
  }
  return { changes, decisions: [decision(context, 'deleted', proof, subjectOf(instance))] }
}

const volumeGone = (volume: Volume, proof: string, context: Context): Commit => ({
  changes: [{ op: 'remove', kind: 'volume', id: volume.id, subject: subjectOf(volume) }],
  decisions: [decision(context, 'deleted', proof, subjectOf(volume))]
})

/** Takes what agents have seen into the journal: into the histories and as notifications. */
function* noticesOf(view: View, context: Context): Iterable<Commit> {
  for (const host of view.indexes.news) {
    const { report } = view.heard(host)
    const kept = view.noticesKept(host)
    if (!report) continue
    const since = kept?.run === report.agentRun ? kept.number : 0
    const fresh = report.notices
      .filter(notice => notice.number > since)
      .sort((a, b) => a.number - b.number)
      .slice(0, noticesPerCommit)
    if (fresh.length === 0) continue
    const changes: Change[] = []
    const decisions: Because[] = []
    const events = new Map<string, Event>()
    for (const notice of fresh) {
      const subject = subjectNamed(view, notice.subject, host)
      const { at, reason: verb, message: because } = notice
      decisions.push({ at, by: `agent/${host}`, verb, because, subjects: [subject] })
      const { severity } = notice
      const spec = { subject, reason: verb, message: because, severity, source: `agent/${host}` }
      const made = events.get(`${verb} ${subject}`)
      events.set(`${verb} ${subject}`, notification(view, { ...spec, at, before: made }, context))
    }
    for (const resource of events.values()) changes.push({ op: 'put', resource })
    changes.push(...volumesUsed(view, fresh))
    const { number } = fresh.at(-1)!
    changes.push({ op: 'notices-kept', host, kept: { run: report.agentRun, number } })
    yield { changes, decisions }
  }
}

/** What an instance was started with is never made anew from then on: it would be empty. */
function volumesUsed(view: View, notices: Report['notices']): readonly Change[] {
  const started = notices.filter(({ reason }) => reason === 'instance-started')
  const volumes = new Set(
    started.flatMap(({ subject }) => view.get('instance', subject)?.decided.volumes ?? [])
  )
  return [...volumes].flatMap(id => {
    const volume = view.get('volume', id)
    if (!volume || volume.decided.isUsed) return []
    const decided = { ...volume.decided, isUsed: true as const }
    return [{ op: 'put', resource: { ...volume, decided } }]
  })
}

/** Notices name ids; people read names. Of what is on another host a host has nothing to say. */
function subjectNamed(view: View, id: string, host: string): string {
  for (const kind of ['instance', 'volume', 'image', 'network', 'port', 'pool'] as const) {
    const resource = view.get(kind, id)
    if (!resource) continue
    const elsewhere = 'host' in resource.decided && resource.decided.host !== host
    return elsewhere ? `host/${host}` : subjectOf(resource)
  }
  return `host/${host}`
}

/** Lets go of old replies, and of the stalest notifications beyond the bound. */
function* forgotten(view: View, context: Context): Iterable<Commit> {
  const changes: Change[] = []
  for (const { key, at } of view.replies().values()) {
    if (changes.length >= repliesPerCommit) break
    if (context.now.wall - Date.parse(at) < replyKeptMs) break
    changes.push({ op: 'reply-remove', key })
  }
  changes.push(...staleJoinTokens(view, context))
  const events = view.all('event')
  if (events.size > eventsMax) {
    const stale = [...events.values()].sort((a, b) =>
      a.decided.lastAt < b.decided.lastAt ? -1 : 1
    )
    for (const event of stale.slice(0, events.size - eventsMax)) {
      changes.push({ op: 'remove', kind: 'event', id: event.id, subject: subjectOf(event) })
    }
  }
  if (changes.length > 0) yield { changes, decisions: [] }
}
