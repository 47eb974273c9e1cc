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
import type { Operation, Outcome } from './session.ts'

/** A znode at a version. */
export type Proof = { readonly path: string; readonly version: number }

/** What a session knows of its proof. */
export type ProofState = {
  readonly proof: Proof | undefined
  /** Raises that are on their way. */
  readonly raises: number
}

/** What a transaction has to do with the proof. */
export type Bearing = {
  readonly confirms: boolean
  readonly raises: boolean
  readonly part: number
}

/** Says what a transaction has to do with the proof. */
export function bearingOf(operations: readonly Operation[], proof: Proof | undefined): Bearing {
  const part = operations.findIndex(
    operation =>
      operation.path === proof?.path &&
      ((operation.op === 'check' && operation.version === proof.version) ||
        (operation.op === 'set' &&
          (operation.version === proof.version || operation.version === 'any')))
  )
  return { confirms: part >= 0, raises: operations[part]?.op === 'set', part }
}

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
