/**
 * The checkpoint in tables: chunks under the serial of the checkpoint that wrote them, never
 * overwritten, and one row that lists where each is. A new checkpoint first removes what the last
 * one does not list, then stores what has changed, then switches the row. So what was replaced
 * stays for one checkpoint more, for those who are reading it.
 */
import { hash as digest } from 'node:crypto'
import { Fault } from '#shared/fault.ts'
import type { ChangedChunks } from '../../core/ports.ts'
import { chunkBytesMax } from './checkpoint.ts'
import type { Link } from './entry-codec.ts'
import type { Database } from './postgres-connection.ts'
import type { StoredCheckpoint } from './shared-store.ts'

/** Keeps the row of the journal from being raised while a statement works under its fence. */
const held = 'held as (select one from remuda.journal where fence = $1 for key share)'

type Listed = { readonly serial: number; readonly bytes: number; readonly sha256: string }
type Manifest = {
  readonly serial: number
  readonly link: Link
  readonly listing: Readonly<Record<string, Listed>>
}

/** Reads and writes the checkpoint; `fence` throws unless we hold the epoch. */
export class PostgresCheckpoint {
  readonly #connect: () => Promise<Database>
  readonly #fence: () => number

  constructor(connect: () => Promise<Database>, fence: () => number) {
    this.#connect = connect
    this.#fence = fence
  }

  /** Link and chunks of the last checkpoint; undefined: there is none. */
  async read(): Promise<StoredCheckpoint | undefined> {
    const manifest = await this.#find()
    if (!manifest) return undefined
    const listed = async () => new Map(Object.entries(manifest.listing))
    return { link: manifest.link, listed, chunks: this.#chunksOf(manifest) }
  }

  /** Stores what has changed as of a link. */
  async write({
    link,
    changed
  }: {
    readonly link: Link
    readonly changed: ChangedChunks
  }): Promise<void> {
    const fence = this.#fence()
    const connection = await this.#connect()
    const before = await this.#find()
    const serial = (before?.serial ?? 0) + 1
    const listing = new Map(Object.entries(before?.listing ?? {}))
    await this.#sweep(connection, before)
    for await (const [name, bytes] of changed) {
      listing.delete(name)
      if (!bytes) continue
      if (bytes.length > chunkBytesMax) throw tooLong(name, bytes.length)
      const rows = await connection.query(
        `with ${held} insert into remuda.chunks (serial, name, bytes)
         select $2::bigint, $3::text, $4::bytea from held returning true`,
        [fence, serial, name, bytes]
      )
      if (rows.length === 0) throw deposed()
      listing.set(name, { serial, bytes: bytes.length, sha256: digest('sha256', bytes) })
    }
    const text = JSON.stringify(Object.fromEntries(listing))
    const rows = await connection.query(
      `with ${held} insert into remuda.checkpoint (serial, position, hash, epoch, listing)
       select $2::bigint, $3::bigint, $4::text, $5::bigint, $6::text from held
       on conflict (one) do update set serial = excluded.serial, position = excluded.position,
         hash = excluded.hash, epoch = excluded.epoch, listing = excluded.listing
       returning true`,
      [fence, serial, link.position, link.hash, link.epoch, text]
    )
    if (rows.length === 0) throw deposed()
  }

  async #find(): Promise<Manifest | undefined> {
    const connection = await this.#connect()
    const [row] = await connection.query('select * from remuda.checkpoint')
    if (!row) return undefined
    return {
      serial: Number(row['serial']),
      link: {
        position: Number(row['position']),
        hash: String(row['hash']),
        epoch: Number(row['epoch'])
      },
      listing: JSON.parse(String(row['listing']))
    }
  }

  /** Chunk after chunk; Fault `conflict` when there is a newer checkpoint now. */
  async *#chunksOf({ serial, link, listing }: Manifest) {
    for (const [key, listed] of Object.entries(listing)) {
      const connection = await this.#connect()
      const [row] = await connection.query(
        'select bytes from remuda.chunks where serial = $1 and name = $2',
        [listed.serial, key]
      )
      const bytes = row?.['bytes'] as Uint8Array | undefined
      if (bytes && digest('sha256', bytes) === listed.sha256) {
        yield { key, bytes }
        continue
      }
      if ((await this.#find())?.serial !== serial) {
        const what = `cannot read on in the checkpoint at ${link.position}: there is a newer one`
        throw new Fault('conflict', what, { next: ['read the newer one'] })
      }
      const what = bytes ? 'its checksum differs' : 'it is missing'
      throw new Fault('corrupt', `cannot read the chunk ${key} of the checkpoint: ${what}`)
    }
  }

  /** Removes what a checkpoint does not list. */
  async #sweep(connection: Database, manifest: Manifest | undefined): Promise<void> {
    const listing = JSON.stringify(
      Object.entries(manifest?.listing ?? {}).map(([name, { serial }]) => ({ name, serial }))
    )
    await connection.query(
      `with ${held}, listed as (
         select * from jsonb_to_recordset($2::jsonb) as listed (name text, serial bigint)
       )
       delete from remuda.chunks using held
       where not exists (
         select from listed where listed.name = chunks.name and listed.serial = chunks.serial
       )`,
      [this.#fence(), listing]
    )
  }
}

const deposed = (): Fault => new Fault('stale', 'cannot store a checkpoint: another one leads')
const tooLong = (name: string, bytes: number): Fault =>
  new Fault('invalid', `cannot store the chunk ${name} of ${bytes} bytes`, {
    reasons: [`a chunk has at most ${chunkBytesMax} bytes`]
  })
