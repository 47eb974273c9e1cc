/**
 * What the controller needs from the outside, one interface per port. Each has a real one under
 * `io/` and a fake under `test/world/`, and both pass the same contract in `test/contracts/`.
 */
import type { Epoch, HostId } from '#shared/ids.ts'
import type { Ms } from '#shared/units.ts'
import type { Join, Joined, ToAgent, ToController } from '#shared/wire/messages.ts'
import type { Commit } from './commit.ts'

/** A place in the journal: the first entry is 1, and none is left out. 0: before the first. */
export type Position = number

/** One commit as it stands in the journal, with the reign in which it was recorded. */
export type Entry = {
  readonly position: Position
  readonly epoch: Epoch
  readonly commit: Commit
  /** Hash of this entry and of the one before it: a chain that shows a gap or a swap. */
  readonly hash: string
}

/** What was found at opening, for the log and for `remuda doctor`. */
export type JournalOpening = {
  readonly head: Position
  readonly epoch: Epoch
  /** Entries that were cut from the tail since they were torn or corrupt, and why. */
  readonly cut: { readonly entries: number; readonly because: string } | undefined
}

/** What a checkpoint says of a chunk without its being read. */
export type ListedChunk = { readonly bytes: number; readonly sha256: string }

/** A Map of them, or something that makes them one after another as they are written. */
export type ChangedChunks =
  | Iterable<readonly [string, Uint8Array | undefined]>
  | AsyncIterable<readonly [string, Uint8Array | undefined]>

/**
 * Keeps the truth: entries in one order, none lost once acknowledged. `append` is refused with
 * Fault `stale` unless the caller still holds the epoch. When one append fails with an unknown
 * outcome or a full disk (`unavailable`), all that were queued after it fail too, and nothing more
 * is taken until `recover` has re-read the head.
 */
export interface Journal extends AsyncDisposable {
  readonly opening: JournalOpening
  /**
   * Raises the epoch by one and takes the journal: who held the old one can append no more. Fault
   * `stale` when others have raised it since this journal held it, or when we may not lead. With
   * `above` it may go beyond that one at once; a journal that knows nothing of it goes by one.
   */
  raiseEpoch(above?: Epoch): Promise<Epoch>
  /** Adds one entry; resolves once it would survive a power cut. Concurrent calls share a write. */
  append(commit: Commit, options: { readonly epoch: Epoch }): Promise<Position>
  /** All entries after a position, in order, from what is stored. */
  entries(after: Position): AsyncIterable<Entry>
  head(): Position
  /** Re-reads the head after a failure; resolves with it once appends are taken again. */
  recover(): Promise<Position>
  /** Stores the changed chunks (undefined: gone) so that a reader needs only entries after it. */
  writeCheckpoint(checkpoint: {
    readonly position: Position
    readonly changed: ChangedChunks
  }): Promise<void>
  /** Lists the last checkpoint's chunks, or streams them; undefined: there is none. */
  readCheckpoint(): Promise<
    | {
        readonly position: Position
        readonly listed: () => Promise<ReadonlyMap<string, ListedChunk>>
        readonly chunks: AsyncIterable<{ readonly key: string; readonly bytes: Uint8Array }>
      }
    | undefined
  >
  /** Forgets entries up to a position that the last checkpoint covers. */
  prune(upTo: Position): Promise<void>
}

/** Says who may lead. Solo: always us; ZooKeeper: whoever won. */
export interface Election extends AsyncDisposable {
  /** Whether nobody else can ever lead: then a higher epoch that a host has seen was our own. */
  readonly alone: boolean
  /** Resolves once we may lead. */
  lead(signal: AbortSignal): Promise<Won>
  /** Whether we certainly may act at this moment of the monotonic clock. */
  holds(now: Ms): boolean
  /**
   * Leases may be given for heartbeats that were heard until this moment: whoever leads next knows
   * of it. Undefined: for none yet.
   */
  leasesUntil(now: Ms): Ms | undefined
}

/** An election that is won. */
export type Won = {
  /** Aborts when we no longer may lead. */
  readonly lost: AbortSignal
  /** No lease of who led before counts from later than this moment; left out: than now. */
  readonly leasedUntil?: Ms | undefined
}

/** A journal that several candidates have open at once; one of them at a time holds its epoch. */
export interface SharedJournal extends Journal {
  /**
   * The entries after a position, then each one that anybody appends, until the signal aborts; then
   * it ends. Faults: `corrupt` on a gap or a broken chain that is there on reading again as well,
   * `not-found` when entries after that position are forgotten (then the checkpoint has them),
   * `unavailable` when nothing can be read at the moment: go on from the last one that was given.
   */
  tail(after: Position, signal: AbortSignal): AsyncIterable<Entry>
}

/** What a candidate lets all others see of itself. */
export type CandidateCard = {
  readonly name: string
  /** How others reach its API: `http://10.0.0.1:8080`. */
  readonly apiUrl: string
  /** Its public CURVE key on the mesh. */
  readonly meshKey: string
  /** Where hosts that are not known yet may knock: `tcp://10.0.0.1:7401`. */
  readonly doorEndpoint: string
  readonly doorKey: string
  /** Release that it runs. */
  readonly version: string
  /** Up to where its own state has followed the journal, and the epoch that it has seen. */
  readonly position: Position
  readonly epoch: Epoch
  readonly leads: boolean
  /** The bootd on its machine, if one runs there. */
  readonly bootd?: Pick<BootdAddress, 'endpoint' | 'publicKey'>
  /** When it began to stand, or to lead; RFC 3339, UTC. */
  readonly since: string
}

/** The session that carries a candidacy, for `remuda cluster status`. */
export type ElectionStatus = {
  /** Undefined: no server answers at the moment. */
  readonly server: string | undefined
  readonly sessionId: string
  readonly timeoutMs: Ms
  /** How long we certainly may still act; undefined: no lease is held. */
  readonly leaseLeftMs: Ms | undefined
}

/** An election among several candidates; one object is one candidacy. */
export interface SharedElection extends Election {
  readonly alone: false
  /** Shows this card to all others from now on; the newest one at most every 2 s. */
  announce(card: CandidateCard): void
  /** The cards of all who stand, in the order in which they would lead. */
  candidates(): Promise<readonly CandidateCard[]>
  /** The card of who leads or is about to, as last seen. */
  leader(): CandidateCard | undefined
  /**
   * Hands the lead over: `lost` aborts at once, and the next one may lead when this has resolved.
   * Whoever calls it has had all appends acknowledged or refused before.
   */
  stepDown(because: string): Promise<void>
  status(): ElectionStatus
}

/** A peer as the controller dials it. */
export type Peer = {
  /** SMBIOS UUID. */
  readonly host: HostId
  readonly endpoint: string
  readonly publicKey: string
}

/** What the mesh tells: what an agent has said, or that a host can be reached or no longer. */
export type MeshMessage =
  | {
      readonly type: 'message'
      readonly host: HostId
      readonly message: ToController
      /** The boot of its sender; left out: not known. */
      readonly bootId?: string
    }
  | { readonly type: 'connected'; readonly host: HostId }
  | { readonly type: 'disconnected'; readonly host: HostId; readonly because: string }

/** Talks with the agents; the controller dials. Never blocks on a slow peer. */
export interface Mesh extends AsyncDisposable {
  /** Dials exactly these peers: new ones are dialled, others are dropped. */
  setPeers(peers: readonly Peer[]): void
  /**
   * Hands a message to a peer. Orders and heartbeats replace an unsent older one of the same type;
   * other messages wait in a bounded queue: Fault `unavailable` when that is full or nobody there.
   */
  send(host: HostId, message: ToAgent): void
  /** What agents say. One reader. */
  messages(signal: AbortSignal): AsyncIterable<MeshMessage>
  /** Counters for /metrics: refused, oversized, dropped … */
  counters(): Readonly<Record<string, number>>
}

/** A bootd as the controller dials it. */
export type BootdAddress = {
  /** Name of the candidate on whose machine it runs. */
  readonly name: string
  readonly endpoint: string
  readonly publicKey: string
}

/** Judges who knocks at the door. */
export type Doorkeeper = (join: Join) => Promise<Joined>
