/**
 * What each host costs demands that take the same, and the cheapest hosts in order. Hosts are told
 * by their places in a list. Who is taken costs more from then on and leaves the list, so that in
 * time it keeps some more than are asked for, and looks at all places only when it has too few.
 */

/** How many times as many places are kept as are asked for, once they have changed. */
const spareFactor = 2

/** The costs of all places, and the cheapest of them. */
export class CostRow {
  readonly #amounts: Float64Array
  readonly #costs: Float64Array
  /** The cheapest places in order, and their costs; all others come after the edge. */
  readonly #places: Int32Array
  readonly #kept: Float64Array
  readonly #most: number
  #count = 0
  #edge = Number.POSITIVE_INFINITY
  #edgePlace = -1
  /** The hosts of the cheapest places. */
  readonly list: Int32Array
  /** How many changes it has followed; -1: it is to be filled. */
  followed = -1

  constructor(amounts: readonly number[], places: number, most: number) {
    const spare = Math.min(places, spareFactor * most)
    this.#amounts = Float64Array.from(amounts)
    this.#costs = new Float64Array(places)
    this.#places = new Int32Array(spare)
    this.#kept = new Float64Array(spare)
    this.#most = most
    this.list = new Int32Array(most)
  }

  /** Whether these amounts are the row's. */
  isOf(amounts: readonly number[]): boolean {
    return amounts.every((amount, d) => amount === this.#amounts[d])
  }

  /** Works out all costs from what is given by dimension and place. */
  fill(rise: Float64Array, bend: Float64Array): void {
    const [amounts, costs] = [this.#amounts, this.#costs]
    const count = costs.length
    costs.fill(0)
    for (let d = 0; d < amounts.length; d += 1) {
      const amount = amounts[d]!
      if (amount === 0) continue
      const cells = d * count
      for (let place = 0; place < count; place += 1) {
        costs[place]! += amount * (rise[cells + place]! + amount * bend[cells + place]!)
      }
    }
    this.#pick(this.#most)
  }

  /** Works out anew what has changed. */
  follow(rise: Float64Array, bend: Float64Array, changed: Int32Array): void {
    const [amounts, costs] = [this.#amounts, this.#costs]
    for (let at = 0; at < changed.length; at += 1) {
      const place = changed[at]!
      let cost = 0
      for (let d = 0; d < amounts.length; d += 1) {
        const [amount, cell] = [amounts[d]!, d * costs.length + place]
        if (amount !== 0) cost += amount * (rise[cell]! + amount * bend[cell]!)
      }
      const before = costs[place]!
      if (cost === before) continue
      costs[place] = cost
      if (this.#isListed(place, before)) this.#drop(place)
      if (this.#isListed(place, cost)) this.#insert(place, cost)
    }
    if (this.#count < this.#most) this.#pick(this.#places.length)
  }

  /** Writes the hosts of the cheapest places. */
  write(hosts: Int32Array): Int32Array {
    const { list } = this
    for (let at = 0; at < list.length; at += 1) list[at] = hosts[this.#places[at]!]!
    return list
  }

  /** Lists so many of the cheapest anew, of equal ones the first. */
  #pick(most: number): void {
    const [costs, places, kept] = [this.#costs, this.#places, this.#kept]
    let count = 0
    let edge = Number.POSITIVE_INFINITY
    for (let place = 0; place < costs.length; place += 1) {
      const cost = costs[place]!
      if (cost >= edge) continue
      if (count < most) count += 1
      let at = count - 1
      while (at > 0 && kept[at - 1]! > cost) {
        kept[at] = kept[at - 1]!
        places[at] = places[at - 1]!
        at -= 1
      }
      kept[at] = cost
      places[at] = place
      if (count === most) edge = kept[most - 1]!
    }
    this.#count = count
    this.#edge = edge
    this.#edgePlace = places[count - 1]!
  }

  /** Whether a place with such a cost is in the list, or should be. */
  #isListed(place: number, cost: number): boolean {
    return cost < this.#edge || (cost === this.#edge && place <= this.#edgePlace)
  }

  #drop(place: number): void {
    const [places, kept] = [this.#places, this.#kept]
    this.#count -= 1
    for (let at = places.indexOf(place); at < this.#count; at += 1) {
      places[at] = places[at + 1]!
      kept[at] = kept[at + 1]!
    }
  }

  /** Puts a place into the list; the last one goes when there are too many. */
  #insert(place: number, cost: number): void {
    const [places, kept] = [this.#places, this.#kept]
    const isFull = this.#count === places.length
    const last = places.length - 1
    // Others have left since the edge was drawn: it may lie beyond the last one by now.
    if (isFull && (kept[last]! < cost || (kept[last] === cost && places[last]! < place))) {
      this.#edge = kept[last]!
      this.#edgePlace = places[last]!
      return
    }
    if (!isFull) this.#count += 1
    let at = this.#count - 1
    while (at > 0) {
      const [other, otherCost] = [places[at - 1]!, kept[at - 1]!]
      if (otherCost < cost || (otherCost === cost && other < place)) break
      places[at] = other
      kept[at] = otherCost
      at -= 1
    }
    places[at] = place
    kept[at] = cost
    if (!isFull) return
    this.#edge = kept[this.#count - 1]!
    this.#edgePlace = places[this.#count - 1]!
  }
}
