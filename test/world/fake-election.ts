import { Fault } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import type { CandidateCard, ElectionStatus, SharedElection } from '../../controller/core/ports.ts'

/**
 * The place where fake elections are held: who stands first leads. A test ends or pauses a
 * candidacy as an ensemble would see it end; there is no clock and no chance in it.
 */
export class FakeElections {
  #standing: FakeElection[] = []
  #count = 0

  /** A new candidacy, behind all others. Its card is shown once it is announced. */
  stand(name: string): FakeElection {
    this.#count += 1
    const election = new FakeElection({ name, number: this.#count, elections: this })
    this.#standing.push(election)
    return election
  }

  /** All who stand, in their order. */
  get standing(): readonly FakeElection[] {
    return this.#standing
  }

  /** Whether it is first: the fake journal asks this in the moment that raises the epoch. */
  isFirst(election: FakeElection): boolean {
    return this.#standing[0] === election
  }

  /** Takes a candidacy out, as when its session expires; the next one leads. */
  remove(election: FakeElection): void {
    this.#standing = this.#standing.filter(each => each !== election)
    this.#standing[0]?.mayLead()
  }
}

/** One candidacy. */
export class FakeElection implements SharedElection {
  readonly alone = false
  readonly name: string
  readonly #number: number
  readonly #elections: FakeElections
  readonly #first = Promise.withResolvers<void>()
  readonly #lost = new AbortController()
  #card: CandidateCard | undefined
  #isPaused = false
  #leads = false

  constructor(given: {
    readonly name: string
    readonly number: number
    readonly elections: FakeElections
  }) {
    this.name = given.name
    this.#number = given.number
    this.#elections = given.elections
  }

  async lead(signal: AbortSignal): Promise<{ readonly lost: AbortSignal }> {
    signal.throwIfAborted()
    if (this.#elections.isFirst(this)) this.mayLead()
    const { promise: given, reject } = Promise.withResolvers<never>()
    const give = () => reject(signal.reason)
    signal.addEventListener('abort', give, { once: true })
    this.#lost.signal.addEventListener('abort', () => reject(this.#lost.signal.reason))
    given.catch(() => {})
    try {
      await Promise.race([this.#first.promise, given])
    } finally {
      signal.removeEventListener('abort', give)
    }
    this.#lost.signal.throwIfAborted()
    this.#leads = true
    return { lost: this.#lost.signal }
  }

  holds(_now: Ms): boolean {
    return this.#leads && !this.#isPaused && this.#elections.isFirst(this)
  }

  /** Whoever leads next counts from its own beginning, so all that is heard may be echoed. */
  leasesUntil(now: Ms): Ms | undefined {
    return this.#leads ? now : undefined
  }

  announce(card: CandidateCard): void {
    this.#card = card
  }

  async candidates(): Promise<readonly CandidateCard[]> {
    return this.#elections.standing.flatMap(({ card }) => (card ? [card] : []))
  }

  leader(): CandidateCard | undefined {
    return this.#elections.standing[0]?.card
  }

  async stepDown(because: string): Promise<void> {
    this.expire(`it has stepped down: ${because}`)
  }

  status(): ElectionStatus {
    return {
      server: this.#lost.signal.aborted ? undefined : 'fake:2181',
      sessionId: this.#number.toString(16),
      timeoutMs: 6000,
      leaseLeftMs: this.holds(0) ? 6000 : undefined
    }
  }

  get card(): CandidateCard | undefined {
    return this.#card
  }

  /** Ends the candidacy, as the ensemble does when it has heard nothing for too long. */
  expire(because = 'its session has expired'): void {
    this.#isPaused = false
    this.#elections.remove(this)
    this.#lost.abort(new Fault('closed', `cannot lead any longer: ${because}`))
  }

  /** Ends it for all others, while it has not heard so itself: it only knows that time runs out. */
  pause(): void {
    this.#isPaused = true
    this.#elections.remove(this)
  }

  /** Lets a paused one hear what has become of it. */
  resume(): void {
    if (this.#isPaused) this.expire()
  }

  mayLead(): void {
    this.#first.resolve()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.expire('it was closed')
  }
}
