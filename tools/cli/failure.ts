/**
 * Failures as people and scripts see them. People get three parts: what could not be done, why,
 * and what to do next. Scripts get the exit code, which depends on the code of the fault alone.
 */
import { Fault, type FaultCode, sentence } from '#shared/fault.ts'
import { type Paint, plain, printable } from './terminal.ts'

/** The command line itself was wrong; nothing was attempted. */
export class UsageFault extends Fault {
  constructor(message: string, options: ConstructorParameters<typeof Fault>[2] = {}) {
    super('invalid', message, options)
  }
}

/** What every exit code means, for help and docs. */
export const exitCodes: readonly { readonly code: number; readonly doc: string }[] = [
  { code: 0, doc: 'done' },
  { code: 1, doc: 'failed' },
  { code: 2, doc: 'the command line was wrong' },
  { code: 3, doc: 'not found' },
  { code: 4, doc: 'conflict: exists already, has changed, or no room' },
  { code: 5, doc: 'not allowed' },
  { code: 6, doc: 'the controller cannot be reached or cannot answer now' },
  { code: 7, doc: 'timed out' },
  { code: 8, doc: 'there are differences (diff --exit-code)' },
  { code: 130, doc: 'interrupted; what was recorded goes on' }
]

const codeOf: Readonly<Record<FaultCode, number>> = {
  invalid: 1,
  'not-found': 3,
  conflict: 4,
  capacity: 4,
  stale: 4,
  forbidden: 5,
  unauthenticated: 5,
  unavailable: 6,
  closed: 6,
  deadline: 7,
  aborted: 130,
  protocol: 1,
  corrupt: 1,
  locked: 1,
  command: 1,
  hypervisor: 1,
  storage: 1,
  network: 1
}

/** The exit code that a failure deserves. */
export function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof UsageFault) return 2
  return thrown instanceof Fault ? codeOf[thrown.code] : 1
}

/** Writes a failure in its three parts. */
export function describeFailure(thrown: unknown, paint: Paint = plain): string {
  const fault = thrown instanceof Fault ? thrown : undefined
  const parts = [`${paint('red', 'error:')} ${printable(fault?.message ?? sentence(thrown))}`]
  const said = fault?.message ?? ''
  const reasons = (fault?.reasons ?? []).filter(reason => !repeats(reason, said))
  if (fault?.cause !== undefined) reasons.push(sentence(fault.cause))
  parts.push(...part(paint('dim', 'why '), reasons), ...part(paint('dim', 'next'), fault?.next))
  return `${parts.join('\n')}\n`
}

/** A field's fault may be all that there is to say: then it need not be said twice. */
function repeats(reason: string, said: string): boolean {
  const fault = /^(?:spec|labels|name)[\w.-]*: (.+)$/.exec(reason)?.[1]
  return fault !== undefined && said.endsWith(fault)
}

function part(title: string, sentences: readonly string[] = []): readonly string[] {
  return [...new Set(sentences)].map(
    (text, index) =>
      `  ${index === 0 ? title : '    '}  ${printable(text).replaceAll('\n', '\n        ')}`
  )
}
