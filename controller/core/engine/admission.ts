/**
 * Admission: newcomers get a host one by one or many at once, others go, and at every moment there
 * is a plan for each loss that leaves nobody over (refuges.ts). A newcomer costs one look at each
 * host's room, which is what the host has beyond what it keeps for losses, and about two more
 * questions; no look at other demands. Only when no host has such room are plans changed to make
 * some: what a host keeps may often be kept elsewhere.
 *
 * Demands are numbered by places; a place that was left is given again, the last one left first.
 * Among hosts that are equally good the first is taken, so the same calls give the same answers.
 */
import assert from 'node:assert/strict'
import { Layout } from './layout.ts'
import { Members } from './members.ts'
import type { Problem } from './problem.ts'
import { Refuges } from './refuges.ts'
import { Rooms } from './rooms.ts'
import { bestFirst } from './seating.ts'

/** What is asked for. */
export type Asked = {
  /** By dimension. */
  readonly amounts: ArrayLike<number>
  readonly groups?: readonly number[]
  /** Which hosts it can go to at all: the number of a kind. */
  readonly kind?: number
}

/** How newcomers are placed. */
export type AdmissionRules = {
  /** Demands there can be at most. */
  readonly places: number
  /** Groups there can be at most, by number. */
  readonly groups?: number
  /** By kind and host: 1 where demands of the kind can go. Who is there already is of kind 0. */
  readonly kinds?: readonly ArrayLike<number>[]
  /** Level: the host with which the score is least. Pack: the one that is left with least room. */
  readonly order: 'level' | 'pack'
  /** What may be lost, one at a time: of each sort of loss, by host, the number of its loss. */
  readonly losses: readonly ArrayLike<number>[]
}

/**
 * What came of a wish. `room`: no host has room as it is. `reserve`: some have, but then a loss
 * would leave somebody over.
 */
export type Admitted =
  | { readonly host: number; readonly place: number }
  | { readonly host: -1; readonly because: 'room' | 'reserve' | 'places' }

/** Hosts that are tried at most when the best one does not do. */
const triesMax = 6
/** Hosts for which plans are changed at most to let one newcomer in, and losses for each. */
const squeezesMax = 6
const crowdsMax = 64
/** Hosts that are looked at closely when the score is to be least. */
const shortList = 8
/** The same for those who keep apart from others. */
const longList = 32
/** Sums are taken anew after so many changes. */
const recountAfter = 1 << 16

/** The scarce dimension is found anew after so many. */
const weighAfter = 1 << 10

/** Lets demands in and out of one problem. Hosts stay as open as they were. */
export class Admission {
  readonly layout: Layout
  readonly #rules: AdmissionRules
  readonly #groups: (readonly number[])[]
  readonly #kind: Uint16Array
  readonly #members: Members
  readonly #rooms: Rooms
  readonly refuges: readonly Refuges[]
  readonly #places: number[]
  readonly #short = new Int32Array(shortList)
  readonly #long = new Int32Array(longList)
  readonly #tried: Uint8Array
  #changes = 0
  /** Where one like the next went just now; -1: nowhere. */
  #hint = -1
  #refused: { readonly asked: Asked; readonly answer: Admitted } | undefined

  constructor(problem: Problem, rules: AdmissionRules) {
    const before = problem.first.length
    const { places, kinds } = rules
    this.#rules = rules
    this.#groups = Array.from({ length: places }, (_, at) => problem.groups[at] ?? [])
    this.layout = new Layout(padded(problem, { places, groups: this.#groups, rules }))
    this.#kind = new Uint16Array(places)
    this.#members = new Members(this.layout)
    this.#places = Array.from({ length: places - before }, (_, at) => places - 1 - at)
    this.#tried = new Uint8Array(this.layout.hosts)
    const takes = (host: number, demand: number): boolean =>
      kinds === undefined || kinds[this.#kind[demand]!]![host] === 1
    this.#rooms = new Rooms(this.layout)
    this.refuges = rules.losses.map(losses => {
      const lossOf = Int32Array.from(losses)
      const gathers = rules.order === 'pack'
      const own = { lossOf, gathers, takes, members: this.#members }
      return new Refuges(this.layout, own, host => this.#rooms.refresh(host))
    })
    this.#rooms.keep(this.refuges)
    this.#rooms.weigh()
  }

  /** Lets a demand in, or says why not. */
  admit(asked: Asked): Admitted {
    const known = this.#refused
    if (known && isAtLeast(asked, known.asked)) return known.answer
    const place = this.#places.pop()
    if (place === undefined) return { host: -1, because: 'places' }
    this.#write(place, asked)
    const host = this.#admit(place)
    if (host >= 0) return { host, place }
    const because = this.#rooms.anywhere(place, host => this.#allows(place, host))
    this.#groups[place] = []
    this.#places.push(place)
    const answer = { host: -1, because: because ? 'reserve' : 'room' } as const
    this.#refused = { asked, answer }
    return answer
  }

  /**
   * Lets many in that are wished for at once: the largest first, and of equal ones those first that
   * must keep apart, since what is small and free fills what is left. Answers are in the order of
   * the wishes. With `whole`, all come in or none.
   */
  admitAll(wishes: readonly Asked[], { whole }: { readonly whole: boolean }): readonly Admitted[] {
    const sizes = wishes.map(asked => this.#sizeOf(asked))
    const order = [...wishes.keys()].sort(
      (a, b) =>
        sizes[b]! - sizes[a]! ||
        (wishes[b]!.groups?.length ?? 0) - (wishes[a]!.groups?.length ?? 0) ||
        a - b
    )
    const answers: Admitted[] = new Array(wishes.length)
    let isWhole = true
    let before: number | undefined
    for (const number of order) {
      const asked = wishes[number]!
      // The host that was left with least room is left with even less by one like the last.
      this.#hint = before !== undefined && isLike(asked, wishes[before]!) ? this.#hint : -1
      const answer = this.admit(asked)
      before = number
      answers[number] = answer
      this.#hint = answer.host
      if (answer.host < 0) isWhole = false
      if (whole && !isWhole) break
    }
    this.#hint = -1
    if (!whole || isWhole) return answers
    const failed = answers.find(answer => answer && answer.host < 0)!
    for (const number of order) {
      const answer = answers[number]
      if (answer && answer.host >= 0) this.remove((answer as { readonly place: number }).place)
    }
    return wishes.map(() => failed)
  }

  /** Lets a demand go. */
  remove(place: number): void {
    const { layout } = this
    const host = layout.first[place]!
    const second = layout.second[place]!
    assert(host >= 0, `nobody is at place ${place}`)
    for (const refuges of this.refuges) refuges.forget(place)
    if (layout.grouped[place] === 1) this.#members.drop(place)
    layout.place(place, -1, -1)
    layout.grouped[place] = 0
    this.#groups[place] = []
    this.#places.push(place)
    this.#rooms.refresh(host)
    if (second >= 0) this.#rooms.refresh(second)
    for (const refuges of this.refuges) if (refuges.stranded.size > 0) refuges.rescue()
    this.#refused = undefined
    this.#changed()
  }

  #changed(): void {
    this.#changes += 1
    if (this.#changes % recountAfter === 0) this.layout.recount()
    if (this.#changes % weighAfter === 0) this.#rooms.weigh()
  }

  #write(place: number, { amounts, groups = [], kind = 0 }: Asked): void {
    const { dimensions, amount, grouped } = this.layout
    for (let d = 0; d < dimensions; d += 1) amount[place * dimensions + d] = amounts[d]!
    grouped[place] = Number(groups.length > 0)
    this.#groups[place] = groups
    this.#kind[place] = kind
  }

  /** How much of an average host is asked for, in the dimension of which it is most. */
  #sizeOf({ amounts }: Asked): number {
    let size = 0
    for (let d = 0; d < this.layout.dimensions; d += 1) {
      size = Math.max(size, amounts[d]! * this.#rooms.meanScale[d]!)
    }
    return size
  }

  #admit(place: number): number {
    const hint = this.#hint
    if (hint >= 0 && this.#rules.order === 'pack' && this.#rooms.has(place, hint)) {
      if (this.#allows(place, hint) && this.#settle(place, hint)) return hint
    }
    const tried: number[] = []
    let host = -1
    for (let tries = 0; tries < triesMax; tries += 1) {
      host = this.#best(place)
      if (host < 0 || this.#settle(place, host)) break
      this.#tried[host] = 1
      tried.push(host)
      host = -1
    }
    for (const each of tried) this.#tried[each] = 0
    return host >= 0 ? host : this.#squeeze(place)
  }

  /** Whether a host can take one at all: its kind, and who of its groups is near. */
  #allows(place: number, host: number): boolean {
    const { kinds } = this.#rules
    if (this.#tried[host] === 1 || this.layout.open[host] === 0) return false
    if (kinds !== undefined && kinds[this.#kind[place]!]![host] !== 1) return false
    return this.layout.grouped[place] === 0 || !this.#members.clashAt(place, host)
  }

  /** The best of the hosts that have room beyond what they keep; -1: there is none. */
  #best(place: number): number {
    const allows = (host: number): boolean => this.#allows(place, host)
    if (this.#rules.order === 'pack') return this.#rooms.tightest(place, allows)
    // What clashes softly is weighed only by the closer look.
    const list = this.layout.grouped[place] === 1 ? this.#long : this.#short
    const count = this.#rooms.cheapest(place, allows, list)
    const look = { hosts: list.subarray(0, count), except: -1, forced: false }
    return bestFirst(this.layout, place, { ...look, below: Number.POSITIVE_INFINITY }).host
  }

  /** Seats one at a host with a refuge in each sort of loss; false: there is none. */
  #settle(place: number, host: number): boolean {
    const { refuges, layout } = this
    const isGrouped = layout.grouped[place] === 1
    if (refuges.length === 1 && !isGrouped) {
      const refuge = refuges[0]!.find(place, host)
      if (refuge < 0) return false
      this.#seat(place, host)
      refuges[0]!.send(place, refuge)
      refuges[0]!.begin()
      return true
    }
    return this.#attempt(place, host, false)
  }

  #seat(place: number, host: number): void {
    this.layout.place(place, host, -1)
    if (this.layout.grouped[place] === 1) this.#members.add(place)
    this.#rooms.refresh(host)
    this.#changed()
  }

  #unseat(place: number, host: number): void {
    this.layout.place(place, -1, -1)
    if (this.layout.grouped[place] === 1) this.#members.drop(place)
    this.#rooms.refresh(host)
  }

  /** Seats one, and changes plans as it takes; false: nothing has changed. */
  #attempt(place: number, host: number, replans: boolean): boolean {
    for (const refuges of this.refuges) refuges.begin()
    this.#seat(place, host)
    if (this.refuges.every((refuges, sort) => this.#shelter(place, { refuges, sort, replans }))) {
      return true
    }
    for (const refuges of this.refuges) refuges.takeBack()
    this.#unseat(place, host)
    return false
  }

  #shelter(
    place: number,
    given: { readonly refuges: Refuges; readonly sort: number; readonly replans: boolean }
  ): boolean {
    const { refuges, replans } = given
    const { layout } = this
    const host = layout.first[place]!
    const crowds = refuges.crowdsAt(host)
    if (crowds.length > (replans ? crowdsMax : 0)) return false
    if (layout.grouped[place] === 1 && !this.#makeWay(place, refuges)) return false
    const refuge = refuges.find(place, host)
    if (refuge >= 0) refuges.send(place, refuge)
    else if (!replans || !refuges.replanWith(place)) return false
    return crowds.every(loss => refuges.replan(loss))
  }

  /** Those of its groups who would have started near it find another refuge. */
  #makeWay(place: number, refuges: Refuges): boolean {
    const { first } = this.layout
    for (const guest of refuges.guestsNear(place)) {
      refuges.send(guest, -1)
      const refuge = refuges.find(guest, first[guest]!)
      if (refuge < 0) return false
      refuges.send(guest, refuge)
    }
    return true
  }

  /** Makes room where a host keeps some that may be kept elsewhere. */
  #squeeze(place: number): number {
    const allows = (host: number): boolean => this.#allows(place, host)
    for (const host of this.#rooms.nearest(place, allows, squeezesMax)) {
      if (this.#attempt(place, host, true)) return host
    }
    return -1
  }
}

/** Whether one asks for at least what another does, of hosts that do for both. */
function isAtLeast(asked: Asked, other: Asked): boolean {
  if ((other.groups?.length ?? 0) > 0 || (asked.kind ?? 0) !== (other.kind ?? 0)) return false
  for (let d = 0; d < other.amounts.length; d += 1) {
    if (asked.amounts[d]! < other.amounts[d]!) return false
  }
  return true
}

/** Whether two ask for the same, without a care who is near. */
function isLike(asked: Asked, other: Asked): boolean {
  if ((asked.groups?.length ?? 0) + (other.groups?.length ?? 0) > 0) return false
  if ((asked.kind ?? 0) !== (other.kind ?? 0)) return false
  for (let d = 0; d < asked.amounts.length; d += 1) {
    if (asked.amounts[d] !== other.amounts[d]) return false
  }
  return true
}

/** The same problem with empty places after those who are there. */
function padded(
  problem: Problem,
  given: {
    readonly places: number
    readonly groups: readonly (readonly number[])[]
    readonly rules: AdmissionRules
  }
): Problem {
  const { places, groups, rules } = given
  const longer = (values: ArrayLike<number>, rest: number): Float64Array => {
    const all = new Float64Array(places).fill(rest)
    all.set(Array.from(values))
    return all
  }
  return {
    ...problem,
    first: longer(problem.first, -1),
    second: longer(problem.second, -1),
    pair: longer(problem.pair, 0),
    fixed: longer(problem.fixed, 0),
    dimensions: problem.dimensions.map(each => ({ ...each, amount: longer(each.amount, 0) })),
    groups,
    ...(rules.groups !== undefined && { groupCount: rules.groups })
  }
}
