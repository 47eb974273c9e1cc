/**
 * The door: a socket apart from the mesh at which hosts that are not known yet ask to be let in. It
 * admits any key and speaks nothing but `join`, so it is made for strangers: small messages, few at
 * a time, so many from one address, so many about one host, so many in all, and so much memory.
 * What exceeds a limit is not answered; who knocks tries again later.
 *
 * Whom to let in is not judged here but by the doorkeeper. That the key in a `join` is the host's
 * own is shown when the controller dials the host: nobody without the secret key can answer there.
 */
import type { Clock } from '#shared/clock.ts'
import { within } from '#shared/deadline.ts'
import { isFault } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import { answerAtDoorBytesMax, doorBytesMax, readJoin } from '#shared/wire/door.ts'
import { encodeBody, readHeader, Sealer, type Sender } from '#shared/wire/frame.ts'
import type { CurveKeys } from '#shared/wire/keys.ts'
import type { Join, Joined } from '#shared/wire/messages.ts'
import { Counters } from '#shared/wire/queues.ts'
import { type Received, WireSocket } from '#shared/wire/socket.ts'
import { UnreadableFault } from '#shared/wire/unreadable.ts'
import { Domain, type Knock } from '#shared/wire/zap.ts'
import type { Doorkeeper } from '../core/ports.ts'
import { type Rate, RateLimit } from './rate-limit.ts'

/** What the door bears. */
export type DoorLimits = {
  /** Connections from one IP address. */
  readonly address: Rate
  /** Questions about one host, by its UUID. */
  readonly host: Rate
  /** Connections in all, and questions in all. */
  readonly total: Rate
  /** Questions that are being judged. */
  readonly judgingMax: number
  /** Connections that are open; when there are more, all are closed. */
  readonly connectionsMax: number
  /** How far this program may grow while strangers are connected before all are closed. */
  readonly growthBytesMax: number
}

/** Far above what a rack that comes up at once needs, and far below what would hurt. */
export const doorLimits: DoorLimits = {
  address: { perSecond: 1, burst: 20 },
  host: { perSecond: 0.5, burst: 5 },
  total: { perSecond: 100, burst: 400 },
  judgingMax: 16,
  connectionsMax: 1_024,
  growthBytesMax: 128 * 1024 * 1024
}

/** How long the doorkeeper may take. Unit: ms. */
export const judgeMsMax: Ms = 4_000
/** How often it is looked whether the program has grown. Unit: ms. */
export const guardMs: Ms = 200
const warnEveryMs = 10_000

/** Where to listen, and who judges. */
export type DoorOptions = {
  /** Where to listen, such as tcp://10.0.0.2:7412; port 0 chooses a free one. */
  readonly endpoint: string
  readonly keys: CurveKeys
  readonly sender: Sender
  readonly doorkeeper: Doorkeeper
  readonly clock: Clock
  readonly log: Log
  readonly limits?: DoorLimits
  /** How much memory this program takes up. Unit: bytes. */
  readonly memory?: () => number
}

/** Answers those who knock. Made by `open`; its loops end when it is disposed of. */
export class Door implements AsyncDisposable {
  readonly #options: DoorOptions
  readonly #limits: DoorLimits
  readonly #addresses: RateLimit
  readonly #hosts: RateLimit
  readonly #total: RateLimit
  readonly #sealer: Sealer
  readonly #counters = new Counters()
  readonly #closing = new AbortController()
  readonly #judging = new Set<Promise<unknown>>()
  #domain!: Domain
  #socket!: WireSocket
  #serving: Promise<void> = Promise.resolve()
  #answering: Promise<unknown> = Promise.resolve()
  #connections = 0
  #warnedAt: Ms = Number.NEGATIVE_INFINITY

  private constructor(options: DoorOptions) {
    this.#options = options
    this.#limits = options.limits ?? doorLimits
    this.#addresses = new RateLimit(this.#limits.address)
    this.#hosts = new RateLimit(this.#limits.host)
    this.#total = new RateLimit(this.#limits.total)
    this.#sealer = new Sealer(options.sender, () => 0)
  }

  /** Listens. Fault `locked` when another program does so there, `network` when it cannot. */
  static async open(options: DoorOptions): Promise<Door> {
    const door = new Door(options)
    door.#domain = await Domain.open('door', knock => door.#admit(knock))
    try {
      await door.#listen(options.endpoint)
    } catch (thrown) {
      await door.#domain[Symbol.asyncDispose]()
      throw thrown
    }
    door.#serving = door.#serve()
    return door
  }

  async #listen(endpoint: string): Promise<void> {
    const { keys } = this.#options
    const domain = this.#domain.name
    this.#socket = await WireSocket.listening(endpoint, { keys, domain, bytesMax: doorBytesMax })
    this.#connections = 0
  }

  /** Where it listens, with the port that was chosen. */
  get endpoint(): string {
    return this.#socket.endpoint
  }

  counters(): Readonly<Record<string, number>> {
    return this.#counters.all()
  }

  /** Whether a stranger may connect: any key, but not too often. */
  #admit({ address }: Knock): boolean {
    const now = this.#options.clock.monotonic()
    if (this.#addresses.take(address, now) && this.#total.take('connect', now)) return true
    this.#counters.add('refusedConnections')
    this.#warn('refused a connection at the door', { address, because: 'it comes too often' })
    return false
  }

  /** Serves; when strangers are too much to bear, closes all connections and listens again. */
  async #serve(): Promise<void> {
    const { signal } = this.#closing
    for (;;) {
      const quiet = new AbortController()
      if (signal.aborted) this.#socket.close()
      const watching = this.#watch().finally(() => quiet.abort())
      await Promise.all([this.#read(), watching, this.#guard(quiet.signal)])
      if (signal.aborted) return
      this.#counters.add('emptied')
      this.#warn('closed all connections at the door', { because: 'strangers were too much' })
      await this.#listen(this.#socket.endpoint)
    }
  }

  /**
   * The library gathers a message of many frames until its last, however many there are: a stranger
   * who never sends the last could fill the memory. So when this program grows while strangers are
   * connected, all are sent away, and what was gathered goes with them.
   */
  async #guard(quiet: AbortSignal): Promise<void> {
    const { clock, memory = process.memoryUsage.rss } = this.#options
    const socket = this.#socket
    let usual = memory()
    while (!quiet.aborted) {
      await clock.sleep(guardMs, quiet).catch(() => {})
      if (this.#connections === 0) usual = memory()
      else if (memory() - usual > this.#limits.growthBytesMax) socket.close()
    }
  }

  async #watch(): Promise<void> {
    const socket = this.#socket
    for await (const { type } of socket.events()) {
      if (type === 'connected') this.#connections++
      if (type === 'disconnected') this.#connections--
      if (this.#connections > this.#limits.connectionsMax) socket.close()
    }
  }

  async #read(): Promise<void> {
    const socket = this.#socket
    for await (const received of socket.messages()) {
      try {
        readHeader(received.frames)
        this.#take(socket, received, readJoin(received.frames))
      } catch (thrown) {
        if (!(thrown instanceof UnreadableFault)) throw thrown
        this.#counters.add(thrown.counted)
        this.#warn('refused a message at the door', { because: thrown.message })
      }
    }
  }

  #take(socket: WireSocket, { line }: Received, join: Join): void {
    const now = this.#options.clock.monotonic()
    const tooMany = this.#judging.size >= this.#limits.judgingMax
    if (tooMany || !this.#hosts.take(join.uuid, now) || !this.#total.take('join', now)) {
      this.#counters.add('refusedQuestions')
      return
    }
    this.#counters.add('questions')
    const judging = this.#judge(join).then(joined => this.#answer(socket, line, joined))
    this.#judging.add(judging)
    void judging.finally(() => this.#judging.delete(judging))
  }

  /** What the doorkeeper says; when it cannot say, the host is to wait. */
  async #judge(join: Join): Promise<Joined> {
    const { clock, doorkeeper } = this.#options
    const late = `the controller has not decided within ${judgeMsMax} ms`
    try {
      const { signal } = this.#closing
      return await within(doorkeeper(join), { clock, deadlineMs: judgeMsMax, signal, late })
    } catch (thrown) {
      if (this.#closing.signal.aborted) return waiting('the controller is about to stop')
      if (!isFault(thrown)) throw thrown
      this.#warn('could not judge who knocks', { uuid: join.uuid, because: thrown.message })
      return waiting(thrown.message)
    }
  }

  /** One send at a time: each waits for the one before. */
  #answer(socket: WireSocket, line: string, joined: Joined): Promise<unknown> {
    const body = encodeBody(joined, answerAtDoorBytesMax)
    this.#counters.add(joined.verdict)
    this.#answering = this.#answering.then(async () => {
      const now = this.#options.clock.monotonic()
      const sent = await socket.send(line, this.#sealer.seal(joined.type, body, now))
      if (sent !== 'sent') this.#counters.add('unanswered')
    })
    return this.#answering
  }

  #warn(message: string, fields: Readonly<Record<string, unknown>>): void {
    const now = this.#options.clock.monotonic()
    if (now - this.#warnedAt < warnEveryMs) return
    this.#warnedAt = now
    this.#options.log.warn(message, fields)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    this.#socket.close()
    await this.#serving
    await Promise.all(this.#judging)
    await this.#domain[Symbol.asyncDispose]()
  }
}

const waiting = (because: string): Joined => ({
  type: 'joined',
  verdict: 'pending',
  because,
  cloud: '',
  controllerKeys: []
})
