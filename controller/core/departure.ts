/**
 * Whether an instance can leave its host now, how, and where to; or why it stays.
 *
 * - leaving: it is on its way.
 * - goes: it can go now.
 * - waits: it will be able to by itself, such as after its start, or once a target is less busy.
 * - held: it cannot now, and could as soon as something else changes, such as room elsewhere.
 * - stays: it cannot as long as what is wished of it is as it is; or it rests and harms nobody.
 */
import type { Host, MoveTries } from '#shared/model/host.ts'
import type { Instance } from '#shared/model/instance.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import { type About, arrivalOn, demandOfMove, rulesOfMove } from './admission/instance-move.ts'
import { domainOf } from './groups.ts'
import { isResting } from './indexes.ts'
import { wayOf } from './instance-state.ts'
import { bondsOf, filterTogether, inOrderOfLeaving, type Joint, taken } from './leaving-together.ts'
import { phaseOf } from './liveness.ts'
import { candidatesOf } from './placement/candidates.ts'
import {
  type Candidate,
  type Demand,
  type Placement,
  place,
  type Rules,
  refusalSentences
} from './placement/pipeline.ts'
import { listed } from './refusal.ts'
import { reportedIn } from './reported.ts'
import { type Kept, placeKeeping } from './reserve/keeping.ts'
import { type Harm, harmSentence } from './reserve/promise.ts'
import { reserveName } from './reserve/settings.ts'
import { holdsOf } from './scarce.ts'
import type { Moment, View } from './view.ts'

/** Instances that one host takes in at once, whoever sends them. */
export const arrivalsMax = 4
/** The wait after a move that came to nothing; doubles with each further one. Unit: ms. */
const retryMsMin: Ms = 5_000
const retryMsMax: Ms = 300_000
/** Losses that are planned in one turn, after which nobody else is weighed against the reserve. */
const plansMax = 5_000
/** After so many of them it no longer counts as about to go, though it is tried again. */
const triesMax = 5

/** What becomes of one instance of a host that is emptied. */
export type Departure = {
  readonly instance: Instance
  readonly because: string
} & (
  | { readonly state: 'leaving' | 'goes'; readonly to: string; readonly live: boolean }
  | { readonly state: 'waits' | 'held' | 'stays' }
)

/** Who is to go, and what is wished of it. */
export type Leave = {
  readonly instance: Instance
  /** Whether what cannot go while it runs may be shut down for it. */
  readonly cold: boolean
  readonly tries: MoveTries | undefined
}

/** What departures are judged by, one after the other. */
type Ground = {
  readonly view: View
  readonly now: Moment
  /** Hosts to go to, with the room that those judged before have left. */
  candidates: readonly Candidate[]
  readonly arrivalsMax: number
  /** Instances that ask for the same are judged once: where one finds no host, none does. */
  readonly hopeless: Map<string, Found>
  /** Where those go with whom others have to stay. */
  readonly joint: Joint
  /** Losses that may still be planned. */
  plansLeft: number
}

/**
 * Undefined host: none can take it; `busy`: one that could, were it not so busy; `harm`: the loss
 * that would not be survived if it went.
 */
type Found = { readonly placement: Placement; readonly busy?: string; readonly harm?: Harm }

/**
 * Judges departures one after another, so that each finds the room that those before have left.
 * `targets`: names of the only hosts to go to; left out: all. `turns`: whether those that have to
 * wait for a busy target are said to wait; left out: they are.
 */
export function* departures(
  view: View,
  leaves: Iterable<Leave>,
  options: {
    readonly now: Moment
    readonly targets?: readonly string[]
    readonly turns?: boolean
  }
): Iterable<Departure> {
  const { now, targets, turns = true } = options
  const ground: Ground = {
    view,
    now,
    candidates: candidatesOf(view, now.monotonic).filter(
      ({ host }) => targets?.includes(host.name) ?? true
    ),
    arrivalsMax: turns ? arrivalsMax : Number.POSITIVE_INFINITY,
    hopeless: new Map(),
    joint: new Map(),
    plansLeft: plansMax
  }
  for (const leave of leaves) yield departure(ground, leave)
}

function departure(ground: Ground, leave: Leave): Departure {
  const { view, now } = ground
  const { instance } = leave
  const { moving, deletedAt } = instance.decided
  if (moving) {
    const because = `${moving.phase}: ${wayOf(view, instance, moving).message}`
    return { instance, state: 'leaving', to: moving.to, live: moving.live, because }
  }
  if (deletedAt !== undefined) return { instance, state: 'waits', because: 'it is being deleted' }
  const bound = whyBound(view, instance)
  if (bound !== undefined) return { instance, state: 'stays', because: bound }
  const way = waysOf(view, leave, now)
  if ('state' in way) return { instance, ...way }
  return retryOf(leave, now) ?? goingTo(ground, leave, way)
}

function goingTo(ground: Ground, leave: Leave, { ways, other }: Ways): Departure {
  const { instance, cold, tries } = leave
  let first: Found | undefined
  for (const live of ways) {
    const move = { instance, live, cold, avoid: tries?.[instance.id]?.to }
    if (ground.plansLeft <= 0) {
      const why = 'others are weighed first against the room that is kept for losses of hosts'
      return { instance, state: 'waits', because: why }
    }
    const found = targetOf(ground, move)
    const { placement, busy } = found
    if (busy !== undefined) {
      const why = `${busy} takes ${ground.arrivalsMax} in already, and no more at once`
      return { instance, state: 'waits', because: why }
    }
    if (placement.chosen) {
      const to = placement.chosen.name
      return { instance, state: 'goes', to, live, because: placement.because }
    }
    first ??= found
  }
  const { harm, placement } = first!
  if (harm) return { instance, state: 'held', because: harmWords(harm) }
  const { because: found, rejected } = placement
  const reasons = refusalSentences(rejected)
  const why = rejected.size === 0 ? 'there is no other host' : `${found} (${listed(reasons)})`
  const state = isResting(instance) ? 'stays' : 'held'
  const hint = other === undefined ? '' : hintOf(ground, { instance, live: other })
  return { instance, state, because: `${why}${hint}` }
}

const harmWords = (harm: Harm): string =>
  `the room that is kept for the loss of ${reserveName(harm.reserve)} would be gone: ` +
  harmSentence(harm)

/** Says that it could go otherwise, if it can. */
function hintOf(ground: Ground, move: Pick<About, 'instance' | 'live'>): string {
  const about = aboutOf(ground, move)
  const others = ground.candidates.filter(({ host }) => host.name !== about.host)
  const { chosen } = place(
    demandOfMove(ground.view, about),
    others,
    rulesOfMove(ground.view, about)
  )
  return chosen ? `; with --cold it could be shut down and started on ${chosen.name}` : ''
}

function aboutOf({ view }: Ground, { instance, live }: Pick<About, 'instance' | 'live'>): About {
  const volumes = instance.decided.volumes.flatMap(id => view.get('volume', id) ?? [])
  return { instance, volumes, host: instance.decided.host!, live }
}

/** Another host than that of the last try is preferred. */
function targetOf(
  ground: Ground,
  move: {
    readonly instance: Instance
    readonly live: boolean
    readonly cold: boolean
    readonly avoid: string | undefined
  }
): Found {
  const { view, candidates, hopeless } = ground
  const { avoid } = move
  const about = aboutOf(ground, move)
  const shape = shapeOf(view, about)
  const known = hopeless.get(shape)
  if (known) return known
  const rules = rulesTogether(ground, about, move.cold)
  const demand = demandOfMove(view, about)
  const others = candidates.filter(candidate => candidate.host.name !== about.host)
  const free = others.filter(({ host: { name } }) => arrivalsOf(view, name) < ground.arrivalsMax)
  const news = free.filter(candidate => candidate.host.name !== avoid)
  const among = [...(avoid === undefined ? [] : [news]), free]
  let harm: Harm | undefined
  for (const some of among) {
    const kept = keptBy(ground, about, { demand, rules, candidates: some })
    const { placement } = kept
    harm ??= kept.harm
    if (!placement.chosen) continue
    take(ground, placement.chosen, about)
    return { placement }
  }
  const placement = place(demand, others, rules)
  if (harm) return noted(hopeless, shape, { placement: { ...placement, chosen: undefined }, harm })
  const busy = placement.chosen?.name
  return noted(hopeless, shape, { placement, ...(busy !== undefined && { busy }) })
}

function noted(hopeless: Map<string, Found>, shape: string, found: Found): Found {
  hopeless.set(shape, found)
  return found
}

/** The best host that keeps the reserve as things are. */
function keptBy(
  ground: Ground,
  { instance }: About,
  wanted: {
    readonly demand: Demand
    readonly rules: Rules
    readonly candidates: readonly Candidate[]
  }
): Kept {
  const { view, now } = ground
  const changesOn = (host: string) => [arrivalOn(instance, host)]
  const kept = placeKeeping(view, { ...wanted, changesOn, isLeaving: true }, now)
  ground.plansLeft -= kept.plans
  return kept
}

const arrivalsOf = (view: View, host: string): number => view.indexes.of('host-arrivals', host).size

/** The chosen host has so much less room for those that come after, and for their group. */
function take(ground: Ground, host: Host, about: About): void {
  const { view, joint } = ground
  for (const { key, level } of bondsOf(view, about.instance)) {
    const domain = domainOf(host, level)
    if (domain !== undefined) joint.set(`${key} ${level}`, domain)
  }
  ground.candidates = taken(ground.candidates, host.name, demandOfMove(view, about))
}

/** The rules of a move; with others that have to be where it is, there has to be room for them. */
function rulesTogether(ground: Ground, about: About, cold: boolean): Rules {
  const { view, now, joint, candidates } = ground
  const rules = rulesOfMove(view, about)
  const bonds = bondsOf(view, about.instance)
  if (bonds.length === 0) return rules
  const companions = leaversOf(view, about.host).flatMap((instance): readonly About[] => {
    const isBound = bondsOf(view, instance).some(({ key }) => bonds.some(one => one.key === key))
    if (!isBound || instance.id === about.instance.id) return []
    const { moving, deletedAt } = instance.decided
    if (moving || deletedAt !== undefined || whyBound(view, instance) !== undefined) return []
    const way = waysOf(view, { instance, cold, tries: undefined }, now)
    if ('state' in way) {
      return way.state === 'stays' ? [] : [aboutOf(ground, { instance, live: true })]
    }
    return [aboutOf(ground, { instance, live: way.ways[0]! })]
  })
  const together = filterTogether(view, { about, bonds, companions, joint, candidates })
  return { ...rules, filters: [...rules.filters, together] }
}

function shapeOf(view: View, about: About): string {
  const { name: _, pools, avoided, networks, imageIds: __, ...rest } = demandOfMove(view, about)
  const { host, live, instance } = about
  const shunned = [...(avoided?.keys() ?? [])]
  return JSON.stringify({
    ...rest,
    pools: [...pools],
    networks: [...(networks?.keys() ?? [])],
    shunned,
    host,
    live,
    cpu: instance.spec.cpuBaseline,
    // What a loss makes of it goes by these.
    highlyAvailable: instance.spec.highlyAvailable,
    priority: instance.spec.priority
  })
}

/** Why an instance can be on its own host alone; undefined: it can be elsewhere. */
function whyBound(view: View, instance: Instance): string | undefined {
  if (instance.spec.host !== undefined)
    return `it may run on ${instance.spec.host} alone (spec.host)`
  const local = instance.decided.volumes
    .flatMap(id => view.get('volume', id) ?? [])
    .find(({ spec }) => view.named('pool', spec.pool)?.spec.shared !== true)
  if (!local) return undefined
  return `its volume ${local.name} is in pool ${local.spec.pool}, which only its own host sees`
}

/** Why an instance cannot go to another host while it runs; undefined: it can. */
export function whyNotLive(view: View, instance: Instance, now: Moment): string | undefined {
  const { moving, deletedAt } = instance.decided
  if (moving) return `it is on its way to ${moving.to}`
  if (deletedAt !== undefined) return 'it is being deleted'
  const bound = whyBound(view, instance)
  if (bound !== undefined) return bound
  const way = waysOf(view, { instance, cold: false, tries: undefined }, now)
  if ('state' in way) return way.because
  return way.ways.includes(true) ? undefined : 'it does not run'
}

type Ways = {
  /** Live or not, the better one first. */
  readonly ways: readonly boolean[]
  /** A further one that is not wished. */
  readonly other?: boolean
}

/** How an instance may go, by what its host says of it. */
function waysOf(
  view: View,
  { instance, cold }: Leave,
  now: Moment
): Ways | { readonly state: 'waits' | 'held' | 'stays'; readonly because: string } {
  const host = view.named('host', instance.decided.host ?? '')
  const heard = host && view.heard(host.name)
  const phase = host && heard ? phaseOf(host, heard, now.monotonic) : 'unknown'
  if (!heard?.report || phase === 'unknown' || phase === 'silent') {
    return { state: 'held', because: `its host ${instance.decided.host} is ${phase}` }
  }
  if (isResting(instance)) return { ways: [false] }
  const seen = reportedIn(heard.report.instances, instance.id)
  if (!seen) return { state: 'waits', because: `${host!.name} has not said how it is` }
  switch (seen.power) {
    case 'starting':
    case 'stopping':
      return { state: 'waits', because: `it is ${seen.power}: ${seen.message}` }
    case 'stopped':
    case 'waiting':
    case 'failed':
      // It does not run, so nothing is lost when it goes without running.
      return { ways: [false] }
    case 'running':
    case 'paused':
      break
    default:
      seen.power satisfies never
  }
  if (instance.spec.type === 'container') {
    if (cold) return { ways: [false] }
    const because = 'a container cannot go while it runs: with --cold it is shut down for the move'
    return { state: 'stays', because }
  }
  const held = holdsOf(instance.decided)
  if (held.length > 0) {
    if (cold) return { ways: [false] }
    const because = `it has ${listed(held)} of its host: with --cold it is shut down for the move`
    return { state: 'stays', because }
  }
  return cold ? { ways: [true, false] } : { ways: [true], other: false }
}

/** Undefined: it may be tried now. */
function retryOf({ instance, tries }: Leave, now: Moment): Departure | undefined {
  const tried = tries?.[instance.id]
  if (!tried) return undefined
  const waitMs = Math.min(retryMsMax, retryMsMin * 2 ** Math.min(tried.count - 1, 10))
  const sinceMs = now.wall - Date.parse(tried.at)
  // A clock that was set back must not make it wait for long.
  if (sinceMs >= waitMs || sinceMs < 0) return undefined
  const times = tried.count === 1 ? 'a move has' : `${tried.count} moves have`
  const left = formatMs(waitMs - sinceMs)
  const because = `${times} come to nothing, the last one to ${tried.to}; the next is in ${left}`
  return { instance, state: tried.count > triesMax ? 'held' : 'waits', because }
}

/**
 * Instances that leave a host, the most important first; those that are kept together leave one
 * after the other.
 */
export const leaversOf = (view: View, host: string): readonly Instance[] =>
  inOrderOfLeaving(
    view,
    [...view.indexes.of('host-instances', host)].flatMap(id => view.get('instance', id) ?? [])
  )
