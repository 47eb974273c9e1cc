/** What a candidate stands on. */
import type { Clock } from '#shared/clock.ts'
import type { Log } from '#shared/log.ts'
import type { Mesh, SharedElection, SharedJournal } from '../core/ports.ts'
import type { StandIns } from './assembly.ts'
import type { FenceLine } from './bootds.ts'
import type { EnsembleSeen } from './ensemble-look.ts'

/** A way to the ensemble: it ends with its session, and another one is opened then. */
export type Connection = AsyncDisposable & {
  readonly journal: SharedJournal
  /** Begins to stand: until then nobody sees this candidate. At most once. */
  readonly stand: () => Promise<SharedElection>
  /** Aborts when its session has ended. */
  readonly ended: AbortSignal
}

/** What a candidate stands on; each part has another one in tests. */
export type CandidateParts = {
  readonly connect: (signal: AbortSignal) => Promise<Connection>
  readonly mesh: Mesh
  readonly clock: Clock
  readonly log: Log
  /** Looks which servers of the ensemble answer; left out: nobody is asked. */
  readonly ensemble?: () => Promise<EnsembleSeen>
  /** Public CURVE key of its mesh. */
  readonly meshKey: string
  /** Where hosts knock, once that is open. */
  readonly door: () => { readonly endpoint: string; readonly publicKey: string } | undefined
  /** Left out: nobody can be fenced from here. */
  readonly fences?: FenceLine
  /** For tests in virtual time. */
  readonly standIns?: StandIns
}
