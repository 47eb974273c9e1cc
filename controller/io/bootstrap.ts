/** Keeps the signed list in the journal up to date while this controller leads. */
import type { Clock } from '#shared/clock.ts'
import { isFault, sentence } from '#shared/fault.ts'
import { newId } from '#shared/ids.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import { type BootstrapCandidate, makeSigningKeys } from '#shared/wire/bootstrap.ts'
import { renewBootstrap } from '../core/bootstrap.ts'
import type { Briefings } from './briefings.ts'
import type { Reign } from './reign.ts'

/** How often it is looked who stands. Unit: ms. */
export const lookMs: Ms = 2_000

/** Where candidates are seen; both may change at any time. */
export type CandidateSource = {
  /** Those who stand now, this one among them; none while that is not known. */
  readonly cards: () => Promise<readonly BootstrapCandidate[]>
  /** Servers of the ensemble, host:port. */
  readonly ensemble: readonly string[]
}

/** Looks again and again, and records a new list when it has changed, until the signal aborts. */
export async function keepBootstrap(
  given: CandidateSource & {
    readonly reign: Reign
    readonly briefings: Briefings
    readonly clock: Clock
    readonly log: Log
  },
  signal: AbortSignal
): Promise<void> {
  const { reign, clock, log, ensemble } = given
  let told = ''
  while (!signal.aborted) {
    try {
      const cards = await given.cards()
      const context = { by: 'controller', now: reign.now(), newId }
      const { versionSeen } = given.briefings
      const wish = { cards, ensemble, versionSeen, newKeys: makeSigningKeys }
      const commit = renewBootstrap(reign.view, wish, context)
      if (commit && !signal.aborted) {
        await reign.record(commit)
        given.briefings.renewed()
        const because = commit.decisions[0]?.because
        log.info('list of candidates renewed', { because })
      }
      told = ''
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      const because = sentence(thrown)
      if (because !== told) log.warn('cannot renew the list of candidates', { because })
      told = because
    }
    await clock.sleep(lookMs, signal).catch(() => undefined)
  }
}
