/**
 * The way to one driver of libvirt: a connection when there is one, a new one when it is needed.
 *
 *     none ──session()──► connecting ──► open ──dies──► none
 *       ▲                     │
 *       └──── no socket ──────┘
 *
 * Every connection asks for events before anybody can use it, so that whoever lists the domains
 * over it hears of each change after the listing. What happened between two connections nobody
 * will ever tell: a link therefore says when it has been open before, or could not be opened, and
 * its events yield "look again".
 */
import { type Clock, realClock } from '#shared/clock.ts'
import { Fault, sentence } from '#shared/fault.ts'
import { type Log, silentLog } from '#shared/log.ts'
import type { Driver } from '../../core/ports.ts'
import type { Connection, ConnectionLimits, RemoteEvent } from './connection.ts'
import { errorCode } from './constants.ts'
import { Descriptions } from './description.ts'
import { eventsWanted } from './domain-events.ts'
import { openConnection } from './open.ts'
import { refusalCode } from './refusal.ts'

/**
 * How long a link that is kept open waits between attempts: twice as long after each failure.
 * Where libvirt says that it does not have this driver, it is not asked again for `absent`.
 */
const retryMs = { first: 100, max: 5_000, absent: 60_000 }

/** A connection, and what was learnt over it. */
export type Session = { readonly connection: Connection; readonly descriptions: Descriptions }

/** What a link leads to, and whom it tells. */
export type LinkOptions = {
  readonly driver: Driver
  /** Sockets to try, in this order. */
  readonly socketPaths: readonly string[]
  readonly limits?: Partial<ConnectionLimits>
  /** Takes each event, and what it may have made untrue. */
  readonly onEvent: (event: RemoteEvent, descriptions: Descriptions) => void
  /** The link is open after a time without it: events may have been lost. */
  readonly onReopened: () => void
  readonly log?: Log
  readonly clock?: Clock
}

/** The way to one driver; see above. */
export class Link {
  readonly driver: Driver
  readonly #options: LinkOptions
  readonly #log: Log
  readonly #clock: Clock
  readonly #closing = new AbortController()
  #session: Session | undefined
  #opening: Promise<Session> | undefined
  #missed = false
  #reached = false
  #lacking: 'driver' | 'socket' | undefined
  #refusedUntil: { readonly ms: number; readonly fault: Fault } | undefined

  constructor(options: LinkOptions) {
    this.driver = options.driver
    this.#options = options
    this.#log = options.log ?? silentLog
    this.#clock = options.clock ?? realClock
  }

  /**
   * What this host seems never to have had, while nothing was ever reached: `driver`, libvirt says
   * so itself; `socket`, nothing was there that could say so.
   */
  get lacking(): 'driver' | 'socket' | undefined {
    return this.#lacking
  }

  /** The open session, or a new one. Faults: `unavailable`, `unauthenticated`, `closed` … */
  session(): Promise<Session> {
    if (this.#closing.signal.aborted) return Promise.reject(this.#closed())
    if (this.#session && !this.#session.connection.fault) return Promise.resolve(this.#session)
    const refused = this.#refusedUntil
    if (refused && this.#clock.monotonic() < refused.ms) return Promise.reject(refused.fault)
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  /** A connection for one purpose alone, without events; whoever asks for it closes it. */
  async extraConnection(): Promise<Connection> {
    if (this.#closing.signal.aborted) throw this.#closed()
    return await this.#openFirst(() => {})
  }

  /** Opens the link again whenever it is lost, until the link is closed. */
  async keepOpen(): Promise<void> {
    const { signal } = this.#closing
    for (let waitMs = retryMs.first; !signal.aborted; waitMs = Math.min(waitMs * 2, retryMs.max)) {
      try {
        const { connection } = await this.session()
        waitMs = retryMs.first
        await connection.ended
      } catch (thrown) {
        if (!(thrown instanceof Fault)) throw thrown
      }
      await this.#clock.sleep(waitMs, signal).catch(ignoreAbort)
    }
  }

  /** Ends all connections of this link, those that are just being opened too. */
  close(): void {
    this.#closing.abort()
  }

  async #open(): Promise<Session> {
    try {
      const session = await this.#openSession()
      this.#noteOpen(session)
      return session
    } catch (thrown) {
      if (!this.#missed && !this.#closing.signal.aborted) {
        this.#log.warn('libvirt unreachable', { driver: this.driver, because: sentence(thrown) })
      }
      this.#missed = true
      throw thrown
    }
  }

  async #openSession(): Promise<Session> {
    const descriptions = new Descriptions(this.#clock)
    const connection = await this.#openFirst(event => this.#options.onEvent(event, descriptions))
    const register = (eventId: number): Promise<unknown> => {
      const args = { eventId, dom: undefined }
      const what = `ask ${this.driver} for events`
      return connection.call('connectDomainEventCallbackRegisterAny', args, { what })
    }
    try {
      await Promise.all(eventsWanted.map(register))
      return { connection, descriptions }
    } catch (thrown) {
      connection.close()
      throw thrown
    }
  }

  #noteOpen(session: Session): void {
    const reopened = this.#missed
    this.#session = session
    this.#missed = false
    this.#log.info('libvirt connected', { driver: this.driver, reopened })
    if (reopened) this.#options.onReopened()
    void session.connection.ended.then(fault => {
      this.#missed = true
      if (this.#closing.signal.aborted) return
      this.#log.warn('libvirt connection lost', { driver: this.driver, because: sentence(fault) })
    })
  }

  /** Tries the sockets one by one. */
  async #openFirst(onEvent: (event: RemoteEvent) => void): Promise<Connection> {
    const { driver, socketPaths, limits } = this.#options
    const faults: Fault[] = []
    for (const socketPath of socketPaths) {
      try {
        const connection = await openConnection({
          socketPath,
          uri: `${driver}:///system`,
          onEvent,
          signal: this.#closing.signal,
          ...(limits && { limits })
        })
        this.#lacking = undefined
        this.#reached = true
        return connection
      } catch (thrown) {
        if (!(thrown instanceof Fault)) throw thrown
        faults.push(thrown)
      }
    }
    if (!this.#reached) this.#lacking = whatIsLacking(faults)
    const reasons = faults.map(fault => sentence(fault))
    const message = `cannot reach libvirt for ${driver}: ${reasons.join('; ')}`
    const fault = new Fault(codeOf(faults), message, { reasons, next: ['start libvirtd'] })
    if (this.#lacking === 'driver') {
      this.#refusedUntil = { ms: this.#clock.monotonic() + retryMs.absent, fault }
    }
    throw fault
  }

  #closed(): Fault {
    return new Fault('closed', `cannot reach libvirt for ${this.driver}: we are closing`)
  }
}

function whatIsLacking(faults: readonly Fault[]): 'driver' | 'socket' | undefined {
  if (faults.some(fault => refusalCode(fault) === errorCode.noConnect)) return 'driver'
  return faults.every(isMissing) ? 'socket' : undefined
}

const isMissing = ({ cause }: Fault): boolean =>
  cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'

const codeOf = (faults: readonly Fault[]): Fault['code'] =>
  faults.find(({ code }) => code !== 'unavailable' && code !== 'hypervisor')?.code ?? 'unavailable'

/** A wait that closing has cut short is no failure. */
function ignoreAbort(thrown: unknown): void {
  if (!(thrown instanceof Error) || thrown.name !== 'AbortError') throw thrown
}
