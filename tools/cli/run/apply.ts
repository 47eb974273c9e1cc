/**
 * Makes the cloud hold what a file says. Each resource is created or its whole wish replaced; the
 * controller says whether that changed anything. One that fails does not stop the others.
 */
import { Fault, isFault } from '#shared/fault.ts'
import type { Api } from '../api/client.ts'
import { describeProblem, FieldFault } from '../api/problem.ts'
import {
  createResource,
  type DryRun,
  readResource,
  replaceResource,
  type Written
} from '../api/resources.ts'
import { describeFailure, exitCodeOf } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { writeReference } from '../kinds.ts'
import { renderRaw } from '../output/results.ts'
import { paintFor } from '../terminal.ts'
import { judgeReady, waitMsDefault, waitUntil } from './settle.ts'
import { type FileWish, readWishes } from './wishes.ts'

type Result = {
  readonly resource: string
  readonly result: 'created' | 'changed' | 'unchanged'
  readonly dryRun?: DryRun
}

/** Applies a file; the exit code is that of the first failure. */
export async function apply(invocation: Invocation): Promise<number> {
  const { given, settings } = invocation
  const wishes = await readWishes(invocation)
  const api = await invocation.connect()
  const results: Result[] = []
  const done: FileWish[] = []
  let exitCode = 0
  const quietly = settings.format === 'json' || settings.format === 'yaml'
  for (const wish of wishes) {
    try {
      const result = await applyOne(invocation, api, wish)
      results.push(result)
      done.push(wish)
      if (!quietly) invocation.write(lineOf(result, settings.format === 'name'))
    } catch (error) {
      if (!isFault(error) || error.code === 'aborted') throw error
      const failed = tellFailure(invocation, placed(error, wish))
      exitCode ||= failed
      if (error.code === 'unavailable' || error.code === 'closed') break
    }
  }
  const raw = await renderRaw(invocation, results)
  if (raw !== undefined) invocation.write(raw)
  if (given.flag('wait') && !given.flag('dry-run')) {
    exitCode ||= await waitForAll(invocation, done)
  }
  return exitCode
}

function lineOf(result: Result, nameOnly: boolean): string {
  if (nameOnly) return `${result.resource}\n`
  const { dryRun } = result
  const because = (dryRun?.decision?.because ?? []).map(sentence => `  because ${sentence}\n`)
  const head = `${result.resource} ${result.result}${dryRun ? ' (dry run)' : ''}\n`
  return result.result === 'unchanged' ? head : head + because.join('')
}

async function applyOne(invocation: Invocation, api: Api, wish: FileWish): Promise<Result> {
  const resource = writeReference(wish.reference)
  try {
    const { written, isNew } = await write(invocation, api, wish)
    const result = isNew ? 'created' : written.changed ? 'changed' : 'unchanged'
    return { resource, result, ...(written.dryRun ? { dryRun: written.dryRun } : {}) }
  } catch (error) {
    const raced = isFault(error, 'stale') || isFault(error, 'conflict')
    if (!raced || invocation.given.flag('dry-run')) throw error
    // Somebody else was faster; what they left is looked at once more, and only once.
    const again = await writeAgain(invocation, api, { wish, first: error })
    return { resource, result: again.changed ? 'changed' : 'unchanged' }
  }
}

async function write(
  invocation: Invocation,
  api: Api,
  { reference, labels, spec }: FileWish
): Promise<{ readonly written: Written; readonly isNew: boolean }> {
  const { signal } = invocation
  const dryRun = invocation.given.flag('dry-run')
  const wish = { labels, spec }
  try {
    const { generation } = await readResource(api, reference, signal)
    const options = { generation, dryRun, signal }
    return { written: await replaceResource(api, reference, wish, options), isNew: false }
  } catch (error) {
    if (!isFault(error, 'not-found')) throw error
    return { written: await createResource(api, reference, wish, { dryRun, signal }), isNew: true }
  }
}

async function writeAgain(
  invocation: Invocation,
  api: Api,
  { wish, first }: { readonly wish: FileWish; readonly first: Fault }
): Promise<Written> {
  const { reference, labels, spec } = wish
  const { signal } = invocation
  const found = await readResource(api, reference, signal).catch((error: unknown) => {
    if (isFault(error, 'not-found')) return undefined
    throw error
  })
  if (found === undefined) throw first
  const { generation } = found
  return replaceResource(api, reference, { labels, spec }, { generation, signal })
}

/** The same failure, with the places of the fields in the file, from its top to its bottom. */
function placed(fault: Fault, wish: FileWish): Fault {
  const { code, message, next } = fault
  const cause = fault.cause === undefined ? {} : { cause: fault.cause }
  if (!(fault instanceof FieldFault)) {
    const reasons = [...fault.reasons, `it stands at ${wish.placeOf('')}`]
    return new Fault(code, message, { reasons, next, ...cause })
  }
  const fields = fault.problems
    .map(problem => `${wish.placeOf(problem.pointer)}: ${describeProblem(problem)}`)
    .toSorted((one, other) => one.localeCompare(other, 'en', { numeric: true }))
  const reasons = [...fields, ...fault.reasons.slice(fields.length)]
  const more = code === 'invalid' ? [`remuda explain ${wish.reference.kind}`] : []
  return new Fault(code, message, { reasons, next: [...next, ...more], ...cause })
}

function tellFailure(invocation: Invocation, fault: Fault): number {
  const { terminal, settings } = invocation
  const { environment } = terminal
  const paint = paintFor(terminal.errors, { environment, noColour: settings.noColour })
  terminal.errors.write(describeFailure(fault, paint))
  return exitCodeOf(fault)
}

async function waitForAll(invocation: Invocation, wishes: readonly FileWish[]): Promise<number> {
  const timeoutMs = invocation.given.number('timeout') ?? waitMsDefault
  const until = performance.now() + timeoutMs
  let exitCode = 0
  for (const { reference } of wishes) {
    try {
      const leftMs = Math.max(1, until - performance.now())
      const options = { judge: judgeReady, timeoutMs: leftMs, expected: 'ready' }
      await waitUntil(invocation, reference, options)
    } catch (error) {
      if (!isFault(error) || error.code === 'aborted') throw error
      const failed = tellFailure(invocation, error)
      exitCode ||= failed
    }
  }
  return exitCode
}
