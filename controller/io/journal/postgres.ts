/**
 * The journal in PostgreSQL, for those who run one already.
 *
 * A write is one statement: it moves the head on from the entry that it follows, if the fence is
 * still ours, and inserts the entries where it did. Statements are sent without waiting for those
 * before them, over one connection; the server carries them out in that order, so none can follow
 * one that was refused. A connection that is lost may leave statements behind which the server
 * still carries out: changing the fence waits for the row and refuses all that comes later.
 */
import { randomUUID } from 'node:crypto'
import { Fault } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Position, SharedJournal } from '../../core/ports.ts'
import { decodeBatchHead, decodeEntries, encodeWhole } from './batches.ts'
import type { Link, StoredEntry } from './entry-codec.ts'
import { openPipelinedJournal } from './pipelined.ts'
import { PostgresCheckpoint } from './postgres-checkpoint.ts'
import {
  type Database,
  nameOf,
  type OpenDatabase,
  openPostgres,
  type PostgresPlace,
  type Row
} from './postgres-connection.ts'
import { channel, prepareTables } from './postgres-schema.ts'
import type { Batch, SharedStore, Standing } from './shared-store.ts'

/** What a journal in PostgreSQL is opened with. */
export type PostgresJournalOptions = PostgresPlace & {
  readonly log: Log
  /** Name of the cloud; a database holds one. */
  readonly cloud?: string
  /** Opens connections: to PostgreSQL, unless a test puts something before it. */
  readonly openDatabase?: OpenDatabase
}

const bounds = { writes: 4, bytes: 8 * 2 ** 20, writeBytes: 2 * 2 ** 20 }
/** Batches that are read or removed in one query. */
const pageMax = 64
const removedMax = 1000
/** Those who follow look so often, should a notification get lost. Unit: ms. */
const pollMs = 1_000

/**
 * Opens the journal in a database; its tables are made if there are none. Faults: `conflict`
 * (another cloud's), `forbidden`, `not-found`, `invalid`, `corrupt`, `unavailable`.
 */
export async function openPostgresJournal(options: PostgresJournalOptions): Promise<SharedJournal> {
  const where = nameOf(options)
  const open = options.openDatabase ?? openPostgres
  {
    await using connection = await open(options)
    await prepareTables(connection, { cloud: options.cloud ?? 'remuda', where })
    const [row] = await connection.query("select current_setting('fsync') as fsync")
    if (row?.['fsync'] !== 'on') {
      options.log.warn('the database does not write to its disk: fsync is off', { where })
    }
  }
  const store = new PostgresStore(options, open)
  try {
    return await openPipelinedJournal(store, { log: options.log })
  } catch (thrown) {
    await store[Symbol.asyncDispose]()
    throw thrown
  }
}

class PostgresStore implements SharedStore {
  readonly name: string
  readonly bounds = bounds
  readonly #place: PostgresPlace
  readonly #openDatabase: OpenDatabase
  readonly #by = randomUUID()
  readonly #checkpoint: PostgresCheckpoint
  readonly #open = new Set<Database>()
  #writer: Database | undefined
  #reader: Promise<Database> | undefined
  #hasHeld = false
  /** Value of the fence while we hold the epoch. */
  #fence: number | undefined

  constructor(place: PostgresPlace, open: OpenDatabase) {
    this.name = nameOf(place)
    this.#place = place
    this.#openDatabase = open
    this.#checkpoint = new PostgresCheckpoint(
      () => this.#read(),
      () => this.#held()
    )
  }

  async look(): Promise<Standing> {
    const connection = await this.#read()
    return standingOf(await connection.query('select * from remuda.journal'))
  }

  lookAgain(): Promise<Standing> {
    return this.look()
  }

  async raise(above = 0): Promise<Standing> {
    const rows = await this.#setFence(
      'epoch = greatest(journal.epoch, $2) + 1, holder = $1',
      this.#hasHeld ? 'journal.holder = $1' : '$1 = $1',
      [this.#by, above]
    )
    if (rows.length === 0) {
      throw new Fault('stale', `cannot hold the epoch of ${this.name}: another one leads`)
    }
    this.#hasHeld = true
    return standingOf(rows)
  }

  async fence() {
    const rows = await this.#setFence('holder = $1', 'journal.holder = $1', [this.#by])
    if (rows.length === 0) return { ...(await this.look()), holds: false }
    this.#hasHeld = true
    return { ...standingOf(rows), holds: true }
  }

  async write({ before, entries, last }: Batch): Promise<void> {
    const fence = this.#held()
    if (!this.#writer) throw new Fault('unavailable', 'cannot write: there is no connection')
    const rows = await this.#writer.query(
      `with held as (
         update remuda.journal set position = $1, hash = $2, entry_epoch = $3
         where fence = $4 and position = $5 and hash = $6 returning true
       ), added as (
         insert into remuda.batches (first, last, bytes)
         select $7::bigint, $1, $8::bytea from held returning true
       )
       select pg_notify('${channel}', '') from added`,
      [
        last.position,
        last.hash,
        last.epoch,
        fence,
        before.position,
        before.hash,
        before.position + 1,
        encodeWhole(entries, last.epoch)
      ]
    )
    if (rows.length > 0) return
    const [row] = await this.#writer.query('select fence from remuda.journal')
    const what = `cannot write to ${this.name}`
    if (Number(row?.['fence']) !== fence) throw new Fault('stale', `${what}: another one leads`)
    throw new Fault('unavailable', `${what}: what it was to follow is not there`)
  }

  async *read(range: {
    readonly after: Position
    readonly upTo: Position
  }): AsyncIterable<readonly StoredEntry[]> {
    for (let { after } = range; after < range.upTo; ) {
      const connection = await this.#read()
      const rows = await connection.query(
        `select first, bytes from remuda.batches where last > $1 and first <= $2
         order by last limit ${pageMax}`,
        [after, range.upTo]
      )
      if (rows.length === 0) return
      const page: StoredEntry[] = []
      for (const row of rows) {
        const first = Number(row['first'])
        const { rest } = decodeBatchHead(first, row['bytes'] as Uint8Array)
        page.push(...decodeEntries(first, rest))
      }
      const fitting = page.filter(({ position }) => position > after && position <= range.upTo)
      after = page.at(-1)!.position
      yield fitting
    }
  }

  async *heads(signal: AbortSignal): AsyncIterable<Link> {
    await using connection = await this.#openDatabase(this.#place)
    await connection.query(`listen ${channel}`)
    while (!signal.aborted) {
      const noticed = connection.noticed()
      const rows = await connection.query('select * from remuda.journal')
      yield standingOf(rows).last
      await waited(noticed, signal)
    }
  }

  readCheckpoint() {
    return this.#checkpoint.read()
  }

  writeCheckpoint(checkpoint: Parameters<SharedStore['writeCheckpoint']>[0]): Promise<void> {
    return this.#checkpoint.write(checkpoint)
  }

  async prune({ position, hash, epoch }: Link): Promise<void> {
    const fence = this.#held()
    const connection = await this.#read()
    const rows = await connection.query(
      `update remuda.journal set anchor_position = $1, anchor_hash = $2, anchor_epoch = $3
       where fence = $4 returning true`,
      [position, hash, epoch, fence]
    )
    if (rows.length === 0) {
      throw new Fault('stale', `cannot write to ${this.name}: another one leads`)
    }
    for (;;) {
      const removed = await connection.query(
        `delete from remuda.batches where first in (
           select first from remuda.batches where last <= $1 order by last limit ${removedMax}
         ) returning first`,
        [position]
      )
      if (removed.length < removedMax) return
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#open) await connection[Symbol.asyncDispose]()
  }

  /** Changes the fence where a condition holds, over a connection that still answers. */
  async #setFence(change: string, condition: string, values: readonly (string | number)[]) {
    this.#fence = undefined
    const place = this.#place
    if (this.#writer?.ended.aborted !== false) {
      this.#writer = await this.#keep(this.#openDatabase(place, { pipelines: true }))
    }
    // The lock waits for checkpoints under way and for statements that a lost connection has left.
    const rows = await this.#writer.query(
      `with locked as (select one from remuda.journal for update)
       update remuda.journal set fence = journal.fence + 1, ${change}
       from locked where ${condition} returning journal.*`,
      values
    )
    if (rows[0]) this.#fence = Number(rows[0]['fence'])
    return rows
  }

  #held(): number {
    if (this.#fence !== undefined) return this.#fence
    throw new Fault('stale', `cannot write to ${this.name}: we do not hold its epoch`)
  }

  /** The connection for all that is not appended. */
  async #read(): Promise<Database> {
    const connection = await this.#reader?.catch(() => undefined)
    if (connection?.ended.aborted === false) return connection
    this.#reader = this.#keep(this.#openDatabase(this.#place))
    return await this.#reader
  }

  async #keep(opening: Promise<Database>): Promise<Database> {
    const connection = await opening
    this.#open.add(connection)
    connection.ended.addEventListener('abort', () => this.#open.delete(connection))
    return connection
  }
}

function standingOf(rows: readonly Row[]): Standing {
  const [row] = rows
  if (!row) throw new Fault('corrupt', 'cannot read the journal in PostgreSQL: it has no row')
  const link = (position: string, hash: string, epoch: string): Link => ({
    position: Number(row[position]),
    hash: String(row[hash]),
    epoch: Number(row[epoch])
  })
  return {
    epoch: Number(row['epoch']),
    last: link('position', 'hash', 'entry_epoch'),
    anchor: link('anchor_position', 'anchor_hash', 'anchor_epoch')
  }
}

/** Resolves with a notification, after a while, or when the signal aborts. */
async function waited(noticed: Promise<void>, signal: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>()
  const timer = setTimeout(over.resolve, pollMs)
  signal.addEventListener('abort', () => over.resolve(), { once: true })
  await Promise.race([noticed, over.promise])
  clearTimeout(timer)
}
