/**
 * Where each process of a reassignment sits, with every sum that the rules and the costs need. What
 * a change would cost is known after as many steps as there are resources, however many machines
 * and processes there are; `limit` ends the reckoning as soon as the change is known to cost more,
 * and the rules that take longest to look up are asked last: most changes never come to them.
 *
 * Kept by machine and resource is what is left until a threshold: `room` until the capacity, `ease`
 * until the load that costs nothing (counted in what it would cost), `free` for the balances. They
 * differ because a moved process still holds its transient resources at home: those count against
 * the room there and no more against the rest, and a process that goes back home holds them there
 * already.
 *
 * Capacities are kept, which is looked at before anything is reckoned. Or they may be exceeded at a
 * price for each unit: with one that rises slowly a search goes through seats that are not allowed
 * to better ones that are, which matters where machines are so full that nothing can move first.
 */
import { Crews } from './crews.ts'
import { Presence } from './presence.ts'
import type { Reassignment } from './problem.ts'

/** What a change costs that the rules forbid, or that costs more than its limit. */
export const refused = Number.POSITIVE_INFINITY

/** The state of a reassignment: seats, sums, cost. */
export class Seats {
  /** By process: its machine. */
  readonly at: Int32Array
  /** All costs together, with those of what is beyond a capacity. */
  cost = 0
  /** Units beyond capacities; 0: the seats are allowed. */
  excess = 0
  /** By machine: everyone there, and those who came from elsewhere. */
  readonly crews: Crews
  readonly visitors: Crews
  readonly #problem: Reassignment
  readonly #presence: Presence
  /** Whether a moved process still holds anything at home. */
  readonly #isHeld: boolean
  /** By resource: what a unit beyond the capacity costs; undefined: it is kept. */
  #price: Float64Array | undefined
  /** By process and resource: what it costs where all of it is beyond the safe load. */
  readonly #load: Float64Array
  readonly #room: Float64Array
  readonly #ease: Float64Array
  readonly #free: Float64Array
  /** By machine: load, balance and excess; balance alone; units beyond the capacity. */
  readonly #machineCost: Float64Array
  readonly #balanceCost: Float64Array
  readonly #machineExcess: Float64Array
  /** What leaving costs, by process, with the state of its machine for which that holds. */
  readonly #leaving: Float64Array
  readonly #leavingAt: Float64Array
  readonly #change: Float64Array
  #changes = 0

  constructor(problem: Reassignment, at: ArrayLike<number> = problem.home) {
    const { capacity, demand, home, loadWeight, machines, processes, resources, safety } = problem
    this.#problem = problem
    this.at = Int32Array.from(home)
    this.crews = new Crews(problem)
    this.visitors = new Crews(problem)
    this.#presence = new Presence(problem)
    this.#isHeld = problem.transient.includes(1)
    this.#load = demand.map((each, k) => each * loadWeight[k % resources]!)
    this.#room = Float64Array.from(capacity)
    this.#ease = safety.map((each, k) => each * loadWeight[k % resources]!)
    this.#free = Float64Array.from(capacity)
    this.#machineCost = new Float64Array(machines)
    this.#balanceCost = new Float64Array(machines)
    this.#machineExcess = new Float64Array(machines)
    this.#leaving = new Float64Array(processes)
    this.#leavingAt = new Float64Array(processes)
    this.#change = new Float64Array(machines)
    for (let process = 0; process < processes; process += 1) {
      for (let r = 0; r < resources; r += 1) this.#take(process, home[process]!, r, 1, true)
    }
    for (let process = 0; process < processes; process += 1) this.crews.add(process, home[process]!)
    for (let machine = 0; machine < machines; machine += 1) this.#reckon(machine)
    for (let process = 0; process < processes; process += 1) this.move(process, at[process]!)
  }

  /** What it would cost to move a process there; `refused` if it may not or costs the limit. */
  shiftCost(process: number, to: number, limit: number): number {
    const from = this.at[process]!
    if (from === to || !this.#presence.mayEnter(process, to)) return refused
    if (!this.#fits(to, process)) return refused
    const before = this.#moveCost(process, from, to) + this.#leavingCost(process, from)
    const most = limit - before + this.#balanceCost[to]!
    if (most <= 0) return refused
    const cost = before + this.#comingCost(process, to, most)
    return cost < limit && this.#presence.mayShift(process, from, to) ? cost : refused
  }

  /** What it would cost that two processes change places. */
  swapCost(one: number, other: number, limit: number): number {
    const { service } = this.#problem
    const here = this.at[one]!
    const there = this.at[other]!
    if (here === there) return refused
    const isOne = service[one] === service[other]
    if (!isOne && !this.#presence.mayEnter(one, there)) return refused
    if (!isOne && !this.#presence.mayEnter(other, here)) return refused
    if (!this.#fitsFor(here, other, one) || !this.#fitsFor(there, one, other)) return refused
    const moved = this.#swapMoveCost(one, other, here, there)
    const before = this.#machineCost[here]! + this.#machineCost[there]!
    const most = limit - moved + before
    const first = this.#costAfter(here, other, one, most)
    if (first >= most) return refused
    const cost = moved + first + this.#costAfter(there, one, other, most - first) - before
    if (cost >= limit) return refused
    return isOne || this.#presence.maySwap(one, here, other, there) ? cost : refused
  }

  /** What it would cost that a process comes to another's machine, which goes on to a third one. */
  chainCost(one: number, other: number, to: number, limit: number): number {
    const { service } = this.#problem
    const here = this.at[one]!
    const middle = this.at[other]!
    if (here === middle || to === middle || to === here) return refused
    const isOne = service[one] === service[other]
    if (!isOne && !this.#presence.mayEnter(one, middle)) return refused
    if (!this.#presence.mayEnter(other, to)) return refused
    if (!this.#fits(to, other) || !this.#fitsFor(middle, one, other)) return refused
    const moved = this.#chainMoveCost(one, other, to) + this.#leavingCost(one, here)
    const known = moved - this.#machineCost[middle]! - this.#balanceCost[to]!
    const between = this.#costAfter(middle, one, other, limit - known)
    if (known + between >= limit) return refused
    const before = moved - this.#machineCost[middle]! + between
    const cost = before + this.#comingCost(other, to, limit - known - between)
    if (cost >= limit) return refused
    return this.#presence.mayChain(one, here, middle, other, to) ? cost : refused
  }

  /** Moves a process, without asking whether it may. */
  move(process: number, to: number): void {
    const { home, resources, transient } = this.#problem
    const from = this.at[process]!
    if (from === to) return
    this.cost += this.#moveCost(process, from, to)
    this.#presence.move(process, from, to)
    const stays = home[process] === from
    const returns = home[process] === to
    for (let r = 0; r < resources; r += 1) {
      const isKept = transient[r] === 1
      this.#take(process, from, r, -1, !(stays && isKept))
      this.#take(process, to, r, 1, !(returns && isKept))
    }
    this.at[process] = to
    this.crews.delete(process, from)
    this.crews.add(process, to)
    if (!stays) this.visitors.delete(process, from)
    if (!returns) this.visitors.add(process, to)
    this.#reckon(from)
    this.#reckon(to)
  }

  /** Sets what a unit beyond a capacity costs, by resource; undefined: capacities are kept. */
  setPrice(price: Float64Array | undefined): void {
    this.#price = price
    for (let machine = 0; machine < this.#problem.machines; machine += 1) this.#reckon(machine)
  }

  #take(process: number, machine: number, r: number, times: 1 | -1, isHeld: boolean): void {
    const { demand, resources } = this.#problem
    const [own, at] = [process * resources + r, machine * resources + r]
    this.#ease[at]! -= times * this.#load[own]!
    this.#free[at]! -= times * demand[own]!
    if (isHeld) this.#room[at]! -= times * demand[own]!
  }

  /** Whether there is room on a machine for one more, where there must be. */
  #fits(machine: number, process: number): boolean {
    if (this.#price) return true
    const { demand, home, resources, transient } = this.#problem
    const returns = this.#isHeld && home[process] === machine
    const own = process * resources
    const base = machine * resources
    for (let r = 0; r < resources; r += 1) {
      if (demand[own + r]! <= this.#room[base + r]!) continue
      if (!returns || transient[r] === 0) return false
    }
    return true
  }

  /** Whether there is room on a machine for one that comes while another one leaves. */
  #fitsFor(machine: number, comes: number, leaves: number): boolean {
    if (this.#price) return true
    const { demand, home, resources, transient } = this.#problem
    const returns = this.#isHeld && home[comes] === machine
    const stays = this.#isHeld && home[leaves] === machine
    const coming = comes * resources
    const leaving = leaves * resources
    const base = machine * resources
    for (let r = 0; r < resources; r += 1) {
      const isKept = transient[r] === 1
      const needed = returns && isKept ? 0 : demand[coming + r]!
      const given = stays && isKept ? 0 : demand[leaving + r]!
      if (needed - given > this.#room[base + r]!) return false
    }
    return true
  }

  #reckon(machine: number): void {
    const { resources } = this.#problem
    let excess = 0
    for (let i = machine * resources; i < (machine + 1) * resources; i += 1) {
      excess += Math.max(0, -this.#room[i]!)
    }
    this.#changes += 1
    this.#change[machine] = this.#changes
    this.excess += excess - this.#machineExcess[machine]!
    this.#machineExcess[machine] = excess
    const balance = this.#balanceAfter(machine, -1, -1)
    const cost = this.#costAfter(machine, -1, -1, refused)
    this.cost += cost - this.#machineCost[machine]!
    this.#machineCost[machine] = cost
    this.#balanceCost[machine] = balance
  }

  /**
   * What a process adds where it comes. Load only rises, and balance falls by no more than there
   * is of it, which the limit holds already: so it may end early.
   */
  #comingCost(process: number, machine: number, limit: number): number {
    const { resources } = this.#problem
    const own = process * resources
    const base = machine * resources
    let cost = this.#price ? this.#comingExcess(machine, process, this.#price) : 0
    if (cost > limit) return refused
    for (let r = 0; r < resources; r += 1) {
      const load = this.#load[own + r]!
      const ease = this.#ease[base + r]!
      if (load <= ease) continue
      cost += ease > 0 ? load - ease : load
      if (cost > limit) return refused
    }
    return cost + this.#balanceAfter(machine, process, -1) - this.#balanceCost[machine]!
  }

  /** What a process takes away with it: kept for as long as nothing changes on its machine. */
  #leavingCost(process: number, from: number): number {
    if (this.#leavingAt[process] === this.#change[from]) return this.#leaving[process]!
    const cost = this.#costAfter(from, -1, process, refused) - this.#machineCost[from]!
    this.#leaving[process] = cost
    this.#leavingAt[process] = this.#change[from]!
    return cost
  }

  /** Load, balance and excess of a machine once one has come and one has left (-1: nobody). */
  #costAfter(machine: number, comes: number, leaves: number, limit: number): number {
    const { resources } = this.#problem
    const coming = comes * resources
    const leaving = leaves * resources
    const base = machine * resources
    let cost = this.#price ? this.#excessAfter(machine, comes, leaves, this.#price) : 0
    if (cost > limit) return refused
    for (let r = 0; r < resources; r += 1) {
      let ease = this.#ease[base + r]!
      if (comes >= 0) ease -= this.#load[coming + r]!
      if (leaves >= 0) ease += this.#load[leaving + r]!
      if (ease >= 0) continue
      cost -= ease
      if (cost > limit) return refused
    }
    return cost + this.#balanceAfter(machine, comes, leaves)
  }

  /** What one that comes adds to what is beyond the capacities, at its price. */
  #comingExcess(machine: number, process: number, price: Float64Array): number {
    const { demand, home, resources, transient } = this.#problem
    const returns = home[process] === machine
    let cost = 0
    for (let r = 0; r < resources; r += 1) {
      const amount = demand[process * resources + r]!
      const room = this.#room[machine * resources + r]!
      if (amount <= room || (returns && transient[r] === 1)) continue
      cost += price[r]! * (room > 0 ? amount - room : amount)
    }
    return cost
  }

  /** What would be beyond the capacities, at its price. */
  #excessAfter(machine: number, comes: number, leaves: number, price: Float64Array): number {
    const { demand, home, resources, transient } = this.#problem
    const returns = comes >= 0 && home[comes] === machine
    const stays = leaves >= 0 && home[leaves] === machine
    let cost = 0
    for (let r = 0; r < resources; r += 1) {
      const isKept = transient[r] === 1
      let room = this.#room[machine * resources + r]!
      if (comes >= 0 && !(returns && isKept)) room -= demand[comes * resources + r]!
      if (leaves >= 0 && !(stays && isKept)) room += demand[leaves * resources + r]!
      if (room < 0) cost -= price[r]! * room
    }
    return cost
  }

  #balanceAfter(machine: number, comes: number, leaves: number): number {
    const { balances, resources } = this.#problem
    let cost = 0
    for (let b = 0; b < balances.length; b += 1) {
      const { first, second, target, weight } = balances[b]!
      const base = machine * resources
      const over =
        target * (this.#free[base + first]! - this.#drawn(comes, leaves, first)) -
        (this.#free[base + second]! - this.#drawn(comes, leaves, second))
      if (over > 0) cost += weight * over
    }
    return cost
  }

  #drawn(comes: number, leaves: number, resource: number): number {
    const { demand, resources } = this.#problem
    const coming = comes >= 0 ? demand[comes * resources + resource]! : 0
    return leaves >= 0 ? coming - demand[leaves * resources + resource]! : coming
  }

  /** What the move itself costs, more than now: of the process, its service and the distance. */
  #moveCost(process: number, from: number, to: number): number {
    const { service, weight } = this.#problem
    const home = this.#problem.home[process]!
    const cost = this.#wayCost(process, to) - this.#wayCost(process, from)
    if (home !== from && home !== to) return cost
    const change = home === from ? 1 : -1
    return cost + weight.service * this.#presence.mostMovedAfter(service[process]!, change)
  }

  #swapMoveCost(one: number, other: number, here: number, there: number): number {
    const { home, service, weight } = this.#problem
    const ways =
      this.#wayCost(one, there) -
      this.#wayCost(one, here) +
      this.#wayCost(other, here) -
      this.#wayCost(other, there)
    const first = Number(home[one] === here) - Number(home[one] === there)
    const second = Number(home[other] === there) - Number(home[other] === here)
    if (first === 0 && second === 0) return ways
    const mine = service[one]!
    const yours = service[other]!
    if (mine !== yours && first !== 0 && second !== 0) {
      return ways + weight.service * this.#presence.mostMovedAfterBoth(mine, first, yours, second)
    }
    const which = first === 0 ? yours : mine
    return ways + weight.service * this.#presence.mostMovedAfter(which, first + second)
  }

  #chainMoveCost(one: number, other: number, to: number): number {
    const { home, service, weight } = this.#problem
    const here = this.at[one]!
    const middle = this.at[other]!
    const first = Number(home[one] === here) - Number(home[one] === middle)
    const second = Number(home[other] === middle) - Number(home[other] === to)
    return (
      this.#wayCost(one, middle) -
      this.#wayCost(one, here) +
      this.#wayCost(other, to) -
      this.#wayCost(other, middle) +
      weight.service * this.#presence.mostMovedBy(service[one]!, first, service[other]!, second)
    )
  }

  #wayCost(process: number, machine: number): number {
    const { distance, home, machines, moveCost, weight } = this.#problem
    const from = home[process]!
    if (from === machine) return 0
    return (
      weight.process * moveCost[process]! + weight.machine * distance[from * machines + machine]!
    )
  }
}
