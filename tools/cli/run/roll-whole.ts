/**
 * Whether a cloud is as whole as it was: the candidates that stood stand again, and the servers of
 * its ensemble that served serve again. The next host is only taken out of service then: two of
 * three that are booting at once are no quorum.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import { formatMs } from '#shared/units.ts'
import type { Api } from '../api/client.ts'
import { readJson } from '../api/resources.ts'
import { askEnsembleOf } from './doctor-ensemble.ts'

/** How often it is looked whether all are there. Unit: ms. */
const lookMs = 1_000
/** Time for one answer. Unit: ms. */
const askMsMax = 5_000

/** Names of what is there, such as `candidate c1` and `server 10.0.0.1:2181`. */
export type Whole = readonly string[]

/** Asks who stands and what serves; servers that are out of reach from here are not counted. */
export async function readWhole(api: Api): Promise<Whole> {
  const doing = 'read how the candidates stand'
  const question = { method: 'GET', path: '/v1/cluster', deadlineMs: askMsMax } as const
  const answer = await api.ask({ ...question, doing })
  const { candidates } = readJson(answer, doing) as {
    readonly candidates: readonly { readonly name: string; readonly stands: boolean }[]
  }
  const servers = await askEnsembleOf(api)
  return [
    ...candidates.filter(({ stands }) => stands).map(({ name }) => `candidate ${name}`),
    ...servers
      .filter(said => 'mode' in said && said.mode !== undefined)
      .map(({ server }) => `server ${server}`)
  ]
}

/** What was there before, and is not now. */
export const missingOf = (before: Whole, now: Whole): readonly string[] =>
  before.filter(name => !now.includes(name))

/** Waits until all are there again that were there before. */
export async function untilWhole(
  api: Api,
  before: Whole,
  options: {
    readonly timeoutMs: number
    readonly signal: AbortSignal
    readonly say: (words: string) => void
  }
): Promise<void> {
  const late = performance.now() + options.timeoutMs
  for (;;) {
    const words = await lacking(api, before)
    if (words === undefined) return
    options.say(words)
    if (options.signal.aborted || performance.now() > late) {
      const [code, why] = options.signal.aborted
        ? (['aborted', 'interrupted'] as const)
        : (['deadline', `not within ${formatMs(options.timeoutMs)}`] as const)
      const cannot = 'cannot go on to the next host: the cloud is not as whole as it was'
      throw new Fault(code, `${cannot}: ${why}`, { reasons: [words], next: ['remuda doctor'] })
    }
    await sleep(lookMs, undefined, { signal: options.signal }).catch(() => {})
  }
}

/** Undefined: nothing is. */
async function lacking(api: Api, before: Whole): Promise<string | undefined> {
  try {
    const missing = missingOf(before, await readWhole(api))
    return missing.length === 0 ? undefined : `waits for ${missing.join(', ')}`
  } catch (thrown) {
    if (!isFault(thrown)) throw thrown
    return `waits for an answer: ${sentence(thrown)}`
  }
}
