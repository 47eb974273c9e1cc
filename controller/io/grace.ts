import type { Clock } from '#shared/clock.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import type { View } from '../core/view.ts'

/**
 * How long a new reign waits to hear from all hosts before it places anything, and before a host
 * that was not heard counts as silent. Unit: ms.
 */
export const graceMs: Ms = 10_000

/** The time in which a new reign gets to know its hosts; over for good once they are known. */
export class Grace {
  readonly #options: { readonly graceMs?: Ms; readonly clock: Clock; readonly log: Log }
  #begunAt: Ms | undefined
  #isOver = false

  constructor(options: { readonly graceMs?: Ms; readonly clock: Clock; readonly log: Log }) {
    this.#options = options
    this.#isOver = options.graceMs === undefined
  }

  begin(): void {
    this.#begunAt = this.#options.clock.monotonic()
  }

  /** Whether all hosts were heard in this reign, or those that were not had time enough. */
  isOver(view: View): boolean {
    if (this.#isOver) return true
    if (this.#begunAt === undefined) return true
    const { graceMs = 0, clock, log } = this.#options
    const hosts = [...view.all('host').values()]
    const silent = hosts
      .filter(({ decided }) => decided.approval === 'approved')
      // One that is proven off has nothing to say.
      .filter(({ decided }) => decided.recovery?.phase !== 'fenced')
      .map(({ name }) => name)
      .filter(name => view.heard(name).report === undefined)
    this.#isOver = silent.length === 0 || clock.monotonic() - this.#begunAt >= graceMs
    if (this.#isOver) log.info('hosts are known', { hosts: hosts.length, silent })
    return this.#isOver
  }
}
