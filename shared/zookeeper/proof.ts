/**
 * Which transactions keep the lease.
 *
 * The proof is a znode at a version, the epoch for a controller: as long as it has this version,
 * nobody else has been elected. A transaction that checks it, or that raises it from this version,
 * confirms the lease when it succeeds and ends it when that part is refused. One that raises it
 * takes the proof along to the new version; while it is on its way, or when its outcome was never
 * known, the session cannot ask by itself, for it does not know which version is its own.
 */
import { Fault } from '../fault.ts'
import { mayHaveHappened, partRefused } from './faults.ts'
import type { Operation, Outcome, Version } from './session.ts'

/** A znode at a version. */
export type Proof = { readonly path: string; readonly version: number }

/** What a session knows of its proof. */
export type ProofState = {
  readonly proof: Proof | undefined
  /** Raises that are on their way. */
  readonly raises: number
}

/** A part of a transaction that names the znode of the proof. */
export type Mark = {
  readonly part: number
  readonly op: 'check' | 'set'
  readonly version: Version
}

/** The parts of a transaction that name this znode; a few words to send to where the proof is. */
export const marksOf = (operations: readonly Operation[], path: string): readonly Mark[] =>
  operations.flatMap((operation, part) =>
    operation.path === path && (operation.op === 'check' || operation.op === 'set')
      ? [{ part, op: operation.op, version: operation.version }]
      : []
  )

/** What a transaction has to do with the proof. */
export type Bearing = {
  readonly confirms: boolean
  readonly raises: boolean
  readonly part: number
}

/** Says what a transaction has to do with the proof, of its parts that name that znode. */
export function bearingOf(marks: readonly Mark[], proof: Proof | undefined): Bearing {
  const mark = marks.find(
    ({ op, version }) => version === proof?.version || (op === 'set' && version === 'any')
  )
  if (proof === undefined || mark === undefined) return none
  return { confirms: true, raises: mark.op === 'set', part: mark.part }
}

const none: Bearing = { confirms: false, raises: false, part: -1 }

/** The state when such a transaction leaves. */
export const sent = (state: ProofState, bearing: Bearing): ProofState =>
  bearing.raises ? { ...state, raises: state.raises + 1 } : state

/** The state when it has been carried out. */
export function carriedOut(
  state: ProofState,
  bearing: Bearing,
  outcomes: readonly Outcome[]
): ProofState {
  if (!bearing.raises) return state
  const version = outcomes[bearing.part]?.version
  const proof = state.proof && version !== undefined ? { ...state.proof, version } : state.proof
  return { proof, raises: state.raises - 1 }
}

/** The state when it has failed. A raise of which nobody knows leaves no proof. */
export function failed(state: ProofState, bearing: Bearing, thrown: unknown): ProofState {
  if (!bearing.raises) return state
  const proof = mayHaveHappened(thrown) ? undefined : state.proof
  return { proof, raises: state.raises - 1 }
}

/** The Fault with which the session ends, when a refusal says that the lease is another's. */
export function deposed(bearing: Bearing, proof: Proof, thrown: unknown): Fault | undefined {
  if (!bearing.confirms || partRefused(thrown) !== bearing.part) return undefined
  const what = `${proof.path} is no longer at version ${proof.version}`
  return new Fault('stale', `cannot keep the lease: ${what}`, { cause: thrown })
}

/** Whether the session may ask by itself, and what it asks then. */
export const ownConfirmation = ({ proof, raises }: ProofState): readonly Operation[] | undefined =>
  proof !== undefined && raises === 0 ? [{ op: 'check', ...proof }] : undefined
