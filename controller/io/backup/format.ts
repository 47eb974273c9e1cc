/**
 * A backup is one file that a person can read with `less`:
 *
 *     remuda-backup 1
 *     {"cloud":"c-…","position":104,"epoch":7,"version":"0.1.0","takenAt":"…"}
 *     chunk 00002/00000 5120
 *     {"keys":[…],"values":[…]}
 *     …
 *     end 2 SHA256
 *
 * It holds the folded state at one position of the journal, in the chunks of a checkpoint, and no
 * entries: what led to it stands in the histories of the state. The last line has the count of
 * chunks and the SHA-256 of all before it; without it the file is not whole.
 */
import { createHash } from 'node:crypto'
import { Fault } from '#shared/fault.ts'
import type { Epoch } from '#shared/ids.ts'
import type { Position } from '../../core/ports.ts'

/** What a backup is of. */
export type BackupHeader = {
  readonly cloud: string
  readonly position: Position
  readonly epoch: Epoch
  /** Release that has written it. */
  readonly version: string
  /** RFC 3339. */
  readonly takenAt: string
}

/** A chunk of a checkpoint under its name. */
export type BackupChunk = { readonly name: string; readonly bytes: Uint8Array }

const magic = 'remuda-backup 1\n'
/** Longest line that is not a chunk. Unit: bytes. */
const lineBytesMax = 4_096
/** Longest chunk; they are a quarter of a MiB on average. Unit: bytes. */
const chunkBytesMax = 64 * 2 ** 20

/** Writes a backup, piece by piece. */
export async function* writeBackup(
  header: BackupHeader,
  chunks: AsyncIterable<BackupChunk>
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  const hashed = (bytes: Uint8Array): Uint8Array => {
    hash.update(bytes)
    return bytes
  }
  yield hashed(Buffer.from(`${magic}${JSON.stringify(header)}\n`))
  let count = 0
  for await (const { name, bytes } of chunks) {
    yield hashed(Buffer.from(`chunk ${name} ${bytes.length}\n`))
    yield hashed(bytes)
    yield hashed(Buffer.from('\n'))
    count += 1
  }
  yield hashed(Buffer.from(`end ${count} `))
  yield Buffer.from(`${hash.digest('hex')}\n`)
}

/**
 * Reads a backup: first its header, then each chunk. Only when all were given is it known that the
 * file is whole; Fault `corrupt` says what is wrong with it.
 */
export async function* readBackup(
  stream: AsyncIterable<Uint8Array>
): AsyncGenerator<BackupHeader | BackupChunk> {
  const reader = new Reader(stream)
  if ((await reader.line()) !== magic.trimEnd()) throw damaged('it is no backup of this kind')
  yield readHeader(await reader.line())
  for (let count = 0; ; count += 1) {
    const [, name = '', length] = await reader.words(/^chunk (\d{5}\/\d{5}) (\d{1,9})$/)
    if (length === undefined) return await readEnd(reader, count)
    const bytes = await reader.take(Number(length))
    if ((await reader.line()) !== '') throw damaged(`chunk ${name} is longer than it says`)
    yield { name, bytes }
  }
}

async function readEnd(reader: Reader, count: number): Promise<void> {
  const wanted = reader.digestBefore('end ')
  const [, said, sha256] = /^end (\d+) ([0-9a-f]{64})$/.exec(reader.last) ?? []
  if (said === undefined) throw damaged(`after ${count} chunks comes "${reader.last.slice(0, 40)}"`)
  if (Number(said) !== count) throw damaged(`it has ${count} chunks, and says ${said}`)
  if (sha256 !== wanted) throw damaged(`its SHA-256 is ${wanted}, and it says ${sha256}`)
  if (!(await reader.isOver())) throw damaged('something comes after its end')
}

function readHeader(line: string): BackupHeader {
  try {
    const header = JSON.parse(line) as BackupHeader
    const { cloud, position, epoch, version, takenAt } = header
    const texts = [cloud, version, takenAt].every(text => typeof text === 'string')
    if (texts && [position, epoch].every(Number.isSafeInteger)) return header
  } catch {
    // It is told below.
  }
  throw damaged('its second line is no header')
}

const damaged = (because: string): Fault =>
  new Fault('corrupt', `cannot read the backup: ${because}`, {
    next: ['take another backup; nothing was written']
  })

/** Takes lines and runs of bytes from a stream, and hashes them as they are taken. */
class Reader {
  readonly #source: AsyncIterator<Uint8Array>
  readonly #hash = createHash('sha256')
  #buffer: Uint8Array = new Uint8Array()
  /** The line that was taken last; it is hashed with the next one. */
  last = ''
  #isPending = false

  constructor(stream: AsyncIterable<Uint8Array>) {
    this.#source = stream[Symbol.asyncIterator]()
  }

  async line(): Promise<string> {
    let end = this.#buffer.indexOf(0x0a)
    while (end < 0) {
      const enough = this.#buffer.length < lineBytesMax && (await this.#more())
      if (!enough) throw damaged('it ends in the middle')
      end = this.#buffer.indexOf(0x0a)
    }
    this.#settle()
    this.last = Buffer.from(this.#buffer.subarray(0, end)).toString('utf8')
    this.#isPending = true
    this.#buffer = this.#buffer.subarray(end + 1)
    return this.last
  }

  async words(form: RegExp): Promise<readonly string[]> {
    return form.exec(await this.line()) ?? []
  }

  async take(length: number): Promise<Uint8Array> {
    if (length > chunkBytesMax) throw damaged(`a chunk of ${length} bytes is too long`)
    this.#settle()
    const parts: Uint8Array[] = []
    let missing = length
    while (missing > 0) {
      if (this.#buffer.length === 0 && !(await this.#more())) throw damaged('it ends in the middle')
      const part = this.#buffer.subarray(0, missing)
      parts.push(part)
      missing -= part.length
      this.#buffer = this.#buffer.subarray(part.length)
    }
    const bytes = Buffer.concat(parts)
    this.#hash.update(bytes)
    return bytes
  }

  /** Hash of all before the last line, and of how that begins. */
  digestBefore(start: string): string {
    const words = this.last.split(' ').slice(0, 2).join(' ')
    if (this.last.startsWith(start)) this.#hash.update(`${words} `)
    this.#isPending = false
    return this.#hash.digest('hex')
  }

  async isOver(): Promise<boolean> {
    return this.#buffer.length === 0 && !(await this.#more())
  }

  #settle(): void {
    if (this.#isPending) this.#hash.update(`${this.last}\n`)
    this.#isPending = false
  }

  async #more(): Promise<boolean> {
    const next = await this.#source.next()
    if (next.done) return false
    this.#buffer =
      this.#buffer.length === 0 ? next.value : Buffer.concat([this.#buffer, next.value])
    return true
  }
}
