/**
 * A session over the connections that it has, one after another. It lives in the worker thread.
 *
 *   opening ──granted──► connected ◄──────► searching ──► ended
 *                            └─────────────────────────────┘
 *
 * While it searches nothing waits: what is asked is refused. It ends when a server says that the
 * session has expired, when its proof is refused, when no server has answered for the session's
 * whole time, or when it is closed; after that nothing happens any more. All its waiting is in one
 * timer, which looks at what is too old.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '../fault.ts'
import type { Log } from '../log.ts'
import type { Ms } from '../units.ts'
import { type Connection, type Grant, openConnection, type Tls } from './connection.ts'
import { lostRequest } from './faults.ts'
import { type Lease, makeLease } from './lease.ts'
import { answerMsMax, beatMs, consentMsMax } from './limits.ts'
import {
  decodeTransaction,
  digestOf,
  encodeTransaction,
  encodeUnwatch,
  encodeWatch,
  hasHappened,
  type ZnodeEvent
} from './packets.ts'
import {
  bearingOf,
  carriedOut,
  deposed,
  failed,
  type Mark,
  marksOf,
  ownConfirmation,
  type Proof,
  type ProofState,
  sent
} from './proof.ts'

/** What a client is made of. */
export type ClientOptions = {
  readonly servers: readonly string[]
  readonly sessionMs: Ms
  readonly secret: string
  readonly tls: Tls | undefined
  /** From 0 to 1; shuffles the servers and spreads those who come back. */
  readonly random: () => number
  /** A monotonic clock that all threads share. */
  readonly now: () => Ms
  readonly log: Log
  readonly heard: {
    readonly changed: (event: ZnodeEvent) => void
    /** What has changed while nobody was connected was told to nobody. */
    readonly missed: () => void
    readonly server: (name: string | undefined) => void
    readonly lease: (until: Ms) => void
    readonly ended: (because: Fault) => void
  }
}

/** What becomes of a request: the reply as it came, or why there is none. */
export type Answer = { readonly frame: Buffer } | { readonly because: Fault }

const noSession = Buffer.alloc(8)
const noPassword = Buffer.alloc(16)
/** Pause after all servers were tried in vain, and what chance adds to it. */
const pauseMs: Ms = 100
/** How long a goodbye may take. */
const goodbyeMsMax: Ms = 500
/** The timer looks so often in a session's time. */
const looks = 24

/** A session, as the worker has it. */
export class SessionClient {
  readonly #options: ClientOptions
  readonly #end = new AbortController()
  readonly #watched = new Map<string, number>()
  readonly #digest: string
  #servers: readonly string[]
  #next = 0
  #session: Buffer = noSession
  #password: Buffer = noPassword
  #seen = 0n
  #timeoutMs: Ms
  #lease: Lease
  #leaseUntil: Ms | undefined
  #proof: ProofState = { proof: undefined, raises: 0 }
  #connection: Connection | undefined
  #answeredAt: Ms = 0
  #confirmedAt: Ms = 0
  #sentAt: Ms = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: ClientOptions) {
    this.#options = options
    this.#servers = shuffled(options.servers, options.random)
    this.#digest = digestOf(options.secret)
    this.#timeoutMs = options.sessionMs
    this.#lease = makeLease(options.sessionMs)
  }

  /** Opens the session on the first server that consents. Fault `unavailable`: none does. */
  async open(): Promise<{ readonly id: string; readonly timeoutMs: Ms }> {
    const reasons: string[] = []
    for (const _ of this.#servers) {
      try {
        void this.#live(this.#begin(await this.#openNext()))
        return { id: this.#session.toString('hex').replace(/^0+/, ''), timeoutMs: this.#timeoutMs }
      } catch (thrown) {
        this.#end.signal.throwIfAborted()
        if (!(thrown instanceof Fault)) throw thrown
        const cause = thrown.cause instanceof Fault ? thrown.cause : thrown
        reasons.push(cause.message)
      }
    }
    const count = this.#servers.length
    throw new Fault('unavailable', `cannot open a session with any of ${count} servers`, {
      reasons,
      next: ['remuda doctor says how each server is']
    })
  }

  /** Sends a request now or refuses it; answered once. */
  request(frame: Buffer, marks: readonly Mark[], answered: (answer: Answer) => void): void {
    const refusal = this.#refusal()
    if (refusal !== undefined) {
      answered({ because: refusal })
      return
    }
    const { proof } = this.#proof
    const bearing = bearingOf(marks, proof)
    this.#proof = sent(this.#proof, bearing)
    const sentAt = this.#connection!.send(frame, answer => {
      if ('because' in answer) {
        const because = lostRequest(true, 'cannot tell what became of a request', {
          cause: answer.because
        })
        this.#proof = failed(this.#proof, bearing, because)
        answered({ because })
        return
      }
      this.#wasAnswered(sentAt)
      if (!bearing.confirms || proof === undefined) {
        answered(answer)
        return
      }
      if (hasHappened(answer.frame)) {
        this.#confirmed(sentAt)
        const outcomes = bearing.raises ? decodeTransaction(answer.frame, () => '') : []
        this.#proof = carriedOut(this.#proof, bearing, outcomes)
        answered(answer)
        return
      }
      const refused = refusalOf(answer.frame)
      this.#proof = failed(this.#proof, bearing, refused)
      answered(answer)
      const end = deposed(bearing, proof, refused)
      if (end !== undefined) this.#finish(end)
    })
    this.#sentAt = sentAt
    if (bearing.confirms) this.#confirmedAt = sentAt
  }

  /** From now on changes of this znode and of its children are told. Counted by path. */
  watch(path: string): void {
    const count = this.#watched.get(path) ?? 0
    this.#watched.set(path, count + 1)
    if (count === 0)
      this.#connection?.send(encodeWatch(path), answer => this.#watching(path, answer))
  }
  unwatch(path: string): void {
    const count = this.#watched.get(path) ?? 0
    if (count > 1) {
      this.#watched.set(path, count - 1)
      return
    }
    this.#watched.delete(path)
    this.#connection?.send(encodeUnwatch(path), () => {})
  }

  keepLease(proof: Proof): void {
    this.#proof = { proof, raises: this.#proof.raises }
    this.#confirm()
  }

  /** Says goodbye where there is somebody to say it to, and ends. */
  async close(because = new Fault('closed', 'the session was closed')): Promise<void> {
    if (this.#end.signal.aborted) return
    const connection = this.#connection
    this.#finish(because, 'later')
    await connection?.goodbye(goodbyeMsMax)
  }

  #refusal(): Fault | undefined {
    if (this.#end.signal.aborted) {
      const cause = this.#end.signal.reason
      return new Fault('closed', 'cannot send a request: the session has ended', { cause })
    }
    const full = this.#connection?.full()
    if (full !== undefined) return lostRequest(false, `cannot send a request: ${full}`)
    if (this.#connection !== undefined) return undefined
    return lostRequest(false, 'cannot send a request: no server is connected')
  }

  async #openNext(): Promise<Grant> {
    const { secret, tls, now, heard } = this.#options
    const server = this.#servers[this.#next % this.#servers.length]!
    this.#next++
    const seen = Buffer.alloc(8)
    seen.writeBigInt64BE(this.#seen)
    return await openConnection(
      {
        server,
        greeting: {
          seen,
          timeoutMs: this.#options.sessionMs,
          session: this.#session,
          password: this.#password
        },
        secret,
        tls,
        now,
        deadlineMs: consentMsMax(this.#timeoutMs, this.#session === noSession),
        heard: {
          event: heard.changed,
          seen: zxid => {
            if (zxid > this.#seen) this.#seen = zxid
          },
          pong: sentAt => this.#wasAnswered(sentAt),
          gone: () => this.#left()
        }
      },
      this.#end.signal
    )
  }

  #begin({ connection, sentAt, timeoutMs, session, password }: Grant): Connection {
    if (this.#session === noSession || timeoutMs !== this.#timeoutMs) {
      this.#timeoutMs = timeoutMs
      this.#lease = makeLease(timeoutMs)
      clearInterval(this.#timer)
      this.#timer = setInterval(() => this.#look(), Math.max(10, timeoutMs / looks))
    }
    this.#session = session
    this.#password = password
    this.#connection = connection
    this.#lease.connected(sentAt)
    this.#wasAnswered(sentAt)
    this.#options.heard.server(connection.server)
    this.#options.log.info('a ZooKeeper server is connected', { server: connection.server })
    for (const path of this.#watched.keys()) {
      connection.send(encodeWatch(path), answer => this.#watching(path, answer))
    }
    if (this.#watched.size > 0) this.#options.heard.missed()
    this.#confirm()
    return connection
  }

  #left(): void {
    if (this.#connection === undefined) return
    this.#connection = undefined
    this.#options.heard.server(undefined)
  }

  async #live(first: Connection): Promise<void> {
    let connection: Connection | undefined = first
    while (connection !== undefined) {
      const because = await connection.closed
      if (this.#end.signal.aborted) return
      const { server } = connection
      this.#options.log.warn('a ZooKeeper server was left', { server, because })
      connection = await this.#search()
    }
  }

  /** Undefined: the session has ended meanwhile. */
  async #search(): Promise<Connection | undefined> {
    for (let tried = 1; !this.#end.signal.aborted; tried++) {
      try {
        const grant = await this.#openNext()
        if (!this.#end.signal.aborted) return this.#begin(grant)
        grant.connection.end('the session has ended')
        return undefined
      } catch (thrown) {
        if (this.#end.signal.aborted) return undefined
        if (!(thrown instanceof Fault)) throw thrown
        if (thrown.code === 'closed') this.#finish(this.#gone('it has expired'))
      }
      if (tried % this.#servers.length === 0) {
        await pause(pauseMs * (1 + this.#options.random()), this.#end.signal)
      }
    }
    return undefined
  }

  #wasAnswered(sentAt: Ms): void {
    this.#lease.answered(sentAt)
    this.#answeredAt = Math.max(this.#answeredAt, sentAt)
  }

  #confirmed(sentAt: Ms): void {
    this.#lease.confirmed(sentAt)
    const until = this.#lease.until()
    if (until === undefined || until <= (this.#leaseUntil ?? -Infinity)) return
    this.#leaseUntil = until
    this.#options.heard.lease(until)
  }

  #watching(path: string, answer: Answer): void {
    if ('because' in answer || answer.frame.readInt32BE(16) === 0) return
    const error = answer.frame.readInt32BE(16)
    this.#options.log.error('a ZooKeeper server does not tell of changes', { path, error })
  }

  /** Asks by itself whether the lease is still ours. */
  #confirm(): void {
    const own = ownConfirmation(this.#proof)
    if (own === undefined || this.#connection === undefined) return
    const marks = marksOf(own, this.#proof.proof!.path)
    this.request(encodeTransaction(own, this.#digest), marks, () => {})
  }

  /** Looks what is too old, and says that we are there. */
  #look(): void {
    const now = this.#options.now()
    if (now >= this.#answeredAt + this.#timeoutMs) {
      this.#finish(this.#gone(`no server has answered for ${this.#timeoutMs} ms`))
      return
    }
    const connection = this.#connection
    if (connection === undefined) return
    const answerMs = answerMsMax(this.#timeoutMs)
    const oldest = connection.oldestSentAt()
    if (oldest !== undefined && now >= Math.max(oldest, connection.heardAt()) + answerMs) {
      connection.end(`it was silent for ${answerMs} ms`)
      return
    }
    if (oldest !== undefined && now >= oldest + 2 * answerMs) {
      connection.end(`it has not answered a request within ${2 * answerMs} ms`)
      return
    }
    const beat = beatMs(this.#timeoutMs)
    if (ownConfirmation(this.#proof) !== undefined) {
      if (now >= this.#confirmedAt + beat) this.#confirm()
    } else if (now >= this.#sentAt + beat) {
      this.#sentAt = now
      connection.ping()
    }
  }

  #gone(because: string): Fault {
    const id = this.#session.toString('hex').replace(/^0+/, '')
    return new Fault('unavailable', `cannot keep session ${id}: ${because}`)
  }

  #finish(because: Fault, goodbye: 'now' | 'later' = 'now'): void {
    if (this.#end.signal.aborted) return
    clearInterval(this.#timer)
    this.#end.abort(because)
    this.#options.log.info('a ZooKeeper session has ended', { because: because.message })
    if (goodbye === 'now') void this.#connection?.goodbye(goodbyeMsMax)
    this.#options.heard.ended(because)
  }
}

function refusalOf(frame: Buffer): unknown {
  try {
    decodeTransaction(frame, () => 'cannot confirm the lease')
    return undefined
  } catch (thrown) {
    return thrown
  }
}

/** Another order of the servers, so that sessions spread over them. */
export function shuffled<Item>(items: readonly Item[], random: () => number): readonly Item[] {
  const result = [...items]
  for (let index = result.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1))
    const item = result[index]!
    result[index] = result[other]!
    result[other] = item
  }
  return result
}

const pause = (durationMs: Ms, signal: AbortSignal): Promise<void> =>
  sleep(durationMs, undefined, { signal }).catch(() => {})
