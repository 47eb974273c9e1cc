import { writeSync } from 'node:fs'

/** Log levels, in rising order of urgency. */
export type Level = 'debug' | 'info' | 'warn' | 'error'

/** What a line says besides its sentence; never a secret. */
export type Fields = Readonly<Record<string, unknown>>

/** Writes one JSON line per call; `message` is in words that an operator can search for. */
export type Log = {
  readonly debug: (message: string, fields?: Fields) => void
  readonly info: (message: string, fields?: Fields) => void
  readonly warn: (message: string, fields?: Fields) => void
  readonly error: (message: string, fields?: Fields) => void
}

const order: Readonly<Record<Level, number>> = { debug: 0, info: 1, warn: 2, error: 3 }

/** Makes a log for one part (`controller`, `agent`) that writes to a stream, stderr by default. */
export function makeLog(
  part: string,
  options: { readonly level?: Level; readonly write?: (line: string) => void } = {}
): Log {
  const least = order[options.level ?? 'info']
  const write = options.write ?? writeAnyway
  const at =
    (level: Level) =>
    (message: string, fields: Fields = {}) => {
      if (order[level] < least) return
      const time = new Date().toISOString()
      write(`${JSON.stringify({ time, level, part, message, ...fields })}\n`)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** A line that cannot be written, as on a full disk, is lost: it must not end who wrote it. */
function writeAnyway(line: string): void {
  try {
    writeSync(2, line)
  } catch {
    // There is nowhere left to say so.
  }
}

/** Swallows everything; for tests and for code that runs without a daemon around it. */
export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
