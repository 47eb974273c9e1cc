/**
 * The files in which logs of hosts are kept, by their names. The log of one boot of one host is a
 * stream of bytes of which the last part is kept: in at most two files, each named by when the boot
 * began, which boot it is, and at which byte of the stream the file begins. So a place in a log
 * stays the same place when the beginning of it is given up, and also when bootd starts anew.
 */
import type { Ms } from '#shared/units.ts'

/** One file of a boot's log. */
export type LogFile = { readonly start: number; readonly bytes: number }

/** What is kept of one boot of a host. */
export type BootLog = {
  readonly host: string
  readonly boot: string
  /** Whether the boot has come to its end. */
  readonly hasJoined: boolean
  /** When the first of it came, by the clock on the wall. */
  readonly begunAt: Ms
  readonly lastAt: Ms
  /** At most two, the older one first; none: nothing is kept of it any more. */
  readonly files: readonly LogFile[]
}

/** How much is kept. */
export type LogFileBounds = {
  /** A file that would grow beyond this is followed by another one. Unit: bytes. */
  readonly fileBytesMax: number
  /** Boots of one host; those that never joined are kept beside those that did, but fewer. */
  readonly bootsMax: number
  /** Hosts that no plan knows. */
  readonly strangersMax: number
  /** Of all hosts. Unit: bytes. */
  readonly bytesMax: number
}

const namePattern = /^(\d{13,15})\.([0-9a-f]{1,64})\.(\d{1,15})\.log$/
const hostPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** Whether a text is a host's UUID, as folders are named by. */
export const isHostUuid = (text: string): boolean => hostPattern.test(text)

/** Name of a file. */
export const nameOfLogFile = ({ boot, begunAt }: BootLog, { start }: LogFile): string =>
  `${begunAt}.${boot}.${start}.log`

/** Reads the name of a file; undefined: it is none of ours. */
export function readLogFileName(
  name: string
): { readonly begunAt: Ms; readonly boot: string; readonly start: number } | undefined {
  const [, begunAt, boot, start] = namePattern.exec(name) ?? []
  if (begunAt === undefined || boot === undefined) return undefined
  return { begunAt: Number(begunAt), boot, start: Number(start) }
}

/** So much is kept of it. Unit: bytes. */
export const bytesOf = ({ files }: Pick<BootLog, 'files'>): number =>
  files.reduce((sum, { bytes }) => sum + bytes, 0)

/** The place behind the last byte of a log. */
export const endOf = ({ files }: Pick<BootLog, 'files'>): number => {
  const last = files.at(-1)
  return last === undefined ? 0 : last.start + last.bytes
}

/** Which file takes more of a log, and which one is given up for that. */
export function grown(
  log: BootLog,
  bytes: number,
  { fileBytesMax }: Pick<LogFileBounds, 'fileBytesMax'>
): { readonly log: BootLog; readonly into: LogFile; readonly givenUp: readonly LogFile[] } {
  const last = log.files.at(-1)
  if (last !== undefined && last.bytes + bytes <= fileBytesMax) {
    const into = { ...last, bytes: last.bytes + bytes }
    return { log: { ...log, files: [...log.files.slice(0, -1), into] }, into, givenUp: [] }
  }
  const into = { start: endOf(log), bytes }
  const kept = last === undefined ? [into] : [last, into]
  return { log: { ...log, files: kept }, into, givenUp: log.files.slice(0, -1) }
}

/** So many boots that never joined are kept, however many did. */
const unjoinedMin = 2

/**
 * Which boots are forgotten: those of a host beyond the newest few, where one that never joined
 * takes no place from one that did, and those of strangers beyond the few that spoke last.
 */
export function forgotten(
  logs: readonly BootLog[],
  { bootsMax, strangersMax }: Pick<LogFileBounds, 'bootsMax' | 'strangersMax'>,
  isPlanned: (host: string) => boolean
): readonly BootLog[] {
  const gone = new Set<BootLog>()
  const strangers: { readonly lastAt: Ms; readonly logs: readonly BootLog[] }[] = []
  for (const [host, ofHost] of Map.groupBy(logs, log => log.host)) {
    const sorted = ofHost.toSorted((a, b) => b.begunAt - a.begunAt)
    const joined = sorted.filter(log => log.hasJoined)
    const others = sorted.filter(log => !log.hasJoined)
    const left = Math.max(unjoinedMin, bootsMax - joined.length)
    for (const log of [...joined.slice(bootsMax), ...others.slice(left)]) gone.add(log)
    if (isPlanned(host)) continue
    strangers.push({ lastAt: Math.max(...ofHost.map(log => log.lastAt)), logs: ofHost })
  }
  const latest = strangers.toSorted((a, b) => b.lastAt - a.lastAt)
  for (const stranger of latest.slice(strangersMax)) {
    for (const log of stranger.logs) gone.add(log)
  }
  return [...gone]
}

type Part = { readonly log: BootLog; readonly file: LogFile }

/**
 * Which files are given up while all of it is too much: always one of the host that has most, its
 * oldest. The newest boot of a host of the plan is touched only where there is nothing else.
 */
export function surplus(
  logs: readonly BootLog[],
  { bytesMax }: Pick<LogFileBounds, 'bytesMax'>,
  isPlanned: (host: string) => boolean
): readonly Part[] {
  let over = logs.reduce((sum, log) => sum + bytesOf(log), -bytesMax)
  if (over <= 0) return []
  const hosts = [...Map.groupBy(logs, log => log.host)].map(([host, ofHost]) => {
    const sorted = ofHost.toSorted((a, b) => a.begunAt - b.begunAt)
    const parts = sorted.flatMap(log => log.files.map(file => ({ log, file })))
    const bytes = ofHost.reduce((sum, log) => sum + bytesOf(log), 0)
    const spared = isPlanned(host) ? (sorted.at(-1)?.files.length ?? 0) : 0
    return { bytes, parts, spared }
  })
  const gone: Part[] = []
  while (over > 0) {
    const spare = hosts.filter(({ parts, spared }) => parts.length > spared)
    const some = spare.length > 0 ? spare : hosts.filter(({ parts }) => parts.length > 0)
    const [first, ...others] = some
    if (!first) break
    const most = others.reduce((a, b) => (b.bytes > a.bytes ? b : a), first)
    const part = most.parts.shift()
    if (!part) break
    gone.push(part)
    most.bytes -= part.file.bytes
    over -= part.file.bytes
  }
  return gone
}
