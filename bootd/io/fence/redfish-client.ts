/**
 * Requests to one Redfish service. It goes by what services in the field do, not only by the
 * standard:
 *  - The connection is verified before a password is sent: by the fingerprint of the certificate
 *    where one is given, for hardly any controller has a certificate that an authority signed.
 *  - A redirection is followed within the service only, so that no password goes elsewhere.
 *  - A session that has expired is opened anew, once. Sessions are few: ours is closed at the end.
 *  - Who is busy (503, 429) is asked again when it says, within the deadline of the caller.
 *  - Bodies have a limit, and what is no JSON is a Fault.
 */
import { createHash } from 'node:crypto'
import { Agent, type RequestOptions, request } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'
import { Fault } from '#shared/fault.ts'
import type { RedfishDevice } from '#shared/model/fence.ts'

/** No body is longer. Unit: bytes. */
const bodyBytesMax = 1024 * 1024
const redirectsMax = 3
/** Who is busy is asked again so often, and waited for at most so long each time. Unit: ms. */
const busyAsksMax = 3
const busyMsMax = 5_000
const busyMsDefault = 1_000
/** Closing our session at the end may take so long. Unit: ms. */
const logoutMsMax = 2_000
/** A dead controller is known by this, long before a slow one has answered. Unit: ms. */
const connectMsDefault = 4_000
/** An unused connection is kept for so long. Unit: ms. */
const idleMsMax = 10_000

/** What was answered. */
export type RedfishReply = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The object in the body; an empty one where there was none. */
  readonly body: Readonly<Record<string, unknown>>
}

type Ask = {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** Where sessions are opened, as the standard has it. */
const sessionsPath = '/redfish/v1/SessionService/Sessions'

/** Talks to one service; one request at a time, which the executor sees to. */
export class RedfishClient implements AsyncDisposable {
  readonly #device: RedfishDevice
  readonly #password: string
  readonly #base: URL
  readonly #agent: Agent
  #session: { readonly token: string; readonly path: string | undefined } | undefined

  constructor(
    device: RedfishDevice,
    given: { readonly password: string; readonly connectMsMax?: number }
  ) {
    this.#device = device
    this.#password = given.password
    this.#base = new URL(device.url)
    this.#agent = new VerifyingAgent(device, given.connectMsMax ?? connectMsDefault)
  }

  /** Asks as the user. Faults: `unauthenticated`, `unavailable`, `protocol`. */
  async ask(ask: Ask, signal: AbortSignal): Promise<RedfishReply> {
    const reply = await this.#askAsUser(ask, signal)
    if (reply.status !== 401 || this.#session === undefined) return this.#admitted(reply)
    this.#session = undefined // it has expired, or the service has started anew
    return this.#admitted(await this.#askAsUser(ask, signal))
  }

  /** What is at a path. Fault `not-found` and others when it is not shown. */
  async get(path: string, signal: AbortSignal): Promise<RedfishReply> {
    const reply = await this.ask({ method: 'GET', path }, signal)
    if (reply.status === 200) return reply
    throw new Fault(
      reply.status === 404 ? 'not-found' : 'unavailable',
      `cannot read ${path}: ${said(reply)}`
    )
  }

  #admitted(reply: RedfishReply): RedfishReply {
    if (reply.status !== 401 && reply.status !== 403) return reply
    const user = this.#device.user
    throw new Fault('unauthenticated', `cannot act as ${user}: ${said(reply)}`)
  }

  async #askAsUser(ask: Ask, signal: AbortSignal): Promise<RedfishReply> {
    return await this.#patiently(ask, await this.#credentials(signal), signal)
  }

  async #patiently(
    ask: Ask,
    credentials: Readonly<Record<string, string>>,
    signal: AbortSignal
  ): Promise<RedfishReply> {
    for (let count = 1; ; count++) {
      const reply = await this.#follow(ask, credentials, signal)
      const isBusy = reply.status === 503 || reply.status === 429
      if (!isBusy || count >= busyAsksMax) return reply
      const seconds = Number(reply.headers['retry-after'])
      const waitMs = Number.isFinite(seconds) ? seconds * 1_000 : busyMsDefault
      await sleep(Math.min(busyMsMax, Math.max(0, waitMs)), undefined, { signal })
    }
  }

  async #credentials(signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
    const { user, auth } = this.#device
    if (auth === 'basic') {
      const pair = Buffer.from(`${user}:${this.#password}`).toString('base64')
      return { authorization: `Basic ${pair}` }
    }
    this.#session ??= await this.#login(signal)
    return { 'x-auth-token': this.#session.token }
  }

  async #login(signal: AbortSignal): Promise<{ token: string; path: string | undefined }> {
    const body = { UserName: this.#device.user, Password: this.#password }
    const ask: Ask = { method: 'POST', path: sessionsPath, body }
    const reply = await this.#patiently(ask, {}, signal)
    const token = reply.headers['x-auth-token']
    if (reply.status >= 200 && reply.status < 300 && token !== undefined) {
      const place = reply.headers['location'] ?? reply.body['@odata.id']
      return { token, path: typeof place === 'string' ? this.#inside(place) : undefined }
    }
    const isRefused = [400, 401, 403].includes(reply.status)
    throw new Fault(
      isRefused ? 'unauthenticated' : 'unavailable',
      `cannot log in as ${this.#device.user}: ${said(reply)}`
    )
  }

  async #follow(
    ask: Ask,
    credentials: Readonly<Record<string, string>>,
    signal: AbortSignal
  ): Promise<RedfishReply> {
    let path = this.#inside(ask.path)
    for (let count = 0; ; count++) {
      const reply = await this.#exchange({ ...ask, path }, credentials, signal)
      const isMoved = [307, 308].includes(reply.status)
      const isFound = [301, 302, 303].includes(reply.status) && ask.method === 'GET'
      const place = reply.headers['location']
      if (!(isMoved || isFound) || place === undefined) return reply
      if (count >= redirectsMax) {
        throw new Fault('protocol', `cannot read ${ask.path}: redirected more than ${count} times`)
      }
      path = this.#inside(new URL(place, new URL(path, this.#base)).href)
    }
  }

  /** The path of an address, which must be of this service: nobody else gets our credentials. */
  #inside(place: string): string {
    const url = URL.parse(place, this.#base.href)
    if (url?.origin === this.#base.origin) return `${url.pathname}${url.search}`
    throw new Fault('protocol', `cannot go to ${url?.origin}: it is not ${this.#base.origin}`)
  }

  #exchange(
    ask: Ask,
    credentials: Readonly<Record<string, string>>,
    signal: AbortSignal
  ): Promise<RedfishReply> {
    const body = ask.body === undefined ? undefined : JSON.stringify(ask.body)
    const options: RequestOptions = {
      ...{ method: ask.method, agent: this.#agent, signal },
      headers: {
        ...{ accept: 'application/json', 'odata-version': '4.0', 'cache-control': 'no-cache' },
        ...(body !== undefined && {
          'content-type': 'application/json',
          'content-length': String(Buffer.byteLength(body))
        }),
        ...credentials,
        ...ask.headers
      }
    }
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown): void => {
        const because = `no answer to ${ask.method} ${ask.path}`
        reject(new Fault('unavailable', `cannot ask ${this.#base.host}: ${because}`, { cause }))
      }
      const sent = request(new URL(ask.path, this.#base).href, options, response => {
        const chunks: Buffer[] = []
        let bytes = 0
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk)
          bytes += chunk.length
          if (bytes > bodyBytesMax) sent.destroy(new Error(`more than ${bodyBytesMax} bytes`))
        })
        response.once('error', fail)
        response.once('end', () => {
          const { statusCode: status = 0, headers } = response
          const text = Buffer.concat(chunks).toString('utf8')
          try {
            resolve({ status, headers: headersOf(headers), body: readBody(text, status) })
          } catch (thrown) {
            reject(thrown)
          }
        })
      })
      sent.once('error', fail)
      sent.end(body)
    })
  }

  /** Gives our session back; one that cannot be given back expires. */
  async [Symbol.asyncDispose](): Promise<void> {
    const session = this.#session
    this.#session = undefined
    if (session?.path !== undefined) {
      const ask: Ask = { method: 'DELETE', path: session.path }
      const signal = AbortSignal.timeout(logoutMsMax)
      await this.#exchange(ask, { 'x-auth-token': session.token }, signal).catch(() => {})
    }
    this.#agent.destroy()
  }
}

/** Opens connections that are handed out only once the peer's certificate was found right. */
class VerifyingAgent extends Agent {
  readonly #device: RedfishDevice
  readonly #connectMsMax: number
  /** Connections that were not handed out yet. */
  readonly #connecting = new Set<TLSSocket>()

  constructor(device: RedfishDevice, connectMsMax: number) {
    super({ keepAlive: true, maxSockets: 1, maxFreeSockets: 1, timeout: idleMsMax })
    this.#device = device
    this.#connectMsMax = connectMsMax
  }

  override createConnection(
    options: RequestOptions,
    give?: (error: Error | null, socket: TLSSocket) => void
  ): undefined {
    const { fingerprint, authority } = this.#device
    const host = String(options.host)
    const socket = connect({
      ...{ host, port: Number(options.port), minVersion: 'TLSv1.2' as const },
      ...(options.servername && { servername: options.servername }),
      ...(authority !== undefined && { ca: authority }),
      // Where there is a fingerprint it alone decides, below.
      rejectUnauthorized: fingerprint === undefined
    })
    const fail = (error: Error) => {
      clearTimeout(timer)
      give?.(error, socket)
    }
    this.#connecting.add(socket)
    socket.once('close', () => this.#connecting.delete(socket))
    const late = new Error(`no connection in ${this.#connectMsMax} ms`)
    const timer = setTimeout(() => socket.destroy(late), this.#connectMsMax)
    socket.once('error', fail)
    socket.once('secureConnect', () => {
      clearTimeout(timer)
      this.#connecting.delete(socket)
      socket.off('error', fail)
      const print = printOf(socket.getPeerCertificate(false).raw)
      if (fingerprint === undefined || print === plain(fingerprint)) {
        give?.(null, socket)
        return
      }
      socket.destroy()
      fail(new Fault('unauthenticated', `cannot trust ${host}: its certificate is ${print}`))
    })
    return undefined
  }

  override destroy(): void {
    for (const socket of this.#connecting) socket.destroy(new Error('given up'))
    super.destroy()
  }
}

const printOf = (certificate: Uint8Array | undefined): string =>
  certificate === undefined ? '' : createHash('sha256').update(certificate).digest('hex')
const plain = (fingerprint: string): string => fingerprint.replaceAll(':', '').toLowerCase()

const headersOf = (
  headers: Readonly<Record<string, string | readonly string[] | undefined>>
): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, value === undefined ? value : `${value}`])
  )

/** Only of an answer that says yes the body matters; pages of others are no JSON as a rule. */
function readBody(text: string, status: number): Readonly<Record<string, unknown>> {
  if (text.trim() === '') return {}
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Readonly<Record<string, unknown>>
    }
  } catch {
    // said below
  }
  if (status < 200 || status >= 300) return {}
  throw new Fault('protocol', `cannot read the answer: "${text.slice(0, 80)}" is no object`)
}

/** What an answer that says no has to say, for a sentence. */
export function said({ status, body }: RedfishReply): string {
  const error = body['error'] as Readonly<Record<string, unknown>> | undefined
  const extended = error?.['@Message.ExtendedInfo'] as readonly { Message?: unknown }[] | undefined
  const first = Array.isArray(extended) ? extended[0]?.Message : undefined
  const message = first ?? error?.['message'] ?? error?.['code']
  return `HTTP ${status}${typeof message === 'string' ? `, ${message.slice(0, 160)}` : ''}`
}
