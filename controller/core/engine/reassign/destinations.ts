/**
 * Where each process could ever go. A moved process still holds its transient resources at home, so
 * what a machine has left of them for others is the same whoever leaves it: less than a process
 * needs, and that process can never come. Where machines are full most draws would be of such
 * machines; so the others are listed once.
 */
import type { Reassignment } from './problem.ts'

/** Lists are kept where they name no more than this share of machines, with no more entries. */
const worthwhile = 0.9
const entriesMax = 16_000_000

/** The machines to which processes could go. */
export class Destinations {
  readonly #machines: number
  readonly #starts: Int32Array
  readonly #lists: Int32Array

  constructor(problem: Reassignment) {
    const { machines, processes } = problem
    this.#machines = machines
    this.#starts = new Int32Array(processes + 1)
    const room = roomForOthers(problem)
    const lists: number[] = []
    const entries = Math.min(entriesMax, worthwhile * machines * processes)
    for (let process = 0; process < processes && lists.length <= entries; process += 1) {
      for (let machine = 0; machine < machines; machine += 1) {
        if (fits(problem, room, process, machine)) lists.push(machine)
      }
      this.#starts[process + 1] = lists.length
    }
    this.#lists = lists.length > entries ? new Int32Array(0) : Int32Array.from(lists)
  }

  /** How many there are for a process. */
  count(process: number): number {
    if (this.#lists.length === 0) return this.#machines
    return this.#starts[process + 1]! - this.#starts[process]!
  }

  /** One of them, by its number. */
  of(process: number, number: number): number {
    if (this.#lists.length === 0) return number
    return this.#lists[this.#starts[process]! + number]!
  }
}

function roomForOthers(problem: Reassignment): Float64Array {
  const { capacity, demand, home, processes, resources, transient } = problem
  const room = Float64Array.from(capacity)
  for (let process = 0; process < processes; process += 1) {
    for (let r = 0; r < resources; r += 1) {
      if (transient[r] === 0) continue
      room[home[process]! * resources + r]! -= demand[process * resources + r]!
    }
  }
  return room
}

function fits(
  problem: Reassignment,
  room: Float64Array,
  process: number,
  machine: number
): boolean {
  const { demand, home, resources } = problem
  if (home[process] === machine) return false
  for (let r = 0; r < resources; r += 1) {
    if (demand[process * resources + r]! > room[machine * resources + r]!) return false
  }
  return true
}
