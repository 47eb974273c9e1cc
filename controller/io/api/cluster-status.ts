/** How a controller and the other candidates stand, as `GET /v1/cluster` shows it. */

import { Fault } from '#shared/fault.ts'
import type { Epoch } from '#shared/ids.ts'
import { clockRateError } from '#shared/zookeeper/lease.ts'
import type { CandidateCard, ElectionStatus, Position } from '../../core/ports.ts'
import { type Link, limitsOf, type Rule, timingChain, timingRules } from '../../core/timing.ts'
import { type ControllerConfig, serversOf, sessionMsOf } from '../config.ts'
import type { Service } from './service.ts'

/**
 * How this one stands. leads: its word counts. follows: it has what the journal has. reads: it is
 * catching up. waits: it cannot reach the journal. corrupt: what it reads there does not follow.
 */
export type CandidateState = 'leads' | 'follows' | 'reads' | 'waits' | 'corrupt'

/** A candidate as this one last saw it. */
export type CandidateSeen = CandidateCard & {
  /** Entries that it lacks of those that this one knows of. */
  readonly lag: number
  /** RFC 3339, UTC. */
  readonly lastSeenAt: string
  /** Whether it stands now; one that has gone is remembered for a while. */
  readonly stands: boolean
}

/** All that is known of the cluster here. */
export type ClusterStatus = {
  readonly name: string
  readonly state: CandidateState
  readonly because: string
  readonly journal: ControllerConfig['journal']
  readonly ensemble: readonly string[]
  /** Undefined: it has none, since it is alone or cannot reach the ensemble. */
  readonly session: ElectionStatus | undefined
  readonly epoch: Epoch
  readonly position: Position
  readonly leader: { readonly name: string; readonly apiUrl: string } | undefined
  readonly candidates: readonly CandidateSeen[]
  readonly images: ImageCopies
  readonly timing: Timing
}

/** The times on which "never twice" and "soon again" rest; see core/timing.ts. */
export type Timing = {
  /** In parts of one. */
  readonly clockRateError: number
  readonly links: readonly Link[]
  readonly rules: readonly Rule[]
}

/** Where the content of images is, by their names. */
export type ImageCopies = {
  /** Images with content. */
  readonly wanted: number
  /** Those whose content is not on this candidate. */
  readonly missing: readonly string[]
  /** Those that fewer than two candidates have, of those that could be asked. */
  readonly few: readonly string[]
}

/** Who leads, and what can be done about it. */
export type Cluster = {
  /** `own`: without asking other candidates for anything. */
  readonly status: (options?: { readonly own?: boolean }) => Promise<ClusterStatus>
  /** Undefined: nobody that is known. */
  readonly leader: () => { readonly name: string; readonly apiUrl: string } | undefined
  /** Hands the lead over to the next candidate; resolves once that one may lead. */
  readonly stepDown: (because: string) => Promise<void>
}

/** The cluster of a controller that is alone. */
export function soloCluster(
  config: ControllerConfig,
  own: { readonly service: () => Service; readonly url: () => string }
): Cluster {
  const leader = () => ({ name: config.name, apiUrl: own.url() })
  return {
    leader,
    status: async () => {
      const service = own.service()
      const { epoch, durablePosition: position, broken } = service.ledger
      const card = { ...leader(), meshKey: '', doorEndpoint: '', doorKey: '', leads: true }
      const since = service.startedAt
      const { version } = service
      const lastSeenAt = new Date(service.clock.wall()).toISOString()
      const seen = { version, position, epoch, since, lag: 0, lastSeenAt, stands: true }
      return {
        name: config.name,
        state: 'leads',
        because: broken?.message ?? 'it is the only candidate',
        journal: config.journal,
        ensemble: serversOf(config.ensemble),
        session: undefined,
        epoch,
        position,
        leader: leader(),
        candidates: [{ ...card, ...seen }],
        images: await imagesHere(service),
        timing: timingOf(config, service)
      }
    },
    stepDown: async () => {
      throw new Fault('conflict', 'cannot step down: this controller is the only candidate', {
        next: ['run a second candidate on the same ensemble first']
      })
    }
  }
}

/**
 * The chain of times: by the session that the controller was granted, or the one that a candidate
 * asks for; a controller that is alone has none.
 */
export function timingOf(config: ControllerConfig, { ledger }: Service): Timing {
  const session = { sessionMs: ledger.view.sessionMs ?? sessionMsOf(config) }
  const rules = timingRules({ ...session, limits: limitsOf(ledger.view) })
  return { clockRateError, links: timingChain(session), rules }
}

/** Which content of images is kept here; alone, a cloud has one copy and wants no other. */
export async function imagesHere({ ledger, images }: Service): Promise<ImageCopies> {
  const missing: string[] = []
  let wanted = 0
  for (const { name, decided } of ledger.view.all('image').values()) {
    if (!decided.content || decided.deletedAt) continue
    wanted += 1
    if (!(await images.has(decided.content.sha256))) missing.push(name)
  }
  return { wanted, missing, few: [] }
}
