/**
 * What Remuda needs of ZooKeeper, as a port: `connect.ts` gives the real one, which lives in a
 * worker thread together with the clock of the lease, and `test/world/fake-zookeeper.ts` one whose
 * servers, network and time a test owns. Both pass `test/contracts/zookeeper.ts`.
 *
 * One object is one session. It ends once and for good: with its expiry, when the lease has run
 * out without an answer, or when it is disposed of. Who needs another one opens another one.
 */
import type { Ms } from '../units.ts'

/** What ZooKeeper says of a znode. Transaction ids have 64 bits. */
export type Stat = {
  readonly created: bigint
  readonly modified: bigint
  /** Counts changes of its bytes, from 0. */
  readonly version: number
  readonly childrenVersion: number
  /** Session that it goes with; 0n: it stays. */
  readonly owner: bigint
  readonly bytes: number
  readonly children: number
}

/** `any`: whatever the version is; a number is always meant as such, 0 too. */
export type Version = number | 'any'

/** How long a znode stays, and whether ZooKeeper adds a number to its name. */
export type NodeMode = 'persistent' | 'ephemeral' | 'ephemeral-sequential'

/** One part of a transaction; all parts happen, or none. */
export type Operation =
  | { readonly op: 'check'; readonly path: string; readonly version: Version }
  | {
      readonly op: 'create'
      readonly path: string
      readonly bytes: Uint8Array
      readonly mode?: NodeMode
    }
  | {
      readonly op: 'set'
      readonly path: string
      readonly bytes: Uint8Array
      readonly version: Version
    }
  | { readonly op: 'remove'; readonly path: string; readonly version: Version }

/** What became of one part: the path of what was created, the version of what was set. */
export type Outcome = { readonly path?: string; readonly version?: number }

/** A znode as it was read. */
export type Node = { readonly bytes: Uint8Array; readonly stat: Stat }

/**
 * A session with the ensemble. Nothing waits while it is disconnected: a request is sent at once or
 * refused. Faults: `unavailable` where the outcome is unknown or nothing was sent (faults.ts tells
 * which), `stale` where a version differs, `conflict` where a znode is there already or has
 * children, `not-found` where one is missing, `forbidden` for what is another secret's, `invalid`
 * for what is too large, `closed` after the end.
 */
export interface ZooKeeperSession extends AsyncDisposable {
  /** In hexadecimal. */
  readonly id: string
  /** What the server has granted. */
  readonly timeoutMs: Ms
  /** Aborts at the end, with a Fault that says why. */
  readonly ended: AbortSignal
  /** Whether a server answers at the moment, and which one; for people. */
  server(): string | undefined
  /** Undefined: there is no such znode. It may be older than what another session has written. */
  read(path: string): Promise<Node | undefined>
  /** Names, sorted; undefined: there is no such znode. */
  children(path: string): Promise<readonly string[] | undefined>
  /** Sent in the order of the calls, also when many are on their way; outcomes in that order. */
  transact(operations: readonly Operation[]): Promise<readonly Outcome[]>
  /** Makes reads that follow see all that was acknowledged to anybody before. */
  sync(path: string): Promise<void>
  /**
   * Tells each time a znode may have changed: its bytes, its coming, its going; with `children`
   * also theirs. Changes that come together are told once; the first time is at once. It is over
   * when its signal aborts, and fails when the session ends.
   */
  watch(
    path: string,
    options: { readonly children?: boolean; readonly signal: AbortSignal }
  ): AsyncIterable<void>
  /**
   * From now on the lease is kept by transactions that check this znode at this version: those of
   * the caller, and the session's own when there are none. It ends the session when it is refused.
   * A transaction of ours that raises it from this version takes the lease along.
   */
  keepLease(proof: { readonly path: string; readonly version: number }): void
  /**
   * Until when nobody else can have taken the lease, on our monotonic clock: counted from a sending
   * of which the leader of the ensemble has certainly heard; see lease.ts. It may have passed.
   * Undefined: no lease was ever held.
   */
  leaseUntil(): Ms | undefined
}

/** A Fault of a request whose fate is not known, or that was never sent. */
export type LostRequest = { readonly sent: boolean }
