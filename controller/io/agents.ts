/**
 * Questions to agents and consoles through them. A console is a channel of bytes over the mesh: a
 * side sends no more than a window that the other has not taken, so a slow reader holds up nobody.
 *
 * Nothing says that a console is open, and a quiet one says nothing. So no bytes at all are sent
 * after the wish for it: that they are taken is said only once it is open.
 */
import { randomUUID } from 'node:crypto'
import { Duplex } from 'node:stream'
import { Fault } from '#shared/fault.ts'
import type { HostId } from '#shared/ids.ts'
import type { Host } from '#shared/model/host.ts'
import type { Instance } from '#shared/model/instance.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import {
  type Answer,
  channelWindowBytes,
  type Question,
  type ToController
} from '#shared/wire/messages.ts'
import type { Mesh } from '../core/ports.ts'

/** Whom the mesh reaches: a host, or a bootd under the id that it has there. */
export type Peer = {
  readonly name: string
  readonly decided: { readonly uuid: string }
  /** Whose bootd it is; left out: it is the agent of a host. */
  readonly bootdOf?: string
}

/** An agent must answer within so long. Unit: ms. */
const answerMsMax = 10_000
/** The console of an instance must be open within so long. Unit: ms. */
const consoleMsMax: Ms = 20_000
/** That of a host's machine, before which an earlier one may have to be given back. Unit: ms. */
export const machineConsoleMsMax: Ms = 60_000
/** Questions and consoles that may be open at once. */
const questionsMax = 1_024
const channelsMax = 512
/** Bytes of one message of a channel. */
const chunkBytesMax = 32 * 1024

type Waiting = {
  readonly host: HostId
  readonly resolve: (answer: Answer) => void
  readonly reject: (fault: Fault) => void
}
type Attached = { readonly host: HostId; readonly channel: Channel }

/** Pairs answers and console bytes with who waits for them; what nobody waits for is dropped. */
export class AgentLines {
  readonly #mesh: Mesh
  readonly #questions = new Map<number, Waiting>()
  readonly #channels = new Map<string, Attached>()
  #number = 0

  constructor(mesh: Mesh) {
    this.#mesh = mesh
  }

  /** Asks an agent; Fault `deadline` when it says nothing, `unavailable` when it is away. */
  async ask(
    host: Peer,
    question: Pick<Question, 'ask' | 'subject'>,
    signal: AbortSignal
  ): Promise<Answer> {
    const message = (number: number) => ({ type: 'question', number, ...question }) as const
    return await this.askWith(host, message, { signal })
  }

  /** Asks a peer by a message that is made for a number; its faults are those of `ask`. */
  async askWith(
    host: Peer,
    message: (number: number) => Parameters<Mesh['send']>[1],
    { signal, answerMs = answerMsMax }: { readonly signal: AbortSignal; readonly answerMs?: Ms }
  ): Promise<Answer> {
    if (this.#questions.size >= questionsMax) {
      throw new Fault('unavailable', `cannot ask ${host.name}`, {
        reasons: [`${questionsMax} questions are open already`]
      })
    }
    this.#number += 1
    const number = this.#number
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const timer = setTimeout(() => reject(noAnswer(host, answerMs)), answerMs)
    const stop = (): void => reject(new Fault('aborted', `cannot ask ${host.name}: given up`))
    signal.addEventListener('abort', stop)
    this.#questions.set(number, { host: hostIdOf(host), resolve, reject })
    try {
      try {
        this.#mesh.send(hostIdOf(host), message(number))
      } catch (cause) {
        throw away(host, `cannot ask ${host.name}`, cause)
      }
      return await promise
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      this.#questions.delete(number)
    }
  }

  /** Opens the console of an instance. The stream ends when the console does. */
  console(host: Host, instance: Instance): Duplex {
    return this.open(host, {
      what: `the console of ${instance.name}`,
      openMsMax: consoleMsMax,
      opening: channel => ({ type: 'console-open', channel, instance: instance.id })
    })
  }

  /**
   * Opens a channel of bytes to a peer, which ends when what is behind it does; with Fault
   * `deadline` if it is not open in time.
   */
  open(
    peer: Peer,
    given: {
      /** Such as `the console of web`. */
      readonly what: string
      readonly openMsMax: Ms
      readonly opening: (channel: string) => Parameters<Mesh['send']>[1]
    }
  ): Duplex {
    const { what, opening, openMsMax } = given
    if (this.#channels.size >= channelsMax) {
      throw new Fault('unavailable', `cannot open ${what}`, {
        reasons: [`${channelsMax} consoles are open already`],
        next: ['close one of them and try again']
      })
    }
    const id = randomUUID()
    const send: Send = message => this.#mesh.send(hostIdOf(peer), message)
    const channel = new Channel(id, send, () => this.#channels.delete(id))
    channel.expect(openMsMax, () => notOpen(peer, what, openMsMax))
    this.#channels.set(id, { host: hostIdOf(peer), channel })
    try {
      send(opening(id))
    } catch (cause) {
      channel.forget()
      throw away(peer, `cannot open ${what}`, cause)
    }
    try {
      send({ type: 'channel-data', channel: id, bytes: new Uint8Array(0) })
    } catch (cause) {
      // It was wished for, so it may be open there: it is closed as one that was.
      channel.destroy()
      throw away(peer, `cannot open ${what}`, cause)
    }
    return channel
  }

  /** Takes what an agent says to whoever waits for it; to others it has nothing to say. */
  heard(host: Peer, message: ToController): void {
    if (message.type === 'answer') {
      const waiting = this.#questions.get(message.number)
      if (waiting?.host === hostIdOf(host)) waiting.resolve(message)
    } else if ('channel' in message) {
      const attached = this.#channels.get(message.channel)
      if (attached?.host === hostIdOf(host)) attached.channel.heard(message)
    }
  }

  /** The line to a host is lost: whoever waits for it is told. */
  lost(host: Peer, because: string): void {
    for (const waiting of this.#questions.values()) {
      if (waiting.host !== hostIdOf(host)) continue
      waiting.reject(away(host, `cannot ask ${host.name}`, new Fault('closed', because)))
    }
    for (const { host: other, channel } of this.#channels.values()) {
      if (other === hostIdOf(host)) channel.ended(`the line to ${host.name} is lost: ${because}`)
    }
  }
}

type Send = (message: Parameters<Mesh['send']>[1]) => void

const hostIdOf = (host: Peer): HostId => host.decided.uuid as HostId

const away = (peer: Peer, what: string, cause: unknown): Fault => {
  const who = peer.bootdOf === undefined ? `the agent of ${peer.name}` : peer.name
  return new Fault('unavailable', `${what}: ${who} is not connected`, {
    cause,
    next: [lookAt(peer), `remuda doctor, on ${peer.bootdOf ?? peer.name}`]
  })
}

const noAnswer = (peer: Peer, answerMs: Ms): Fault =>
  new Fault('deadline', `${peer.name} did not answer within ${answerMs} ms`, {
    next: [lookAt(peer)]
  })

const lookAt = ({ name, bootdOf }: Peer): string =>
  bootdOf === undefined ? `remuda host show ${name}` : 'remuda boot show'

const notOpen = (peer: Peer, what: string, openMsMax: Ms): Fault =>
  new Fault(
    'deadline',
    `cannot open ${what}: ${peer.name} has not opened it within ${formatMs(openMsMax)}`,
    { next: ['try again', 'remuda doctor, on that host'] }
  )

class Channel extends Duplex {
  readonly #id: string
  readonly #send: Send
  readonly #forget: () => void
  #credit = channelWindowBytes
  readonly #arrived: Uint8Array[] = []
  #unread = 0
  #wanted = false
  #over: string | undefined
  #waiting: (() => void) | undefined
  #late: NodeJS.Timeout | undefined

  constructor(id: string, send: Send, forget: () => void) {
    super({ allowHalfOpen: false, readableHighWaterMark: chunkBytesMax })
    this.#id = id
    this.#send = send
    this.#forget = forget
  }

  /** The other side must say something within so long. */
  expect(ms: Ms, fault: () => Fault): void {
    this.#late = setTimeout(() => this.destroy(fault()), ms)
  }

  /** It was never wished for. */
  forget(): void {
    this.#over = 'it was never wished for'
    this.destroy()
  }

  heard(message: Extract<ToController, { readonly channel: string }>): void {
    clearTimeout(this.#late)
    if (message.type === 'channel-data') this.arrived(message.bytes)
    else if (message.type === 'channel-taken') this.taken(message.bytes)
    else this.ended(message.because)
  }

  arrived(bytes: Uint8Array): void {
    this.#unread += bytes.length
    if (this.#unread > channelWindowBytes) {
      const most = `at most ${channelWindowBytes} may be on their way`
      this.destroy(new Fault('protocol', `${this.#unread} bytes came that are not read, ${most}`))
      return
    }
    this.#arrived.push(bytes)
    this.#pass()
  }

  taken(bytes: number): void {
    this.#credit += bytes
    const go = this.#waiting
    this.#waiting = undefined
    go?.()
  }

  ended(because: string): void {
    clearTimeout(this.#late)
    this.#over = because
    this.#forget()
    this.#pass()
  }

  override _read(): void {
    this.#wanted = true
    this.#pass()
  }

  #pass(): void {
    while (this.#wanted && this.#arrived.length > 0) {
      const bytes = this.#arrived.shift()!
      this.#unread -= bytes.length
      this.#wanted = this.push(bytes)
      this.#say({ type: 'channel-taken', channel: this.#id, bytes: bytes.length })
    }
    if (this.#over === undefined || this.#arrived.length > 0) return
    if (this.#over === '') this.push(null)
    else this.destroy(new Fault('closed', this.#over))
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    if (bytes.length === 0) {
      done()
      return
    }
    const part = bytes.subarray(0, Math.min(bytes.length, this.#credit, chunkBytesMax))
    const rest = bytes.subarray(part.length)
    const next = (): void => (rest.length > 0 ? this._write(rest, _encoding, done) : done())
    if (part.length === 0) {
      this.#waiting = next
      return
    }
    this.#credit -= part.length
    this.#say({ type: 'channel-data', channel: this.#id, bytes: new Uint8Array(part) })
    next()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#late)
    if (this.#over === undefined) {
      this.#say({ type: 'channel-close', channel: this.#id, because: '' })
    }
    this.#forget()
    done(error)
  }

  /** The agent may be away by now: then the channel is gone on both sides. */
  #say(message: Parameters<Mesh['send']>[1]): void {
    try {
      this.#send(message)
    } catch (thrown) {
      this.#over ??= 'the agent is away'
      queueMicrotask(() => this.destroy(thrown as Error))
    }
  }
}
