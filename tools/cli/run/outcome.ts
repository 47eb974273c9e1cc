/** What all commands that change something have in common: say it, wait for it, tell the result. */
import type { Kind, ResourceDocument } from '#shared/model/index.ts'
import { formatMs } from '#shared/units.ts'
import { createResource, type DryRun, type Wish, type Written } from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { type Reference, writeReference } from '../kinds.ts'
import { renderRaw } from '../output/results.ts'
import { type Judge, judgeReady, waitMsOf, waitUntil } from './settle.ts'

/** The resource that a command names, in the tenant that it works for. */
export function referenceTo(invocation: Invocation, kind: Kind, name: string): Reference {
  const { tenant } = invocation.settings
  if (name.includes('/')) {
    throw new UsageFault(`cannot read the name "${name}"`, {
      reasons: [`a name has no slash; the kind, ${kind}, is known here`],
      next: [`leave out everything up to the last slash`]
    })
  }
  return { kind, name, ...(tenant === undefined ? {} : { tenant }) }
}

/** Leaves out what was not given. */
export const given = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

/** The most common command: creates one resource and waits for it. */
export async function createAndWait(
  invocation: Invocation,
  kind: Kind,
  spec: Readonly<Record<string, unknown>>,
  options: { readonly waits?: boolean } = {}
): Promise<void> {
  const reference = referenceTo(invocation, kind, invocation.given.positional('NAME')!)
  const labels = invocation.given.pairs('label')
  const wish: Wish = { ...(Object.keys(labels).length === 0 ? {} : { labels }), spec }
  const waitMs = (options.waits ?? true) ? waitMsOf(invocation) : undefined
  const started = performance.now()
  const api = await invocation.connect()
  const written = await createResource(api, reference, wish, {
    dryRun: invocation.given.flag('dry-run'),
    signal: invocation.signal
  })
  await tellOutcome(invocation, written, { reference, verb: 'created', started, waitMs })
}

/** Waits if it is to, and writes what became of a write. */
export async function tellOutcome(
  invocation: Invocation,
  written: Written,
  options: {
    readonly reference: Reference
    /** Past participle, such as created. */
    readonly verb: string
    /** When it began, on the monotonic clock. */
    readonly started: number
    /** How long to wait for it to be as desired; undefined: not at all. */
    readonly waitMs: number | undefined
    /** When it is as desired; left out: when it is ready. */
    readonly judge?: Judge
  }
): Promise<void> {
  const { reference, started, waitMs } = options
  if (written.dryRun) return tellDryRun(invocation, reference, written.dryRun)
  const document =
    waitMs === undefined
      ? written.document
      : await waitUntil(invocation, reference, {
          judge: options.judge ?? judgeReady,
          timeoutMs: waitMs,
          expected: 'ready'
        })
  const verb = written.changed ? options.verb : 'unchanged'
  const subject = writeReference(reference)
  const { format } = invocation.settings
  if (format === 'name') return invocation.write(`${reference.kind}/${reference.name}\n`)
  const raw = document && (await renderRaw(invocation, document))
  if (raw !== undefined) return invocation.write(raw)
  const stand = document === undefined ? '' : `: ${standingOf(document)}`
  const took = waitMs === undefined ? '' : ` (${formatMs(performance.now() - started)})`
  invocation.write(`${subject} ${verb}${stand}${took}\n`)
  for (const { type, status, message } of document?.conditions ?? []) {
    // What was judged to be there though it is not ready waits for something; say for what.
    const isHeld = options.judge !== undefined && type === 'ready' && status === 'false'
    if ((type === 'restart-needed' && status === 'true') || isHeld) {
      invocation.note(`note: ${message}\n`)
    }
  }
}

/** How a resource stands, in a few words. */
function standingOf(document: ResourceDocument): string {
  const { phase, host, addresses } = document.status
  const where = typeof host === 'string' ? ` on ${host}` : ''
  const reached =
    Array.isArray(addresses) && addresses.length > 0 ? `, ${addresses.join(', ')}` : ''
  return `${String(phase)}${where}${reached}`
}

async function tellDryRun(
  invocation: Invocation,
  reference: Reference,
  dryRun: DryRun
): Promise<void> {
  const raw = await renderRaw(invocation, dryRun)
  if (raw !== undefined) return invocation.write(raw)
  const { changes = [], because = [], placement } = dryRun.decision ?? {}
  const head = dryRun.changed ? 'would change the following' : 'would change nothing'
  const lines = [
    `${writeReference(reference)}: ${head} (dry run, nothing was done)`,
    ...changes.map(change => `  ${change.op} ${change.kind}/${change.name}`),
    ...because.map(sentence => `  because ${sentence}`),
    ...(placement?.chosen === undefined ? [] : [`  placed on ${placement.chosen}`]),
    ...(placement?.rejected ?? []).map(one => `  not on ${one.host}: ${one.because}`)
  ]
  invocation.write(`${lines.join('\n')}\n`)
}
