/** Who sits on each machine, and who of them came from elsewhere: to be drawn by lot. */
import type { Reassignment } from './problem.ts'

/** Lists of processes by machine, in no order that means anything. */
export class Crews {
  readonly #lists: number[][]
  readonly #places: Int32Array

  constructor({ machines, processes }: Reassignment) {
    this.#lists = Array.from({ length: machines }, () => [])
    this.#places = new Int32Array(processes)
  }

  /** How many there are on a machine. */
  count(machine: number): number {
    return this.#lists[machine]!.length
  }

  /** One of them, by its number. */
  of(machine: number, number: number): number {
    return this.#lists[machine]![number]!
  }

  /** Notes that a process came. */
  add(process: number, machine: number): void {
    const list = this.#lists[machine]!
    this.#places[process] = list.length
    list.push(process)
  }

  /** Notes that a process left. */
  delete(process: number, machine: number): void {
    const list = this.#lists[machine]!
    const last = list.pop()!
    if (last === process) return
    const place = this.#places[process]!
    list[place] = last
    this.#places[last] = place
  }
}
