/**
 * What a journal needs of whatever keeps it for several candidates at once: an ensemble of
 * ZooKeeper, or a database. The journal before it (pipelined.ts) owns the order, the chain and the
 * failures; a store owns the epoch's check, which must be one with the write.
 */
import type { Epoch } from '#shared/ids.ts'
import type { ChangedChunks, ListedChunk, Position } from '../../core/ports.ts'
import type { Link, StoredEntry } from './entry-codec.ts'

/** Where a journal stands. */
export type Standing = {
  readonly epoch: Epoch
  /** The last entry. */
  readonly last: Link
  /** The last entry that was forgotten. */
  readonly anchor: Link
}

/** Entries that are written together, sealed; the first one follows `before`. */
export type Batch = {
  readonly before: Link
  readonly entries: readonly Uint8Array[]
  readonly last: Link
}

/** What was stored of the folded state. */
export type StoredCheckpoint = {
  readonly link: Link
  readonly listed: () => Promise<ReadonlyMap<string, ListedChunk>>
  readonly chunks: AsyncIterable<{ readonly key: string; readonly bytes: Uint8Array }>
}

/**
 * Faults: `stale` where the epoch is another's, `unavailable` or `closed` where a request failed or
 * its outcome is unknown, `corrupt` where something cannot be what was stored.
 */
export interface SharedStore extends AsyncDisposable {
  /** For sentences: "the journal on ZooKeeper". */
  readonly name: string
  /** Writes that may be on their way at once, their bytes, and bytes of commits in one of them. */
  readonly bounds: { readonly writes: number; readonly bytes: number; readonly writeBytes: number }
  /** Where the journal stands; all that was acknowledged to anybody before is seen from now on. */
  look(): Promise<Standing>
  /** As `look`; what is read from now on comes from another server, where there is one. */
  lookAgain(): Promise<Standing>
  /**
   * Raises the epoch by one, or to one above that which is given: what others have sent before, and
   * what we have, never happens any more.
   */
  raise(above?: Epoch): Promise<Standing>
  /**
   * Where we hold the epoch, makes certain that what we have sent has happened by now or never
   * does, and says where the journal stands; where others do, it only looks.
   */
  fence(): Promise<Standing & { readonly holds: boolean }>
  /** Sent in the order of the calls; when one is refused, so are all that were sent after it. */
  write(batch: Batch): Promise<void>
  /** Pages of what is stored in after < position <= upTo, in order. Nothing of it is verified. */
  read(range: {
    readonly after: Position
    readonly upTo: Position
  }): AsyncIterable<readonly StoredEntry[]>
  /** The last entry, whenever there may be another one; at first at once. */
  heads(signal: AbortSignal): AsyncIterable<Link>
  readCheckpoint(): Promise<StoredCheckpoint | undefined>
  /** Stores the changed chunks; what making them throws is passed on, and nothing has changed. */
  writeCheckpoint(checkpoint: {
    readonly link: Link
    readonly changed: ChangedChunks
  }): Promise<void>
  /** Forgets entries up to this one. */
  prune(anchor: Link): Promise<void>
}
