/** The lines of a fake host to others: what is sent on them, and what happens when one is cut. */
import { Fault } from '#shared/fault.ts'
import { isCrossing } from '../../agent/core/own-domains.ts'
import type { MigrationWay, Transfer } from '../../agent/core/ports.ts'
import type { FakeDomain } from './fake-domain.ts'

/** What crosses: a part of it is on either end. */
export type Crossing = {
  readonly found: FakeDomain
  readonly there: FakeDomain | undefined
  readonly uri: string
  /** Waited for until all has come. */
  readonly pace: () => Promise<void>
  readonly isHere: () => boolean
  readonly isThere: () => boolean
  readonly refuse: (because: string) => Fault
}

/** The sending of a domain. */
export type Job = NonNullable<FakeDomain['sending']>

/** How long it may stand still, as it was begun; QEMU's own 300 ms where nobody said. */
export const standstillOf = ({ standstillMs = 300 }: MigrationWay): Pick<Job, 'standstillMs'> => ({
  standstillMs
})

/** Lines by the URI of the other end. */
export class FakeLines {
  readonly #cut = new Set<string>()
  readonly #waiters = new Set<() => void>()
  /** Whether what is sent from here writes faster than it is sent. */
  writesFast = false

  /** A line breaks, or is whole again; what crosses it is torn in two then. */
  cut(uri: string, isCut: boolean): void {
    if (isCut) this.#cut.add(uri)
    else this.#cut.delete(uri)
  }

  isCut(uri: string): boolean {
    return this.#cut.has(uri)
  }

  /** Resolves once it comes to an end, or is to cross; `check` throws when it is given up. */
  async endless(job: Job, check: () => void): Promise<void> {
    while (!job.crosses && this.writesFast) {
      check()
      await new Promise<void>(resolve => this.#waiters.add(resolve))
    }
  }

  /** Whoever waits for something to happen to what is sent looks again. */
  stir(): void {
    for (const wake of this.#waiters) wake()
    this.#waiters.clear()
  }

  /** Has it go on there at once. */
  letCross({ sending, domain }: FakeDomain): void {
    if (!sending?.postCopy) {
      throw new Fault('hypervisor', `cannot let ${domain.name} go on: it is not sent so`)
    }
    sending.crosses = true
    this.stir()
  }

  allow({ sending, domain }: FakeDomain, standstillMs: number): void {
    if (sending) sending.standstillMs = standstillMs
    else throw new Fault('hypervisor', `cannot allow ${domain.name} anything: it is not sent`)
  }

  /** How far what is sent from here is. */
  transferOf({ sending, domain: { memoryMib } }: FakeDomain): Transfer {
    return {
      ...(sending && { standstillMs: sending.standstillMs }),
      totalMib: memoryMib,
      remainingMib: Math.ceil(memoryMib / 2),
      mibPerSecond: 100,
      writtenMibPerSecond: this.writesFast ? 100 : 1,
      round: this.writesFast ? 9 : 1
    }
  }

  /** What runs there with a part of it has all of it once the pace lets it; then it has left. */
  async cross(crossing: Crossing): Promise<void> {
    const { found, there, uri, pace, isHere, isThere, refuse } = crossing
    if (there === undefined || !isCrossing(there.domain)) throw refuse('it is not there')
    await pace()
    if (isHere() && isThere() && !this.isCut(uri)) {
      there.hasArrived = true
      there.domain = { ...there.domain, state: 'running', reason: 'migrated' }
      return
    }
    if (isHere()) found.domain = { ...found.domain, reason: 'postcopy failed' }
    if (isThere()) there.domain = { ...there.domain, reason: 'postcopy failed' }
    throw refuse('the two parts of it have lost each other')
  }
}
