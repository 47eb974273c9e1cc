/**
 * The files of the ROADEF/EURO challenge of 2012: whole numbers between blanks. A model holds the
 * resources, machines, services, processes, balances and weights; an assignment the machine of each
 * process.
 */
import { readFile } from 'node:fs/promises'
import type { Balance, Reassignment } from '../../../controller/core/engine/reassign/problem.ts'
import { Fault } from '../../../shared/fault.ts'

/** Reads a model and where its processes are now. */
export async function readReassignment(model: string, home: string): Promise<Reassignment> {
  const numbers = new Numbers(await wholeNumbers(model), model)
  const resources = resourcesOf(numbers)
  const machines = machinesOf(numbers, resources.resources)
  const services = servicesOf(numbers)
  const processes = processesOf(numbers, resources.resources)
  const balances: Balance[] = Array.from({ length: numbers.next() }, () => ({
    first: numbers.next(),
    second: numbers.next(),
    target: numbers.next(),
    weight: numbers.next()
  }))
  const weight = { process: numbers.next(), service: numbers.next(), machine: numbers.next() }
  numbers.end()
  const seats = await wholeNumbers(home)
  if (seats.length !== processes.processes) {
    throw new Fault(
      'invalid',
      `cannot read ${home}: it names ${seats.length} machines for ${processes.processes} processes`
    )
  }
  const whole = { ...resources, ...machines, ...services, ...processes, balances, weight }
  return { ...whole, home: Int32Array.from(seats) }
}

function resourcesOf(numbers: Numbers) {
  const resources = numbers.next()
  const transient = new Uint8Array(resources)
  const loadWeight = new Float64Array(resources)
  for (let r = 0; r < resources; r += 1) {
    transient[r] = numbers.next()
    loadWeight[r] = numbers.next()
  }
  return { resources, transient, loadWeight }
}

function machinesOf(numbers: Numbers, resources: number) {
  const machines = numbers.next()
  const neighbourhood = new Int32Array(machines)
  const location = new Int32Array(machines)
  const capacity = new Float64Array(machines * resources)
  const safety = new Float64Array(machines * resources)
  const distance = new Float64Array(machines * machines)
  for (let machine = 0; machine < machines; machine += 1) {
    neighbourhood[machine] = numbers.next()
    location[machine] = numbers.next()
    for (let r = 0; r < resources; r += 1) capacity[machine * resources + r] = numbers.next()
    for (let r = 0; r < resources; r += 1) safety[machine * resources + r] = numbers.next()
    for (let to = 0; to < machines; to += 1) distance[machine * machines + to] = numbers.next()
  }
  return { machines, neighbourhood, location, capacity, safety, distance }
}

function servicesOf(numbers: Numbers) {
  const services = numbers.next()
  const spreadMin = new Int32Array(services)
  const needs: Int32Array[] = []
  for (let service = 0; service < services; service += 1) {
    spreadMin[service] = numbers.next()
    needs.push(Int32Array.from({ length: numbers.next() }, () => numbers.next()))
  }
  return { services, spreadMin, needs }
}

function processesOf(numbers: Numbers, resources: number) {
  const processes = numbers.next()
  const service = new Int32Array(processes)
  const demand = new Float64Array(processes * resources)
  const moveCost = new Float64Array(processes)
  for (let process = 0; process < processes; process += 1) {
    service[process] = numbers.next()
    for (let r = 0; r < resources; r += 1) demand[process * resources + r] = numbers.next()
    moveCost[process] = numbers.next()
  }
  return { processes, service, demand, moveCost }
}

/** The numbers of a file one after another. */
class Numbers {
  readonly #all: readonly number[]
  readonly #path: string
  #at = 0

  constructor(all: readonly number[], path: string) {
    this.#all = all
    this.#path = path
  }

  next(): number {
    const value = this.#all[this.#at]
    if (value === undefined) {
      throw new Fault(
        'invalid',
        `cannot read ${this.#path}: it ends after ${this.#all.length} numbers, in the middle`
      )
    }
    this.#at += 1
    return value
  }

  end(): void {
    if (this.#at === this.#all.length) return
    throw new Fault(
      'invalid',
      `cannot read ${this.#path}: ${this.#all.length} numbers, ${this.#at} expected`
    )
  }
}

async function wholeNumbers(path: string): Promise<readonly number[]> {
  const text = await readFile(path, 'latin1')
  const words = text.split(/\s+/).filter(word => word !== '')
  const wrong = words.find(word => !/^\d+$/.test(word))
  if (wrong !== undefined) {
    throw new Fault('invalid', `cannot read ${path}: "${wrong}" is no whole number`)
  }
  return words.map(Number)
}
