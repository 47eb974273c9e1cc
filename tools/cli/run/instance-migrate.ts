import { Fault, isFault } from '#shared/fault.ts'
import type { ResourceDocument } from '#shared/model/index.ts'
import type { Api } from '../api/client.ts'
import { pathOf, readJson, readResource, sayVerb, tenantQuery } from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import type { Reference } from '../kinds.ts'
import { referenceTo, tellOutcome } from './outcome.ts'
import { type Judge, judgeReady, waitMsOf } from './settle.ts'

/** Moves an instance to another host, or lets it stay, and waits for the end of its way. */
export async function migrateInstance(invocation: Invocation): Promise<void> {
  const { given, signal } = invocation
  const reference = referenceTo(invocation, 'instance', given.positional('NAME')!)
  const cancel = given.flag('cancel')
  const to = given.text('to')
  const live = liveOf(invocation)
  if (cancel && (to !== undefined || live !== undefined)) {
    throw new UsageFault('cannot cancel a move and ask for one at the same time')
  }
  const waitMs = waitMsOf(invocation)
  const started = performance.now()
  const api = await invocation.connect()
  const from = (await readResource(api, reference, signal)).status['host']
  const pace = {
    bandwidthMib: given.number('bandwidth'),
    downtimeMs: given.number('downtime'),
    postCopy: given.text('post-copy')
  }
  const body = cancel ? { cancel } : { to, live, ...pace }
  const dryRun = given.flag('dry-run')
  const written = await sayVerb(api, reference, 'migrate', { dryRun, body, signal })
  try {
    await tellOutcome(invocation, written, {
      reference,
      verb: cancel ? 'called back' : 'moved',
      started,
      waitMs,
      judge: cancel ? judgeReady : judgeMoved(from)
    })
  } catch (thrown) {
    if (!isFault(thrown, 'command')) throw thrown
    throw await withReason(api, reference, thrown)
  }
}

/** A move that came to nothing has its reason in the history. */
async function withReason(api: Api, reference: Reference, fault: Fault): Promise<Fault> {
  const path = `${pathOf(reference.kind, reference.name)}/history`
  const query = tenantQuery(reference.kind, reference.tenant)
  const doing = `read the history of ${reference.name}`
  const answer = await api.ask({ method: 'GET', path, query, doing })
  const { items } = readJson(answer, doing) as {
    readonly items: readonly { readonly verb: string; readonly because: string }[]
  }
  const last = items.findLast(({ verb }) => verb === 'move-failed')
  const reasons = last ? [last.because] : fault.reasons
  return new Fault('command', fault.message, { cause: fault, reasons, next: fault.next })
}

function liveOf({ given }: Invocation): boolean | undefined {
  const [live, cold] = [given.flag('live'), given.flag('cold')]
  if (live && cold) throw new UsageFault('cannot move it both live and cold')
  return live ? true : cold ? false : undefined
}

/** A candidate that follows may know of the move so much later. Unit: ms. */
const lateMsMax = 3_000

/** It has come to another host than the one that it was on. */
function judgeMoved(from: unknown): Judge {
  const begun = performance.now()
  let isKnown = false
  return document => {
    const way = underway(document)
    if (way) {
      isKnown = true
      return way
    }
    if (document === undefined || document.status['host'] !== from) return judgeReady(document)
    const because = `it stays on ${String(from)}`
    const isLate = !isKnown && performance.now() - begun < lateMsMax
    return { state: isLate ? 'underway' : 'failed', because }
  }
}

function underway(document: ResourceDocument | undefined): ReturnType<Judge> | undefined {
  const move = document?.status['move'] as
    | { readonly to: string; readonly message: string }
    | undefined
  if (!move) return undefined
  return { state: 'underway', because: `to ${move.to}: ${move.message}` }
}
