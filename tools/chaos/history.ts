/**
 * What candidates in a chaos run have done, as each has written it down itself: a line of JSON per
 * event, each in the file before the candidate goes on, so that a kill loses none that matters.
 * Moments are of the kernel's monotonic clock, which all processes of one machine share.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What has happened to a candidate. */
export type Event =
  | { readonly type: 'stands' }
  | { readonly type: 'leads'; readonly epoch: number; readonly head: number }
  /** A commit is about to be appended; each has a key of its own. */
  | { readonly type: 'attempt'; readonly key: string; readonly epoch: number }
  | {
      readonly type: 'acknowledged'
      readonly key: string
      readonly epoch: number
      readonly position: number
    }
  /** It was refused, or nobody knows: then the code is `unavailable`. */
  | {
      readonly type: 'failed'
      readonly key: string
      readonly epoch: number
      readonly code: string
      /** Whether others have refused it, not the candidate itself. */
      readonly remote: boolean
    }
  /** Whether it certainly may act at this moment. */
  | { readonly type: 'holds'; readonly holds: boolean }
  | { readonly type: 'lost'; readonly because: string }

/** An event, when it was, and of which life of which candidate: `a.3` is the third of `a`. */
export type Line = Event & { readonly at: number; readonly by: string }

/** Reads the files of a folder, in the order of time. A line that a kill has torn is left out. */
export async function readHistory(folder: string): Promise<readonly Line[]> {
  const lines: Line[] = []
  for (const name of (await readdir(folder)).filter(each => each.endsWith('.jsonl'))) {
    const texts = (await readFile(join(folder, name), 'utf8')).split('\n')
    // What comes behind the last end of a line is nothing, or torn.
    for (const text of texts.slice(0, -1)) lines.push(JSON.parse(text) as Line)
  }
  return lines.sort((a, b) => a.at - b.at)
}
