/**
 * A candidate as a program that a chaos run kills, stops and cuts off. It stands for election and
 * appends in pipelines while it leads. It is a bad loser on purpose: it goes on appending in its
 * old epoch until it is refused, and tries once more when another one leads. That nothing of it
 * gets through must be the journal's merit.
 *
 *     candidate.ts '{"name": …}'     SIGUSR2: it hands the lead over
 */
import { openSync, writeSync } from 'node:fs'
import { type Clock, realClock } from '#shared/clock.ts'
import { isFault, sentence } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import { connectZooKeeper } from '#shared/zookeeper/connect.ts'
import { kernelMs } from '#shared/zookeeper/mail.ts'
import type { SharedElection, SharedJournal } from '../../controller/core/ports.ts'
import { zooKeeperElection } from '../../controller/io/election/zookeeper.ts'
import { leased } from '../../controller/io/journal/leased.ts'
import { openPostgresJournal } from '../../controller/io/journal/postgres.ts'
import { openZooKeeperJournal } from '../../controller/io/journal/zookeeper.ts'
import type { Event, Line } from './history.ts'

/** What a candidate is started with. */
export type CandidateOrder = {
  /** Its name and which life this is. */
  readonly by: string
  readonly servers: readonly string[]
  readonly secret: string
  readonly sessionMs: number
  /** File that it writes its history to. */
  readonly history: string
  /** Appends that it has on their way at most. */
  readonly writers: number
  /** A writer waits up to so long between two appends. */
  readonly pauseMsMax: number
  /** Where the journal is, unless it is in the ensemble. */
  readonly postgres?: { readonly url: string; readonly password: string }
}

/** Exit code of who has led and does so no longer, as the controller's. */
export const lostExit = 75

const sampleMs = 20
const recoverPauseMs = 100
/** How long a bad loser waits for another one to lead. */
const graceMsMax = 5_000

const clock: Clock = { ...realClock, monotonic: kernelMs }

async function main(order: CandidateOrder): Promise<number> {
  const candidate = new Candidate(order)
  const { servers, sessionMs, secret } = order
  const given = { servers, sessionMs, secret, log: silentLog, clock }
  await using session = await connectZooKeeper(given)
  const election = zooKeeperElection(session, { name: order.by, log: silentLog, clock })
  const { proof } = election
  const inEnsemble = await openZooKeeperJournal(session, { log: silentLog, proof })
  const journal = order.postgres
    ? leased(await openPostgresJournal({ ...order.postgres, log: silentLog }), inEnsemble)
    : inEnsemble
  candidate.say({ type: 'stands' })
  const { lost } = await election.lead(session.ended)
  process.on('SIGUSR2', () => void election.stepDown('chaos asks for it').catch(() => {}))
  const sampling = setInterval(() => candidate.sample(election), sampleMs)
  await candidate.reign(journal, lost)
  clearInterval(sampling)
  candidate.sample(election)
  candidate.say({ type: 'lost', because: sentence(lost.reason) })
  await candidate.tryOnceMore(journal)
  return lostExit
}

class Candidate {
  readonly #order: CandidateOrder
  readonly #file: number
  #count = 0
  #epoch = 0

  constructor(order: CandidateOrder) {
    this.#order = order
    this.#file = openSync(order.history, 'a')
  }

  say(event: Event): void {
    const line: Line = { at: kernelMs(), by: this.#order.by, ...event }
    const text = `${JSON.stringify(line)}\n`
    writeSync(this.#file, text)
    if (event.type === 'leads' || event.type === 'lost') process.stdout.write(text)
  }

  sample(election: SharedElection): void {
    const at = kernelMs()
    const holds = election.holds(at)
    const line: Line = { at, by: this.#order.by, type: 'holds', holds }
    writeSync(this.#file, `${JSON.stringify(line)}\n`)
  }

  /** Leads until the lead is lost and an append has failed after that. */
  async reign(journal: SharedJournal, lost: AbortSignal): Promise<void> {
    await this.#raise(journal)
    for (;;) {
      const failure = new AbortController()
      const writers = Array.from({ length: this.#order.writers }, () =>
        this.#write(journal, failure)
      )
      await Promise.all(writers)
      while (!lost.aborted) {
        try {
          await journal.recover()
          await this.#raise(journal)
          break
        } catch (thrown) {
          if (!isFault(thrown)) throw thrown
          if (isFault(thrown, 'stale')) return
          await clock.sleep(recoverPauseMs)
        }
      }
      if (lost.aborted) return
    }
  }

  /** In the old epoch, when the next one should have begun. */
  async tryOnceMore(journal: SharedJournal): Promise<void> {
    const epoch = this.#epoch
    const until = kernelMs() + graceMsMax
    // Whoever has handed over has a journal that can look; of the others the session has ended.
    while (kernelMs() < until) {
      const isReady = await journal.recover().then(
        () => true,
        thrown => !isFault(thrown, 'unavailable')
      )
      if (isReady) break
      await clock.sleep(recoverPauseMs)
    }
    const tries = Array.from({ length: this.#order.writers }, () => this.#append(journal, epoch))
    await Promise.all(tries)
  }

  async #raise(journal: SharedJournal): Promise<void> {
    this.#epoch = await journal.raiseEpoch()
    this.say({ type: 'leads', epoch: this.#epoch, head: journal.head() })
  }

  async #write(journal: SharedJournal, failure: AbortController): Promise<void> {
    while (!failure.signal.aborted) {
      if (!(await this.#append(journal, this.#epoch))) failure.abort()
      await clock.sleep(Math.random() * this.#order.pauseMsMax, failure.signal).catch(() => {})
    }
  }

  async #append(journal: SharedJournal, epoch: number): Promise<boolean> {
    this.#count += 1
    const key = `${this.#order.by}.${this.#count}`
    this.say({ type: 'attempt', key, epoch })
    try {
      const position = await journal.append(commitOf(key), { epoch })
      this.say({ type: 'acknowledged', key, epoch, position })
      return true
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      const remote = thrown.cause !== undefined
      this.say({ type: 'failed', key, epoch, code: thrown.code, remote })
      return false
    }
  }
}

const commitOf = (key: string) => ({
  changes: [],
  decisions: [
    {
      at: '2026-01-01T00:00:00.000Z',
      by: 'controller' as const,
      verb: 'placed' as const,
      because: key,
      subjects: [`instance/chaos/${key}`]
    }
  ]
})

if (process.argv[1] === import.meta.filename) {
  // Until it leads there is nothing to hand over.
  process.on('SIGUSR2', () => {})
  main(JSON.parse(process.argv[2]!) as CandidateOrder).then(
    code => process.exit(code),
    thrown => {
      process.stderr.write(`${sentence(thrown)}\n`)
      process.exit(1)
    }
  )
}
