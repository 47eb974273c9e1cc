/** What is decided of instances that fail again and again, or that made room for others. */

/** Where its runs have failed, and what came of that; see controller/core/crashes.ts. */
export type InstanceCrashes = {
  /** In the order in which it was tried there. */
  readonly hosts: readonly FailedOn[]
  /** Set once no other host is tried any more. */
  readonly failed?: { readonly at: string; readonly because: string }
  /** Why it has not left the last of them: what was told of that. */
  readonly held?: { readonly host: string; readonly kind: 'bound' | 'room' }
  /** Moves that were begun from the last of them. */
  readonly tries?: { readonly from: string; readonly count: number; readonly at: string }
}

/** That so many runs in a row have failed on a host. */
export type FailedOn = {
  /** Name of the host. */
  readonly host: string
  readonly runs: number
  /** From the beginning of the first to the end of the last. Unit: ms. */
  readonly withinMs: number
  /** How the last one ended. */
  readonly last: string
  /** RFC 3339. */
  readonly at: string
}

/** That an instance was stopped to make room for another one; see controller/core/preemption.ts. */
export type InstancePreempted = {
  /** RFC 3339. */
  readonly at: string
  /** Id of the one that got the room. */
  readonly for: string
  /** RFC 3339: when it was last tried to move it to where there is room. */
  readonly triedAt?: string
  readonly because: string
}
