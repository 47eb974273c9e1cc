/**
 * A fake of the REST API, for tests of its clients: enough of the contract, in memory, on TCP or a
 * socket. It keeps what it was asked, and a test can have it answer, or break off, as it likes.
 */
import { createHash } from 'node:crypto'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { type WebSocket, WebSocketServer } from 'ws'
import { type Kind, kindNames, kinds } from '#shared/model/index.ts'
import { FakeResources, ready } from './fake-resources.ts'

export type Asked = {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}
export type FakeAnswer = {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}
/** What a test does instead of the fake; `cut` breaks the connection. */
export type Interception = (asked: Asked) => FakeAnswer | 'cut' | undefined

type Token = { readonly id: string; readonly name: string; readonly role: string }

/** An answer that is a problem document. */
export const problem = (
  status: number,
  code: string,
  detail: string,
  more: object = {}
): FakeAnswer => ({
  status,
  body: {
    type: `urn:remuda:${code}`,
    title: code,
    status,
    detail,
    instance: '/',
    reasons: [],
    next: [],
    ...more
  },
  headers: { 'content-type': 'application/problem+json' }
})

export class FakeApi implements AsyncDisposable {
  readonly resources = new FakeResources()
  /** Everything that was asked, in order. */
  readonly asked: Asked[] = []
  /** Looks at every request first. */
  intercept: Interception = () => undefined
  /** What the console says when somebody attaches, and how it answers what is typed. */
  onConsole: (socket: WebSocket) => void = socket => {
    socket.send(Buffer.from('login: '))
    socket.on('message', bytes => socket.send(bytes as Buffer, { binary: true }))
  }
  log = 'booted\n'
  readonly uploads = new Map<string, string>()
  readonly #tokens: Token[] = []
  readonly #server: http.Server
  readonly #sockets = new Set<Socket>()
  readonly #streams = new Set<ServerResponse>()
  readonly #required: string | undefined

  constructor(server: http.Server, required: string | undefined) {
    this.#server = server
    this.#required = required
  }

  /** Starts it on a free port, or on a socket; with a token, only who has it gets in. */
  static async start(
    options: { readonly socketPath?: string; readonly token?: string } = {}
  ): Promise<FakeApi> {
    const server = http.createServer()
    const fake = new FakeApi(server, options.token)
    server.on('request', (request, response) => void fake.#serve(request, response))
    server.on('connection', (socket: Socket) => {
      fake.#sockets.add(socket)
      socket.once('close', () => fake.#sockets.delete(socket))
    })
    fake.#acceptConsoles()
    await new Promise<void>(resolve => {
      if (options.socketPath === undefined) server.listen(0, '127.0.0.1', resolve)
      else server.listen(options.socketPath, resolve)
    })
    return fake
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Breaks every stream of events, as a controller that goes down does. */
  cutStreams(): void {
    for (const stream of this.#streams) stream.destroy()
  }

  #acceptConsoles(): void {
    const consoles = new WebSocketServer({ noServer: true })
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const { pathname } = new URL(request.url!, 'http://fake')
      const name = /^\/v1\/instances\/([^/]+)\/console$/.exec(pathname)?.[1]
      if (name !== undefined && this.resources.find({ kind: 'instance', name })) {
        consoles.handleUpgrade(request, socket, head, one => this.onConsole(one))
        return
      }
      const { status, body } = problem(404, 'not-found', `there is no instance "${name}"`)
      const text = JSON.stringify(body)
      socket.end(
        `HTTP/1.1 ${status} Not Found\r\ncontent-type: application/problem+json\r\n` +
          `content-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`
      )
    })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, 'http://fake')
    const asked: Asked = {
      method: request.method!,
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      headers: request.headers,
      body: await buffer(request).catch(() => Buffer.alloc(0))
    }
    this.asked.push(asked)
    const intercepted = this.intercept(asked)
    if (intercepted === 'cut') {
      request.socket.destroy()
      return
    }
    if (intercepted === undefined && asked.path === '/v1/events')
      return this.#stream(asked, response)
    const { status, body, headers = {} } = intercepted ?? this.#answer(asked)
    const isText = typeof body === 'string'
    const type = isText ? 'text/plain' : 'application/json'
    response.writeHead(status, { 'content-type': type, ...headers })
    response.end(body === undefined ? undefined : isText ? body : JSON.stringify(body))
  }

  #stream(asked: Asked, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const write = (event: { id: string; event: string; text: string }) =>
      response.write(`id: ${event.id}\nevent: ${event.event}\ndata: ${event.text}\n\n`)
    response.write(': hello\n\n')
    const missed = this.resources.since(asked.headers['last-event-id'] as string | undefined)
    if (missed === undefined) {
      write({ id: this.resources.revision, event: 'reset', text: '{}' })
    } else for (const event of missed) write(event)
    const stop = this.resources.listen(write)
    this.#streams.add(response)
    response.once('close', () => {
      this.#streams.delete(response)
      stop()
    })
  }

  #answer(asked: Asked): FakeAnswer {
    const { path, headers } = asked
    if (path === '/healthz' || path === '/readyz') return { status: 200, body: { ready: true } }
    if (this.#required !== undefined && headers.authorization !== `Bearer ${this.#required}`) {
      return problem(401, 'unauthenticated', `cannot ${asked.method} ${path}: no token`)
    }
    const [, version, plural = '', name, verb] = path.split('/')
    if (version !== 'v1') return problem(404, 'not-found', `there is no ${path}`)
    if (plural === '') return { status: 200, body: { version: '0.1.0', cloud: 'c-1', epoch: 1 } }
    if (plural === 'status') return { status: 200, body: this.#status() }
    if (plural === 'tokens') return this.#answerTokens(asked, name)
    const kind = kindNames.find(one => kinds[one].plural === plural)
    if (!kind) return problem(404, 'not-found', `there is no ${path}`)
    if (name === undefined) {
      return asked.method === 'POST' ? this.#create(kind, asked) : this.#list(kind, asked)
    }
    if (verb !== undefined) return this.#answerVerb(kind, { name, verb }, asked)
    return this.#answerOne(kind, name, asked)
  }

  #status(): object {
    const count = (kind: Kind) => {
      const counts: Record<string, number> = {}
      for (const { status } of this.resources.all(kind)) {
        const phase = String(status['phase'])
        counts[phase] = (counts[phase] ?? 0) + 1
      }
      return counts
    }
    return {
      cloud: 'c-1',
      version: '0.1.0',
      epoch: 1,
      position: 42,
      recording: true,
      recordingBecause: '',
      startedAt: '2026-11-20T10:00:00.000Z',
      uptimeMs: 180_000,
      hosts: count('host'),
      instances: count('instance'),
      capacity: { memoryMib: 8192, memoryPromisedMib: 1024, vcpus: 16, vcpusPromised: 3 },
      notifications: 0,
      eventLoopDelay: { p50Ms: 0.4, p99Ms: 1.6, maxMs: 9.1 }
    }
  }

  #answerTokens({ method, body }: Asked, name: string | undefined): FakeAnswer {
    if (method === 'GET') return { status: 200, body: { kind: 'list', items: this.#tokens } }
    if (method === 'DELETE') {
      const at = this.#tokens.findIndex(token => token.name === name)
      if (at < 0) return problem(404, 'not-found', `there is no token "${name}"`)
      this.#tokens.splice(at, 1)
      return { status: 204 }
    }
    const wish = JSON.parse(body.toString()) as { readonly name: string; readonly role: string }
    const token = { id: `tk-${wish.name}`, ...wish }
    this.#tokens.push(token)
    return { status: 201, body: { ...token, token: `rmd_secret-of-${wish.name}` } }
  }

  #list(kind: Kind, { query }: Asked): FakeAnswer {
    const all = this.resources.list(kind, query)
    const limit = Number(query.get('limit') ?? 100)
    const from = Number(query.get('next') ?? 0)
    const rest = all.length > from + limit ? { next: String(from + limit) } : {}
    const items = all.slice(from, from + limit)
    return {
      status: 200,
      body: { kind: 'list', items, ...rest, revision: this.resources.revision }
    }
  }

  #create(kind: Kind, { body, query }: Asked): FakeAnswer {
    const wish = JSON.parse(body.toString()) as {
      readonly name: string
      readonly spec?: Readonly<Record<string, unknown>>
      readonly labels?: Readonly<Record<string, string>>
    }
    const key = { kind, name: wish.name, tenant: query.get('tenant') ?? undefined }
    if (this.resources.find(key)) {
      return problem(409, 'conflict', `cannot create ${kind} ${wish.name}: it exists already`)
    }
    if (query.get('dryRun') === '1') return dryRun([{ op: 'put', kind, name: wish.name }])
    const document = this.resources.wish(key, { spec: wish.spec ?? {}, labels: wish.labels ?? {} })
    return { status: 201, body: document, headers: { etag: `"${document.generation}"` } }
  }

  #answerOne(kind: Kind, name: string, asked: Asked): FakeAnswer {
    const { method, query, headers, body } = asked
    const key = { kind, name, tenant: query.get('tenant') ?? undefined }
    const document = this.resources.find(key)
    if (!document) {
      return problem(404, 'not-found', `there is no ${kind} "${name}"`, {
        next: [`remuda ${kind} list`]
      })
    }
    if (method === 'GET') return { status: 200, body: document }
    const wanted = headers['if-match']
    if (wanted === undefined) return problem(428, 'precondition-required', 'no If-Match')
    if (wanted !== '*' && wanted !== `"${document.generation}"`) {
      return problem(412, 'stale', `cannot change ${kind} ${name}: it has changed`)
    }
    const isDry = query.get('dryRun') === '1'
    if (method === 'DELETE') {
      if (isDry) return dryRun([{ op: 'remove', kind, name }])
      if (!this.resources.isHeld) {
        this.resources.remove(key)
        return { status: 204 }
      }
      const conditions = [ready('false', 'waits for h1 to say that it is gone')]
      const status = { ...document.status, phase: 'deleting' }
      return { status: 202, body: this.resources.observe(key, { status, conditions }) }
    }
    const said = JSON.parse(body.toString()) as {
      readonly spec?: Readonly<Record<string, unknown>>
      readonly labels?: Readonly<Record<string, string>>
    }
    const spec = method === 'PUT' ? (said.spec ?? {}) : merge(document.spec, said.spec ?? {})
    const labels = method === 'PUT' ? (said.labels ?? {}) : { ...document.labels, ...said.labels }
    if (isDry) return dryRun([{ op: 'put', kind, name }])
    const after = this.resources.wish(key, { spec, labels })
    const changed = after.generation !== document.generation
    return { status: 200, body: after, headers: changed ? {} : { 'remuda-changed': 'false' } }
  }

  #answerVerb(
    kind: Kind,
    { name, verb }: { readonly name: string; readonly verb: string },
    { query, body, method }: Asked
  ): FakeAnswer {
    const key = { kind, name, tenant: query.get('tenant') ?? undefined }
    const document = this.resources.find(key)
    if (!document) return problem(404, 'not-found', `there is no ${kind} "${name}"`)
    const because = 'host h1 has most room'
    const history = [
      {
        position: 1,
        at: '2026-11-20T10:00:00.000Z',
        by: 'user/admin',
        verb: 'created',
        because: ''
      },
      { position: 2, at: '2026-11-20T10:00:01.000Z', by: 'controller', verb: 'placed', because }
    ].map(one => ({ ...one, subjects: [`${kind}/${name}`] }))
    if (verb === 'history') return { status: 200, body: { items: history } }
    if (verb === 'why') {
      const rejected = [{ host: 'h2', because: 'needs 512 MiB, has 100 MiB' }]
      const summary = [`${kind}/${name} is ${String(document.status['phase'])}`, because]
      const { conditions } = document
      const placement = { chosen: 'h1', rejected }
      return {
        status: 200,
        body: { subject: `${kind}/${name}`, summary, conditions, placement, history }
      }
    }
    if (verb === 'log') return { status: 200, body: this.log }
    if (verb === 'content' && method === 'PUT') return this.#fill(key, body)
    if (verb === 'approve') {
      return { status: 200, body: this.resources.put(key, { status: { phase: 'online' } }) }
    }
    const powers: Readonly<Record<string, string>> = { stop: 'stopped', pause: 'paused' }
    if (query.get('dryRun') === '1') return dryRun([{ op: 'put', kind, name }])
    const spec = { ...document.spec, desiredPower: powers[verb] ?? 'running' }
    return { status: 200, body: this.resources.wish(key, { spec, labels: document.labels }) }
  }

  #fill(key: { readonly kind: Kind; readonly name: string }, body: Buffer): FakeAnswer {
    const sha256 = createHash('sha256').update(body).digest('hex')
    this.uploads.set(key.name, sha256)
    const wanted = this.resources.find(key)!.spec['sha256']
    if (wanted !== undefined && wanted !== sha256) {
      return problem(422, 'invalid', `cannot store image ${key.name}: its hash differs`)
    }
    const status = { phase: 'ready', sha256, sizeBytes: body.length, virtualMib: 1, hosts: 0 }
    const conditions = [ready('true', `${body.length} bytes stored`)]
    return { status: 200, body: this.resources.observe(key, { status, conditions }) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

const dryRun = (changes: readonly object[]): FakeAnswer => ({
  status: 200,
  body: {
    dryRun: true,
    changed: true,
    decision: {
      changes,
      because: ['host h1 has most room'],
      placement: { chosen: 'h1', rejected: [{ host: 'h2', because: 'needs 512 MiB' }] }
    }
  }
})

function merge(
  base: Readonly<Record<string, unknown>>,
  patch: Readonly<Record<string, unknown>>
): Record<string, unknown> {
  const merged = { ...base, ...patch }
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null))
}
