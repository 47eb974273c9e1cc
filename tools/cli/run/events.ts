import type { BootState } from '#shared/wire/boot.ts'
import type { Change, Decision, Happening } from '../api/events.ts'
import { happenings } from '../api/events.ts'
import type { Invocation } from '../invocation.ts'
import { type Reference, readKind, writeReference } from '../kinds.ts'
import { renderParagraph } from '../output/results.ts'
import { colourOf } from '../output/values.ts'
import { type Colour, oneLine } from '../terminal.ts'
import { nameOfBoot } from './boot-log.ts'
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
  const kinds = given.texts('kind').map(kind => (kind === 'boot' ? kind : readKind(kind).kind))
  const query = {
    kinds: kinds.length === 0 ? undefined : kinds.join(','),
    tenant: subject || settings.tenant === '*' ? undefined : settings.tenant,
    subject: subject && writeReference(subject)
  }
  const shown = new LastShown()
  for await (const happening of happenings(api, query, signal)) {
    const text =
      settings.format === 'json' || settings.format === 'yaml'
        ? writeRaw(happening)
        : describe(invocation, happening, shown)
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
  if (type === 'boot') {
    return `${JSON.stringify({ type, position: happening.id, ...happening.boot })}\n`
  }
  return type === 'reset' ? `${JSON.stringify({ type })}\n` : undefined
}

/** So many resources are remembered; of older ones something may be told twice. */
const shownMax = 10_000

/** What was told last of each resource: what has not become otherwise is not told again. */
class LastShown {
  readonly #texts = new Map<string, string>()

  /** Whether it is news. */
  take(subject: string, text: string): boolean {
    if (this.#texts.get(subject) === text) return false
    this.#texts.delete(subject)
    this.#texts.set(subject, text)
    if (this.#texts.size > shownMax) this.#texts.delete(this.#texts.keys().next().value!)
    return true
  }
}

function describe(
  invocation: Invocation,
  happening: Happening,
  shown: LastShown
): string | undefined {
  switch (happening.type) {
    case 'change':
      return describeChange(invocation, happening.change, shown)
    case 'decision':
      return describeDecision(invocation, happening.decision)
    case 'boot':
      return describeBoot(invocation, happening.boot, shown)
    case 'connected':
    case 'bookmark':
    case 'reset':
    case 'lost':
      return undefined
    default:
      return happening satisfies never
  }
}

/** How a resource is now; a notification is told by the decision that it is about. */
function describeChange(
  invocation: Invocation,
  change: Change,
  shown: LastShown
): string | undefined {
  const { op, resource } = change
  if (change.kind === 'event' && !invocation.given.texts('kind').includes('event')) return undefined
  const subject = writeReference(change)
  const phase = resource?.status['phase']
  const ready = resource?.conditions.find(condition => condition.type === 'ready')
  const because = ready === undefined || ready.message === '' ? '' : `: ${ready.message}`
  const how = typeof phase === 'string' ? `is ${phase}${because}` : 'has changed'
  const text = `${subject} ${op === 'remove' ? 'is gone' : how}`
  // How long ago a host was heard is no news.
  const lasting = text.replace(/: heard .* ago$/, '')
  if (!shown.take(subject, lasting)) return undefined
  const colour = typeof phase === 'string' ? colourOf(phase) : undefined
  return describeLine(invocation, { at: new Date().toISOString(), text: lasting, colour })
}

/** How far a machine has come; each percent of its image is no news. */
function describeBoot(
  invocation: Invocation,
  boot: BootState,
  shown: LastShown
): string | undefined {
  const { stage, version, because, stages } = boot
  const name = nameOfBoot(boot)
  const image = version === undefined ? '' : ` of image ${version}`
  const why = because === undefined ? '' : `: ${oneLine(because)}`
  const text = `boot of ${name} is in stage ${stage}${image}${why}`
  if (!shown.take(`boot/${name}`, `${boot.boot} ${text}`)) return undefined
  const colour = stage === 'failed' ? 'red' : stage === 'joined' ? 'green' : undefined
  const at = stages.at(-1)?.at ?? new Date().toISOString()
  return describeLine(invocation, { at, text, colour })
}

function describeDecision(invocation: Invocation, decision: Decision): string {
  const { at, by, verb, because, subjects } = decision
  const text = `${subjects.join(', ')} ${verb} by ${by}: ${because}`
  return describeLine(invocation, { at, text, colour: undefined })
}

/** On a terminal the day is left out, and what is too long for a line goes on below. */
function describeLine(
  invocation: Invocation,
  line: { readonly at: string; readonly text: string; readonly colour: Colour | undefined }
): string {
  const { paint, terminal } = invocation
  const at = terminal.output.isTTY ? line.at.slice(line.at.indexOf('T') + 1) : line.at
  const indents = { first: '', next: ' '.repeat(at.length + 1) }
  const [first = '', ...rest] = renderParagraph(invocation, line.text, indents)
    .trimEnd()
    .split('\n')
  const painted = (text: string): string =>
    line.colour === undefined ? text : paint(line.colour, text)
  return `${[`${paint('dim', at)} ${painted(first)}`, ...rest.map(painted)].join('\n')}\n`
}
