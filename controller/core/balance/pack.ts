/**
 * A plan that empties hosts, so that they can be switched off. The emptiest host comes first: what
 * runs there goes where it just fits, on the fullest host that all rules allow, and if all of it
 * finds a place, it goes; if anything does not, nothing of that host moves. What is left must bear
 * the losses that the reserve speaks of without the hosts that were emptied.
 *
 * A host is left alone on which anything is that cannot go while it runs, or is stopped: it could
 * not be started any more; or a volume that nobody else sees, also one that nobody uses now. One
 * that takes others in is not emptied in the same plan.
 */
import type { Host } from '#shared/model/host.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Volume } from '#shared/model/volume.ts'
import type { Change } from '../commit.ts'
import { Layout } from '../engine/layout.ts'
import { heldMib } from '../overhead.ts'
import type { Candidate } from '../placement/pipeline.ts'
import { harmOf, harmSentence } from '../reserve/promise.ts'
import type { Moment, View } from '../view.ts'
import { type BalanceGround, balanceGround } from './ground.ts'
import { groupKeys, type Move, movedTo, roomOf, shift, whyGrouped, whyRefused } from './judging.ts'
import { movePrice } from './move-price.ts'
import type { BalancePlan, BalanceStep } from './plan.ts'

/** Hosts that are tried in vain at most: a plan that empties many is made in several. */
const triesMax = 200

type Packing = {
  readonly ground: BalanceGround
  /** Ids of those that take room. */
  readonly running: ReadonlySet<string>
  readonly rooms: ReadonlyMap<string, Candidate>
  readonly changes: readonly Change[]
  readonly groups: ReadonlySet<string>
}

/** Plans; it yields between hosts, so that whoever runs it may do something else meanwhile. */
export function* planPack(
  view: View,
  { now, movesMax }: { readonly now: () => Moment; readonly movesMax: number }
): Generator<undefined, BalancePlan, undefined> {
  const ground = balanceGround(view, now())
  const running = new Set(ground.instances.map(({ id }) => id))
  let packing: Packing = { ground, running, rooms: new Map(), changes: [], groups: new Set() }
  const moves: Move[] = []
  const refused: BalancePlan['refused'][number][] = []
  const emptied = new Set<string>()
  const filled = new Set<string>()
  const used = ground.hosts.filter(({ name }) => instancesOn(view, name).length > 0)
  for (const host of used.toSorted((a, b) => loadOf(view, a) - loadOf(view, b))) {
    if (refused.length >= triesMax) break
    if (filled.has(host.name)) continue
    yield undefined
    const all = instancesOn(view, host.name)
    const [first] = all
    if (!first) continue
    const targets = used.filter(({ name }) => name !== host.name && !emptied.has(name))
    const found =
      moves.length + all.length > movesMax
        ? { instance: first, because: `more than ${movesMax} moves would be needed` }
        : emptying(view, { packing, host, all, targets }, now())
    if ('because' in found) {
      refused.push({ ...found, because: `${host.name} is not emptied: ${found.because}` })
      continue
    }
    packing = found.packing
    moves.push(...found.moves)
    emptied.add(host.name)
    for (const { to } of found.moves) filled.add(to)
  }
  return planned(view, { ground, moves, refused, emptied: [...emptied] })
}

/** What is on a host, the largest first. */
const instancesOn = (view: View, host: string): readonly Instance[] =>
  [...view.indexes.of('host-instances', host)]
    .flatMap(id => view.get('instance', id) ?? [])
    .sort((a, b) => heldMib(b.decided) - heldMib(a.decided) || (a.id < b.id ? -1 : 1))

/** How much is promised there. */
const loadOf = (view: View, { name }: Host): number => view.indexes.promised(name).memoryMib

/** Finds a place for all that is on a host, or says who finds none, and why. */
function emptying(
  view: View,
  given: {
    readonly packing: Packing
    readonly host: Host
    readonly all: readonly Instance[]
    readonly targets: readonly Host[]
  },
  now: Moment
):
  | { readonly packing: Packing; readonly moves: readonly Move[] }
  | { readonly instance: Instance; readonly because: string } {
  const { packing, host, all, targets } = given
  const [rooms, groups] = [new Map(packing.rooms), new Set(packing.groups)]
  const moves: Move[] = []
  for (const instance of all) {
    const fixed = whyFixed(packing, instance) ?? whyGrouped(instance, groups)
    if (fixed !== undefined) return { instance, because: `${instance.name}: ${fixed}` }
    const to = tightest(view, { instance, host, targets, rooms }, now)
    if (to === undefined) return { instance, because: `nobody else has room for ${instance.name}` }
    const move = { instance, from: host.name, to }
    shift(view, { ...move, rooms }, now)
    for (const key of groupKeys(instance)) groups.add(key)
    moves.push(move)
  }
  const first = all[0]!
  if (view.indexes.of('host-arrivals', host.name).size > 0) {
    return { instance: first, because: 'others are on their way there' }
  }
  const kept = localVolumeOn(view, host.name)
  if (kept) {
    const because = `volume ${kept.name} is in pool ${kept.spec.pool}, which only that host sees`
    return { instance: first, because }
  }
  // Hosts first: what moves is reckoned from how they are then.
  const changes = [closed(host, now), ...packing.changes, ...moves.map(leaving)]
  const harm = harmOf(view, changes, now)
  if (harm) return { instance: first, because: harmSentence(harm) }
  return { packing: { ...packing, rooms, groups, changes }, moves }
}

/** A volume that is out of reach once the host is off; undefined: there is none. */
const localVolumeOn = (view: View, host: string): Volume | undefined =>
  [...view.indexes.of('host-volumes', host)]
    .flatMap(id => view.get('volume', id) ?? [])
    .filter(({ decided }) => decided.deletedAt === undefined)
    .find(({ spec }) => view.named('pool', spec.pool)?.spec.shared !== true)

const leaving = ({ instance, to }: Move): Change => movedTo(instance, to)

/** Why it cannot leave while it runs. */
function whyFixed({ ground, running }: Packing, { id }: Instance): string | undefined {
  const because = ground.stays.get(id)
  if (because !== undefined) return because
  return running.has(id) ? undefined : 'it is stopped there'
}

/** Of all hosts that can take it the one that has least left. */
function tightest(
  view: View,
  given: {
    readonly instance: Instance
    readonly host: Host
    readonly targets: readonly Host[]
    readonly rooms: Map<string, Candidate>
  },
  now: Moment
): string | undefined {
  const { instance, host, targets, rooms } = given
  const wanted = heldMib(instance.decided)
  const fitting = targets
    .map(({ name }) => ({ name, left: leftOf(roomOf(view, rooms, name, now)) }))
    .filter(({ left }) => left >= wanted)
    .toSorted((a, b) => a.left - b.left || (a.name < b.name ? -1 : 1))
  const from = host.name
  const found = fitting.find(
    ({ name }) => whyRefused(view, { instance, from, to: name, rooms }, now) === undefined
  )
  return found?.name
}

const leftOf = (room: Candidate | undefined): number => {
  const capacity = room?.capacity
  return capacity ? capacity.memoryMib - capacity.memoryPromisedMib : 0
}

/** The host as it is once it is switched off. */
function closed(host: Host, now: Moment): Change {
  const since = new Date(now.wall).toISOString()
  const duty = { state: 'maintenance', since, by: 'plan', parallel: 1, cold: false } as const
  return { op: 'put', resource: { ...host, decided: { ...host.decided, duty } } }
}

function planned(
  view: View,
  given: Pick<BalancePlan, 'ground' | 'refused' | 'emptied'> & { readonly moves: readonly Move[] }
): BalancePlan {
  const { moves, ...rest } = given
  const { problem, hosts, instances } = rest.ground
  const demands = new Map(instances.map(({ id }, demand) => [id, demand]))
  const numbers = new Map(hosts.map(({ name }, number) => [name, number]))
  const layout = new Layout(problem)
  const before = hosts.length === 0 ? 0 : layout.score
  const steps = moves.map((move): BalanceStep => {
    layout.place(demands.get(move.instance.id)!, numbers.get(move.to)!, -1)
    return { ...move, score: layout.score, price: movePrice(view, move, 0) }
  })
  return { ...rest, before, after: steps.at(-1)?.score ?? before, steps }
}
