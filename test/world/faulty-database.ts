import { Fault } from '#shared/fault.ts'
import type {
  Database,
  OpenDatabase,
  Row,
  Value
} from '../../controller/io/journal/postgres-connection.ts'

/**
 * Stands before connections to a database. The next statement that writes can be made to fail: lost
 * on its way, or its reply. After that no server answers until `heal`.
 */
export class FaultyDatabase {
  readonly #open: OpenDatabase
  #fate: 'refused' | 'unknown' | undefined
  #isCut = false

  constructor(open: OpenDatabase) {
    this.#open = open
  }

  failNext(fate: 'refused' | 'unknown'): void {
    this.#fate = fate
  }
  heal(): void {
    this.#fate = undefined
    this.#isCut = false
  }

  readonly open: OpenDatabase = async (place, options) => {
    this.#assertWhole()
    const database = await this.#open(place, options)
    return new FaultyConnection(database, (text, run) => this.#run(text, run))
  }

  async #run<Result>(text: string, run: () => Promise<Result>): Promise<Result> {
    this.#assertWhole()
    const fate = /^(with|update|insert|delete)/.test(text) ? this.#fate : undefined
    if (fate === undefined) return run()
    this.#fate = undefined
    this.#isCut = true
    if (fate === 'unknown') await run()
    throw reset()
  }

  #assertWhole(): void {
    if (this.#isCut) throw reset()
  }
}

class FaultyConnection implements Database {
  readonly #database: Database
  readonly #run: <Result>(text: string, run: () => Promise<Result>) => Promise<Result>

  constructor(
    database: Database,
    run: <Result>(text: string, run: () => Promise<Result>) => Promise<Result>
  ) {
    this.#database = database
    this.#run = run
  }

  get ended(): AbortSignal {
    return this.#database.ended
  }
  query(text: string, values?: readonly Value[]): Promise<readonly Row[]> {
    return this.#run(text, () => this.#database.query(text, values))
  }
  noticed(): Promise<void> {
    return this.#database.noticed()
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database[Symbol.asyncDispose]()
  }
}

const reset = (): Fault =>
  new Fault('unavailable', 'cannot query the database: the connection was reset')
