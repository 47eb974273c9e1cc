/** The steps that are under way: one in each lane, and no more of one sort than is good at once. */
import { AssertionError } from 'node:assert'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import { laneOf, purposeOf, type Step, type StepResult } from '../core/steps.ts'
import { classOf, workAtOnceMax } from './act.ts'

/** How a step ended. */
export type Ended =
  | { readonly step: Step; readonly state: 'done'; readonly result: StepResult }
  | { readonly step: Step; readonly state: 'failed'; readonly fault: Fault }

type Work = {
  readonly step: Step
  readonly withdrawal: AbortController
  readonly over: Promise<void>
  ended: Ended | undefined
}

/** A step that cannot begin is not queued: the next diff wishes for it again. */
export class Works {
  readonly #act: (step: Step, signal: AbortSignal) => Promise<StepResult>
  readonly #onEnded: () => void
  readonly #works = new Map<string, Work>()
  #bug: AssertionError | undefined

  constructor(given: {
    readonly act: (step: Step, signal: AbortSignal) => Promise<StepResult>
    /** Told when a step has ended; it stays in its lane until it is taken. */
    readonly onEnded: () => void
  }) {
    this.#act = given.act
    this.#onEnded = given.onEnded
  }

  /**
   * Steps whose effect may not be seen yet: those under way, and those that have ended and were not
   * taken, since what was seen so far may be older than their end.
   */
  get steps(): readonly Step[] {
    return [...this.#works.values()].map(({ step }) => step)
  }

  /** Gives what has ended since last time, and frees the lanes. Throws a bug of ours. */
  takeEnded(): readonly Ended[] {
    if (this.#bug !== undefined) throw this.#bug
    const ended = [...this.#works.values()].flatMap(work => work.ended ?? [])
    for (const { step } of ended) this.#works.delete(laneOf(step))
    return ended
  }

  /** Withdraws those that are no longer wished for. */
  withdrawAllBut(wished: readonly Step[]): void {
    const purposes = new Set(wished.map(purposeOf))
    for (const { step, withdrawal, ended } of this.#works.values()) {
      if (ended !== undefined || purposes.has(purposeOf(step))) continue
      withdrawal.abort(new Fault('aborted', 'it is no longer wished for'))
    }
  }

  /** Begins a step unless its lane is taken or enough of its sort goes on; says whether it did. */
  begin(step: Step): boolean {
    const lane = laneOf(step)
    const sort = classOf[step.type]
    const going = [...this.#works.values()].filter(each => classOf[each.step.type] === sort)
    if (this.#works.has(lane) || going.length >= workAtOnceMax[sort]) return false
    const withdrawal = new AbortController()
    const end = (ended: Ended): void => {
      work.ended = ended
      this.#onEnded()
    }
    const over = this.#act(step, withdrawal.signal).then(
      result => end({ step, state: 'done', result }),
      (thrown: unknown) => {
        if (thrown instanceof AssertionError) this.#bug = thrown
        end({ step, state: 'failed', fault: asFault(thrown) })
      }
    )
    const work: Work = { step, withdrawal, over, ended: undefined }
    this.#works.set(lane, work)
    return true
  }

  /** Withdraws all, and resolves when each has ended. */
  async stop(): Promise<void> {
    this.withdrawAllBut([])
    await Promise.all([...this.#works.values()].map(({ over }) => over))
  }
}

const asFault = (thrown: unknown): Fault =>
  isFault(thrown)
    ? thrown
    : new Fault('unavailable', `cannot go on: ${sentence(thrown)}`, { cause: thrown })
