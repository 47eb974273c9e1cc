/** The only user of LevelDB. See level-files.ts for what can be wrong with its files. */
import { Level } from 'level'
import { Fault, type FaultCode } from '#shared/fault.ts'
import type { Store, StoredPair, Write } from './store.ts'

/** Bytes that LevelDB gathers in its log before it makes a table of them. */
const writeBufferBytes = 8 * 2 ** 20
const tableBytesMax = 8 * 2 ** 20
const cacheBytes = 8 * 2 ** 20
const pageBytes = 2 ** 20
const pagePairsMax = 2048

type Database = Level<string, Uint8Array>
/**
 * Folders that this process has open. LevelDB must not even try to open one of them again: in
 * refusing, it closes a descriptor of the lock file, and with that this process loses its lock.
 */
const openFolders = new Set<string>()
// The types of `level` leave out what browsers lack.
const { repair } = Level as unknown as { readonly repair: (folder: string) => Promise<void> }

/** Opens LevelDB. Codes: `locked`, `storage` (damaged), `unavailable`. */
export async function openLevelStore(
  folder: string,
  options: { readonly create: boolean }
): Promise<Store> {
  if (openFolders.has(folder)) {
    throw new Fault('locked', `cannot open the store in ${folder}: this process has it open`)
  }
  const database: Database = new Level(folder, {
    keyEncoding: 'utf8',
    valueEncoding: 'view',
    createIfMissing: options.create,
    compression: true,
    writeBufferSize: writeBufferBytes,
    maxFileSize: tableBytesMax,
    cacheSize: cacheBytes
  })
  openFolders.add(folder)
  try {
    await database.open({ passive: false })
  } catch (thrown) {
    openFolders.delete(folder)
    throw faultOf(thrown, `cannot open the store in ${folder}`)
  }
  return new LevelStore(database, folder)
}

/** Lets LevelDB make the best of damaged files. It may lose some; nobody may have them open. */
export async function repairLevelStore(folder: string): Promise<void> {
  try {
    await repair(folder)
  } catch (thrown) {
    throw faultOf(thrown, `cannot repair the store in ${folder}`)
  }
}

class LevelStore implements Store {
  readonly #database: Database
  readonly #folder: string

  constructor(database: Database, folder: string) {
    this.#database = database
    this.#folder = folder
  }

  async write(writes: readonly Write[]): Promise<void> {
    const operations = writes.map(write =>
      write.op === 'put'
        ? ({ type: 'put', key: write.key, value: write.bytes } as const)
        : ({ type: 'del', key: write.key } as const)
    )
    try {
      await this.#database.batch(operations, { sync: true })
    } catch (thrown) {
      throw faultOf(thrown, `cannot write to ${this.#folder}`)
    }
  }

  async read(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    try {
      return await this.#database.getMany([...keys], { fillCache: false })
    } catch (thrown) {
      throw faultOf(thrown, `cannot read from ${this.#folder}`)
    }
  }

  async *range(keys: {
    readonly after: string
    readonly upTo: string
  }): AsyncIterable<readonly StoredPair[]> {
    try {
      const iterator = this.#database.iterator({
        gt: keys.after,
        lte: keys.upTo,
        fillCache: false,
        highWaterMarkBytes: pageBytes
      })
      try {
        for (;;) {
          const page = await iterator.nextv(pagePairsMax)
          if (page.length === 0) return
          yield page.map(([key, bytes]) => ({ key, bytes }))
        }
      } finally {
        await iterator.close()
      }
    } catch (thrown) {
      throw faultOf(thrown, `cannot read from ${this.#folder}`)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#database.close()
    openFolders.delete(this.#folder)
  }
}

/** Says in our codes what LevelDB, or the layer above it, has thrown. */
function faultOf(thrown: unknown, what: string): Fault {
  if (thrown instanceof Fault) return thrown
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown
  const code = (cause as { readonly code?: unknown } | undefined)?.code
  return new Fault(codes[String(code)] ?? 'unavailable', what, { cause })
}

const codes: Readonly<Record<string, FaultCode>> = {
  LEVEL_LOCKED: 'locked',
  LEVEL_CORRUPTION: 'storage',
  LEVEL_DATABASE_NOT_OPEN: 'closed',
  LEVEL_ITERATOR_NOT_OPEN: 'closed'
}
