/** Turns what the API or the connection to it says went wrong into a Fault in our words. */
import { Fault, type FaultCode, type FaultOptions, sentence } from '#shared/fault.ts'
import { kindWords } from '../kinds.ts'
import { type Address, writeAddress } from './address.ts'

/** A problem document (RFC 9457) as the API sends it. */
type Problem = {
  readonly type?: string
  readonly title?: string
  readonly detail?: string
  /** The path that was asked for. */
  readonly instance?: string
  readonly errors?: readonly Partial<FieldProblem>[]
  readonly reasons?: readonly string[]
  readonly next?: readonly string[]
}

/** Something that is wrong with a field of what was sent. */
export type FieldProblem = {
  /** JSON pointer (RFC 6901) into the body; empty: the body as a whole. */
  readonly pointer: string
  readonly detail: string
}

/** A refusal of the API that names fields; they are the first of its reasons, in this order. */
export class FieldFault extends Fault {
  readonly problems: readonly FieldProblem[]

  constructor(
    code: FaultCode,
    message: string,
    options: FaultOptions & { readonly problems: readonly FieldProblem[] }
  ) {
    super(code, message, options)
    this.problems = options.problems
  }
}

/** The steps of a JSON pointer, as the names of fields and the numbers of items. */
export const stepsOf = (pointer: string): readonly string[] =>
  pointer
    .replace(/^#/, '')
    .split('/')
    .slice(1)
    .map(step => step.replaceAll('~1', '/').replaceAll('~0', '~'))

/** What is wrong with a field, as a sentence with its subject. */
export const describeProblem = ({ pointer, detail }: FieldProblem): string =>
  pointer === '' ? detail : `${stepsOf(pointer).join('.')}: ${detail}`

const codeOfStatus: Readonly<Record<number, FaultCode>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not-found',
  409: 'conflict',
  412: 'stale',
  428: 'conflict',
  503: 'unavailable',
  504: 'deadline'
}

/** The fault that an answer of 400 or more stands for; `doing` is such as `create instance/web`. */
export function faultOfAnswer(status: number, bytes: Buffer, doing: string): Fault {
  const problem = readProblem(bytes)
  const said = problem.detail ?? problem.title ?? `the controller answered ${status}`
  const message = said.startsWith('cannot ') ? said : `cannot ${doing}: ${said}`
  const code = codeOfStatus[status] ?? (status >= 500 ? 'protocol' : 'invalid')
  if (code === 'unauthenticated') return notLetIn(doing, said)
  const errors = problem.errors ?? []
  const problems = errors.map(({ pointer = '', detail = '' }) => ({ pointer, detail }))
  // Pointers are for who has written the body: here it was made of a line or a file.
  const isPointed = (text: string): boolean =>
    errors.some(({ pointer }) => pointer !== undefined && pointer !== '' && text.includes(pointer))
  const given = problem.reasons ?? []
  const reasons = given.filter(reason => !isPointed(reason))
  const next = (problem.next ?? []).filter(step => !isPointed(step))
  const sentences = [...problems.map(describeProblem), ...reasons]
  if (problems.length === 0) return new Fault(code, message, { reasons: sentences, next })
  const isOnlyFields = given.length > 0 && reasons.length === 0
  return new FieldFault(code, isOnlyFields ? aboutFields(doing, problems) : message, {
    reasons: sentences,
    next: next.length === 0 ? explanationOf(problem) : next,
    problems
  })
}

/** Whether a server says that it cannot do it since it does not lead: it has done nothing. */
export const isNotLeading = (status: number, bytes: Buffer): boolean =>
  status === 503 && readProblem(bytes).type === 'urn:remuda:not-leading'

/** Whether it says that it sees nobody who leads: it has done nothing, another may see more. */
export const seesNoLeader = (status: number, bytes: Buffer): boolean =>
  status === 503 && readProblem(bytes).type === 'urn:remuda:no-leader'

/** The command that says what may stand in the fields of the kind that was spoken of. */
function explanationOf({ instance = '' }: Problem): readonly string[] {
  const collection = /^\/v1\/([^/?]+)/.exec(instance)?.[1]
  const words = kindWords.find(({ plural }) => plural === collection)
  return words ? [`remuda explain ${words.kind}`] : []
}

/** The API speaks of headers, and who typed a command has sent none. */
const notLetIn = (doing: string, said: string): Fault =>
  new Fault('unauthenticated', `cannot ${doing}: ${said.replace(/^cannot [^:]*: /, '')}`, {
    reasons: ['only its sockets, which root may open on its own machine, need no token'],
    next: [
      'on the machine of the controller run it as root',
      'elsewhere name a token: --token-file FILE, or REMUDA_TOKEN_FILE',
      'who may make one types: remuda token create NAME'
    ]
  })

function aboutFields(doing: string, problems: readonly FieldProblem[]): string {
  const names = [...new Set(problems.map(({ pointer }) => stepsOf(pointer).join('.')))]
  const fields = names.length === 1 ? 'the field' : 'the fields'
  return `cannot ${doing}: ${fields} ${names.join(', ')} cannot be used`
}

function readProblem(bytes: Buffer): Problem {
  try {
    const parsed: unknown = JSON.parse(bytes.toString('utf8'))
    return typeof parsed === 'object' && parsed !== null ? (parsed as Problem) : {}
  } catch {
    return {}
  }
}

/** Who is spoken to. */
export type Peer = 'controller' | 'agent'

/** Why a connection failed, as a Fault. */
export function faultOfConnection(
  error: unknown,
  tried: { readonly address: Address; readonly peer: Peer; readonly doing: string }
): Fault {
  if (error instanceof Fault) return error
  const { address, peer, doing } = tried
  const where = writeAddress(address)
  const code = (error as NodeJS.ErrnoException).code ?? ''
  const unreachable = (because: string, next: readonly string[] = ['remuda doctor']) =>
    new Fault('unavailable', `cannot ${doing}: ${because}`, { next })
  switch (code) {
    case 'ECONNREFUSED':
    case 'ENOENT':
      return unreachable(`no ${peer} listens on ${where}`)
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return unreachable(`the name in ${where} cannot be looked up (${code})`)
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return unreachable(`there is no way to ${where} (${code})`)
    case 'EACCES':
    case 'EPERM':
      return new Fault('forbidden', `cannot ${doing}: ${where} may not be opened`, {
        next: ['run it as root', 'or name a server and a token: --server URL --token-file FILE']
      })
    default:
      break
  }
  if (/CERT|TLS|SSL|SELF_SIGNED|SIGNATURE|EPROTO/.test(code)) {
    return unreachable(`the certificate of ${where} was not accepted (${code})`, [
      'name the file of its authority in NODE_EXTRA_CA_CERTS'
    ])
  }
  return new Fault('closed', `cannot ${doing}: the connection to ${where} was lost`, {
    reasons: [sentence(error)],
    next: ['remuda doctor']
  })
}
