/**
 * What a candidate does with requests while it does not lead: those that change something, and
 * those that need what only the controller hears from hosts, it passes on to the controller; all
 * others it answers from its own state, and those too where no controller can be reached.
 *
 * A request is passed on once: who gets one that was passed on answers it or refuses it. Each
 * answer says which state it was made of, and who leads.
 */
import { readFile } from 'node:fs/promises'
import { type ClientRequest, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { Duplex } from 'node:stream'
import type { Clock } from '#shared/clock.ts'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { validator } from '#shared/model/validate.ts'
import type { App } from './api/app.ts'
import type { Cluster } from './api/cluster-status.ts'
import type { Upgrade } from './api/console.ts'
import { problemOf } from './api/problem.ts'
import type { Caller } from './api/route.ts'
import type { Service } from './api/service.ts'
import { BroughtJoin, joinPath, parsed, textOf } from './candidate-door.ts'
import type { ControllerConfig } from './config.ts'
import type { Judge } from './doorkeeper.ts'
import { type EnsembleSeen, nobodyLeads } from './ensemble-look.ts'
import { type Front, setPosition } from './front.ts'
import type { Leadership } from './leadership.ts'
import {
  answerMsMax,
  answerTo,
  connected,
  copied,
  headersTo,
  isCandidate,
  isLive,
  isOfState,
  isPassedOn,
  leadsNot,
  nothingRead,
  outcomeUnknown,
  problemText,
  responseHeaders,
  unreached,
  upgraded,
  whatOf
} from './passing.ts'
import { positionIn } from './position.ts'
import { Vouchers } from './vouchers.ts'

/** Longest message of who knocks. Unit: bytes. */
const joinBytesMax = 64 * 1024
/** The answer to an upload begins after so long at the latest, and so does a list of images. */
const uploadMsMax = 310_000
/** A request for an upgrade, such as to a console, is answered within so long. Unit: ms. */
const upgradeMsMax = 10_000
/** The last answers of one that stepped down are waited for so long. Unit: ms. */
const farewellMsMax = 1_000
/** What was written through this candidate is waited for so long before the answer. Unit: ms. */
const catchUpMsMax = 1_000
const catchUpLookMs = 5
/** One that did not answer is not asked for so long what can be read here too. Unit: ms. */
const silentMs = 2_000

const problemsOfJoin = validator(BroughtJoin)

type Leader = { readonly name: string; readonly apiUrl: string }
type Passing = { readonly to: string; readonly sent: ClientRequest; deposedAt?: number }

/** What a front stands on. */
export type CandidateFrontOptions = {
  readonly config: ControllerConfig
  readonly service: Service
  readonly cluster: Cluster
  readonly leadership: Leadership
  /** Judges who knocks while this candidate leads. */
  readonly judge: Judge
  /** Looks which servers of the ensemble answer. */
  readonly ensemble?: (() => Promise<EnsembleSeen>) | undefined
  readonly clock: Clock
  readonly log: Log
}

/** Disposing of it cuts what is being passed on. */
export class CandidateFront implements Front, AsyncDisposable {
  readonly #options: CandidateFrontOptions
  readonly #vouchers: Vouchers
  readonly #passing = new Set<Passing>()
  #silent: { readonly apiUrl: string; readonly until: number } | undefined
  #authority: Promise<string | undefined> | undefined

  constructor(options: CandidateFrontOptions) {
    this.#options = options
    this.#vouchers = new Vouchers(options)
  }

  listener(app: App, trusted: Caller | undefined) {
    return (asked: IncomingMessage, answer: ServerResponse): void => {
      this.#answer(app, { asked, answer, trusted }).catch(thrown => {
        this.#refuse(answer, asked, thrown)
      })
    }
  }

  upgrade(own: Upgrade, trusted: Caller | undefined): Upgrade {
    return (asked, socket, head) => {
      const leader = this.#leaderFor(asked)
      if (!leader) own(asked, socket, head)
      else this.#passUpgrade({ asked, socket, head, trusted, leader })
    }
  }

  callerOf(asked: IncomingMessage): Caller | undefined {
    try {
      return this.#vouchers.read(asked)
    } catch (thrown) {
      if (isFault(thrown)) return undefined
      throw thrown
    }
  }

  /** Cuts what was passed on to somebody who leads no more: its answer may never come. */
  leaderIs(leader: Leader | undefined): void {
    const now = this.#options.clock.monotonic()
    const because = leader ? `${leader.name} leads now` : 'it leads no more'
    for (const passing of this.#passing) {
      if (leader?.apiUrl === passing.to) delete passing.deposedAt
      else passing.deposedAt ??= now
      const { deposedAt = now, sent } = passing
      if (now - deposedAt >= farewellMsMax) sent.destroy(new Error(because))
    }
  }

  /** Asks another candidate in this one's own name. */
  async ask(
    to: Leader,
    wanted: { readonly method: string; readonly path: string; readonly body?: object },
    signal: AbortSignal
  ): Promise<IncomingMessage> {
    const { method, path, body } = wanted
    const { config } = this.#options
    const caller: Caller = { name: `candidate-${config.name}`, role: 'admin' }
    const text = body === undefined ? undefined : JSON.stringify(body)
    const headers = {
      ...this.#vouchers.seal({ method, url: path }, caller),
      ...(text !== undefined && {
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(text))
      })
    }
    let sent: ClientRequest | undefined
    const stop = (): void => void sent?.destroy(new Error('given up'))
    signal.addEventListener('abort', stop)
    try {
      sent = await this.#open(to, { method, path, headers }, begun => {
        sent = begun
        if (signal.aborted) stop()
      })
      const answering = answerTo(sent, uploadMsMax)
      sent.end(text)
      return await answering
    } catch (cause) {
      throw new Fault('unavailable', `cannot ask candidate ${to.name}`, { cause })
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  async #answer(
    app: App,
    request: {
      readonly asked: IncomingMessage
      readonly answer: ServerResponse
      readonly trusted: Caller | undefined
    }
  ): Promise<void> {
    const { asked, answer, trusted } = request
    const { service, cluster, clock, leadership, config } = this.#options
    const leader = this.#leaderFor(asked)
    if (leader) {
      const passed = await this.#pass({ ...request, leader })
      if (passed) return
    }
    setPosition(answer, service, cluster)
    if (asked.url === joinPath) return await this.#judgeJoin(asked, answer)
    const isRead = asked.method === 'GET' || asked.method === 'HEAD'
    const caller = this.#vouchers.read(asked)
    if (!leadership.holds(clock.monotonic())) {
      // Who has passed it on took this one for the controller, and can read as well itself.
      const isForLeader = isPassedOn(asked) && !isCandidate(caller)
      if (!isRead || isForLeader) throw await this.#refusal(asked)
      if (!service.ledger.view.cloud && isOfState(asked)) throw nothingRead(asked, config.name)
    }
    app.listener(caller ?? trusted)(asked, answer)
  }

  /** Judges who has knocked at the door of another candidate. */
  async #judgeJoin(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { leadership, clock } = this.#options
    if (!isCandidate(this.#vouchers.read(asked))) {
      throw new Fault('forbidden', 'cannot judge who knocks: no candidate has brought it')
    }
    if (!leadership.holds(clock.monotonic())) throw await this.#refusal(asked)
    const said = parsed(await textOf(asked, joinBytesMax))
    if (problemsOfJoin(said).length > 0) throw new Fault('invalid', 'cannot read who knocks')
    const brought = said as BroughtJoin
    const joined = await this.#options.judge(brought.join, brought.vouched)
    answer.writeHead(200, { 'content-type': 'application/json' })
    answer.end(JSON.stringify(joined))
  }

  /** To whom a request is to be passed on; undefined: it is answered here. */
  #leaderFor(asked: IncomingMessage): Leader | undefined {
    const { leadership, clock, cluster } = this.#options
    if (leadership.holds(clock.monotonic())) return undefined
    if (isPassedOn(asked)) return undefined
    if (!isLive(asked.method ?? 'GET', asked.url ?? '/')) return undefined
    const leader = cluster.leader()
    const isRead = asked.method === 'GET' || asked.method === 'HEAD'
    return isRead && leader && this.#isSilent(leader) ? undefined : leader
  }

  #isSilent({ apiUrl }: Leader): boolean {
    const silent = this.#silent
    return silent?.apiUrl === apiUrl && this.#options.clock.monotonic() < silent.until
  }

  #fellSilent({ apiUrl }: Leader): void {
    this.#silent = { apiUrl, until: this.#options.clock.monotonic() + silentMs }
  }

  /** Passes a request on; false: it can be answered here instead. */
  async #pass(given: {
    readonly asked: IncomingMessage
    readonly answer: ServerResponse
    readonly trusted: Caller | undefined
    readonly leader: Leader
  }): Promise<boolean> {
    const { asked, answer, trusted, leader } = given
    const { config } = this.#options
    const method = asked.method ?? 'GET'
    const path = asked.url ?? '/'
    const isRead = method === 'GET' || method === 'HEAD'
    const msMax = answerMsMax(asked.headers, { sessionMs: config.sessionMs, uploadMsMax })
    let passing: Passing | undefined
    const begun = (sent: ClientRequest): void => {
      passing = { to: leader.apiUrl, sent }
      this.#passing.add(passing)
    }
    let sent: ClientRequest
    try {
      const headers = {
        ...headersTo(method, asked.headers),
        ...this.#vouchers.forRequest(asked, trusted)
      }
      sent = await this.#open(leader, { method, path, headers }, begun)
    } catch (cause) {
      if (passing) this.#passing.delete(passing)
      this.#fellSilent(leader)
      if (isRead) return false
      throw unreached(leader, cause)
    }
    const gone = (): void => void sent.destroy(new Error('the client went away'))
    answer.once('close', gone)
    try {
      const answering = answerTo(sent, msMax)
      asked.pipe(sent)
      const said = await answering
      if (isRead && said.statusCode === 503) {
        said.resume()
        this.#fellSilent(leader)
        return false
      }
      if (!isRead) await this.#caughtUp(positionIn(said.headers))
      answer.writeHead(said.statusCode ?? 502, {
        ...responseHeaders(said.headers),
        'remuda-passed-by': config.name
      })
      await copied(said, answer)
      return true
    } catch (cause) {
      if (answer.headersSent || answer.closed) {
        answer.destroy()
        return true
      }
      this.#fellSilent(leader)
      if (isRead) return false
      throw outcomeUnknown(leader, cause)
    } finally {
      answer.off('close', gone)
      if (passing) this.#passing.delete(passing)
    }
  }

  /** Waits until this candidate knows it too: who has written reads here what they wrote. */
  async #caughtUp(position: number): Promise<void> {
    const { service, clock } = this.#options
    const late = clock.monotonic() + catchUpMsMax
    while (service.ledger.durablePosition < position && clock.monotonic() < late) {
      await clock.sleep(catchUpLookMs)
    }
  }

  #passUpgrade(given: {
    readonly asked: IncomingMessage
    readonly socket: Duplex
    readonly head: Buffer
    readonly trusted: Caller | undefined
    readonly leader: Leader
  }): void {
    const { asked, socket, head, trusted, leader } = given
    socket.on('error', () => socket.destroy())
    const { connection = 'Upgrade', upgrade = 'websocket' } = asked.headers
    const headers = {
      ...headersTo('GET', asked.headers),
      ...this.#vouchers.forRequest(asked, trusted),
      connection,
      upgrade
    }
    const fail = (cause: unknown): void => {
      if (socket.writable)
        socket.end(problemText(problemOf(unreached(leader, cause), asked.url ?? '')))
    }
    this.#open(leader, { method: 'GET', path: asked.url ?? '/', headers })
      .then(sent => upgraded(sent, { socket, head, fail, msMax: upgradeMsMax }))
      .catch(fail)
  }

  /** Opens a connection, and begins a request on it. */
  async #open(
    { name, apiUrl }: Leader,
    wanted: {
      readonly method: string
      readonly path: string
      readonly headers: Readonly<Record<string, string | string[]>>
    },
    begun: (sent: ClientRequest) => void = () => {}
  ): Promise<ClientRequest> {
    const url = URL.parse(wanted.path, apiUrl)
    if (!url) throw new Fault('invalid', `cannot reach ${name}: ${apiUrl} is no URL`)
    const { method, headers } = wanted
    const options = { method, headers: { ...headers }, agent: false as const }
    const authority = await this.#authorityText()
    const sent =
      url.protocol === 'https:'
        ? tlsRequest(url, { ...options, ...(authority !== undefined && { ca: authority }) })
        : request(url, options)
    begun(sent)
    await connected(sent)
    return sent
  }

  #authorityText(): Promise<string | undefined> {
    const { apiAuthority } = this.#options.config
    this.#authority ??=
      apiAuthority === undefined ? Promise.resolve(undefined) : readFile(apiAuthority, 'utf8')
    return this.#authority
  }

  async #refusal(asked: IncomingMessage): Promise<Fault> {
    const { cluster, config, ensemble } = this.#options
    const leader = cluster.leader()
    if (leader && leader.name !== config.name) return leadsNot(asked, config.name, leader)
    return nobodyLeads(whatOf(asked), await ensemble?.())
  }

  #refuse(answer: ServerResponse, asked: IncomingMessage, thrown: unknown): void {
    const { service, log } = this.#options
    const problem = problemOf(thrown, asked.url ?? '')
    service.meters.requested(asked.method ?? '', problem.status)
    if (!(thrown instanceof Fault)) log.error('request failed', { because: sentence(thrown) })
    if (answer.headersSent) {
      answer.destroy()
      return
    }
    asked.resume()
    answer.writeHead(problem.status, {
      'content-type': 'application/problem+json',
      'retry-after': '1'
    })
    answer.end(JSON.stringify(problem))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { sent } of this.#passing) sent.destroy(new Error('this candidate ends'))
  }
}
