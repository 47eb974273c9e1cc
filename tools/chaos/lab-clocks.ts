/**
 * Wall clocks of hosts that jump and come back, and what the lines of logs that were written
 * meanwhile say of the true time. A program sees a jump up to a second late, so of each line it is
 * judged by itself whether it was written by the moved clock.
 */
import { stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TrueTime } from '../bench/takeover-checks.ts'
import type { Lab } from '../lab/lab.ts'

const daemons = ['controller', 'agent'] as const
/** A program goes by the new clock after so long. Unit: ms. */
const settleMsDefault = 2_500
/** What the moments of a jump may be off. Unit: ms. */
const marginMs = 1_000

type Sizes = Readonly<Record<(typeof daemons)[number], number>>
type Jump = {
  readonly host: string
  readonly byMs: number
  readonly begunAt: number
  readonly endedAt: number
  /** Where the logs stood when it began, and when it was over. Unit: bytes. */
  readonly from: Sizes
  readonly to: Sizes
}

/** Moves clocks, one at a time and for less than it moves them. */
export class LabClocks {
  readonly #lab: Pick<Lab, 'logOf' | 'moveClock'>
  readonly #settleMs: number
  readonly #jumps: Jump[] = []

  constructor(lab: Pick<Lab, 'logOf' | 'moveClock'>, settleMs = settleMsDefault) {
    this.#lab = lab
    this.#settleMs = settleMs
  }

  /** Lets a host's clock jump while something happens, and then back. Unit: ms. */
  async moved(host: string, byMs: number, meanwhile: () => Promise<void>): Promise<void> {
    const from = await this.#sizes(host)
    const begunAt = Date.now()
    await this.#lab.moveClock(host, byMs)
    try {
      await sleep(this.#settleMs)
      await meanwhile()
    } finally {
      await this.#lab.moveClock(host, -byMs)
    }
    await sleep(this.#settleMs)
    const to = await this.#sizes(host)
    this.#jumps.push({ host, byMs, begunAt, endedAt: Date.now(), from, to })
  }

  readonly trueTime: TrueTime = ({ host, daemon, offset, time }) => {
    const jump = this.#jumps.find(
      one => one.host === host && offset >= one.from[daemon] && offset < one.to[daemon]
    )
    if (!jump) return time
    const moved = time - jump.byMs
    const isMoved = moved >= jump.begunAt - marginMs && moved <= jump.endedAt + marginMs
    return isMoved ? moved : time
  }

  async #sizes(host: string): Promise<Sizes> {
    const sizes = daemons.map(async name => [name, (await stat(this.#lab.logOf(host, name))).size])
    return Object.fromEntries(await Promise.all(sizes)) as Sizes
  }
}
