/**
 * Speaks HTTP with the API, over sockets or TCP, at whichever of its servers answers. Every wait
 * has a deadline. What may safely be said twice (reading, and creating under an idempotency key)
 * is said once more, or to another server, when the connection was lost under it.
 */
import http, { type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'
import https from 'node:https'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Fault, isFault } from '#shared/fault.ts'
import { formatMs } from '#shared/units.ts'
import { type Address, writeAddress } from './address.ts'
import {
  faultOfAnswer,
  faultOfConnection,
  isNotLeading,
  type Peer,
  seesNoLeader
} from './problem.ts'
import { Servers, type Try } from './servers.ts'
import { noTrace, type Trace } from './trace.ts'

/** Time for a connection to come about. */
const connectMsMax = 5_000
/** Time for a whole answer, where the request does not say otherwise. */
const answerMsMax = 15_000
/** An upload in which nothing moves for so long, in either direction, is given up. */
const stallMsMax = 300_000
/** A larger answer is refused: it cannot be from our API. Unit: bytes. */
const answerBytesMax = 256 * 1024 * 1024

/** One request. */
export type Ask = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Starting with a slash. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
  /** Sent as it is, of a length that is known. */
  readonly content?: { readonly stream: Readable; readonly bytes: number }
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
  /** What this is for, such as `create instance/web`; messages begin with it. */
  readonly doing: string
}

/** A whole answer, whatever its status. */
export type Answer = {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
}

/** Says the path and the query of a request as one text. */
export function pathOfAsk(ask: Pick<Ask, 'path' | 'query'>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(ask.query ?? {})) {
    if (value !== undefined) query.set(name, value)
  }
  const text = query.toString()
  return text === '' ? ask.path : `${ask.path}${ask.path.includes('?') ? '&' : '?'}${text}`
}

/** The way to one API, with connections that are kept for the next request. */
export class Api implements AsyncDisposable {
  readonly servers: Servers
  readonly #plain = new http.Agent(agentSettings)
  readonly #secure = new https.Agent(agentSettings)
  readonly #trace: Trace
  readonly #peer: Peer

  constructor(
    addresses: Address | readonly Address[],
    options: { readonly trace?: Trace; readonly peer?: Peer } = {}
  ) {
    this.servers = new Servers([addresses].flat())
    this.#peer = options.peer ?? 'controller'
    this.#trace = options.trace ?? noTrace
  }

  /** The server that is asked first. */
  get address(): Address {
    return this.servers.current
  }

  /** Asks and reads the whole answer; throws the Fault that a status of 400 or more stands for. */
  async ask(ask: Ask): Promise<Answer> {
    const answer = await this.askAnyway(ask)
    if (answer.status >= 400) throw faultOfAnswer(answer.status, answer.bytes, ask.doing)
    return answer
  }

  /** The same, but any status is an answer. */
  async askAnyway(ask: Ask): Promise<Answer> {
    // What is read from a file can be said once only: so first find who listens.
    if (ask.content && this.servers.count > 1) await this.#findWhoListens(ask)
    return this.servers.try({
      ...ask,
      repeatable: isRepeatable(ask),
      signal: ask.signal,
      attempt: address =>
        this.#tryAsking(ask, async () => {
          const answer = await this.#askOnce(ask, address)
          const { status, bytes } = answer
          const hopeful = isNotLeading(status, bytes)
          if (hopeful || (this.servers.count > 1 && seesNoLeader(status, bytes))) {
            const missed = faultOfAnswer(status, bytes, ask.doing)
            return { missed, untouched: !ask.content, hopeful }
          }
          const isOutOfTouch = ask.method === 'GET' && seesNoController(answer.headers)
          return { ...(await this.#redirected(ask, address, answer)), isOutOfTouch }
        })
    })
  }

  /** Judges what was thrown: whether another server may be asked. */
  async #tryAsking<Result>(ask: Ask, attempt: () => Promise<Try<Result>>): Promise<Try<Result>> {
    try {
      return await attempt()
    } catch (error) {
      if (!isFault(error)) throw error
      const untouched = error.code === 'unavailable' && !ask.content
      if (!untouched && !isFault(error, 'closed') && !isFault(error, 'deadline')) throw error
      return { missed: error, untouched, hopeful: false }
    }
  }

  async #findWhoListens({ doing, signal }: Ask): Promise<void> {
    const path = '/readyz'
    await this.askAnyway({ method: 'GET', path, doing, ...(signal && { signal }) })
  }

  /** Follows an answer that names another server, if that is one of ours. */
  async #redirected(ask: Ask, from: Address, answer: Answer): Promise<Try<Answer>> {
    const { location } = answer.headers
    if (![307, 308].includes(answer.status) || location === undefined) return { done: answer }
    const url = URL.parse(location)
    const to = url ? (this.servers.find(url) ?? (await this.#candidate(from, url))) : undefined
    if (!to || ask.content) {
      const named = url ? url.origin : location
      throw new Fault('unavailable', `cannot ${ask.doing}: ${writeAddress(from)} names ${named}`, {
        reasons: ['it is none of the servers that were named, and no candidate of this cloud'],
        next: [`if you trust it: --server ${named}`]
      })
    }
    return { done: await this.#askOnce(ask, to), at: to }
  }

  /** A server that the one we know lists as a candidate of its cloud. No token is sent in clear. */
  async #candidate(from: Address, url: URL): Promise<Address | undefined> {
    const asked = { method: 'GET', path: '/v1/cluster', doing: 'read the candidates' } as const
    const { status, bytes } = await this.#askOnce(asked, from)
    const token = from.via === 'url' ? from.token : undefined
    const isOpen = url.protocol !== 'https:' && from.via === 'url' && from.url.protocol === 'https:'
    if (status !== 200 || isOpen || !candidateUrls(bytes).includes(url.origin)) return undefined
    return { via: 'url', url: new URL(url.origin), token }
  }

  async #askOnce(ask: Ask, address: Address): Promise<Answer> {
    const deadlineMs = ask.deadlineMs ?? answerMsMax
    const deadline = AbortSignal.timeout(deadlineMs)
    const signal = ask.signal ? AbortSignal.any([ask.signal, deadline]) : deadline
    try {
      const response = await this.#send(ask, address, signal)
      const bytes = await readAll(response)
      const status = response.statusCode!
      const line = `${status} ${response.statusMessage ?? ''}`
      this.#trace.received(line, response.headers, bytes.toString('utf8'))
      return { status, headers: response.headers, bytes }
    } catch (error) {
      throw this.#faultOf(error, { ...ask, address }, { deadline, deadlineMs })
    }
  }

  /**
   * Asks for an answer without end and gives it as soon as it has begun; throws the Fault of a
   * refusal. The signal ends it.
   */
  async open(ask: Ask): Promise<http.IncomingMessage> {
    return this.servers.try({
      ...ask,
      repeatable: isRepeatable(ask),
      signal: ask.signal,
      attempt: address =>
        this.#tryAsking(ask, async () => {
          const response = await this.#openOnce(ask, address)
          const leads = this.#whoLeads(response, address)
          if (!leads) return { done: response }
          const better = await this.#openOnce(ask, leads).catch(() => undefined)
          if (!better) return { done: response }
          response.destroy()
          return { done: better, at: leads }
        })
    })
  }

  /** A server of ours that leads while the one that has answered does not. */
  #whoLeads(response: http.IncomingMessage, address: Address): Address | undefined {
    const said = String(response.headers['remuda-controller'] ?? '')
    const url = URL.parse(said.split(' ').at(-1) ?? '')
    const leads = url ? this.servers.find(url) : undefined
    return leads === address ? undefined : leads
  }

  async #openOnce(ask: Ask, address: Address): Promise<http.IncomingMessage> {
    const begun = new AbortController()
    const timer = setTimeout(() => begun.abort(), answerMsMax)
    const signal = ask.signal ? AbortSignal.any([ask.signal, begun.signal]) : begun.signal
    try {
      const response = await this.#send(ask, address, signal)
      this.#trace.received(`${response.statusCode} …`, response.headers, '')
      if (response.statusCode! < 400) return response
      throw faultOfAnswer(response.statusCode!, await readAll(response), ask.doing)
    } catch (error) {
      throw this.#faultOf(
        error,
        { ...ask, address },
        { deadline: begun.signal, deadlineMs: answerMsMax }
      )
    } finally {
      clearTimeout(timer)
    }
  }

  #faultOf(
    error: unknown,
    ask: Ask & { readonly address: Address },
    limit: { readonly deadline: AbortSignal; readonly deadlineMs: number }
  ): Fault {
    if (ask.signal?.aborted) {
      return isFault(ask.signal.reason)
        ? ask.signal.reason
        : new Fault('aborted', `cannot ${ask.doing}: interrupted`)
    }
    if (!limit.deadline.aborted)
      return faultOfConnection(error, { address: ask.address, peer: this.#peer, doing: ask.doing })
    const where = writeAddress(ask.address)
    return new Fault(
      'deadline',
      `cannot ${ask.doing}: no answer from ${where} within ${formatMs(limit.deadlineMs)}`,
      { next: ['remuda doctor'] }
    )
  }

  #send(ask: Ask, address: Address, signal: AbortSignal): Promise<http.IncomingMessage> {
    const body = ask.body === undefined ? undefined : JSON.stringify(ask.body)
    const headers: OutgoingHttpHeaders = {
      accept: 'application/json, application/problem+json',
      ...lengthOf(ask, body),
      ...credentialsOf(address),
      ...ask.headers
    }
    const path = pathOfAsk(ask)
    this.#trace.sent(`${ask.method} ${path} (${writeAddress(address)})`, headers, body)
    const isSecure = address.via === 'url' && address.url.protocol === 'https:'
    const agent = isSecure ? this.#secure : this.#plain
    const options = { method: ask.method, headers, agent, signal }
    const request =
      address.via === 'socket'
        ? http.request({ ...options, socketPath: address.path, path })
        : (isSecure ? https : http).request(address.url, {
            ...options,
            path: address.url.pathname.replace(/\/$/, '') + path
          })
    return new Promise((resolve, reject) => {
      limitConnecting(request)
      request.once('response', resolve)
      request.once('error', reject)
      if (!ask.content) request.end(body)
      else {
        request.setTimeout(stallMsMax, () => request.destroy(stalled(ask.doing)))
        pipeline(ask.content.stream, request, { signal }).catch(reject)
      }
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#plain.destroy()
    this.#secure.destroy()
  }
}

const agentSettings = { keepAlive: true, maxSockets: 8, maxFreeSockets: 8 } as const

/** Headers that prove to a server who we are. */
export function credentialsOf(address: Address): Readonly<Record<string, string>> {
  const token = address.via === 'url' ? address.token : undefined
  return token === undefined ? {} : { authorization: `Bearer ${token}` }
}

/** Whether an answer is of a candidate that sees no controller: out of what it knew last. */
const seesNoController = (headers: IncomingHttpHeaders): boolean =>
  headers['remuda-position'] !== undefined && headers['remuda-controller'] === undefined

/** Whether saying it twice does nothing twice. */
const isRepeatable = ({ method, headers, content }: Ask): boolean =>
  !content && (method === 'GET' || headers?.['idempotency-key'] !== undefined)

/** Where candidates of a cloud answer, as its status says. */
function candidateUrls(bytes: Buffer): readonly string[] {
  try {
    const { candidates } = JSON.parse(bytes.toString('utf8')) as {
      readonly candidates?: readonly { readonly apiUrl?: string }[]
    }
    return (candidates ?? []).flatMap(({ apiUrl = '' }) => URL.parse(apiUrl)?.origin ?? [])
  } catch {
    return []
  }
}

function lengthOf(ask: Ask, body: string | undefined): OutgoingHttpHeaders {
  if (ask.content) {
    return {
      'content-type': 'application/octet-stream',
      'content-length': String(ask.content.bytes)
    }
  }
  if (body === undefined) return {}
  return { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) }
}

/** Gives up a connection that does not come about; one that is reused is there already. */
function limitConnecting(request: http.ClientRequest): void {
  request.once('socket', socket => {
    if (!socket.connecting) return
    const timer = setTimeout(() => {
      request.destroy(Object.assign(new Error('no connection'), { code: 'ETIMEDOUT' }))
    }, connectMsMax)
    socket.once('connect', () => clearTimeout(timer))
    socket.once('close', () => clearTimeout(timer))
  })
}

const stalled = (doing: string): Fault =>
  new Fault('deadline', `cannot ${doing}: nothing has moved for ${formatMs(stallMsMax)}`, {
    next: ['give the same command again']
  })

async function readAll(response: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length
    if (bytes > answerBytesMax) {
      throw new Fault('protocol', `cannot read the answer: it exceeds ${answerBytesMax} bytes`)
    }
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks)
}
