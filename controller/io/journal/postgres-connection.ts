/**
 * A connection to PostgreSQL, with a deadline for each query, that ends for good when it fails: who
 * needs another one opens another one. The only user of the package `pg`.
 */
import { readFile } from 'node:fs/promises'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import pg from 'pg'
import { Fault, sentence } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'

/** Where the database is, and who we are there. */
export type PostgresPlace = {
  /** `postgres://USER@HOST:PORT/DATABASE`, without the password; `?host=` may name a folder. */
  readonly url: string
  readonly password?: string
  /** Files in PEM: who has signed the server's certificate; ours, where it asks for one. */
  readonly tls?: { readonly ca: string; readonly certificate?: string; readonly key?: string }
  /** Longest that connecting or one query may take. */
  readonly queryMsMax?: Ms
}

/** What a query may be given. */
export type Value = string | number | Uint8Array
/** A row as it was read, by the names of its columns. */
export type Row = Readonly<Record<string, unknown>>

/** One connection to a database. */
export interface Database extends AsyncDisposable {
  /** Aborts when the connection is gone. */
  readonly ended: AbortSignal
  /** Rows of one statement. Fault `unavailable` when it failed, or nobody knows whether. */
  query(text: string, values?: readonly Value[]): Promise<readonly Row[]>
  /** Resolves with the next notification; after the end at once. */
  noticed(): Promise<void>
}

/**
 * Connects. With `pipelines` queries are sent without waiting for those before them. Faults:
 * `invalid` (the URL), `forbidden` (the password), `not-found` (no such database), `unavailable`.
 */
export type OpenDatabase = (
  place: PostgresPlace,
  options?: { readonly pipelines?: boolean }
) => Promise<Database>

const queryMsMaxDefault: Ms = 10_000

/** How a place is called in sentences; never with a password. */
export function nameOf(place: PostgresPlace): string {
  const { host, port, database } = partsOf(place)
  return `the journal in PostgreSQL at ${host}:${port}/${database}`
}

/** Connects to PostgreSQL. */
export const openPostgres: OpenDatabase = (place, options = {}) =>
  PostgresConnection.open(place, options)

class PostgresConnection implements Database {
  readonly #client: pg.Client
  readonly #ended = new AbortController()
  #notice = Promise.withResolvers<void>()

  private constructor(client: pg.Client) {
    this.#client = client
    client.on('error', cause => this.#end(cause))
    client.on('end', () => this.#end(undefined))
    client.on('notification', () => {
      this.#notice.resolve()
      this.#notice = Promise.withResolvers()
    })
  }

  static async open(
    place: PostgresPlace,
    options: { readonly pipelines?: boolean } = {}
  ): Promise<PostgresConnection> {
    const queryMsMax = place.queryMsMax ?? queryMsMaxDefault
    const { user, host, port, database } = partsOf(place)
    const client = new pg.Client({
      ...(user && { user }),
      host,
      port,
      database,
      password: place.password ?? '',
      ssl: await readTls(place.tls, host),
      application_name: 'remuda',
      connectionTimeoutMillis: queryMsMax,
      query_timeout: queryMsMax,
      statement_timeout: queryMsMax,
      lock_timeout: queryMsMax,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
      pipeline: options.pipelines ?? false
    })
    const connection = new PostgresConnection(client)
    try {
      await client.connect()
      // What is acknowledged must be on the disk, whatever the server's default is.
      await client.query('set synchronous_commit = on')
      return connection
    } catch (thrown) {
      await connection[Symbol.asyncDispose]()
      throw cannotConnect(place, thrown)
    }
  }

  get ended(): AbortSignal {
    return this.#ended.signal
  }

  async query(text: string, values: readonly Value[] = []): Promise<readonly Row[]> {
    if (this.ended.aborted) throw this.ended.reason
    try {
      const given = values.map(value => (value instanceof Uint8Array ? asBuffer(value) : value))
      const { rows } = await this.#client.query(text, given.length > 0 ? given : undefined)
      return rows
    } catch (cause) {
      const hasAnswered = cause instanceof pg.DatabaseError
      if (!hasAnswered) this.#end(cause)
      throw new Fault('unavailable', `cannot query the database: ${sentence(cause)}`, { cause })
    }
  }

  noticed(): Promise<void> {
    return this.ended.aborted ? Promise.resolve() : this.#notice.promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end(undefined)
    await this.#client.end().catch(() => {})
  }

  #end(cause: unknown): void {
    if (this.ended.aborted) return
    const because = cause === undefined ? 'it was closed' : sentence(cause)
    const message = `cannot query the database: the connection has ended: ${because}`
    this.#ended.abort(new Fault('unavailable', message, { cause }))
    this.#notice.resolve()
    if (cause !== undefined) void this.#client.end().catch(() => {})
  }
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

function partsOf({ url }: PostgresPlace) {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch (cause) {
    throw new Fault('invalid', 'cannot read the URL of the database', { cause })
  }
  const { protocol, password, username, hostname, pathname, searchParams } = parsed
  if (protocol !== 'postgres:' && protocol !== 'postgresql:') {
    throw new Fault('invalid', `cannot use a database by ${protocol}: postgres: is meant`)
  }
  if (password !== '' || searchParams.has('password')) {
    throw new Fault('invalid', 'cannot take a password from the URL of the database', {
      next: ['put it into a file of mode 0600 and name that']
    })
  }
  const host = searchParams.get('host') ?? (decodeURIComponent(hostname) || 'localhost')
  const user = searchParams.get('user') ?? decodeURIComponent(username)
  const port = Number(searchParams.get('port') ?? (parsed.port || 5432))
  const database = decodeURIComponent(pathname.slice(1)) || 'remuda'
  return { host, user, port, database }
}

async function readTls(files: PostgresPlace['tls'], host: string) {
  if (files === undefined) return false
  const read = (path: string) =>
    readFile(path, 'utf8').catch(cause => {
      throw new Fault('invalid', `cannot read ${path} for TLS to PostgreSQL`, { cause })
    })
  const { ca, certificate, key } = files
  return {
    ca: await read(ca),
    rejectUnauthorized: true,
    // The package does not say whom it has dialled where that is an address.
    checkServerIdentity: (_: string, shown: PeerCertificate) => checkServerIdentity(host, shown),
    ...(certificate !== undefined && { cert: await read(certificate) }),
    ...(key !== undefined && { key: await read(key) })
  }
}

function cannotConnect(place: PostgresPlace, thrown: unknown): Fault {
  if (thrown instanceof Fault && thrown.code === 'invalid') return thrown
  const what = `cannot open ${nameOf(place)}: ${sentence(thrown)}`
  const code = thrown instanceof pg.DatabaseError ? (thrown.code ?? '') : ''
  if (code.startsWith('28')) return new Fault('forbidden', what, { cause: thrown })
  if (code === '3D000') return new Fault('not-found', what, { cause: thrown })
  return new Fault('unavailable', what, { cause: thrown })
}
