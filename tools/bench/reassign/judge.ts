/**
 * Judges seats of a machine reassignment from scratch, by the rules of the challenge alone: shares
 * nothing with the engine but the problem's numbers.
 */
import type { Reassignment } from '../../../controller/core/engine/reassign/problem.ts'

/** The parts of a cost. */
export type Costs = {
  readonly load: number
  readonly balance: number
  readonly process: number
  readonly service: number
  readonly machine: number
}

/** What is wrong with seats (nothing: they are feasible), and what they cost. */
export type Verdict = {
  readonly objections: readonly string[]
  readonly costs: Costs
  readonly total: number
  readonly moved: number
}

type Case = { readonly problem: Reassignment; readonly at: ArrayLike<number> }
type Sums = { readonly used: readonly number[][]; readonly held: readonly number[][] }

/** Judges seats: by process its machine. */
export function judge(problem: Reassignment, at: ArrayLike<number>): Verdict {
  const each = { problem, at }
  const sums = sumsOf(each)
  const objections = [...capacities(each, sums), ...apart(each), ...spread(each), ...needs(each)]
  const costs = { ...machineCosts(each, sums), ...moveCosts(each) }
  const total = Object.values(costs).reduce((all, cost) => all + cost, 0)
  return { objections, costs, total, moved: movedOf(each).length }
}

function sumsOf({ problem, at }: Case): Sums {
  const rows = () => Array.from({ length: problem.machines }, () => zeros(problem.resources))
  const sums = { used: rows(), held: rows() }
  for (let process = 0; process < problem.processes; process += 1) {
    const [now, home] = [at[process]!, problem.home[process]!]
    for (let r = 0; r < problem.resources; r += 1) {
      const amount = problem.demand[process * problem.resources + r]!
      sums.used[now]![r]! += amount
      sums.held[now]![r]! += amount
      if (now !== home && problem.transient[r] === 1) sums.held[home]![r]! += amount
    }
  }
  return sums
}

const zeros = (length: number): number[] => Array.from({ length }, () => 0)

function* capacities({ problem }: Case, { held }: Sums): Generator<string> {
  for (const [machine, row] of held.entries()) {
    for (const [r, amount] of row.entries()) {
      const most = problem.capacity[machine * problem.resources + r]!
      if (amount > most) {
        yield `machine ${machine} holds ${amount} of resource ${r}, ${most} at most`
      }
    }
  }
}

/** By service: what a table says of the machine of each of its processes. */
function placesOf({ problem, at }: Case, of: (machine: number) => number): readonly number[][] {
  const places: number[][] = Array.from({ length: problem.services }, () => [])
  for (let process = 0; process < problem.processes; process += 1) {
    places[problem.service[process]!]!.push(of(at[process]!))
  }
  return places
}

function* apart(each: Case): Generator<string> {
  for (const [service, machines] of placesOf(each, machine => machine).entries()) {
    const different = new Set(machines).size
    if (different < machines.length) {
      yield `service ${service} has ${machines.length} processes on ${different} machines`
    }
  }
}

function* spread(each: Case): Generator<string> {
  const { location, spreadMin } = each.problem
  for (const [service, places] of placesOf(each, machine => location[machine]!).entries()) {
    const different = new Set(places).size
    if (different < spreadMin[service]!) {
      yield `service ${service} is in ${different} locations, ${spreadMin[service]} at least`
    }
  }
}

function* needs(each: Case): Generator<string> {
  const { neighbourhood } = each.problem
  const places = placesOf(each, machine => neighbourhood[machine]!).map(all => new Set(all))
  for (const [service, needed] of each.problem.needs.entries()) {
    for (const other of needed) {
      for (const place of places[service]!) {
        if (places[other]!.has(place)) continue
        yield `service ${service} is in neighbourhood ${place} without service ${other}`
      }
    }
  }
}

function machineCosts({ problem }: Case, { used }: Sums): Pick<Costs, 'load' | 'balance'> {
  let load = 0
  let balance = 0
  for (const [machine, row] of used.entries()) {
    const free = row.map((amount, r) => problem.capacity[machine * row.length + r]! - amount)
    for (const [r, amount] of row.entries()) {
      const over = amount - problem.safety[machine * row.length + r]!
      load += problem.loadWeight[r]! * Math.max(0, over)
    }
    for (const { first, second, target, weight } of problem.balances) {
      balance += weight * Math.max(0, target * free[first]! - free[second]!)
    }
  }
  return { load, balance }
}

function moveCosts(each: Case): Pick<Costs, 'process' | 'service' | 'machine'> {
  const { distance, home, machines, moveCost, service, services, weight } = each.problem
  const moved = movedOf(each)
  const counts = zeros(services)
  for (const process of moved) counts[service[process]!]! += 1
  const ways = moved.map(process => distance[home[process]! * machines + each.at[process]!]!)
  const sum = (all: readonly number[]) => all.reduce((total, one) => total + one, 0)
  return {
    process: weight.process * sum(moved.map(process => moveCost[process]!)),
    service: weight.service * counts.reduce((most, count) => Math.max(most, count), 0),
    machine: weight.machine * sum(ways)
  }
}

function movedOf({ problem, at }: Case): readonly number[] {
  const all = Array.from({ length: problem.processes }, (_, process) => process)
  return all.filter(process => at[process] !== problem.home[process])
}
