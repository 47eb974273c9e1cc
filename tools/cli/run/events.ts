import type { Change, Decision, Happening } from '../api/events.ts'
import { happenings } from '../api/events.ts'
import type { Invocation } from '../invocation.ts'
import { type Reference, readKind, writeReference } from '../kinds.ts'
import { colourOf } from '../output/values.ts'
import { oneLine } from '../terminal.ts'
import { writeList } from './list.ts'
import { readSubject } from './subject.ts'

/** Shows notifications, or with --watch everything as it happens. */
export async function showEvents(invocation: Invocation): Promise<void> {
  const { given } = invocation
  const about = given.text('for')
  const subject = about === undefined ? undefined : readSubject(invocation, about)
  if (given.flag('watch')) return watchEvents(invocation, subject)
  const filter = subject && { filter: `spec.subject="${writeReference(subject)}"` }
  await writeList(invocation, 'event', filter)
}

async function watchEvents(invocation: Invocation, subject: Reference | undefined): Promise<void> {
  const { given, settings, signal } = invocation
  const api = await invocation.connect()
  const kinds = given.texts('kind').map(kind => readKind(kind).kind)
  const query = {
    kinds: kinds.length === 0 ? undefined : kinds.join(','),
    tenant: subject || settings.tenant === '*' ? undefined : settings.tenant,
    subject: subject && writeReference(subject)
  }
  for await (const happening of happenings(api, query, signal)) {
    const text =
      settings.format === 'json' || settings.format === 'yaml'
        ? writeRaw(happening)
        : describe(invocation, happening)
    if (text !== undefined) invocation.write(text)
    if (happening.type === 'lost') invocation.note(`${happening.because}; trying again\n`)
    if (happening.type === 'reset') {
      invocation.note('the controller no longer knows where we were: some events are missing\n')
    }
  }
}

/** One JSON document per line, for programs. */
function writeRaw(happening: Happening): string | undefined {
  const { type } = happening
  if (type === 'change') {
    return `${JSON.stringify({ type, position: happening.id, ...happening.change })}\n`
  }
  if (type === 'decision') {
    return `${JSON.stringify({ type, position: happening.id, ...happening.decision })}\n`
  }
  return type === 'reset' ? `${JSON.stringify({ type })}\n` : undefined
}

function describe(invocation: Invocation, happening: Happening): string | undefined {
  switch (happening.type) {
    case 'change':
      return describeChange(invocation, happening.change)
    case 'decision':
      return describeDecision(invocation, happening.decision)
    case 'connected':
    case 'bookmark':
    case 'reset':
    case 'lost':
      return undefined
    default:
      return happening satisfies never
  }
}

const words = { put: 'wish recorded', remove: 'gone', status: 'status' }

function describeChange({ paint }: Invocation, change: Change): string {
  const { op, resource } = change
  const subject = writeReference(change)
  const phase = resource?.status['phase']
  const shown = typeof phase === 'string' ? `: ${phase}` : ''
  const ready = resource?.conditions.find(condition => condition.type === 'ready')
  const because = ready === undefined || ready.message === '' ? '' : `, ${ready.message}`
  const colour = typeof phase === 'string' ? colourOf(phase) : undefined
  const text = oneLine(`${subject} ${words[op]}${shown}${because}`)
  const at = new Date().toISOString()
  return `${paint('dim', at)} ${colour === undefined ? text : paint(colour, text)}\n`
}

function describeDecision({ paint }: Invocation, decision: Decision): string {
  const { at, by, verb, because, subjects } = decision
  const text = oneLine(`${subjects.join(', ')} ${verb} by ${by}: ${because}`)
  return `${paint('dim', at)} ${text}\n`
}
