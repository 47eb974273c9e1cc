import type { Condition } from '#shared/model/index.ts'
import { pathOf, readJson, tenantQuery } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { type Reference, writeReference } from '../kinds.ts'
import { renderParagraph, renderRaw, renderRows } from '../output/results.ts'
import { writeAge } from '../output/values.ts'
import { oneLine, printable } from '../terminal.ts'
import { type PlacementSaid, writePlacement } from './placement.ts'
import { readSubject } from './subject.ts'

type Recorded = {
  readonly position?: number | string
  readonly at: string
  readonly by: string
  readonly verb: string
  readonly because: string
}
type Why = {
  readonly subject: string
  readonly summary: readonly string[]
  readonly conditions?: readonly Condition[]
  readonly placement?: PlacementSaid
  readonly history?: readonly Recorded[]
}

/** Writes why a resource is as it is. */
export async function showWhy(invocation: Invocation): Promise<void> {
  const why = (await askAbout(invocation, 'why')) as Why
  const raw = await renderRaw(invocation, why)
  if (raw !== undefined) return invocation.write(raw)
  const { paint } = invocation
  const [first = why.subject, ...rest] = why.summary
  invocation.write(`${paint('bold', printable(first))}\n`)
  const history = why.history ?? []
  // The newest decisions stand in the summary too, for those who read nothing else.
  const told = new Set(history.map(one => `${one.at} ${one.verb}: ${one.because}`))
  for (const sentence of rest) {
    if (!told.has(sentence)) invocation.write(renderParagraph(invocation, sentence))
  }
  const { placement = {} } = why
  if (placement.chosen !== undefined) {
    invocation.write(`\nplaced on ${oneLine(placement.chosen)}\n`)
  }
  writePlacement(invocation, placement)
  if (history.length > 0) invocation.write(`\n${describeHistory(invocation, history)}`)
}

/** Each decision in full, however narrow the terminal: the end of the sentence says why. */
function describeHistory(invocation: Invocation, items: readonly Recorded[]): string {
  const { paint } = invocation
  const now = Date.now()
  const lines = items.map(({ at, by, verb, because }) => {
    const when = paint('dim', `${at}, ${writeAge(at, now)} ago`)
    return `${when}\n${renderParagraph(invocation, `${verb} by ${by}: ${because}`)}`
  })
  return lines.join('')
}

/** Writes all decisions about a resource. */
export async function showHistory(invocation: Invocation): Promise<void> {
  const list = (await askAbout(invocation, 'history')) as { readonly items: readonly Recorded[] }
  const raw = await renderRaw(invocation, list)
  invocation.write(raw ?? renderHistory(invocation, list.items))
}

function renderHistory(invocation: Invocation, items: readonly Recorded[]): string {
  const now = Date.now()
  const rows = items.map(item => [
    item.at,
    writeAge(item.at, now),
    item.by,
    item.verb,
    item.because
  ])
  const titles = ['AT', 'AGO', 'BY', 'DID', { title: 'BECAUSE', wraps: true }]
  return renderRows(invocation, titles, rows)
}

async function askAbout(invocation: Invocation, what: 'why' | 'history'): Promise<unknown> {
  const reference: Reference = readSubject(invocation, invocation.given.positional('KIND/NAME')!)
  const doing = `explain ${writeReference(reference)}`
  const api = await invocation.connect()
  const answer = await api.ask({
    method: 'GET',
    path: `${pathOf(reference.kind, reference.name)}/${what}`,
    query: tenantQuery(reference.kind, reference.tenant),
    doing,
    signal: invocation.signal
  })
  return readJson(answer, doing)
}
