/**
 * The ground on which losses are planned: of each host what it has left, and who would leave it.
 * It is kept in typed arrays, since bounds and plans walk it millions of times; hosts are numbers
 * here.
 *
 * Hosts stand in `order` as placement would take them: the largest share of unpromised memory
 * first, of equal ones the first by name. A plan takes from the front of it, so it is short however
 * many hosts there are.
 */
import type { Host } from '#shared/model/host.ts'
import { Groups } from '../groups.ts'
import { orderBytesMax } from '../order-size.ts'
import { filterAcceleration } from '../placement/filter-acceleration.ts'
import { filterApproved } from '../placement/filter-approved.ts'
import { filterArchitecture } from '../placement/filter-architecture.ts'
import { filterCpuFeatures } from '../placement/filter-cpu-features.ts'
import { filterDedicated } from '../placement/filter-dedicated.ts'
import { filterDriver } from '../placement/filter-driver.ts'
import { filterLabels } from '../placement/filter-labels.ts'
import { filterOnline } from '../placement/filter-online.ts'
import { filterPools } from '../placement/filter-pools.ts'
import type { Candidate } from '../placement/pipeline.ts'
import type { Scarce } from '../scarce.ts'
import { type Evacuee, Wants, wantBitsMax } from './evacuee.ts'
import { hasScarceLeft } from './scarce-left.ts'

/** One host: what placement sees of it, and who would leave it. */
export type Row = {
  readonly host: Host
  readonly candidate: Candidate
  /** The most important first. */
  readonly evacuees: readonly Evacuee[]
  /** What was promised beyond what the candidate says; a trial sets it. */
  readonly more?: Room
  /** Id of the one that a trial is about: it is counted in any case. */
  readonly about?: string
}

/** The most room that any open host has, and the wants that any meets. */
export type Roof = {
  readonly memoryMib: number
  readonly vcpus: number
  readonly meets: number
}

const sky: Roof = { memoryMib: Infinity, vcpus: Infinity, meets: -1 }

/** Room of a host, or what takes it up. */
export type Room = {
  readonly memoryMib: number
  readonly vcpus: number
  readonly orderBytes: number
  readonly scarce?: Scarce
}

/** Changed by the survey and by trials alone; everything else reads it. */
export class Ground {
  readonly wants: Wants
  readonly groups: Groups
  readonly rows: Row[] = []
  #waiting: readonly Evacuee[] = []
  #hopes: { readonly version: number; readonly some: boolean } | undefined
  /** Raised with each change. */
  version = 0

  freeMib = new Float64Array(0)
  freeVcpus = new Float64Array(0)
  freeBytes = new Float64Array(0)
  totalMib = new Float64Array(0)
  /** Share of its memory that is unpromised, by which placement chooses. */
  share = new Float64Array(0)
  /** The wants that it meets, as bits; none: nothing can go there. */
  meets = new Int32Array(0)
  needMib = new Float64Array(0)
  needVcpus = new Float64Array(0)
  needBytes = new Float64Array(0)
  /** The most that one of those who leave it asks for. */
  mostMib = new Float64Array(0)
  mostVcpus = new Float64Array(0)
  mostBytes = new Float64Array(0)
  /** The wants of those who leave it, as bits; negative: some have no bit. */
  needWants = new Int32Array(0)
  order = new Int32Array(0)
  /** All hosts once more, the one with the most unpromised memory first: for bounds. */
  roomiest = new Int32Array(0)
  /** Marks of plans: a host is marked when it has the number of the plan. */
  marks = new Int32Array(0)
  mark = 0
  readonly #numbers = new Map<string, number>()
  #wantsMet = 0
  /** Whoever asks for more finds no place in any loss, and is not counted among those who do. */
  #roof = sky
  /** The most that somebody who is counted asks for, and the least of those who are not. */
  #counted: Edge = { memoryMib: 0, vcpus: 0 }
  #uncounted: Edge = { memoryMib: Infinity, vcpus: Infinity }
  #top: { readonly version: number; readonly roof: Roof } | undefined

  constructor(wants: Wants = new Wants(), groups: Groups = new Groups()) {
    this.wants = wants
    this.groups = groups
  }

  /** Begins anew with these hosts. */
  fill(rows: readonly Row[]): void {
    this.rows.length = 0
    this.#numbers.clear()
    for (const [host, row] of rows.entries()) this.#numbers.set(row.host.name, host)
    const count = rows.length
    for (const name of [...reals, 'share', 'totalMib'] as const) {
      this[name] = new Float64Array(count)
    }
    for (const name of ['meets', 'needWants', 'order', 'roomiest', 'marks'] as const) {
      this[name] = new Int32Array(count)
    }
    this.mark = 0
    this.#wantsMet = this.wants.count
    for (const [host, row] of rows.entries()) this.#write(host, row)
    for (let host = 0; host < count; host += 1) this.order[host] = host
    this.roomiest.set(this.order)
    this.order.sort(this.#byShare)
    this.roomiest.sort(this.#byRoom)
    this.version += 1
  }

  /** Gives a host other figures, and keeps the order. */
  set(host: number, row: Row): void {
    const [share, freeMib] = [this.share[host], this.freeMib[host]]
    this.#write(host, row)
    this.version += 1
    if (share !== this.share[host]) moveIn(this.order, host, this.#byShare)
    if (freeMib !== this.freeMib[host]) moveIn(this.roomiest, host, this.#byRoom)
  }

  /** Those that have no host already, the most important first. */
  get waiting(): readonly Evacuee[] {
    return this.#waiting
  }
  set waiting(waiting: readonly Evacuee[]) {
    if (waiting.length === 0 && this.#waiting.length === 0) return
    this.#waiting = waiting
    this.version += 1
  }

  /** Whether any of those that wait would find a host as it is: else no loss matters to them. */
  get hopes(): boolean {
    if (this.#waiting.length === 0) return false
    if (this.#hopes?.version !== this.version) {
      const some = this.#waiting.some(one => this.takesIn(one))
      this.#hopes = { version: this.version, some }
    }
    return this.#hopes!.some
  }

  /** The roof as it is now. */
  get top(): Roof {
    if (this.#top?.version !== this.version) {
      let [memoryMib, vcpus, meets] = [0, 0, 0]
      for (let host = 0; host < this.rows.length; host += 1) {
        if (this.meets[host] === 0) continue
        memoryMib = Math.max(memoryMib, this.freeMib[host]!)
        vcpus = Math.max(vcpus, this.freeVcpus[host]!)
        meets |= this.meets[host]!
      }
      this.#top = { version: this.version, roof: { memoryMib, vcpus, meets } }
    }
    return this.#top!.roof
  }

  /**
   * Leaves out of the needs of hosts who finds no place however little is lost: such an instance
   * is stranded with any wish and without it, and would blind the bounds to all others.
   */
  countHopeful(): void {
    const { memoryMib, vcpus, meets } = this.top
    const [counted, uncounted] = [this.#counted, this.#uncounted]
    const isSame =
      this.#roof !== sky &&
      meets === this.#roof.meets &&
      memoryMib >= counted.memoryMib &&
      memoryMib < uncounted.memoryMib &&
      vcpus >= counted.vcpus &&
      vcpus < uncounted.vcpus
    if (!isSame) this.#countAgain(this.top)
  }

  /** Counts all who leave, whether or not there is hope for them. */
  countAll(): void {
    if (this.#roof !== sky) this.#countAgain(sky)
  }

  #countAgain(roof: Roof): void {
    this.#roof = roof
    this.#counted = { memoryMib: 0, vcpus: 0 }
    this.#uncounted = { memoryMib: Infinity, vcpus: Infinity }
    for (const [host, row] of this.rows.entries()) this.#count(host, row)
    this.version += 1
  }

  /** Asks all hosts for wants that have come up since. */
  meetWants(): void {
    const { count } = this.wants
    if (this.#wantsMet === count) return
    for (const [host, { candidate }] of this.rows.entries()) {
      this.meets[host] = this.#meetsOf(candidate)
    }
    this.#wantsMet = count
    this.version += 1
  }

  /** Whether a host meets a want. */
  isMet(host: number, want: number): boolean {
    if (want < wantBitsMax) return ((this.meets[host]! >> want) & 1) === 1
    const { candidate } = this.rows[host]!
    return isOpen(candidate) && meetsWant(candidate, this.wants, want)
  }

  /** Whether a host has room for one, as it is. */
  canTake(host: number, one: Evacuee): boolean {
    const { running, memoryMib, vcpus, orderBytes, want, only, avoided } = one
    if (running && (this.freeMib[host]! < memoryMib || this.freeVcpus[host]! < vcpus)) return false
    if (this.freeBytes[host]! < orderBytes || !this.isMet(host, want)) return false
    if (one.scarce && !this.hasScarce(host, one.scarce)) return false
    if (avoided?.has(this.name(host))) return false
    return only === undefined || only === this.name(host)
  }

  /** Whether a host has so much left of what few have, besides what is planned there. */
  hasScarce(host: number, asked: Scarce, planned: readonly Evacuee[] = []): boolean {
    return hasScarceLeft(this.rows[host]!, asked, planned)
  }

  /** Whether any host has room for one, as it is. */
  takesIn(one: Evacuee): boolean {
    const any = { ...one, avoided: undefined }
    return this.order.some(host => this.canTake(host, any))
  }

  /** Whether placement would rather take the first of two, as they are. */
  isBetter(host: number, than: number): boolean {
    return this.#byShare(host, than) < 0
  }

  name(host: number): string {
    return this.rows[host]!.host.name
  }

  /** The number of a host; undefined: it is not on this ground. */
  numberOf(name: string): number | undefined {
    return this.#numbers.get(name)
  }

  /** A host by its name; undefined: it is not on this ground. */
  hostNamed(name: string): Host | undefined {
    const number = this.#numbers.get(name)
    return number === undefined ? undefined : this.rows[number]!.host
  }

  /** The hosts that groups keep one of those who leave from, at most. */
  blockedMost(host: number): number {
    let most = 0
    for (const { groups } of this.rows[host]!.evacuees) {
      if (groups.length > 0) most = Math.max(most, this.groups.blockedBy(groups))
    }
    return most
  }

  #write(host: number, row: Row): void {
    this.rows[host] = row
    const { candidate, more } = row
    const { memoryMib = 0, memoryPromisedMib = 0 } = candidate.capacity ?? {}
    const { vcpus = 0, vcpusPromised = 0 } = candidate.capacity ?? {}
    this.totalMib[host] = memoryMib
    this.freeMib[host] = memoryMib - memoryPromisedMib - (more?.memoryMib ?? 0)
    this.freeVcpus[host] = vcpus - vcpusPromised - (more?.vcpus ?? 0)
    this.freeBytes[host] = orderBytesMax - candidate.orderBytes - (more?.orderBytes ?? 0)
    this.share[host] = memoryMib > 0 ? this.freeMib[host]! / memoryMib : 0
    this.meets[host] = this.#meetsOf(candidate)
    this.#count(host, row)
  }

  #count(host: number, { evacuees, about }: Row): void {
    let [mib, vcpus, bytes, mostMib, mostVcpus, mostBytes, bits] = [0, 0, 0, 0, 0, 0, 0]
    for (const one of evacuees) {
      if (one.id !== about && !this.#isHopeful(one)) continue
      mib += one.memoryMib
      vcpus += one.vcpus
      bytes += one.orderBytes
      if (one.memoryMib > mostMib) mostMib = one.memoryMib
      if (one.vcpus > mostVcpus) mostVcpus = one.vcpus
      if (one.orderBytes > mostBytes) mostBytes = one.orderBytes
      bits |= bitOf(one)
    }
    this.needMib[host] = mib
    this.needVcpus[host] = vcpus
    this.needBytes[host] = bytes
    this.mostMib[host] = mostMib
    this.mostVcpus[host] = mostVcpus
    this.mostBytes[host] = mostBytes
    this.needWants[host] = bits
  }

  #isHopeful(one: Evacuee): boolean {
    const { memoryMib, vcpus, want } = one
    if (want < wantBitsMax && ((this.#roof.meets >> want) & 1) === 0) return false
    const isLow = memoryMib <= this.#roof.memoryMib && vcpus <= this.#roof.vcpus
    const edge = isLow ? this.#counted : this.#uncounted
    if (isLow) {
      if (memoryMib > edge.memoryMib) edge.memoryMib = memoryMib
      if (vcpus > edge.vcpus) edge.vcpus = vcpus
    } else {
      if (memoryMib > this.#roof.memoryMib && memoryMib < edge.memoryMib) edge.memoryMib = memoryMib
      if (vcpus > this.#roof.vcpus && vcpus < edge.vcpus) edge.vcpus = vcpus
    }
    return isLow
  }

  #meetsOf(candidate: Candidate): number {
    if (!isOpen(candidate)) return 0
    let bits = 0
    for (let want = 0; want < Math.min(this.wants.count, wantBitsMax); want += 1) {
      if (meetsWant(candidate, this.wants, want)) bits |= 1 << want
    }
    return bits
  }

  readonly #byShare = (a: number, b: number): number =>
    this.share[b]! - this.share[a]! || (this.name(a) < this.name(b) ? -1 : 1)

  readonly #byRoom = (a: number, b: number): number => this.freeMib[b]! - this.freeMib[a]! || a - b
}

/** Moves one host to where it belongs now; all others stand right. */
function moveIn(order: Int32Array, host: number, compare: (a: number, b: number) => number): void {
  let at = order.indexOf(host)
  while (at > 0 && compare(order[at - 1]!, host) > 0) {
    order[at] = order[at - 1]!
    at -= 1
  }
  while (at < order.length - 1 && compare(host, order[at + 1]!) > 0) {
    order[at] = order[at + 1]!
    at += 1
  }
  order[at] = host
}

type Edge = { memoryMib: number; vcpus: number }

const reals = [
  'freeMib',
  'freeVcpus',
  'freeBytes',
  'needMib',
  'needVcpus',
  'needBytes',
  'mostMib',
  'mostVcpus',
  'mostBytes'
] as const

/** The want of one as a bit, or a negative number where bounds cannot speak of it. */
export const bitOf = ({ want, only, scarce }: Evacuee): number =>
  want < wantBitsMax && only === undefined && scarce === undefined ? 1 << want : 1 << 31

const noDemand = {} as Parameters<typeof filterApproved>[1]

/** One that cannot build some network is not counted on, whoever is in that network. */
const isOpen = (candidate: Candidate): boolean =>
  !candidate.host.decided.deletedAt &&
  candidate.capacity !== undefined &&
  candidate.networkFaults.size === 0 &&
  filterApproved(candidate, noDemand) === undefined &&
  filterOnline(candidate, noDemand) === undefined

/** Filters that ask for nothing that runs out; what they go by is in the key of a want. */
const standing = [
  filterArchitecture,
  filterDriver,
  filterAcceleration,
  filterCpuFeatures,
  filterPools,
  filterDedicated,
  filterLabels
]

function meetsWant(candidate: Candidate, wants: Wants, want: number): boolean {
  const demand = wants.demand(want)
  return standing.every(filter => filter(candidate, demand) === undefined)
}
