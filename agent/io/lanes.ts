import { Fault } from '#shared/fault.ts'

/** So many may wait in one lane; the next is refused. */
const waitersMax = 1_000

/** Runs tasks of one key one after the other, those of different keys at the same time. */
export class Lanes {
  readonly #lanes = new Map<string, { waiters: number; last: Promise<unknown> }>()

  /** Runs the task once all earlier ones of this key have ended, well or badly. */
  async run<Result>(key: string, task: () => Promise<Result>): Promise<Result> {
    const lane = this.#lanes.get(key) ?? { waiters: 0, last: Promise.resolve() }
    if (lane.waiters >= waitersMax) {
      throw new Fault('unavailable', `cannot wait for ${key}: ${lane.waiters} wait already`)
    }
    this.#lanes.set(key, lane)
    lane.waiters += 1
    const turn = lane.last.then(task, task)
    lane.last = turn
    try {
      return await turn
    } finally {
      lane.waiters -= 1
      if (lane.waiters === 0) this.#lanes.delete(key)
    }
  }

  /** Says whether a task of this key runs or waits. */
  isBusy(key: string): boolean {
    return this.#lanes.has(key)
  }
}
