/** Waiting until a resource is as it should be, and saying meanwhile what it waits for. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault, isFault } from '#shared/fault.ts'
import type { ResourceDocument } from '#shared/model/index.ts'
import { formatMs } from '#shared/units.ts'
import { follow } from '../api/follow.ts'
import { readResource } from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { type Reference, writeReference } from '../kinds.ts'
import { makeProgress } from '../output/progress.ts'

/** How long commands wait where they are not told. */
export const waitMsDefault = 60_000

/** Where a resource stands on its way; undefined for the document: it is gone. */
export type Judgement =
  | { readonly state: 'there' }
  | { readonly state: 'underway'; readonly because: string }
  | { readonly state: 'failed'; readonly because: string; readonly code?: 'not-found' }

/** Judges a document, or its absence. */
export type Judge = (document: ResourceDocument | undefined) => Judgement

const settledPhases = new Set(['ready', 'active', 'online', 'running', 'paused', 'stopped', 'done'])

/** Whether a resource is as desired: its condition `ready` says so, or its phase has none. */
export const judgeReady: Judge = document => {
  if (document === undefined)
    return { state: 'failed', because: 'it is gone, or never was', code: 'not-found' }
  const { phase, host } = document.status
  const ready = document.conditions.find(condition => condition.type === 'ready')
  const moving = document.conditions.find(condition => condition.type === 'moving')
  if (moving) return { state: 'underway', because: moving.message }
  const because = ready?.message ?? `it is ${String(phase)}`
  if (ready ? ready.status === 'true' : settledPhases.has(String(phase))) return { state: 'there' }
  // On a pool that is local to each host a volume comes into being with its first use.
  if (document.kind === 'volume' && phase === 'pending' && host === undefined) {
    return { state: 'there' }
  }
  return { state: phase === 'failed' ? 'failed' : 'underway', because }
}

/** Whether a resource is gone. */
export const judgeGone: Judge = document =>
  document === undefined
    ? { state: 'there' }
    : {
        state: 'underway',
        because:
          document.conditions.find(condition => condition.type === 'ready')?.message ??
          `it is ${String(document.status['phase'])}`
      }

/** Whether and how long a command is to wait; undefined: not at all. */
export function waitMsOf(invocation: Invocation): number | undefined {
  const { given } = invocation
  if (given.flag('wait') && given.flag('no-wait')) {
    throw new UsageFault('cannot both wait and not wait', {
      next: ['leave out --wait or --no-wait']
    })
  }
  return given.flag('no-wait') ? undefined : (given.number('timeout') ?? waitMsDefault)
}

/**
 * Waits until a resource is judged to be there, and gives its last document. Faults: `deadline`
 * when the time is over, `aborted` when the user wants to stop, and the judge's own failure.
 */
export async function waitUntil(
  invocation: Invocation,
  reference: Reference,
  options: {
    readonly judge: Judge
    readonly timeoutMs: number
    /** What is waited for, such as `ready`. */
    readonly expected: string
  }
): Promise<ResourceDocument | undefined> {
  const { judge, timeoutMs, expected } = options
  const api = await invocation.connect()
  const subject = writeReference(reference)
  const signal = AbortSignal.any([invocation.signal, AbortSignal.timeout(Math.ceil(timeoutMs))])
  const progress = makeProgress(invocation.terminal.errors, {
    quiet: invocation.settings.quiet,
    now: () => performance.now()
  })
  let because = 'the controller has not said anything of it yet'
  const tick = keepTicking(() => progress.say(`${subject}: ${because}`), signal)
  try {
    const seen = follow(api, {
      query: { subject: writeReference(reference) },
      signal,
      look: inner => lookAt(api, reference, inner),
      away: reason => {
        if (reason !== undefined) because = reason
      }
    })
    for await (const document of seen) {
      const judgement = judge(document)
      if (judgement.state === 'there') return document
      because = judgement.because
      if (judgement.state === 'failed') throw failed(subject, judgement)
      progress.say(`${subject}: ${because}`)
    }
  } finally {
    tick.stop()
    progress.end()
  }
  const again = `remuda wait ${subject}${judge === judgeGone ? ' --for deleted' : ''}`
  throw invocation.signal.aborted
    ? interrupted(subject, again)
    : late(subject, { because, expected, timeoutMs, again })
}

async function lookAt(
  api: Parameters<typeof readResource>[0],
  reference: Reference,
  signal: AbortSignal
): Promise<ResourceDocument | undefined> {
  try {
    return await readResource(api, reference, signal)
  } catch (error) {
    if (isFault(error, 'not-found')) return undefined
    throw error
  }
}

/** On a terminal the seconds go on counting while nothing new is heard. */
function keepTicking(say: () => void, signal: AbortSignal): { readonly stop: () => void } {
  const stopped = new AbortController()
  const either = AbortSignal.any([signal, stopped.signal])
  const run = async () => {
    while (!either.aborted) {
      await sleep(1_000, undefined, { signal: either }).catch(() => {})
      if (!either.aborted) say()
    }
  }
  void run()
  return { stop: () => stopped.abort() }
}

const failed = (subject: string, judgement: Judgement & { readonly state: 'failed' }): Fault =>
  new Fault(judgement.code ?? 'command', `cannot bring ${subject} about: ${judgement.because}`, {
    next: [`remuda why ${subject}`]
  })

const late = (
  subject: string,
  options: {
    readonly because: string
    readonly expected: string
    readonly timeoutMs: number
    readonly again: string
  }
): Fault => {
  const { because, expected, timeoutMs, again } = options
  return new Fault('deadline', `cannot see ${subject} ${expected} within ${formatMs(timeoutMs)}`, {
    reasons: [because],
    next: [`remuda why ${subject}`, `${again} --timeout 5m`]
  })
}

const interrupted = (subject: string, again: string): Fault =>
  new Fault('aborted', `cannot wait for ${subject} any longer: interrupted`, {
    reasons: ['what was asked for is recorded and goes on'],
    next: [again]
  })
