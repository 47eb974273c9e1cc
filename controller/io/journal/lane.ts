import { Fault } from '#shared/fault.ts'

/** Jobs that may wait for a lane. */
const jobsMax = 256

/** Lets one job at a time through, in the order in which they came. */
export class Lane {
  #last: Promise<unknown> = Promise.resolve()
  #jobs = 0

  /** Resolves with what the job gives; Fault `unavailable` when too many wait. */
  run<Result>(job: () => Promise<Result>): Promise<Result> {
    if (this.#jobs >= jobsMax) {
      const sentence = `cannot write to the journal: ${this.#jobs} writes wait already`
      return Promise.reject(new Fault('unavailable', sentence))
    }
    this.#jobs += 1
    const result = this.#last.then(job).finally(() => {
      this.#jobs -= 1
    })
    this.#last = result.catch(() => {})
    return result
  }
}

/** Waits for work, but no longer than a deadline; then it rejects with what `late` makes. */
export async function withDeadline<Result>(
  work: Promise<Result>,
  deadlineMs: number,
  late: () => Fault
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const overrun = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), deadlineMs)
  })
  try {
    return await Promise.race([work, overrun])
  } finally {
    clearTimeout(timer)
  }
}
