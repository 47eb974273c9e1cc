/** What a daemon that has ended said last: its log is JSON, one line each, for machines. */
import { readFile } from 'node:fs/promises'
import { Fault, isFault } from '#shared/fault.ts'
import { findNeighbours } from './neighbours.ts'

/** The end of a daemon in its own words. */
export type LastWords = {
  readonly because: string
  readonly reasons: readonly string[]
  readonly next: readonly string[]
}

/** Finds the error that ended a daemon; undefined: it says nothing of one. */
export function lastWords(log: string): LastWords | undefined {
  const line = log.trimEnd().split('\n').at(-1) ?? ''
  let said: Readonly<Record<string, unknown>>
  try {
    said = JSON.parse(line) as Readonly<Record<string, unknown>>
  } catch {
    return undefined
  }
  const { level, message, because } = said ?? {}
  if (level !== 'error') return undefined
  return {
    because: typeof because === 'string' ? because : String(message),
    reasons: texts(said['reasons']),
    next: texts(said['next'])
  }
}

const texts = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter(each => typeof each === 'string') : []

/** The failure to start a daemon, with what the daemon itself says of it. */
export async function explainEnd(
  thrown: unknown,
  daemon: { readonly name: string; readonly logFile: string }
): Promise<unknown> {
  if (!isFault(thrown)) return thrown
  const words = lastWords(await readFile(daemon.logFile, 'utf8').catch(() => ''))
  const log = `its log: ${daemon.logFile}`
  if (!words) {
    const { code, message, reasons, next, cause } = thrown
    return new Fault(code, message, { reasons, next: [...next, log], cause })
  }
  const others = (await findNeighbours()).map(
    each => `the ${each.part} of the cloud in ${each.state} runs here, process ${each.pid}`
  )
  return new Fault(thrown.code, `cannot start ${daemon.name}: ${words.because}`, {
    reasons: [...words.reasons, ...others],
    next: [...words.next, log]
  })
}
