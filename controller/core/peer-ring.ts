/**
 * Who looks for whom. All hosts stand in a ring, and each looks for the next few: so each is looked
 * for by as many others, whatever their number, and everybody who works it out finds the same.
 *
 * A rack that is cut off as a whole must not vouch for itself. So the racks are shuffled into each
 * other evenly: neighbours in the ring are of different racks as far as that is possible. The rack
 * of a host is its label `rack`; hosts without one count as one rack.
 */
import type { Host } from '#shared/model/host.ts'
import type { Peers } from '#shared/wire/messages.ts'
import type { View } from './view.ts'

/** So many others each host looks for, and is looked for by. */
export const peersMax = 3

type Seat = {
  readonly host: string
  readonly rack: string
  readonly endpoint: string
  readonly publicKey: string
}

/** The ring as it stood at one moment. */
export class PeerRing {
  readonly #given: readonly Seat[]
  readonly #seats: readonly Seat[]
  readonly #places: ReadonlyMap<string, number>
  readonly #peers = new Map<string, Peers>()

  constructor(seats: readonly Seat[]) {
    this.#given = seats
    this.#seats = shuffled(seats)
    this.#places = new Map(this.#seats.map(({ host }, place) => [host, place]))
  }

  /** Whom a host shall look for, and who looks for it; undefined: it has no place. */
  peersOf(host: string): Peers | undefined {
    const known = this.#peers.get(host)
    const place = this.#places.get(host)
    if (known || place === undefined) return known
    const count = Math.min(peersMax, this.#seats.length - 1)
    const steps = Array.from({ length: count }, (_, index) => index + 1)
    const probe = steps.map(step => this.#seat(place + step))
    const admit = steps.map(step => this.#seat(place - step).publicKey).sort()
    const print = printOf([...probe.map(each => JSON.stringify(each)), ...admit])
    const peers: Peers = {
      type: 'peers',
      print,
      probe: probe.map(({ host: peer, endpoint, publicKey }) => ({
        host: peer,
        endpoint,
        publicKey
      })),
      admit
    }
    this.#peers.set(host, peers)
    return peers
  }

  /** Whether the same hosts stand in it in the same places. */
  isMadeOf(seats: readonly Seat[]): boolean {
    if (areSame(seats, this.#given)) return true
    return areSame(shuffled(seats), this.#seats)
  }

  #seat(place: number): Seat {
    const { length } = this.#seats
    return this.#seats[((place % length) + length) % length]!
  }
}

const areSame = (some: readonly Seat[], others: readonly Seat[]): boolean =>
  some.length === others.length && some.every((seat, at) => isSame(seat, others[at]!))

const isSame = (one: Seat, other: Seat): boolean =>
  one.host === other.host &&
  one.rack === other.rack &&
  one.endpoint === other.endpoint &&
  one.publicKey === other.publicKey

/** The ring of the hosts that can be looked for now; the one before, where nothing has changed. */
export function ringOf(view: View, before: PeerRing | undefined): PeerRing {
  const seats = [...view.all('host').values()].flatMap(host => seatOf(view, host))
  return before?.isMadeOf(seats) ? before : new PeerRing(seats)
}

function seatOf(view: View, { name, labels, decided }: Host): readonly Seat[] {
  // One that this controller has not heard is looked for as well: it may be dead.
  const endpoint = view.heard(name).report?.probeEndpoint ?? decided.probeEndpoint
  if (decided.approval !== 'approved' || endpoint === undefined) return []
  // A host says where it is to be looked for; it must not send others elsewhere.
  if (addressOf(endpoint) !== addressOf(decided.endpoint)) return []
  const { uuid: host, publicKey } = decided
  return [{ host, rack: labels['rack'] ?? '', endpoint, publicKey }]
}

const addressOf = (endpoint: string): string => endpoint.slice(0, endpoint.lastIndexOf(':'))

/** Spreads each rack evenly over the whole ring. */
function shuffled(seats: readonly Seat[]): readonly Seat[] {
  const racks = Map.groupBy(
    seats.toSorted((a, b) => (a.host < b.host ? -1 : 1)),
    ({ rack }) => rack
  )
  const placed = [...racks.values()].flatMap(rack =>
    rack.map((seat, index) => ({ seat, at: (index + 0.5) / rack.length }))
  )
  const isBefore = (a: (typeof placed)[number], b: (typeof placed)[number]): number =>
    a.at - b.at || (a.seat.rack < b.seat.rack ? -1 : 1)
  return placed.sort(isBefore).map(({ seat }) => seat)
}

/** FNV-1a, 64 bits: it only tells lists apart, and need not withstand anybody. */
function printOf(texts: readonly string[]): string {
  // Multiplied by 2^40 + 435 in two halves, each of which a number holds exactly.
  let [high, low] = [0xcbf29ce4, 0x84222325]
  for (const text of texts) {
    for (const letter of `${text}\n`) {
      const mixed = (low ^ letter.codePointAt(0)!) >>> 0
      const product = mixed * 435
      low = product >>> 0
      high = (Math.imul(high, 435) + Math.floor(product / 2 ** 32) + (mixed << 8)) >>> 0
    }
  }
  const digits = low.toString(16)
  return high === 0 ? digits : high.toString(16) + digits.padStart(8, '0')
}
