/**
 * The journal on an ensemble of ZooKeeper.
 *
 * A write is one transaction: it checks the version of the epoch's znode, moves the head's znode on
 * from the version that the write before it has left, and creates the znode with the entries. So
 * who no longer holds the epoch can write nothing, and of writes that are on their way together
 * none can happen after one that was refused or lost.
 *
 * Raising the epoch changes that version, for what others have sent as well as for what we have.
 * Fencing after an unknown outcome does the same with the epoch as it is: what has not arrived by
 * then is refused, so the head that is read afterwards is the truth.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { partRefused } from '#shared/zookeeper/faults.ts'
import type { Node, Operation, ZooKeeperSession } from '#shared/zookeeper/session.ts'
import type { Position, SharedJournal } from '../../core/ports.ts'
import { encodeBatch } from './batches.ts'
import type { Link } from './entry-codec.ts'
import { openPipelinedJournal } from './pipelined.ts'
import type { Batch, SharedStore, Standing, StoredCheckpoint } from './shared-store.ts'
import { ZooKeeperCheckpoint } from './zookeeper-checkpoint.ts'
import { pruneBatches } from './zookeeper-pruning.ts'
import { readBatches } from './zookeeper-reading.ts'
import {
  anchorPath,
  batchPath,
  bucketOf,
  decodeEpoch,
  decodeLink,
  encodeEpoch,
  encodeRecord,
  entriesPath,
  epochPath,
  headPath,
  makeZnodes,
  missing,
  partPath,
  rootPath
} from './zookeeper-znodes.ts'

/** What a journal on ZooKeeper is opened with. */
export type ZooKeeperJournalOptions = {
  readonly log: Log
  /**
   * The znode that shows that we may lead, our own in the election: the epoch is raised only in a
   * transaction that finds it. It gives undefined when we may not. Left out, anybody may.
   */
  readonly proof?: () => string | undefined
  /** Opens a session with another server than this one, to read there what looks damaged here. */
  readonly elsewhere?: (server: string | undefined) => Promise<ZooKeeperSession>
  /** A head at this version is replaced by a new one, before versions run out at 2^31. */
  readonly headVersionMax?: number
}

/** Writes and their bytes that are on their way at once, and bytes of commits in one of them. */
const bounds = { writes: 8, bytes: 4 * 2 ** 20, writeBytes: 448 * 1024 }
const headVersionMax = 2 ** 30
/** Attempts to raise the epoch while others do so too. */
const raisesMax = 3

/**
 * Opens the journal in a session's ensemble; its znodes are made if there are none. The session
 * stays the caller's. Faults: `corrupt`, `invalid` (a newer release wrote it), `unavailable`.
 */
export async function openZooKeeperJournal(
  session: ZooKeeperSession,
  options: ZooKeeperJournalOptions
): Promise<SharedJournal> {
  await session.sync('/')
  await makeZnodes(session)
  return openPipelinedJournal(new ZooKeeperStore(session, options), { log: options.log })
}

/** What we know while we hold the epoch: nobody else changes any of it. */
type Reign = {
  /** Version of the epoch's znode. */
  readonly version: number
  readonly epoch: number
  /** Version that the head will have when all that was sent has happened. */
  headVersion: number
  readonly buckets: Set<string>
}

class ZooKeeperStore implements SharedStore {
  readonly name = 'the journal on ZooKeeper'
  readonly bounds = bounds
  readonly #session: ZooKeeperSession
  readonly #options: ZooKeeperJournalOptions
  readonly #by = randomUUID()
  readonly #checkpoint: ZooKeeperCheckpoint
  #hasHeld = false
  /** Where entries are read, since the session's own server seemed to lack some. */
  #second: ZooKeeperSession | undefined
  #reign: Reign | undefined

  constructor(session: ZooKeeperSession, options: ZooKeeperJournalOptions) {
    this.#session = session
    this.#options = options
    this.#checkpoint = new ZooKeeperCheckpoint(session, () => this.#guard())
  }

  async look(): Promise<Standing> {
    await this.#session.sync(rootPath)
    return this.#stands()
  }

  async lookAgain(): Promise<Standing> {
    const { elsewhere, log } = this.#options
    const server = this.#session.server()
    if (elsewhere) {
      await this.#second?.[Symbol.asyncDispose]()
      this.#second = await elsewhere(server).catch(thrown => {
        log.warn('cannot read the journal elsewhere', { server, because: sentence(thrown) })
        return undefined
      })
      if (this.#second) {
        const to = this.#second.server()
        log.warn('reads the journal from another server', { from: server, to })
      }
    }
    return this.look()
  }

  async raise(above = 0): Promise<Standing> {
    for (let attempt = 1; ; attempt += 1) {
      const proof = this.#proof()
      const { record, version } = await this.#newestEpoch()
      if (this.#hasHeld && record.by !== this.#by) throw deposed(record.epoch)
      try {
        const epoch = Math.max(record.epoch, above) + 1
        return await this.#setEpoch({ epoch, version, proof })
      } catch (thrown) {
        // Whoever led before may have raised it just now, for the last time.
        if (!isFault(thrown, 'stale') || attempt >= raisesMax) throw thrown
      }
    }
  }

  async fence() {
    const { record, version } = await this.#newestEpoch()
    const proof = this.#proofOrNone()
    if (record.by !== this.#by || proof === 'none')
      return { ...(await this.#leave()), holds: false }
    try {
      const standing = await this.#setEpoch({ epoch: record.epoch, version, proof })
      return { ...standing, holds: true }
    } catch (thrown) {
      if (!isFault(thrown, 'stale')) throw thrown
      return { ...(await this.#leave()), holds: false }
    }
  }

  async write({ entries, last, before }: Batch): Promise<void> {
    const first = before.position + 1
    const reign = this.#held()
    const { parts, batch } = encodeBatch(entries, reign.epoch)
    const sent = parts.map((bytes, part) => {
      const path = partPath(first, reign.epoch, part)
      return this.#move(before, [...this.#bucket(first), { op: 'create', path, bytes }])
    })
    const path = batchPath(first)
    sent.push(this.#move(last, [...this.#bucket(first), { op: 'create', path, bytes: batch }]))
    const outcomes = await Promise.allSettled(sent)
    const refused = outcomes.find(({ status }) => status === 'rejected')
    if (refused?.status === 'rejected') throw this.#refusal(refused.reason)
  }

  async *read(range: { readonly after: Position; readonly upTo: Position }) {
    const second = this.#second?.ended.aborted === false ? this.#second : undefined
    // The other server may be behind what ours has told us.
    await second?.sync(rootPath)
    yield* readBatches(second ?? this.#session, range)
  }

  async *heads(signal: AbortSignal): AsyncIterable<Link> {
    for await (const _ of this.#session.watch(headPath, { signal })) {
      const node = await this.#session.read(headPath)
      if (node) yield decodeLink(headPath, node.bytes)
    }
  }

  readCheckpoint(): Promise<StoredCheckpoint | undefined> {
    return this.#checkpoint.read()
  }

  async writeCheckpoint(checkpoint: Parameters<SharedStore['writeCheckpoint']>[0]): Promise<void> {
    await this.#refusing(this.#checkpoint.write(checkpoint))
  }

  async prune(anchor: Link): Promise<void> {
    const pruning = { session: this.#session, guard: this.#guard(), anchor }
    const removed = await this.#refusing(pruneBatches(pruning))
    for (const bucket of removed) this.#reign?.buckets.delete(bucket)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#second?.[Symbol.asyncDispose]()
  }

  /** Where the journal stands, as our server knows it. */
  async #stands(): Promise<Standing> {
    // Read in this order: an anchor is never behind the head that was read after it.
    const [anchor, epoch, head] = await Promise.all([
      this.#session.read(anchorPath),
      this.#epoch(),
      this.#session.read(headPath)
    ])
    return standingOf({ epoch: epoch.record.epoch, anchor, head })
  }

  /** The epoch with all that was acknowledged to anybody; requests arrive in their order. */
  async #newestEpoch() {
    const [, found] = await Promise.all([this.#session.sync(epochPath), this.#epoch()])
    return found
  }

  async #epoch() {
    const node = await this.#session.read(epochPath)
    if (!node) throw missing(epochPath)
    return { record: decodeEpoch(node.bytes), version: node.stat.version }
  }

  /** Takes the epoch's znode on by a version, and with it all that only its holder knows. */
  async #setEpoch(given: {
    readonly epoch: number
    readonly version: number
    readonly proof: string | undefined
  }): Promise<Standing> {
    const { epoch, proof } = given
    this.#reign = undefined
    const operations: Operation[] = proof ? [{ op: 'check', path: proof, version: 'any' }] : []
    const bytes = encodeEpoch(epoch, this.#by)
    operations.push({ op: 'set', path: epochPath, bytes, version: given.version })
    let version: number | undefined
    try {
      const outcomes = await this.#session.transact(operations)
      version = outcomes.at(-1)?.version
    } catch (thrown) {
      if (partRefused(thrown) === undefined) throw thrown
      throw deposed(epoch, thrown)
    }
    assert(version !== undefined && version > 0, 'an epoch is never at version 0')
    this.#hasHeld = true
    this.#session.keepLease({ path: epochPath, version })
    const [anchor, head, buckets] = await Promise.all([
      this.#session.read(anchorPath),
      this.#session.read(headPath),
      this.#session.children(entriesPath)
    ])
    if (!head || !buckets) throw missing(headPath)
    this.#checkpoint.forget()
    const headVersion = head.stat.version
    this.#reign = { version, epoch, headVersion, buckets: new Set(buckets) }
    return standingOf({ epoch, anchor, head })
  }

  /** What only the holder of the epoch knows is void. */
  async #leave(): Promise<Standing> {
    this.#reign = undefined
    return this.#stands()
  }

  /** Sends one transaction that moves the head on; in it the other operations happen as well. */
  #move(link: Link, operations: readonly Operation[]): Promise<unknown> {
    const reign = this.#held()
    const bytes = encodeRecord({ position: link.position, hash: link.hash, epoch: link.epoch })
    const version = reign.headVersion
    const moved: readonly Operation[] =
      version < (this.#options.headVersionMax ?? headVersionMax)
        ? [{ op: 'set', path: headPath, bytes, version }]
        : [
            { op: 'remove', path: headPath, version },
            { op: 'create', path: headPath, bytes }
          ]
    reign.headVersion = moved.length === 1 ? version + 1 : 0
    return this.#session.transact([this.#guard(), ...moved, ...operations])
  }

  /** What makes the bucket of a position, where there is none. */
  #bucket(position: Position): readonly Operation[] {
    const { buckets } = this.#held()
    const bucket = bucketOf(position)
    if (buckets.has(bucket)) return []
    buckets.add(bucket)
    return [{ op: 'create', path: `${entriesPath}/${bucket}`, bytes: new Uint8Array() }]
  }

  /** The part of a transaction that lets it happen only while we hold the epoch. */
  #guard(): Operation {
    return { op: 'check', path: epochPath, version: this.#held().version }
  }

  #held(): Reign {
    if (this.#reign) return this.#reign
    throw new Fault('stale', `cannot write to ${this.name}: we do not hold its epoch`)
  }

  async #refusing<Result>(work: Promise<Result>): Promise<Result> {
    try {
      return await work
    } catch (thrown) {
      throw this.#refusal(thrown)
    }
  }

  /** A refused transaction: by its first part, which checks the epoch, or as others were lost. */
  #refusal(thrown: unknown): unknown {
    const part = partRefused(thrown)
    if (part === undefined) return thrown
    if (part === 0) return deposed(this.#reign?.epoch ?? 0, thrown)
    const what = `cannot write to ${this.name}: what it was to follow is not there`
    return new Fault('unavailable', what, { cause: thrown })
  }

  #proof(): string | undefined {
    const proof = this.#proofOrNone()
    if (proof !== 'none') return proof
    throw new Fault('stale', `cannot raise the epoch of ${this.name}: we have not been elected`)
  }

  /** The path to be checked; undefined: none needs to be; `none`: we may not lead. */
  #proofOrNone(): string | undefined | 'none' {
    const { proof } = this.#options
    return proof ? (proof() ?? 'none') : undefined
  }
}

function standingOf(read: {
  readonly epoch: number
  readonly anchor: Node | undefined
  readonly head: Node | undefined
}): Standing {
  const { epoch, anchor, head } = read
  if (!anchor) throw missing(anchorPath)
  if (!head) throw missing(headPath)
  const last = decodeLink(headPath, head.bytes)
  return { epoch, last, anchor: decodeLink(anchorPath, anchor.bytes) }
}

const deposed = (epoch: number, cause?: unknown): Fault =>
  new Fault('stale', `cannot hold the epoch ${epoch} of the journal: another one leads`, { cause })
