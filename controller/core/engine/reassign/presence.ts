/**
 * Which services are where: the rules of machine reassignment that are about services rather than
 * amounts, and how many processes of each have moved. Processes of a service lie on different
 * machines (conflict) and in so many locations at least (spread), and where a service is, those
 * that it needs are in the neighbourhood (dependency).
 */
import type { Reassignment } from './problem.ts'

/** Where services are, and how much of each has moved. */
export class Presence {
  readonly #problem: Reassignment
  readonly #locations: number
  readonly #neighbourhoods: number
  readonly #onMachine: Uint8Array
  readonly #inLocation: Uint16Array
  readonly #inNeighbourhood: Uint16Array
  readonly #spread: Int32Array
  readonly #neededBy: readonly Int32Array[]
  readonly #moved: Int32Array
  /** How many services have so many moved processes, and the most of any. */
  readonly #services: Int32Array
  #mostMoved = 0

  constructor(problem: Reassignment) {
    const { services, machines, processes, service, home, location, neighbourhood } = problem
    this.#problem = problem
    this.#locations = 1 + location.reduce((most, each) => Math.max(most, each), 0)
    this.#neighbourhoods = 1 + neighbourhood.reduce((most, each) => Math.max(most, each), 0)
    this.#onMachine = new Uint8Array(services * machines)
    this.#inLocation = new Uint16Array(services * this.#locations)
    this.#inNeighbourhood = new Uint16Array(services * this.#neighbourhoods)
    this.#spread = new Int32Array(services)
    this.#neededBy = reversed(problem.needs)
    this.#moved = new Int32Array(services)
    this.#services = new Int32Array(processes + 2)
    this.#services[0] = services
    for (let process = 0; process < processes; process += 1) {
      this.#enter(service[process]!, home[process]!)
    }
  }

  /** Whether nobody of a process's service is on a machine. */
  mayEnter(process: number, to: number): boolean {
    const { machines, service } = this.#problem
    return this.#onMachine[service[process]! * machines + to] === 0
  }

  /** Whether spread and needs let a process move. */
  mayShift(process: number, from: number, to: number): boolean {
    const service = this.#problem.service[process]!
    if (!this.#keepsSpread(service, from, to)) return false
    const { neighbourhood } = this.#problem
    const [left, entered] = [neighbourhood[from]!, neighbourhood[to]!]
    if (left === entered) return true
    this.#count(service, left, entered)
    const isKept = this.#hasNeeds(service, left, entered)
    this.#count(service, entered, left)
    return isKept
  }

  /** Whether spread and needs let processes of two services change places. */
  maySwap(one: number, here: number, other: number, there: number): boolean {
    return this.mayChain(one, here, there, other, here)
  }

  /**
   * Whether spread and needs let a process move and one from there to a third machine, both at
   * once: what one of them takes away the other may bring.
   */
  mayChain(one: number, here: number, middle: number, other: number, to: number): boolean {
    const { neighbourhood, service } = this.#problem
    const mine = service[one]!
    const yours = service[other]!
    if (mine === yours) return this.mayShift(one, here, to)
    if (!this.#keepsSpread(mine, here, middle)) return false
    if (!this.#keepsSpread(yours, middle, to)) return false
    const [start, between, end] = [neighbourhood[here]!, neighbourhood[middle]!, neighbourhood[to]!]
    if (start === between && between === end) return true
    this.#count(mine, start, between)
    this.#count(yours, between, end)
    const isKept = this.#hasNeeds(mine, start, between) && this.#hasNeeds(yours, between, end)
    this.#count(yours, end, between)
    this.#count(mine, between, start)
    return isKept
  }

  /** By how much the most processes that any service has moved would change. */
  mostMovedAfter(service: number, change: number): number {
    const count = this.#moved[service]! + change
    if (count > this.#mostMoved) return count - this.#mostMoved
    if (change >= 0 || this.#moved[service]! < this.#mostMoved) return 0
    if (this.#services[this.#mostMoved]! > 1) return 0
    let most = this.#mostMoved
    while (most > count && (this.#services[most]! === 0 || most === this.#mostMoved)) most -= 1
    return most - this.#mostMoved
  }

  /** The same when two services change. */
  mostMovedAfterBoth(one: number, change: number, other: number, otherChange: number): number {
    const first = this.mostMovedAfter(one, change)
    const before = this.#mostMoved
    this.#note(one, change)
    const second = this.mostMovedAfter(other, otherChange)
    this.#note(one, -change)
    this.#mostMoved = before
    return first + second
  }

  /** The same for any two processes of which some may not change that. */
  mostMovedBy(one: number, change: number, other: number, otherChange: number): number {
    if (one === other) {
      const both = change + otherChange
      return both === 0 ? 0 : this.mostMovedAfter(one, both)
    }
    if (otherChange === 0) return change === 0 ? 0 : this.mostMovedAfter(one, change)
    if (change === 0) return this.mostMovedAfter(other, otherChange)
    return this.mostMovedAfterBoth(one, change, other, otherChange)
  }

  /** Notes that a process moved. */
  move(process: number, from: number, to: number): void {
    const { home, service } = this.#problem
    this.#leave(service[process]!, from)
    this.#enter(service[process]!, to)
    if (home[process] === from) this.#note(service[process]!, 1)
    else if (home[process] === to) this.#note(service[process]!, -1)
  }

  #keepsSpread(service: number, from: number, to: number): boolean {
    const { location, spreadMin } = this.#problem
    if (location[from] === location[to]) return true
    const base = service * this.#locations
    if (this.#inLocation[base + location[from]!]! > 1) return true
    if (this.#inLocation[base + location[to]!] === 0) return true
    return this.#spread[service]! > spreadMin[service]!
  }

  /** Whether needs are met once a process has come to a neighbourhood from another one. */
  #hasNeeds(service: number, left: number, entered: number): boolean {
    if (left === entered) return true
    const wide = this.#neighbourhoods
    if (this.#inNeighbourhood[service * wide + entered] === 1) {
      for (const needed of this.#problem.needs[service]!) {
        if (this.#inNeighbourhood[needed * wide + entered] === 0) return false
      }
    }
    if (this.#inNeighbourhood[service * wide + left] !== 0) return true
    for (const user of this.#neededBy[service]!) {
      if (this.#inNeighbourhood[user * wide + left] !== 0) return false
    }
    return true
  }

  /** Counts a process in another neighbourhood. */
  #count(service: number, left: number, entered: number): void {
    const base = service * this.#neighbourhoods
    this.#inNeighbourhood[base + left]! -= 1
    this.#inNeighbourhood[base + entered]! += 1
  }

  #enter(service: number, machine: number): void {
    const { location, machines, neighbourhood } = this.#problem
    const place = service * this.#locations + location[machine]!
    this.#onMachine[service * machines + machine]! += 1
    if (this.#inLocation[place] === 0) this.#spread[service]! += 1
    this.#inLocation[place]! += 1
    this.#inNeighbourhood[service * this.#neighbourhoods + neighbourhood[machine]!]! += 1
  }

  #leave(service: number, machine: number): void {
    const { location, machines, neighbourhood } = this.#problem
    const place = service * this.#locations + location[machine]!
    this.#onMachine[service * machines + machine]! -= 1
    this.#inLocation[place]! -= 1
    if (this.#inLocation[place] === 0) this.#spread[service]! -= 1
    this.#inNeighbourhood[service * this.#neighbourhoods + neighbourhood[machine]!]! -= 1
  }

  #note(service: number, change: number): void {
    this.#services[this.#moved[service]!]! -= 1
    this.#moved[service]! += change
    const count = this.#moved[service]!
    this.#services[count]! += 1
    if (count > this.#mostMoved) this.#mostMoved = count
    while (this.#mostMoved > 0 && this.#services[this.#mostMoved] === 0) this.#mostMoved -= 1
  }
}

function reversed(needs: readonly Int32Array[]): readonly Int32Array[] {
  const users: number[][] = needs.map(() => [])
  for (const [service, needed] of needs.entries()) {
    for (const each of needed) users[each]!.push(service)
  }
  return users.map(each => Int32Array.from(new Set(each)))
}
