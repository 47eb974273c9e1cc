import { Fault, type FaultCode, sentence } from '#shared/fault.ts'

/** A problem document (RFC 9457) with our own fields: why, with numbers, and what to do next. */
export type Problem = {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly instance: string
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[]
  readonly reasons: readonly string[]
  readonly next: readonly string[]
}

const statusOf: Readonly<Record<FaultCode, number>> = {
  invalid: 422,
  'not-found': 404,
  conflict: 409,
  capacity: 409,
  stale: 412,
  unauthenticated: 401,
  forbidden: 403,
  unavailable: 503,
  deadline: 504,
  aborted: 499,
  closed: 503,
  protocol: 400,
  corrupt: 500,
  locked: 503,
  command: 500,
  hypervisor: 500,
  storage: 500,
  network: 500
}

const titles: Readonly<Partial<Record<string, string>>> = {
  invalid: 'The request is not valid',
  'not-found': 'There is no such thing',
  conflict: 'It conflicts with what there is',
  capacity: 'There is no room',
  stale: 'It has changed since it was read',
  unauthenticated: 'Who are you?',
  forbidden: 'You may not do this',
  unavailable: 'Not possible at the moment',
  'not-leading': 'This candidate does not lead',
  'no-leader': 'This candidate sees nobody who leads',
  deadline: 'It took too long',
  'precondition-required': 'Say which state you have read',
  'too-large': 'The body is too large',
  'media-type': 'The body has a type that is not read here'
}

/** A Fault that carries its own HTTP status, for what only HTTP knows. */
export class HttpFault extends Fault {
  readonly status: number
  readonly type: string

  constructor(
    status: number,
    type: string,
    message: string,
    options: { readonly reasons?: readonly string[]; readonly next?: readonly string[] } = {}
  ) {
    super('invalid', message, options)
    this.status = status
    this.type = type
  }
}

/**
 * Says that this candidate does not lead and nothing was done: a client asks another candidate, or
 * again in a moment.
 */
export const notLeading = (
  message: string,
  options: { readonly reasons?: readonly string[]; readonly next?: readonly string[] } = {}
): HttpFault => new HttpFault(503, 'not-leading', message, options)

/**
 * Says that nobody leads as far as this candidate sees, and nothing was done: it may be cut off, or
 * just have started, and another one may see more.
 */
export const noLeader = (
  message: string,
  options: { readonly reasons?: readonly string[]; readonly next?: readonly string[] } = {}
): HttpFault => new HttpFault(503, 'no-leader', message, options)

/** Makes the problem document of anything that was thrown. */
export function problemOf(thrown: unknown, path: string): Problem {
  const translated = translate(thrown)
  if (!(translated instanceof Fault)) {
    return {
      type: 'urn:remuda:bug',
      title: 'The controller made a mistake',
      status: 500,
      detail: `cannot answer: ${sentence(translated)}`,
      instance: path,
      reasons: [],
      next: ['report it with the lines of the controller log around this moment']
    }
  }
  const type = translated instanceof HttpFault ? translated.type : translated.code
  const status = translated instanceof HttpFault ? translated.status : statusOf[translated.code]
  const errors = (translated as { errors?: Problem['errors'] }).errors
  return {
    type: `urn:remuda:${type}`,
    title: titles[type] ?? 'It failed',
    status,
    detail: translated.message,
    instance: path,
    ...(errors && errors.length > 0 && { errors }),
    reasons: translated.reasons,
    next: translated.next
  }
}

/** The web framework's own failures, by their codes, in our words. */
function translate(thrown: unknown): unknown {
  const code = (thrown as { code?: unknown } | undefined)?.code
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new HttpFault(413, 'too-large', 'cannot take the body: it is too large', {
        reasons: [`at most ${bodyBytesMax} bytes are taken here`],
        next: ['send less; images go to PUT /v1/images/NAME/content']
      })
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new HttpFault(415, 'media-type', 'cannot read a body of this type', {
        next: ['send JSON with Content-Type: application/json']
      })
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return new HttpFault(400, 'invalid', 'cannot read the body: it is not JSON', {
        reasons: [sentence(thrown)],
        next: ['check quotes, commas and brackets of what you sent']
      })
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new HttpFault(400, 'invalid', 'cannot read the body: it ended too early', {
        next: ['send as many bytes as Content-Length says']
      })
    default:
      return thrown instanceof SyntaxError && 'statusCode' in thrown
        ? new HttpFault(400, 'invalid', 'cannot read the body: it is not JSON', {
            reasons: [withoutText(thrown.message)],
            next: ['check quotes, commas and brackets of what you sent']
          })
        : thrown
  }
}

/** Takes out the piece of the text that the engine quotes: it may be a secret. */
const withoutText = (message: string): string =>
  message.replace(/, (\.{3})?".*"(\.{3})? is not valid JSON$/s, '')

/** The longest JSON body. Unit: bytes. */
export const bodyBytesMax = 1024 * 1024
