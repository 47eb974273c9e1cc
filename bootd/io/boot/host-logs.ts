/**
 * Keeps the last of what each host has said, on bootd's own disk, so that it can be read also when
 * the host is dead: its last words are why. What comes is written a moment later, in the order in
 * which it came; a line that came before bootd itself was killed may be lost, since nothing waits
 * for the disk.
 *
 * Nothing here ends bootd, or keeps it from starting: what cannot be written is left out, and its
 * log says so later. A file is given up only once its successor is on the disk, so that a full disk
 * costs what is new, and nothing that was kept.
 */
import { join } from 'node:path'
import type { Clock } from '#shared/clock.ts'
import { Fault, sentence } from '#shared/fault.ts'
import { codeOf } from '#shared/files.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import type { HostLogPage, HostLogQuestion, HostLogs as Logs } from '#shared/wire/bootd-question.ts'
import {
  type BootLog,
  bytesOf,
  endOf,
  forgotten,
  grown,
  isHostUuid,
  type LogFile,
  type LogFileBounds,
  nameOfLogFile,
  surplus
} from '../../core/host-log-files.ts'
import { type HostLogLine, writeHostLogLine } from '../../core/host-log-line.ts'
import { type LogRange, pageOf, readFor } from '../../core/host-log-page.ts'
import { logsIn, readPart, removeFiles, writeAt } from './log-folder.ts'
import type { LogOwner } from './log-owners.ts'

/** What comes is written so much later, at most. Unit: ms. */
const writeMs: Ms = 200
/** So much waits to be written; what comes then is left out. Unit: bytes. */
export const waitingBytesMax = 8 * 1024 * 1024
/** So much of one log is written at once. Unit: bytes. */
const pieceBytesMax = 64 * 1024
/** So many answers are made at once, and so many questions wait; bootd has other work as well. */
const [readingMax, readersMax] = [2, 64]
/** A failure is told for so long. Unit: ms. */
const problemMs: Ms = 60_000
/** Logs are remembered as lacking something only so many. */
const lackingMax = 4_096

/** What it works with. */
export type HostLogsOptions = {
  readonly folder: string
  readonly bounds: LogFileBounds
  /** Whether a host is one of the cloud's: logs of others are kept only as there is room. */
  readonly isPlanned: (host: string) => boolean
  readonly clock: Clock
  readonly log: Log
}

type Piece = {
  readonly owner: LogOwner
  readonly at: Ms
  text: string
  bytes: number
  /** How many are lost if it cannot be written. */
  lines: number
}
type Batch = {
  readonly pieces: Piece[]
  readonly lastOf: Map<string, Piece>
  readonly written: Promise<void>
}

/** Keeps logs until it is disposed of. */
export class HostLogs implements AsyncDisposable {
  readonly #options: HostLogsOptions
  /** By host and boot: what is on the disk. */
  readonly #logs = new Map<string, BootLog>()
  /** What comes now is written with it. */
  #batch: Batch | undefined
  #written: Promise<void> = Promise.resolve()
  #waitingBytes = 0
  /** Lines that logs lack since they were written last. */
  readonly #lacking = new Map<string, number>()
  /** Logs whose last file cannot be written to any more. */
  readonly #broken = new Set<string>()
  #problem: { readonly because: string; readonly at: Ms } | undefined
  #reading = 0
  readonly #readers: (() => void)[] = []
  readonly #closing = new AbortController()

  private constructor(options: HostLogsOptions) {
    this.#options = options
  }

  /** Finds what was kept before. */
  static async open(options: HostLogsOptions): Promise<HostLogs> {
    const logs = new HostLogs(options)
    try {
      for (const log of await logsIn(options.folder, options.log)) logs.#logs.set(keyOf(log), log)
    } catch (thrown) {
      logs.#fail(`cannot keep logs of hosts in ${options.folder}: ${sentence(thrown)}`)
    }
    return logs
  }

  /** Why lines were left out lately. */
  get problem(): string | undefined {
    const { because, at } = this.#problem ?? {}
    if (at === undefined || this.#options.clock.monotonic() - at > problemMs) return undefined
    return because
  }

  /** Adds lines to the log of a boot. */
  add(owner: LogOwner, lines: readonly HostLogLine[]): void {
    if (lines.length === 0 || !isHostUuid(owner.host)) return
    const key = keyOf(owner)
    const at = this.#options.clock.wall()
    const lacking = this.#lacking.get(key) ?? 0
    const told = `${lacking} lines left out: they could not be written`
    const gap: readonly HostLogLine[] = lacking > 0 ? [{ source: 'bootd', text: told }] : []
    const received = new Date(at).toISOString()
    const text = [...gap, ...lines].map(line => writeHostLogLine(line, received)).join('')
    const bytes = Buffer.byteLength(text)
    if (this.#waitingBytes + bytes > waitingBytesMax) {
      this.#lack(key, lines.length)
      this.#fail('cannot keep all that hosts say: it comes faster than the disk takes it')
      return
    }
    this.#lacking.delete(key)
    this.#waitingBytes += bytes
    this.#gather(key, { owner, at, text, bytes, lines: lacking + lines.length })
  }

  /** Pieces are small against files, which would grow beyond what they may have otherwise. */
  get #pieceBytesMax(): number {
    return Math.min(pieceBytesMax, this.#options.bounds.fileBytesMax / 4)
  }

  #gather(key: string, piece: Piece): void {
    this.#batch ??= this.#newBatch()
    const { pieces, lastOf } = this.#batch
    const last = lastOf.get(key)
    if (last === undefined || last.bytes + piece.bytes > this.#pieceBytesMax) {
      pieces.push(piece)
      lastOf.set(key, piece)
      return
    }
    last.text += piece.text
    last.bytes += piece.bytes
    last.lines += piece.lines
  }

  /** The boots of a host of which there is a log, the oldest first. */
  async boots(host: string): Promise<Logs> {
    await this.#settled()
    const found = [...this.#logs.values()].filter(log => log.host === host)
    return {
      boots: found
        .toSorted((a, b) => a.begunAt - b.begunAt)
        .map(log => ({
          boot: log.boot,
          begunAt: new Date(log.begunAt).toISOString(),
          lastAt: new Date(log.lastAt).toISOString(),
          bytes: bytesOf(log)
        }))
    }
  }

  /** A part of the log of a boot. Faults: `not-found`: there is none; `capacity`: many ask. */
  async read(question: Omit<HostLogQuestion, 'ask'>): Promise<HostLogPage> {
    if (this.#readers.length >= readersMax) {
      throw new Fault('capacity', `cannot read the log: ${readersMax} wait for theirs`)
    }
    if (this.#reading < readingMax) this.#reading += 1
    else await new Promise<void>(resolve => this.#readers.push(resolve))
    try {
      return await this.#readNow(question)
    } finally {
      const next = this.#readers.shift()
      if (next) next()
      else this.#reading -= 1
    }
  }

  async #readNow(question: Omit<HostLogQuestion, 'ask'>): Promise<HostLogPage> {
    await this.#settled()
    const log = this.#logs.get(keyOf(question))
    if (!log) throw new Fault('not-found', 'cannot read the log: nothing of that boot is kept')
    const kept = { begin: log.files[0]?.start ?? 0, end: endOf(log) }
    const read = readFor(question, kept)
    return pageOf({ text: await this.#textOf(log, read), read, kept }, question)
  }

  /** All that has come by now is written; what comes from now on is not waited for. */
  #settled(): Promise<void> {
    return this.#batch?.written ?? this.#written
  }

  async #textOf(log: BootLog, { begin, end }: LogRange): Promise<string> {
    const parts: Buffer[] = []
    for (const file of log.files) {
      const [first, last] = [Math.max(begin, file.start), Math.min(end, file.start + file.bytes)]
      if (first >= last) continue
      const where = { at: first - file.start, bytes: last - first }
      parts.push(await readPart(this.#pathOf(log, file), where))
    }
    return Buffer.concat(parts).toString('utf8')
  }

  #pathOf(log: BootLog, file: LogFile): string {
    return join(this.#options.folder, log.host, nameOfLogFile(log, file))
  }

  #newBatch(): Batch {
    const pieces: Piece[] = []
    const before = this.#written
    const write = async (): Promise<void> => {
      await before
      await this.#options.clock.sleep(writeMs, this.#closing.signal).catch(() => undefined)
      this.#batch = undefined
      for (const piece of pieces) {
        await this.#write(piece)
        this.#waitingBytes -= piece.bytes
      }
    }
    this.#written = write()
    return { pieces, lastOf: new Map(), written: this.#written }
  }

  async #write({ owner, at, text, bytes, lines }: Piece): Promise<void> {
    const { host, boot, hasJoined } = owner
    const key = keyOf(owner)
    const fresh = { host, boot, hasJoined, begunAt: at, lastAt: at, files: [] }
    const before = this.#logs.get(key) ?? fresh
    const bounds = this.#broken.has(key) ? { fileBytesMax: 0 } : this.#options.bounds
    const { log, into, givenUp } = grown(before, bytes, bounds)
    const place = into.bytes - bytes
    try {
      await writeAt(this.#pathOf(log, into), text, place)
    } catch (thrown) {
      this.#lack(key, lines)
      this.#fail(`cannot write logs of hosts: ${sentence(thrown)}`)
      // Where there is only no room, there may be some later; another failure is the file's own.
      if (place > 0 && !noRoom.has(codeOf(thrown) ?? '')) this.#broken.add(key)
      return
    }
    this.#broken.delete(key)
    this.#logs.set(key, { ...log, lastAt: at, hasJoined: before.hasJoined || hasJoined })
    await this.#remove(log, givenUp)
    if (place === 0) await this.#forget()
  }

  async #remove(log: BootLog, files: readonly LogFile[]): Promise<void> {
    try {
      await removeFiles(files.map(file => this.#pathOf(log, file)))
    } catch (thrown) {
      this.#fail(`cannot remove logs of hosts: ${sentence(thrown)}`)
    }
  }

  async #forget(): Promise<void> {
    const { bounds, isPlanned } = this.#options
    for (const log of forgotten([...this.#logs.values()], bounds, isPlanned)) {
      this.#logs.delete(keyOf(log))
      await this.#remove(log, log.files)
    }
    for (const { log, file } of surplus([...this.#logs.values()], bounds, isPlanned)) {
      const now = this.#logs.get(keyOf(log)) ?? log
      const files = now.files.filter(({ start }) => start !== file.start)
      if (files.length === 0) this.#logs.delete(keyOf(log))
      else this.#logs.set(keyOf(log), { ...now, files })
      await this.#remove(log, [file])
    }
  }

  #lack(key: string, lines: number): void {
    this.#lacking.set(key, (this.#lacking.get(key) ?? 0) + lines)
    const [first] = this.#lacking.keys()
    if (this.#lacking.size > lackingMax && first !== undefined) this.#lacking.delete(first)
  }

  #fail(because: string): void {
    const before = this.problem
    // One is told until none came for a while: of a full disk each host has its own.
    this.#problem = { because: before ?? because, at: this.#options.clock.monotonic() }
    if (before === undefined) this.#options.log.warn('logs are not kept', { because })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#settled()
  }
}

const noRoom: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT'])

const keyOf = ({ host, boot }: { readonly host: string; readonly boot: string }): string =>
  `${host} ${boot}`
