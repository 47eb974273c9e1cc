/** When a report is sent: at each change, but not more often than is good, and now and then. */
import type { Clock } from '#shared/clock.ts'
import { sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { HostFacts } from '#shared/model/host-facts.ts'
import type { Ms } from '#shared/units.ts'
import type { Report } from '#shared/wire/order.ts'
import { reportFingerprint, writeReport } from '../core/report.ts'

/** Two reports are at least so far apart. Unit: ms. */
const reportApartMs: Ms = 50
/** Without any change a report is sent so often. Unit: ms. */
const reportEveryMs: Ms = 2_000
/** Facts are large and rarely change: they are in a report so often, and for each new epoch. */
const factsEveryMs: Ms = 60_000

/** What a report is written from. */
export type ReportParts = Omit<Parameters<typeof writeReport>[0], 'number' | 'facts' | 'now'> & {
  readonly facts: HostFacts
}

/** Sends reports; asked at the end of each round. */
export class Reports {
  readonly #clock: Clock
  readonly #send: (report: Report) => void
  readonly #log: Log
  #number = 0
  #sentAt: Ms = Number.NEGATIVE_INFINITY
  #print = ''
  #nextAt: Ms = Number.NEGATIVE_INFINITY
  #facts: { readonly at: Ms; readonly epoch: number; readonly said: HostFacts } | undefined
  #last: Report | undefined

  constructor(given: {
    readonly clock: Clock
    readonly send: (report: Report) => void
    readonly log: Log
  }) {
    this.#clock = given.clock
    this.#send = given.send
    this.#log = given.log
  }

  /** When it is to be asked again though nothing happens. */
  get nextAt(): Ms {
    return this.#nextAt
  }

  /** What was sent last. */
  get last(): Report | undefined {
    return this.#last
  }

  /** Sends a report when something has changed or it is time. */
  sendWhenDue(parts: ReportParts): void {
    const now = this.#clock.monotonic()
    const isNews = this.#facts?.said !== parts.facts || this.#facts.epoch !== parts.actedOn.epoch
    const isTold = !isNews && now - (this.#facts?.at ?? 0) < factsEveryMs
    const facts = isTold ? undefined : parts.facts
    const report = writeReport({ ...parts, facts, now, number: this.#number + 1 })
    const print = reportFingerprint(report)
    const isChanged = print !== this.#print || isNews
    this.#nextAt = this.#sentAt + (isChanged ? reportApartMs : reportEveryMs)
    if (now < this.#nextAt) return
    this.#number++
    this.#sentAt = now
    this.#print = print
    this.#nextAt = now + reportEveryMs
    if (facts !== undefined) this.#facts = { at: now, epoch: parts.actedOn.epoch, said: facts }
    this.#last = report
    try {
      this.#send(report)
    } catch (thrown) {
      this.#log.error('report not sent', { because: sentence(thrown) })
    }
  }
}
