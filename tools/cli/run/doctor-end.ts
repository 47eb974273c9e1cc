/** How a daemon of this machine came to its end, as far as its traces tell. */
import fs from 'node:fs'
import path from 'node:path'
import { lastWords } from '../../up/last-words.ts'

/**
 * Says how a daemon ended that `npm run up` has started; undefined: it was never started here, was
 * stopped in order, or runs.
 */
export function endOf(state: string, part: 'controller' | 'agent'): string | undefined {
  const pid = processOf(path.join(state, 'run', `${part}.process`))
  if (pid === undefined || fs.existsSync(`/proc/${pid}`)) return undefined
  const words = lastWords(read(path.join(state, 'log', `${part}.log`)))
  const head = `the ${part}, process ${pid}, has ended`
  if (!words) return `${head} without a word, as when it is killed`
  return `${head}: ${[words.because, ...words.reasons].join('; ')}`
}

function processOf(file: string): number | undefined {
  const { pid } = parse(read(file)) as { readonly pid?: unknown }
  return typeof pid === 'number' ? pid : undefined
}

function parse(text: string): object {
  try {
    return (JSON.parse(text) as object | null) ?? {}
  } catch {
    return {}
  }
}

function read(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
