/** Parts of passing a request on from one candidate to another. */
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Fault, sentence } from '#shared/fault.ts'
import { notLeading, type problemOf } from './api/problem.ts'
import type { Caller } from './api/route.ts'
import { sealHeader } from './peer-seal.ts'

/** A connection to the controller must stand after so long. Unit: ms. */
const connectMsMax = 2_000

/** What is of one connection alone (RFC 9110, 7.6.1), or is made anew for the next one. */
const ofOneConnection: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'expect',
  'remuda-forwarded',
  'remuda-passed'
])

type Headers = Record<string, string | string[]>

function kept(headers: IncomingHttpHeaders, dropped: ReadonlySet<string>): Headers {
  const result: Headers = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !dropped.has(name)) result[name] = value
  }
  return result
}

/** The headers with which a request is passed on; its body keeps its length or is in chunks. */
export function headersTo(method: string, headers: IncomingHttpHeaders): Headers {
  const result = kept(headers, ofOneConnection)
  if (headers['transfer-encoding'] !== undefined) result['transfer-encoding'] = 'chunked'
  // Otherwise a request without a body would become one with an empty body of unknown length.
  else if (method !== 'GET' && method !== 'HEAD') result['content-length'] ??= '0'
  return result
}

/** The headers with which an answer is passed back. */
export const responseHeaders = (headers: IncomingHttpHeaders): Headers =>
  kept(headers, ofOneConnection)

/** Paths that tell of what is recorded alone: every candidate reads that. */
const recordedKinds: ReadonlySet<string> = new Set([
  'cluster',
  'jobs',
  'join-tokens',
  'notifications',
  'openapi.json',
  'placement',
  'ports',
  'secrets',
  'sizes',
  'subnets',
  'tenants',
  'tokens'
])

/** Of these paths, those that the controller alone can answer. */
const livePaths: ReadonlySet<string> = new Set(['/v1/cluster/candidates'])

/**
 * Whether only the controller can answer as it should: it changes something, or tells of what hosts
 * report, which anything may that is not known to tell of what is recorded alone. How this
 * candidate itself is, nobody else can say.
 */
export function isLive(method: string, url: string): boolean {
  const [path = ''] = url.split('?')
  if (method !== 'GET' && method !== 'HEAD') return method !== 'OPTIONS'
  const [, version, kind = ''] = path.split('/')
  if (version !== 'v1' || kind === '') return false
  return !recordedKinds.has(kind) || livePaths.has(path)
}

/** Whether another candidate has passed it on, or asks in its own name. */
export const isPassedOn = ({ headers }: IncomingMessage): boolean =>
  headers[sealHeader] !== undefined || headers['remuda-passed'] !== undefined

/** Another candidate that asks in its own name. */
export const isCandidate = (caller: Caller | undefined): boolean =>
  caller?.name.startsWith('candidate-') ?? false

/** Whether the answer is made of what is recorded. */
export function isOfState({ url = '/' }: IncomingMessage): boolean {
  const [path = ''] = url.split('?')
  return path.startsWith('/v1/') && path !== '/v1/cluster'
}

/** What was asked for, in words of HTTP. */
export const whatOf = ({ method, url }: IncomingMessage): string =>
  `${method} ${url?.split('?')[0]}`

/** The Fault of a request that only the controller can answer, and another one is that. */
export const leadsNot = (
  asked: IncomingMessage,
  name: string,
  leader: { readonly name: string; readonly apiUrl: string }
): Fault =>
  notLeading(`cannot ${whatOf(asked)}: ${name} does not lead`, {
    reasons: [`${leader.name} leads or is about to, at ${leader.apiUrl}`],
    next: [`ask ${leader.apiUrl}`, 'try again in a moment']
  })

/** The Fault of a candidate that knows nothing yet: that would look like an empty cloud. */
export const nothingRead = (asked: IncomingMessage, name: string): Fault =>
  notLeading(`cannot ${whatOf(asked)}: ${name} has not read the journal yet`, {
    next: ['ask another candidate', 'remuda cluster status']
  })

/** The Fault of a write of which nobody knows whether it was done. */
export const outcomeUnknown = (
  leader: { readonly name: string; readonly apiUrl: string },
  cause: unknown
): Fault =>
  new Fault('unavailable', `cannot tell what became of the request: ${leader.name} fell silent`, {
    cause,
    reasons: [sentence(cause), 'it may have been done all the same'],
    next: ['look whether it was done, or repeat it with the same Idempotency-Key']
  })

/** The Fault of a request that nobody took: nothing was done, and another one may take it. */
export const unreached = (leader: { readonly name: string }, cause: unknown): Fault =>
  notLeading(`cannot pass the request on to ${leader.name}`, {
    reasons: [`${leader.name} led when it was last seen: ${sentence(cause)}`, 'nothing was done'],
    next: ['try again in a moment', 'remuda cluster status']
  })

/** Resolves once the connection of a request stands. */
export async function connected(sent: ClientRequest): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => {
    sent.destroy(new Error(`no connection within ${connectMsMax} ms`))
  }, connectMsMax)
  sent.on('error', reject)
  sent.once('socket', (socket: Socket & { readonly encrypted?: boolean }) => {
    socket.once(socket.encrypted ? 'secureConnect' : 'connect', resolve)
  })
  sent.flushHeaders()
  try {
    await promise
  } finally {
    clearTimeout(timer)
  }
}

/**
 * How long the head of an answer may take: as long as a session with the ensemble, after which a
 * silent controller leads no more, and what the request itself asks for in `Prefer: wait`.
 */
export function answerMsMax(
  { prefer, 'content-type': type = '' }: IncomingHttpHeaders,
  given: { readonly sessionMs: number; readonly uploadMsMax: number }
): number {
  if (type.startsWith('application/octet-stream')) return given.uploadMsMax
  const [, wanted = '0'] = /\bwait=(\d+)/.exec(String(prefer ?? '')) ?? []
  return Math.min(given.sessionMs + connectMsMax + Number(wanted) * 1_000, given.uploadMsMax)
}

/** Resolves with the head of the answer. */
export async function answerTo(sent: ClientRequest, msMax: number): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const timer = setTimeout(() => sent.destroy(new Error(`no answer within ${msMax} ms`)), msMax)
  sent.once('response', resolve)
  sent.once('error', reject)
  sent.once('close', () => reject(new Error('the connection was closed')))
  try {
    return await promise
  } finally {
    clearTimeout(timer)
  }
}

/** Copies the body of an answer; resolves once the client has it or is gone. */
export async function copied(said: IncomingMessage, answer: ServerResponse): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    said.once('error', reject)
    answer.once('close', resolve)
    said.pipe(answer)
  })
}

/** Ends a request for an upgrade, and joins who has asked with who answers in time. */
export function upgraded(
  sent: ClientRequest,
  given: {
    readonly socket: Duplex
    /** What the socket has said already. */
    readonly head: Buffer
    readonly fail: (cause: unknown) => void
    readonly msMax: number
  }
): void {
  const { socket, head, fail, msMax } = given
  const late = (): void => void sent.destroy(new Error(`no answer within ${msMax} ms`))
  const timer = setTimeout(late, msMax)
  socket.once('close', () => sent.destroy())
  sent.on('error', fail)
  sent.once('close', () => clearTimeout(timer))
  sent.once('upgrade', (said, other, rest) => {
    clearTimeout(timer)
    socket.write(headText(said))
    if (rest.length > 0) socket.write(rest)
    if (head.length > 0) other.write(head)
    join(socket, other)
  })
  sent.once('response', said => {
    clearTimeout(timer)
    socket.write(headText(said))
    said.pipe(socket)
  })
  sent.end()
}

/** Joins two ends until one of them is gone. */
function join(one: Duplex, other: Duplex): void {
  one.pipe(other)
  other.pipe(one)
  other.on('error', () => other.destroy())
  one.once('close', () => other.destroy())
  other.once('close', () => one.destroy())
}

/** The head of an answer as it came. */
function headText(said: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${said.statusCode} ${said.statusMessage}`]
  for (let at = 0; at < said.rawHeaders.length; at += 2) {
    lines.push(`${said.rawHeaders[at]}: ${said.rawHeaders[at + 1]}`)
  }
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** A problem as an answer of its own, for a socket that was to be upgraded. */
export function problemText(problem: ReturnType<typeof problemOf>): string {
  const body = JSON.stringify(problem)
  return (
    `HTTP/1.1 ${problem.status} ${problem.title}\r\n` +
    'Content-Type: application/problem+json\r\nConnection: close\r\n' +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
}
