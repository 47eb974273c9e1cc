/**
 * Machine reassignment, the problem of the ROADEF/EURO challenge of 2012: processes sit on machines
 * and may move, at a cost, so that machines are loaded well. It is a richer question than that of
 * balancing (`../problem.ts`): resources that a moved process still holds at home, services whose
 * processes lie apart and beside those that they need, and costs that are linear beyond a safe
 * load instead of a deviation. So it has a model and sums of its own; the way of searching, changes
 * by lot whose price is known in a step, is the same.
 *
 * Machines, resources, services and processes are numbers from 0; tables of two are flat.
 */

/** How much of a second resource should be free where one of the first is. */
export type Balance = {
  readonly first: number
  readonly second: number
  /** Free units of the second one for each free unit of the first. */
  readonly target: number
  readonly weight: number
}

/** All that is given: what there is, where everything sits now, and what costs what. */
export type Reassignment = {
  readonly resources: number
  /** By resource: 1 when a moved process still holds it on the machine that it left. */
  readonly transient: Uint8Array
  readonly loadWeight: Float64Array
  readonly machines: number
  /** By machine: machines of one location fail together. */
  readonly location: Int32Array
  /** By machine: within a neighbourhood services find each other. */
  readonly neighbourhood: Int32Array
  /** By machine and resource: the most, and the most that costs nothing. */
  readonly capacity: Float64Array
  readonly safety: Float64Array
  /** By machine and machine. */
  readonly distance: Float64Array
  readonly services: number
  /** By service: in how many locations at least its processes are. */
  readonly spreadMin: Int32Array
  /** By service: those that must be in every neighbourhood where it is. */
  readonly needs: readonly Int32Array[]
  readonly processes: number
  readonly service: Int32Array
  /** By process and resource. */
  readonly demand: Float64Array
  /** By process: what a move of it costs. */
  readonly moveCost: Float64Array
  readonly balances: readonly Balance[]
  readonly weight: { readonly process: number; readonly service: number; readonly machine: number }
  /** By process: the machine on which it is now. */
  readonly home: Int32Array
}
