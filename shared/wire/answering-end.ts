/**
 * The end of the mesh that is dialled, of an agent and of bootd: it listens with a key of its own,
 * and the gate lets in only the controllers whose keys were admitted.
 *
 * Several may be connected: the one that leads, and one that was deposed and does not know it yet.
 * Each message carries its sender's epoch. The agent listens to, and answers, whoever last spoke
 * validly with the highest epoch that it has seen; one of a lower epoch is told that it is over.
 *
 * The gate is asked at the handshake only. So when a key is taken back, the socket is closed and
 * opened again at the same address: all have to come in anew.
 */
import { setImmediate } from 'node:timers/promises'
import type { Clock } from '../clock.ts'
import { Fault, isFault } from '../fault.ts'
import type { Log } from '../log.ts'
import type { Ms } from '../units.ts'
import { Arrivals } from './arrivals.ts'
import { type Header, makeReader, readHeader, Sealer, type Sender } from './frame.ts'
import type { CurveKeys } from './keys.ts'
import { type Refusal, type ToAgent, type ToController, toAgent } from './messages.ts'
import { Bell, Counters, Inbox, Outbox, type Outgoing, queueBounds, stateTypes } from './queues.ts'
import { type Sent, WireSocket } from './socket.ts'
import { UnreadableFault } from './unreadable.ts'
import { Domain, type Knock } from './zap.ts'

/** Where agents listen, and where bootds do. */
export const [agentPort, bootdPort] = [7411, 7414] as const
/** How often a message for which there was no room is tried again. Unit: ms. */
export const retryMs = 50
/** So long our address may be taken after its socket was closed; how often to look. Unit: ms. */
const [releaseMsMax, releaseLookMs] = [10_000, 20]
/** Refused messages and keys are logged at most this often; all are counted. Unit: ms. */
export const warnEveryMs = 10_000
/** Deposed controllers that wait to be told; further ones are told when they speak again. */
const refusalsMax = 16
const messagesPerTurn = 64

/** Where to listen, and to whom. */
export type AnsweringOptions = {
  /** Where to listen, such as tcp://10.0.0.7:7411; port 0 chooses a free one. */
  readonly endpoint: string
  readonly keys: CurveKeys
  readonly sender: Sender
  /** Public keys of the controllers to let in; see `admit`. */
  readonly admitted: readonly string[]
  /** The highest epoch of the orders so far, and the generation that was last taken on. */
  readonly seen: () => { readonly epoch: number; readonly generation: number }
  /** Told of each key that was not let in. */
  readonly onRefused?: (knock: Knock) => void
  readonly clock: Clock
  readonly log: Log
}

const read = makeReader<ToAgent>(toAgent)

/** Talks with the controller. Made by `open`; its loops end when it is disposed of. */
export class AnsweringEnd implements AsyncDisposable {
  readonly #options: AnsweringOptions
  readonly #admitted: Set<string>
  readonly #sealer: Sealer
  readonly #inbox = new Inbox<ToAgent>()
  readonly #outbox = new Outbox()
  readonly #refusals = new Map<string, Outgoing>()
  readonly #arrivals = new Arrivals()
  readonly #counters = new Counters()
  readonly #bell = new Bell()
  readonly #closing = new AbortController()
  #domain!: Domain
  #socket!: WireSocket
  #serving: Promise<unknown> = Promise.resolve()
  #writing: Promise<void> = Promise.resolve()
  #reopening: Promise<void> = Promise.resolve()
  #epochSeen: number
  /** The line of the controller that is answered. */
  #speaker: string | undefined
  #heardAt: Ms | undefined
  #warnedAt: Ms = Number.NEGATIVE_INFINITY

  private constructor(options: AnsweringOptions) {
    this.#options = options
    this.#admitted = new Set(options.admitted)
    this.#epochSeen = options.seen().epoch
    this.#sealer = new Sealer(options.sender, () => this.#epochSeen)
  }

  /** Listens. Fault `locked` when another program does so there, `network` when it cannot. */
  static async open(options: AnsweringOptions): Promise<AnsweringEnd> {
    const mesh = new AnsweringEnd(options)
    mesh.#domain = await Domain.open('agent', knock => mesh.#admits(knock))
    try {
      await mesh.#listen(options.endpoint)
    } catch (thrown) {
      await mesh.#domain[Symbol.asyncDispose]()
      throw thrown
    }
    mesh.#writing = mesh.#write()
    return mesh
  }

  #admits(knock: Knock): boolean {
    const isAdmitted = this.#admitted.has(knock.publicKey)
    if (!isAdmitted) this.#options.onRefused?.(knock)
    return isAdmitted
  }

  async #listen(endpoint: string): Promise<void> {
    const { keys } = this.#options
    const socket = await WireSocket.listening(endpoint, { keys, domain: this.#domain.name })
    this.#socket = socket
    this.#serving = Promise.all([this.#read(socket), this.#watch(socket)])
  }

  /** Where it listens, with the port that was chosen. */
  get endpoint(): string {
    return this.#socket.endpoint
  }

  /** The highest epoch that has been seen in any message. */
  get epochSeen(): number {
    return this.#epochSeen
  }

  /** When a controller was last heard that is not deposed, on the monotonic clock. */
  get heardAt(): Ms | undefined {
    return this.#heardAt
  }

  /**
   * Lets in exactly these keys from now on; when one is taken back, all have to come in anew. Fault
   * `locked` when meanwhile another program listens at our address: then nobody can come in.
   */
  async admit(publicKeys: readonly string[]): Promise<void> {
    const wanted = new Set(publicKeys)
    const isTakenBack = !this.#admitted.isSubsetOf(wanted)
    this.#admitted.clear()
    for (const key of wanted) this.#admitted.add(key)
    if (!isTakenBack) return
    this.#reopening = this.#reopening.catch(() => {}).then(() => this.#reopen())
    await this.#reopening
  }

  async #reopen(): Promise<void> {
    if (this.#closing.signal.aborted) return
    const { endpoint } = this.#socket
    this.#socket.close()
    this.#forgetSpeaker()
    await this.#serving
    await this.#listenAgain(endpoint)
  }

  /** The library lets go of an address a moment after its socket is closed. */
  async #listenAgain(endpoint: string): Promise<void> {
    const { clock } = this.#options
    const until = clock.monotonic() + releaseMsMax
    for (;;) {
      try {
        await this.#listen(endpoint)
        return
      } catch (thrown) {
        if (!isFault(thrown, 'locked') || clock.monotonic() >= until) throw thrown
        await clock.sleep(releaseLookMs, this.#closing.signal).catch(() => undefined)
        if (this.#closing.signal.aborted) return
      }
    }
  }

  send(message: ToController): void {
    const bytes = this.#sealer.envelop(message)
    if (this.#speaker === undefined && message.type !== 'report') {
      this.#counters.add('dropped')
      if (stateTypes.includes(message.type)) return
      throw cannotSend(message, 'no controller is connected')
    }
    const put = this.#outbox.put({ type: message.type, bytes })
    if (put === 'replaced') this.#counters.add('replaced')
    if (put === 'full') {
      this.#counters.add('dropped')
      throw cannotSend(message, 'too much waits to be sent')
    }
    this.#bell.ring()
  }

  messages(signal: AbortSignal): AsyncIterable<ToAgent> {
    return this.#inbox.read(signal)
  }

  counters(): Readonly<Record<string, number>> {
    return this.#counters.all()
  }

  #read(socket: WireSocket): Promise<void> {
    return socket.deliver((line, frames) => {
      try {
        this.#take(line, frames)
      } catch (thrown) {
        if (!(thrown instanceof UnreadableFault)) throw thrown
        this.#counters.add(thrown.counted)
        this.#warn('refused a message', { because: thrown.message })
      }
    })
  }

  #take(line: string, frames: readonly Uint8Array[]): void {
    const now = this.#options.clock.monotonic()
    const header = readHeader(frames)
    const arrival = this.#arrivals.judge(header, now)
    if (arrival !== 'fresh') {
      this.#counters.add(arrival)
      return
    }
    if (header.epoch < this.#epochSeen) {
      this.#tellDeposed(line, header)
      return
    }
    const message = read(frames)
    this.#counters.add('received')
    this.#epochSeen = header.epoch
    this.#heardAt = now
    this.#listenTo(line)
    const key = stateTypes.includes(message.type) ? message.type : undefined
    const bytes = frames[0]?.length ?? 0
    const put = this.#inbox.put(message, { from: 'controller', bytes, key })
    if (put !== 'queued') this.#counters.add(put === 'full' ? 'unread' : 'replacedUnread')
  }

  /** The line of the controller that is answered; after each connection it is another one. */
  get line(): string | undefined {
    return this.#speaker
  }

  #listenTo(line: string): void {
    if (this.#speaker === line) return
    this.#forgetSpeaker()
    this.#speaker = line
    this.#bell.ring()
  }

  /** What waits for one controller is not for another, but for the report, which is for any. */
  #forgetSpeaker(): void {
    this.#speaker = undefined
    this.#counters.add('dropped', this.#outbox.clear(['report']))
  }

  #tellDeposed(line: string, header: Header): void {
    this.#counters.add('deposed')
    if (this.#refusals.size >= refusalsMax) return
    const refusal: Refusal = {
      type: 'refusal',
      epoch: this.#epochSeen,
      generation: this.#options.seen().generation,
      because: `cannot listen to epoch ${header.epoch}: epoch ${this.#epochSeen} has been seen`
    }
    this.#warn('refused a controller that was deposed', { because: refusal.because })
    this.#refusals.set(line, { type: refusal.type, bytes: this.#sealer.envelop(refusal) })
    this.#bell.ring()
  }

  async #watch(socket: WireSocket): Promise<void> {
    for await (const { type, because } of socket.events()) {
      if (type === 'connected') this.#counters.add('connects')
      if (type === 'disconnected') this.#counters.add('disconnects')
      if (type !== 'refused') continue
      this.#counters.add('refusedHandshakes')
      this.#warn('let a connection not in', { because })
    }
  }

  async #write(): Promise<void> {
    let inThisTurn = 0
    while (!this.#closing.signal.aborted) {
      await this.#bell.heard()
      while (await this.#writeOne()) {
        if (++inThisTurn % messagesPerTurn === 0) await setImmediate()
      }
    }
  }

  /** Sends one message; says whether to go on with the next. */
  async #writeOne(): Promise<boolean> {
    for (const [line, refusal] of this.#refusals) {
      this.#refusals.delete(line)
      this.#counters.add(await this.#hand(line, refusal))
    }
    const message = this.#outbox.first()
    const line = this.#speaker
    if (message === undefined || line === undefined) return false
    const sent = await this.#hand(line, message)
    this.#counters.add(sent)
    if (sent === 'sent') {
      this.#outbox.remove(message)
      return true
    }
    if (sent === 'full') {
      const { signal } = this.#closing
      await this.#options.clock.sleep(retryMs, signal).catch(() => {})
      return !signal.aborted
    }
    if (this.#speaker === line) this.#forgetSpeaker()
    return false
  }

  #hand(line: string, { bytes }: Outgoing): Promise<Sent> {
    const frame = this.#sealer.stamp(bytes, this.#options.clock.monotonic())
    return this.#socket.send(line, [frame])
  }

  #warn(message: string, fields: Readonly<Record<string, unknown>>): void {
    const now = this.#options.clock.monotonic()
    if (now - this.#warnedAt < warnEveryMs) return
    this.#warnedAt = now
    this.#options.log.warn(message, fields)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#reopening.catch(() => {})
    this.#socket.close()
    this.#inbox.close()
    this.#bell.ring()
    await Promise.all([this.#serving, this.#writing])
    await this.#domain[Symbol.asyncDispose]()
  }
}

const cannotSend = (message: ToController, because: string): Fault =>
  new Fault(
    'unavailable',
    `cannot send ${message.type} to the controller: ${because} ` +
      `(at most ${queueBounds.entriesMax} messages or ${queueBounds.bytesMax} bytes wait)`
  )
