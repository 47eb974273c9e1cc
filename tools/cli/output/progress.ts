/**
 * What is going on, on the stream for people. On a terminal it is one line that is written over;
 * elsewhere it is one line for each change, so that a log stays readable.
 */
import { formatMib, formatMs } from '#shared/units.ts'
import { type Output, oneLine } from '../terminal.ts'
import { cut } from './width.ts'

/** Where a command says what is going on. */
export type Progress = {
  /** Says what is going on now. */
  readonly say: (text: string) => void
  /** Takes the line away. */
  readonly end: () => void
}

/** A line is not written over more often than this. */
const refreshMs = 100

/** Makes the progress of one wait or transfer; its seconds count from here. */
export function makeProgress(
  stream: Output,
  options: { readonly quiet: boolean; readonly now: () => number }
): Progress {
  if (options.quiet) return { say: () => {}, end: () => {} }
  const started = options.now()
  let said = ''
  let writtenAt = Number.NEGATIVE_INFINITY
  if (stream.isTTY !== true) {
    return {
      say: text => {
        if (text !== said) stream.write(`${oneLine(text)}\n`)
        said = text
      },
      end: () => {}
    }
  }
  return {
    say: text => {
      const now = options.now()
      if (text === said || now - writtenAt < refreshMs) return
      said = text
      writtenAt = now
      const line = `${oneLine(text)} (${formatMs(now - started)})`
      stream.write(`\r\u001b[2K${cut(line, (stream.columns ?? 80) - 1)}`)
    },
    end: () => {
      if (said !== '') stream.write('\r\u001b[2K')
      said = ''
    }
  }
}

const barColumns = 24

/** One line about a transfer: a bar, how much of how much, how fast, how long still. */
export function transferLine(transfer: {
  readonly title: string
  readonly doneBytes: number
  readonly totalBytes: number
  readonly elapsedMs: number
}): string {
  const { title, doneBytes, totalBytes, elapsedMs } = transfer
  const share = totalBytes === 0 ? 1 : doneBytes / totalBytes
  const filled = Math.round(share * barColumns)
  const bar = '█'.repeat(filled) + '░'.repeat(barColumns - filled)
  const bytesPerMs = elapsedMs > 0 ? doneBytes / elapsedMs : 0
  const speed = `${((bytesPerMs * 1000) / 2 ** 20).toFixed(1)} MiB/s`
  const left = bytesPerMs > 0 ? `, ${formatMs((totalBytes - doneBytes) / bytesPerMs)} left` : ''
  const mib = (bytes: number) => formatMib(bytes / 2 ** 20)
  const percent = `${Math.floor(share * 100)} %`
  return `${title} ${bar} ${percent}  ${mib(doneBytes)} of ${mib(totalBytes)}, ${speed}${left}`
}
