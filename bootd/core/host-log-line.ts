/**
 * Reads what hosts send of their log, one datagram each time. It comes in two forms, and from
 * anyone on the boot network:
 *
 * - lines of the journal, as `journalctl -o short-iso-precise` writes them, each behind the head
 *   of syslog (RFC 5424) that `logger` puts before it;
 * - what the kernel says by itself (netconsole), which is heard also while it dies, in its extended
 *   form (`level,number,microseconds,flags;text`, Documentation/networking/netconsole.rst).
 *
 * A line is made one that harms no terminal, and is cut where it is too long.
 */

/** Who has said it: a program by way of the journal, or the kernel itself. */
export const hostLogSources = ['journal', 'kernel', 'bootd'] as const
/** One of them; bootd says what it left out. */
export type HostLogSource = (typeof hostLogSources)[number]

/** One line that a host has sent. */
export type HostLogLine = {
  readonly source: HostLogSource
  /** When the host says that it was said, RFC 3339; left out: it does not say. */
  readonly at?: string
  readonly text: string
}

/** No line is longer. Unit: characters. */
export const hostLogLineMax = 2_000
/** No datagram that is longer is read. Unit: bytes. */
export const hostLogDatagramMax = 8_192
/** Of the lines of one datagram so many are read. */
export const hostLogDatagramLinesMax = 64

const syslog = /^<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ (?:-|\[[^\]]*\])(?: \uFEFF?|$)/
const journal = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(\.\d{1,6})?([+-]\d{2}):?(\d{2}) \S+ (\S.*)$/
const netconsole = /^(\d{1,3}),\d{1,16},(\d{1,16}),[^;]*;([^\n]*)/

/** Reads a datagram; none: there is nothing in it to be read. */
export function readHostLog(datagram: Uint8Array): readonly HostLogLine[] {
  if (datagram.length > hostLogDatagramMax) return []
  const text = new TextDecoder().decode(datagram)
  const head = syslog.exec(text)?.[0]
  if (head !== undefined) return ofJournal(text.slice(head.length))
  const [, , microseconds, said] = netconsole.exec(text) ?? []
  if (microseconds !== undefined && said !== undefined) {
    return ofKernel(`[${secondsOf(microseconds)}] ${said}`)
  }
  // A kernel that does not know the extended form sends lines as they are.
  return text.split('\n', hostLogDatagramLinesMax).flatMap(ofKernel)
}

function ofJournal(line: string): readonly HostLogLine[] {
  const [, second, fraction = '', hours, minutes, said] = journal.exec(line) ?? []
  if (second === undefined || said === undefined) return lineOf({ source: 'journal', text: line })
  const at = Date.parse(`${second}${fraction.slice(0, 4)}${hours}:${minutes}`)
  if (Number.isNaN(at)) return lineOf({ source: 'journal', text: line })
  return lineOf({ source: 'journal', at: new Date(at).toISOString(), text: said })
}

const ofKernel = (text: string): readonly HostLogLine[] => lineOf({ source: 'kernel', text })

/** The kernel says its command line when it starts, and in that is what lets a machine join. */
const bootToken = /remuda\.boot=\S+/g

function lineOf(line: HostLogLine): readonly HostLogLine[] {
  const text = line.text
    .replaceAll(bootToken, 'remuda.boot=-')
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]+/gu, ' ')
    .trimEnd()
    .slice(0, hostLogLineMax)
  return text.trim() === '' ? [] : [{ ...line, text }]
}

/** As the kernel writes it before its lines. */
function secondsOf(microseconds: string): string {
  const count = Number(microseconds)
  const whole = String(Math.floor(count / 1_000_000)).padStart(5)
  return `${whole}.${String(count % 1_000_000).padStart(6, '0')}`
}

/** A line as it is kept: when it came, who said it, when it was said, what. */
export const writeHostLogLine = ({ source, at, text }: HostLogLine, received: string): string =>
  `${received}\t${source}\t${at ?? '-'}\t${text}\n`

/** So much of a file the lines need, whenever they come. Unit: bytes. */
export const bytesOfHostLog = (lines: readonly HostLogLine[]): number =>
  lines.reduce((sum, line) => sum + Buffer.byteLength(writeHostLogLine(line, anyMoment)), 0)

const anyMoment = '2000-01-01T00:00:00.000Z'

const sources: ReadonlySet<string> = new Set(hostLogSources)

/** Reads a line that was kept; undefined: it was cut off when it was written. */
export function readKeptLine(
  line: string
): (HostLogLine & { readonly received: string }) | undefined {
  const [received = '', source = '', at, ...text] = line.split('\t')
  if (!sources.has(source) || at === undefined || text.length === 0) return undefined
  return {
    ...{ received, source: source as HostLogSource, text: text.join(' ') },
    ...(at !== '-' && { at })
  }
}
