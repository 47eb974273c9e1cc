/**
 * A Redfish service that behaves as the schema says, or as services in the field do. Written after
 * DSP0266 and the schemas ComputerSystem, SessionService and Task. What it switches is given: a
 * machine that is only remembered, or a host of a lab.
 */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'

/** What a service shows that it is who it is. PEM. */
export type ServiceCertificate = { readonly key: string; readonly certificate: string }

/** What is behind a service. */
export type Machine = {
  readonly isRunning: () => Promise<boolean>
  readonly switch: (to: boolean) => Promise<void>
}

/** Where a service listens, who may use it, and what is behind it. */
export type RedfishPlace = ServiceCertificate & {
  /** Loopback, and any free port, when left out. */
  readonly address?: string
  readonly port?: number
  readonly password?: string
  /** Left out: a machine that is only remembered. */
  readonly machine?: Machine
}

/** How a service misbehaves, or does what others do not. */
export type RedfishFaults = {
  /** It never answers. */
  silent?: boolean
  /** It says that it has switched, and has not. */
  lying?: boolean
  /** So many readings after a switch show a state in between. */
  betweenReadings?: number
  /** A reset is a task that takes so many looks, and ends so. */
  task?: { looks: number; end: 'Completed' | 'Exception' }
  /** So many requests are answered with 503. */
  busy?: number
  /** A reset needs the ETag of the system. */
  wantsEtag?: boolean
  /** It refuses to switch off what is off. */
  refusesSame?: boolean
  /** The root is somewhere else: on another path, or at another service. */
  redirectsTo?: string
  /** Resets that it knows. */
  resetTypes?: readonly string[]
  /** Answers with a page instead of an object. */
  page?: boolean
  /** State of the slot. */
  state?: 'Enabled' | 'Absent'
  /** Something of the system that no schema has. */
  powerState?: unknown
}

type Body = Readonly<Record<string, unknown>>
type Answer = {
  readonly status: number
  readonly body?: Body
  readonly headers?: Readonly<Record<string, string>>
}

/** So many sessions are open at once, and so many requests remembered. */
const sessionsMax = 32
const requestsMax = 1_000

const root = '/redfish/v1'
const sessionsPath = `${root}/SessionService/Sessions`
const systemsPath = `${root}/Systems`
const resetPath = (id: string) => `${systemsPath}/${id}/Actions/ComputerSystem.Reset`

/** The service, with the machine that it switches. */
export class RedfishBmc implements AsyncDisposable {
  readonly user = 'admin'
  readonly password: string
  readonly faults: RedfishFaults = {}
  /** Ids of its systems; the machine is the first. */
  readonly systems: string[] = ['1']
  /** What is remembered of a machine, where no other one is behind it. */
  isRunning = true
  /** The latest requests: method and path. */
  readonly requests: string[] = []
  readonly sessions = new Map<string, string>()
  readonly #server: Server
  readonly #machine: Machine
  #sessionCount = 0
  #between = 0
  #taskLooks = 0

  private constructor({ key, certificate, password, machine }: RedfishPlace) {
    this.password = password ?? 'sesame-7f'
    this.#machine = machine ?? {
      isRunning: async () => this.isRunning,
      switch: async to => {
        this.isRunning = to
      }
    }
    this.#server = createServer({ key, cert: certificate }, (request, response) => {
      this.#serve(request, response).catch(() => response.destroy()) // whoever asked has gone
    })
    this.#server.on('tlsClientError', () => {})
  }

  /** Listens until it is disposed of. */
  static async start(place: RedfishPlace): Promise<RedfishBmc> {
    const bmc = new RedfishBmc(place)
    const { address = '127.0.0.1', port = 0 } = place
    await new Promise<void>((resolve, reject) => {
      bmc.#server.once('error', reject)
      bmc.#server.listen(port, address, resolve)
    })
    return bmc
  }

  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo
    return `https://${address}:${port}`
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const path = new URL(request.url!, this.url).pathname.replace(/\/+$/, '')
    const method = request.method!
    this.requests.push(`${method} ${path}`)
    if (this.requests.length > requestsMax) this.requests.shift()
    if (this.faults.silent) return
    const text = Buffer.concat(chunks).toString('utf8')
    const body = text === '' ? {} : (JSON.parse(text) as Body)
    const { status, body: said, headers } = await this.#answer(request, { method, path, body })
    const isPage = this.faults.page && method === 'GET'
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(isPage ? '<html>' : said && JSON.stringify(said))
  }

  async #answer(
    request: IncomingMessage,
    ask: { readonly method: string; readonly path: string; readonly body: Body }
  ): Promise<Answer> {
    const { method, path, body } = ask
    if ((this.faults.busy ?? 0) > 0) {
      this.faults.busy! -= 1
      return { status: 503, headers: { 'retry-after': '0' } }
    }
    const { redirectsTo } = this.faults
    if (path === root && redirectsTo !== undefined && request.url !== redirectsTo) {
      return { status: 308, headers: { location: redirectsTo } }
    }
    if (path === sessionsPath && method === 'POST') return this.#login(body)
    if (path === root) return { status: 200, body: this.#root() }
    if (!this.#isAdmitted(request)) return refusal(401, 'NoValidSession', 'log in first')
    if (method === 'DELETE' && path.startsWith(`${sessionsPath}/`)) {
      this.sessions.delete(path.split('/').at(-1)!)
      return { status: 204 }
    }
    if (path === `${root}/TaskService/Tasks/1`) return this.#task()
    if (method === 'GET') return await this.#show(path)
    if (method === 'POST' && path === resetPath(this.systems[0]!)) {
      return await this.#reset(request, body)
    }
    return refusal(404, 'ResourceMissing', 'there is no such thing')
  }

  #login(body: Body): Answer {
    if (body['UserName'] !== this.user || body['Password'] !== this.password) {
      return refusal(401, 'InsufficientPrivilege', 'user or password is wrong')
    }
    this.#sessionCount += 1
    const id = String(this.#sessionCount)
    const token = randomBytes(8).toString('hex')
    this.sessions.set(id, token)
    const [oldest] = this.sessions.keys()
    if (this.sessions.size > sessionsMax && oldest !== undefined) this.sessions.delete(oldest)
    const place = `${sessionsPath}/${id}`
    return { status: 201, body: { Id: id }, headers: { 'x-auth-token': token, location: place } }
  }

  #isAdmitted({ headers }: IncomingMessage): boolean {
    const pair = Buffer.from(`${this.user}:${this.password}`).toString('base64')
    if (headers.authorization === `Basic ${pair}`) return true
    return [...this.sessions.values()].includes(String(headers['x-auth-token']))
  }

  #root(): Body {
    return {
      '@odata.id': root,
      RedfishVersion: '1.9.0',
      Systems: { '@odata.id': systemsPath },
      Links: { Sessions: { '@odata.id': sessionsPath } }
    }
  }

  async #show(path: string): Promise<Answer> {
    if (path === systemsPath) {
      const Members = this.systems.map(id => ({ '@odata.id': `${systemsPath}/${id}` }))
      return { status: 200, body: { Members, 'Members@odata.count': Members.length } }
    }
    const id = path.split('/').at(-1)!
    if (path !== `${systemsPath}/${id}` || !this.systems.includes(id)) {
      return refusal(404, 'ResourceMissing', 'there is no such thing')
    }
    const isRunning = await this.#machine.isRunning()
    const body = {
      '@odata.id': path,
      Id: id,
      PowerState: id === this.systems[0] ? this.#powerState(isRunning) : 'On',
      Status: { State: this.faults.state ?? 'Enabled' },
      Actions: {
        '#ComputerSystem.Reset': {
          target: resetPath(id),
          'ResetType@Redfish.AllowableValues': this.faults.resetTypes ?? ['On', 'ForceOff']
        }
      }
    }
    return { status: 200, body, headers: { etag: etagOf(isRunning) } }
  }

  #powerState(isRunning: boolean): unknown {
    if ('powerState' in this.faults) return this.faults.powerState
    if (this.#between > 0) {
      this.#between -= 1
      return isRunning ? 'PoweringOn' : 'PoweringOff'
    }
    return isRunning ? 'On' : 'Off'
  }

  async #reset({ headers }: IncomingMessage, body: Body): Promise<Answer> {
    const type = body['ResetType']
    if (type !== 'On' && type !== 'ForceOff') {
      return refusal(400, 'ActionParameterNotSupported', `no ${String(type)}`)
    }
    const isRunning = await this.#machine.isRunning()
    if (this.faults.wantsEtag && headers['if-match'] !== etagOf(isRunning)) {
      return refusal(412, 'PreconditionFailed', 'the ETag is missing')
    }
    const to = type === 'On'
    if (this.faults.refusesSame && to === isRunning) {
      return refusal(409, 'NoOperation', 'it is so already')
    }
    const { task } = this.faults
    const isDone = !this.faults.lying && task?.end !== 'Exception'
    if (isDone) {
      this.#between = this.faults.betweenReadings ?? 0
      await this.#machine.switch(to)
    }
    if (task === undefined) return { status: 204 }
    this.#taskLooks = task.looks
    return { status: 202, headers: { location: `${root}/TaskService/Tasks/1` } }
  }

  #task(): Answer {
    this.#taskLooks -= 1
    const { end = 'Completed' } = this.faults.task ?? {}
    return { status: 200, body: { TaskState: this.#taskLooks > 0 ? 'Running' : end } }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }
}

const etagOf = (isRunning: boolean): string => `W/"${isRunning}"`

function refusal(status: number, code: string, message: string): Answer {
  const extended = [{ MessageId: `Base.1.8.${code}`, Message: message }]
  return { status, body: { error: { code, message, '@Message.ExtendedInfo': extended } } }
}
