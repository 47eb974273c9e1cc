/**
 * The controller's end of the mesh: one socket that dials every agent with that agent's own key.
 *
 *              dial                    connected
 *   (peer) ──────────► dialling ──────────────────► connected
 *                         ▲  │ refused                  │ disconnected
 *              time is up │  ▼                          │
 *                        waiting ◄──────────────────────┘
 *
 * A lost line is hung up and dialled anew under a new name, so that nothing that was handed over
 * before is delivered after, and what still comes in under the old name is known to be old.
 *
 * Nothing waits for a peer that is away, an order least of all: while it is away its instances may
 * be started elsewhere. What a peer that is there cannot take now stays in that peer's own queue.
 * Whether a host that is silent lives is judged elsewhere; the mesh says only what it hears.
 */
import { setImmediate } from 'node:timers/promises'
import type { Clock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import type { HostId } from '#shared/ids.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import { makeReader, readHeader, Sealer, type Sender } from '#shared/wire/frame.ts'
import type { CurveKeys } from '#shared/wire/keys.ts'
import { type ToAgent, type ToController, toController } from '#shared/wire/messages.ts'
import { Bell, Counters, Inbox, type Outgoing, stateTypes } from '#shared/wire/queues.ts'
import { addressOf, type Sent, type SocketEvent, WireSocket } from '#shared/wire/socket.ts'
import { UnreadableFault } from '#shared/wire/unreadable.ts'
import type { Mesh, MeshMessage, Peer } from '../core/ports.ts'
import { type Line, newLine, objectionTo } from './mesh-line.ts'

/** First wait before a lost line is dialled anew; doubles with each failure. Unit: ms. */
export const redialMsMin = 50
/** The longest wait. Unit: ms. */
export const redialMsMax = 5_000
/** Lines that are dialled at once: with thousands, handshakes would take too long and fail. */
export const dialsMax = 128
/** No line waits longer for a call to be taken, and for a handshake, of another one. Unit: ms. */
const [callMsMax, handshakeMsMax] = [250, 5_000]
/** How often a line that had no room is tried again, and waiting lines are looked at. Unit: ms. */
export const sweepMs = 50
/**
 * How long nothing may come in on a line whose other end is known to speak twice a second. After a
 * cut that has healed, a new call gets through at once; the old one waits for the kernel to try
 * again, which it does ever more rarely. Unit: ms.
 */
export const silenceMsMax = 4_000
/** Looks so far apart tell that we stood still, not the others. Unit: ms. */
const stoodStillMs = 1_000
/** Refused messages are logged at most this often; all are counted. Unit: ms. */
export const warnEveryMs = 10_000
/** After so many messages in a row the event loop gets its turn. */
const messagesPerTurn = 64

/** Who dials. */
export type MeshOptions = {
  readonly keys: CurveKeys
  readonly sender: Sender
  /** Our epoch at this moment; goes with each message. */
  readonly epoch: () => number
  /** Asked at the last moment before each message leaves; left out: always. */
  readonly mayAct?: () => boolean
  /** A line on which nothing came in for so long is dialled anew; left out: none is. */
  readonly silenceMsMax?: Ms
  readonly clock: Clock
  readonly log: Log
}

const read = makeReader<ToController>(toController)

/** Talks with the agents. Made by `open`; its loops end when it is disposed of. */
export class ControllerMesh implements Mesh {
  readonly #options: MeshOptions
  readonly #socket: WireSocket
  readonly #sealer: Sealer
  readonly #inbox = new Inbox<MeshMessage>()
  readonly #counters = new Counters()
  readonly #byHost = new Map<HostId, Line>()
  readonly #byName = new Map<string, Line>()
  readonly #byEndpoint = new Map<string, Line>()
  readonly #ready = new Set<Line>()
  /** Lines whose time to be dialled has come, and those that others wait for, until when. */
  readonly #due = new Set<Line>()
  readonly #dialling = new Map<Line, Ms>()
  readonly #blocked = new Set<Line>()
  readonly #bell = new Bell()
  readonly #closing = new AbortController()
  #loops: Promise<unknown> = Promise.resolve()
  #dials = 0
  #warnedAt: Ms = Number.NEGATIVE_INFINITY

  private constructor(options: MeshOptions) {
    this.#options = options
    this.#socket = WireSocket.dialling(options.keys)
    this.#sealer = new Sealer(options.sender, options.epoch)
  }

  static open(options: MeshOptions): ControllerMesh {
    const mesh = new ControllerMesh(options)
    mesh.#loops = Promise.all([mesh.#read(), mesh.#watch(), mesh.#write(), mesh.#sweep()])
    return mesh
  }

  setPeers(peers: readonly Peer[]): void {
    const wanted = new Map(peers.map(peer => [peer.host, peer]))
    for (const line of [...this.#byHost.values()]) {
      const peer = wanted.get(line.peer.host)
      const same = peer?.endpoint === line.peer.endpoint && peer.publicKey === line.peer.publicKey
      if (!same) this.#drop(line, 'it is no longer a peer')
    }
    for (const peer of wanted.values()) {
      const line = this.#byHost.get(peer.host) ?? newLine(peer)
      this.#byHost.set(peer.host, line)
      if (line.state === 'unused') this.#start(line)
    }
  }

  #start(line: Line): void {
    const objection = objectionTo(line.peer) ?? this.#clash(line.peer)
    if (objection !== undefined) {
      this.#tell(line, objection)
      return
    }
    this.#byEndpoint.set(line.peer.endpoint, line)
    line.state = 'waiting'
    this.#due.add(line)
    this.#dialDue()
  }

  /** Dials those whose time has come, as long as there is room. */
  #dialDue(): void {
    for (const line of this.#due) {
      if (this.#dialling.size >= dialsMax) return
      this.#due.delete(line)
      if (line.state === 'waiting') this.#dial(line)
    }
  }

  #clash({ endpoint }: Peer): string | undefined {
    const other = this.#byEndpoint.get(endpoint)
    return other && `cannot dial ${endpoint}: host ${other.peer.host} listens there`
  }

  #drop(line: Line, because: string): void {
    const { host, endpoint } = line.peer
    if (line.state === 'connected') this.#tell(line, because)
    if (line.state !== 'unused') this.#hangUp(line)
    this.#byHost.delete(host)
    if (this.#byEndpoint.get(endpoint) === line) this.#byEndpoint.delete(endpoint)
    this.#counters.add('dropped', line.outbox.clear([]))
  }

  #dial(line: Line): void {
    line.state = 'dialling'
    this.#dialling.set(line, this.#options.clock.monotonic() + callMsMax)
    line.name = `line-${++this.#dials}`
    line.address = addressOf(line.name)
    this.#byName.set(line.name, line)
    this.#counters.add('dials')
    const { endpoint, publicKey } = line.peer
    this.#socket.dial({ endpoint, publicKey, line: line.name })
  }

  #hangUp(line: Line): void {
    this.#due.delete(line)
    this.#dialling.delete(line)
    this.#socket.hangUp(line.peer.endpoint)
    this.#byName.delete(line.name)
    if (line.state === 'connected') {
      this.#counters.add('disconnects')
      this.#counters.add('dropped', line.outbox.clear([]))
    }
    line.state = 'waiting'
  }

  /** Tells why a line is not connected, once. */
  #tell(line: Line, because: string): void {
    if (line.told === because) return
    line.told = because
    const { host } = line.peer
    this.#put({ type: 'disconnected', host, because }, 0, 'disconnected')
  }

  /** Hangs up and dials anew later; the more failures in a row, the later. */
  #redial(line: Line, because: string): void {
    this.#tell(line, because)
    this.#hangUp(line)
    const waitMs = Math.min(redialMsMax, redialMsMin * 2 ** line.failures)
    line.failures = Math.min(line.failures + 1, 16)
    line.dialAt = this.#options.clock.monotonic() + waitMs * (0.5 + Math.random() / 2)
  }

  send(host: HostId, message: ToAgent): void {
    const line = this.#byHost.get(host)
    if (line === undefined) throw cannotSend(host, message, 'it is not a peer')
    const bytes = this.#sealer.envelop(message)
    if (line.state !== 'connected') {
      this.#counters.add('dropped')
      if (isBeside(message)) return
      throw cannotSend(host, message, 'it is not connected')
    }
    const put = line.outbox.put({ type: message.type, bytes })
    if (put === 'replaced') this.#counters.add('replaced')
    if (put === 'full') {
      this.#counters.add('dropped')
      throw cannotSend(host, message, 'too much waits to be sent to it')
    }
    this.#ready.add(line)
    this.#bell.ring()
  }

  messages(signal: AbortSignal): AsyncIterable<MeshMessage> {
    return this.#inbox.read(signal)
  }

  counters(): Readonly<Record<string, number>> {
    return this.#counters.all()
  }

  #read(): Promise<void> {
    return this.#socket.deliver((name, frames) => {
      const line = this.#byName.get(name)
      if (line === undefined) this.#counters.add('oldLine')
      else this.#take(line, frames)
    })
  }

  #take(line: Line, frames: readonly Uint8Array[]): void {
    const { host } = line.peer
    line.heardAt = this.#options.clock.monotonic()
    try {
      const header = readHeader(frames)
      const arrival = line.arrivals.judge(header, line.heardAt)
      if (arrival !== 'fresh') {
        this.#counters.add(arrival)
        return
      }
      const message = read(frames)
      this.#connected(line)
      line.failures = 0
      this.#counters.add('received')
      const key = stateTypes.includes(message.type) ? message.type : undefined
      const { bootId } = header
      this.#put({ type: 'message', host, message, bootId }, frames[0]?.length ?? 0, key)
    } catch (thrown) {
      if (!(thrown instanceof UnreadableFault)) throw thrown
      this.#counters.add(thrown.counted)
      this.#warn('refused a message', { host, because: thrown.message })
    }
  }

  #put(message: MeshMessage, bytes: number, key: string | undefined): void {
    const put = this.#inbox.put(message, { from: message.host, bytes, key })
    if (put === 'queued') return
    this.#counters.add(put === 'full' ? 'unread' : 'replacedUnread')
  }

  async #watch(): Promise<void> {
    for await (const event of this.#socket.events()) {
      const line = this.#byEndpoint.get(event.endpoint)
      if (line !== undefined) this.#heed(line, event)
    }
  }

  #heed(line: Line, event: SocketEvent): void {
    if (line.state === 'waiting') return
    if (event.type === 'reached') {
      const until = this.#options.clock.monotonic() + handshakeMsMax
      if (line.state === 'dialling') this.#dialling.set(line, until)
      return
    }
    if (event.type === 'connected') {
      this.#connected(line)
      return
    }
    if (event.type === 'refused') {
      this.#counters.add('refusedHandshakes')
      this.#warn('refused by an agent', { host: line.peer.host, because: event.because })
    }
    this.#redial(line, event.because)
  }

  #connected(line: Line): void {
    if (line.state === 'connected') return
    const { host } = line.peer
    line.state = 'connected'
    line.heardAt = this.#options.clock.monotonic()
    line.told = ''
    this.#dialling.delete(line)
    this.#dialDue()
    this.#counters.add('connects')
    this.#put({ type: 'connected', host }, 0, 'connected')
    this.#ready.add(line)
    this.#bell.ring()
  }

  async #write(): Promise<void> {
    let inThisTurn = 0
    while (!this.#closing.signal.aborted) {
      await this.#bell.heard()
      for (const line of this.#ready) {
        this.#ready.delete(line)
        const message = this.#nextOf(line)
        if (message === undefined) continue
        const frame = this.#sealer.stamp(message.bytes, this.#options.clock.monotonic())
        let sent: Sent = 'sent'
        try {
          await this.#socket.post(line.address, [frame])
        } catch (thrown) {
          sent = this.#socket.unsent(thrown)
        }
        this.#settle(line, message, sent)
        if (++inThisTurn % messagesPerTurn === 0) await setImmediate()
        if (this.#closing.signal.aborted) return
      }
    }
  }

  /** What is to be sent to a line now; what may not be sent any more is dropped. */
  #nextOf(line: Line): Outgoing | undefined {
    if (line.state !== 'connected') return undefined
    for (;;) {
      const message = line.outbox.first()
      if (message === undefined || this.#options.mayAct?.() !== false) return message
      line.outbox.remove(message)
      this.#counters.add('leaderNoMore')
    }
  }

  /** Lines that were sent something queue up again, so that all take turns. */
  #settle(line: Line, message: Outgoing, sent: Sent): void {
    this.#counters.add(sent)
    switch (sent) {
      case 'sent':
        line.outbox.remove(message)
        this.#ready.add(line)
        return
      case 'full':
        this.#blocked.add(line)
        return
      case 'gone':
        if (line.state === 'connected') this.#redial(line, 'the connection was lost')
        return
      default:
        sent satisfies never
    }
  }

  async #sweep(): Promise<void> {
    const [{ signal }, { clock }] = [this.#closing, this.#options]
    let [lookedAt, listeningSince] = [clock.monotonic(), clock.monotonic()]
    while (!signal.aborted) {
      await clock.sleep(sweepMs, signal).catch(() => {})
      if (signal.aborted) return
      for (const line of this.#blocked) this.#ready.add(line)
      this.#blocked.clear()
      if (this.#ready.size > 0) this.#bell.ring()
      const now = clock.monotonic()
      if (now - lookedAt >= stoodStillMs) listeningSince = now
      lookedAt = now
      this.#redialSilent(now, listeningSince)
      for (const [line, until] of this.#dialling) if (until <= now) this.#dialling.delete(line)
      for (const line of this.#byHost.values()) {
        if (line.state === 'waiting' && line.dialAt <= now) this.#due.add(line)
      }
      this.#dialDue()
    }
  }

  #redialSilent(now: Ms, listeningSince: Ms): void {
    const { silenceMsMax: most = Number.POSITIVE_INFINITY } = this.#options
    if (now - listeningSince < most) return
    for (const line of this.#byHost.values()) {
      if (line.state !== 'connected' || now - line.heardAt < most) continue
      this.#counters.add('silentLines')
      this.#redial(line, `nothing was heard for ${most / 1_000} s`)
    }
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
    this.#inbox.close()
    this.#bell.ring()
    await this.#loops
  }
}

/** A state of which nobody minds that it is lost; an order is made anew once the host is there. */
const isBeside = ({ type }: ToAgent): boolean => type !== 'order' && stateTypes.includes(type)

const cannotSend = (host: HostId, message: ToAgent, because: string): Fault =>
  new Fault('unavailable', `cannot send ${message.type} to host ${host}: ${because}`)
