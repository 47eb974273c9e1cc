/**
 * One connection to libvirtd: calls, events and streams over a Unix socket.
 *
 * libvirtd takes only five requests of a client at a time (max_client_requests); with the fifth
 * it stops reading, and then it hears no keepalive either. So we keep fewer in flight, and the
 * rest wait here. A call that outlasts its deadline is given up by us but not by libvirtd: it
 * keeps its place until its answer comes, and when all places are lost so, the connection is of
 * no more use and is closed.
 *
 * Silence is no proof of life: whenever nothing was heard for a while we ping, and after some
 * unanswered pings the connection is dead. When it dies, everyone who waits on it is told. It
 * never comes back; who needs another opens another (see link.ts).
 */
import type { Socket } from 'node:net'
import { Fault } from '#shared/fault.ts'
import { errorCode } from './constants.ts'
import {
  decodeError,
  encodePacket,
  type Header,
  keepalive,
  type Packet,
  PacketReader,
  packetStatus,
  packetType
} from './packet.ts'
import { events, type Procedure, procedures, remoteProgram } from './procedures.ts'
import { RefusalError } from './refusal.ts'
import { RemoteStream } from './stream.ts'
import { decode, encode, type ValueOf } from './xdr.ts'

/** Names of the calls that the generated table has. */
export type ProcedureName = keyof typeof procedures
type Procedures = typeof procedures
/** What a call takes. */
export type ArgsOf<Name extends ProcedureName> = ValueOf<Procedures[Name]['args']>
/** What a call gives. */
export type RetOf<Name extends ProcedureName> = ValueOf<Procedures[Name]['ret']>

type Events = typeof events
/** A message that libvirtd sent unasked: which one, and what it says. */
export type RemoteEvent = {
  readonly [Number in keyof Events]: {
    readonly name: Events[Number]['name']
    readonly body: ValueOf<Events[Number]['body']>
  }
}[keyof Events]

/** The bounds of a connection. */
export type ConnectionLimits = {
  /** How long connecting and logging in may take. */
  readonly openMs: number
  /** How long a call may take when it does not say otherwise. */
  readonly callMs: number
  /** After so long without a word we ping. */
  readonly pingMs: number
  /** So many pings in a row may go unanswered. */
  readonly pingsUnansweredMax: number
  /** Calls on their way; libvirtd's own limit is five. */
  readonly callsInFlightMax: number
  /** Calls that wait for their turn. */
  readonly callsWaitingMax: number
}

/** How one call is made. */
export type CallOptions = {
  readonly deadlineMs?: number
  /** Completes the sentence "cannot …" if it fails. */
  readonly what?: string
}

type Call = {
  readonly what: string
  readonly procedure: number
  readonly args: Buffer
  /** Gives the outcome to the caller; does nothing once the caller has given up. */
  readonly settle: (outcome: Buffer | Fault) => void
  /**
   * For a call that opens a stream: makes it, as soon as there is a serial. libvirtd may send the
   * first data before the reply.
   */
  readonly makeStream: ((serial: number) => void) | undefined
  abandoned: boolean
}

/** One connection, open until it dies. `openConnection` makes it. */
export class Connection {
  readonly #socket: Socket
  readonly #limits: ConnectionLimits
  readonly #onEvent: (event: RemoteEvent) => void
  readonly #reader = new PacketReader()
  readonly #inFlight = new Map<number, Call>()
  readonly #waiting: Call[] = []
  readonly #streams = new Map<number, RemoteStream>()
  readonly #stalled = new Set<number>()
  readonly #ended = Promise.withResolvers<Fault>()
  readonly #pinger: NodeJS.Timeout
  #fault: Fault | undefined
  #lastSerial = 0
  #heard = true
  #pingsUnanswered = 0

  /** Takes over a socket that is connected. */
  constructor(socket: Socket, limits: ConnectionLimits, onEvent: (event: RemoteEvent) => void) {
    this.#socket = socket
    this.#limits = limits
    this.#onEvent = onEvent
    this.#pinger = setInterval(() => this.#checkSilence(), limits.pingMs).unref()
    socket.on('data', chunk => this.#takeChunk(chunk as Buffer))
    socket.on('error', error => this.#die(lost(error)))
    socket.on('close', () => this.#die(lost()))
  }

  /** Why the connection is of no more use, once it is. */
  get fault(): Fault | undefined {
    return this.#fault
  }

  /** Comes when the connection has died, with the reason. */
  get ended(): Promise<Fault> {
    return this.#ended.promise
  }

  /** Makes one call. Faults: `not-found`, `hypervisor`, `deadline`, `closed`, `unavailable`. */
  async call<Name extends ProcedureName>(
    name: Name,
    args: ArgsOf<Name>,
    options: CallOptions = {}
  ): Promise<RetOf<Name>> {
    const { number, args: argsCodec, ret } = procedureOf(name)
    const body = await this.#request(name, number, encode(argsCodec, args), options)
    try {
      return decode(ret, body)
    } catch (thrown) {
      if (thrown instanceof Fault) this.#die(thrown)
      throw thrown
    }
  }

  /** Makes a call that opens a stream; it fails with `closed` when the connection dies. */
  async stream<Name extends ProcedureName>(
    name: Name,
    args: ArgsOf<Name>,
    options: CallOptions = {}
  ): Promise<RemoteStream> {
    const { number, args: argsCodec } = procedureOf(name)
    const what = options.what ?? `follow the stream of ${name}`
    let stream: RemoteStream | undefined
    const makeStream = (serial: number): void => {
      stream = this.#makeStream(number, serial, what)
    }
    await this.#request(name, number, encode(argsCodec, args), { ...options, makeStream })
    return stream!
  }

  /** Drops the connection; whoever waits gets Fault `closed`. */
  close(): void {
    this.#die(new Fault('closed', 'the connection to libvirt was closed by us'))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  #request(
    name: string,
    procedure: number,
    args: Buffer,
    options: CallOptions & { readonly makeStream?: (serial: number) => void }
  ): Promise<Buffer> {
    const what = options.what ?? `call ${name} of libvirt`
    if (this.#fault) return Promise.reject(closed(what, this.#fault))
    const waitingMax = this.#limits.callsWaitingMax
    if (this.#waiting.length >= waitingMax) {
      const message = `cannot ${what}: ${waitingMax} calls to libvirt wait already`
      return Promise.reject(new Fault('unavailable', message))
    }
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
    const deadlineMs = options.deadlineMs ?? this.#limits.callMs
    const timer = setTimeout(() => this.#giveUp(call, deadlineMs), deadlineMs)
    const settle = (outcome: Buffer | Fault): void => {
      clearTimeout(timer)
      if (outcome instanceof Fault) reject(outcome)
      else resolve(outcome)
    }
    const { makeStream } = options
    const call: Call = { what, procedure, args, settle, makeStream, abandoned: false }
    this.#waiting.push(call)
    this.#sendWaiting()
    return promise
  }

  #sendWaiting(): void {
    while (this.#fault === undefined && this.#inFlight.size < this.#limits.callsInFlightMax) {
      const call = this.#waiting.shift()
      if (call === undefined) return
      this.#lastSerial = (this.#lastSerial % 0xffff_ffff) + 1
      this.#inFlight.set(this.#lastSerial, call)
      call.makeStream?.(this.#lastSerial)
      this.#send(packetType.call, call.procedure, this.#lastSerial, packetStatus.ok, call.args)
    }
  }

  #giveUp(call: Call, deadlineMs: number): void {
    call.abandoned = true
    const waiting = this.#waiting.indexOf(call)
    if (waiting >= 0) this.#waiting.splice(waiting, 1)
    const why = waiting < 0 ? 'libvirt has not answered' : 'it has not had its turn'
    call.settle(new Fault('deadline', `cannot ${call.what}: ${why} within ${deadlineMs} ms`))
    const lost = [...this.#inFlight.values()].filter(({ abandoned }) => abandoned).length
    if (lost >= this.#limits.callsInFlightMax) {
      this.#die(new Fault('closed', `libvirt leaves ${lost} calls unanswered, as many as it takes`))
    }
  }

  #takeChunk(chunk: Buffer): void {
    this.#heard = true
    try {
      for (const packet of this.#reader.push(chunk)) {
        if (this.#fault) return
        this.#takePacket(packet)
      }
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown
      this.#die(thrown)
    }
  }

  #takePacket(packet: Packet): void {
    if (packet.program === keepalive.program) {
      if (packet.procedure === keepalive.ping) this.#sendKeepalive(keepalive.pong)
      return
    }
    if (packet.program !== remoteProgram.number || packet.version !== remoteProgram.version) {
      throw impossible(packet)
    }
    switch (packet.type) {
      case packetType.reply:
        this.#takeReply(packet)
        return
      case packetType.message:
        this.#takeEvent(packet)
        return
      case packetType.stream: // of no stream of ours: it was broken off, and this was on its way
        this.#streams.get(packet.serial)?.deliver(packet)
        return
      default:
        throw impossible(packet)
    }
  }

  #takeReply(packet: Packet): void {
    const call = this.#inFlight.get(packet.serial)
    if (call?.procedure !== packet.procedure) throw impossible(packet)
    const refused = packet.status !== packetStatus.ok
    // To read the refusal may fail: then the call is still in flight, and is told with the others.
    const outcome = refused ? refusal(call.what, packet.body) : packet.body
    this.#inFlight.delete(packet.serial)
    if (refused) this.#streams.delete(packet.serial)
    else if (call.abandoned) this.#streams.get(packet.serial)?.destroy()
    call.settle(outcome)
    this.#sendWaiting()
  }

  #takeEvent(packet: Packet): void {
    if (!isEvent(packet.procedure)) return
    const { name, body } = events[packet.procedure]
    this.#onEvent({ name, body: decode<unknown>(body, packet.body) } as RemoteEvent)
  }

  #makeStream(procedure: number, serial: number, what: string): RemoteStream {
    const stream = new RemoteStream(
      {
        send: (status, body, sent) => this.#sendStream(procedure, serial, status, body, sent),
        pauseReading: () => {
          if (this.#inFlight.has(serial)) return // its reply is still to be read
          this.#stalled.add(serial)
          this.#socket.pause()
        },
        resumeReading: () => {
          if (this.#stalled.delete(serial) && this.#stalled.size === 0) this.#socket.resume()
        },
        forget: () => this.#streams.delete(serial)
      },
      { what, finishMs: this.#limits.callMs }
    )
    this.#streams.set(serial, stream)
    return stream
  }

  #sendStream(
    procedure: number,
    serial: number,
    status: number,
    body?: Uint8Array,
    sent?: (error?: Error | null) => void
  ): void {
    if (this.#fault) {
      sent?.(closed('write to a stream', this.#fault))
      return
    }
    this.#send(packetType.stream, procedure, serial, status, body, error => {
      // While libvirtd stores our data it does not read pings: to take data is a sign of life.
      if (!error) this.#heard = true
      sent?.(error)
    })
  }

  #send(
    type: number,
    procedure: number,
    serial: number,
    status: number,
    body?: Uint8Array,
    sent?: (error?: Error | null) => void
  ): void {
    const { number: program, version } = remoteProgram
    const header: Header = { program, version, procedure, type, serial, status }
    this.#socket.write(encodePacket(header, body), sent)
  }

  #sendKeepalive(procedure: number): void {
    const { program, version } = keepalive
    const { message: type } = packetType
    this.#socket.write(encodePacket({ program, version, procedure, type, serial: 0, status: 0 }))
  }

  #checkSilence(): void {
    if (this.#heard || this.#stalled.size > 0) {
      this.#heard = false
      this.#pingsUnanswered = 0
      return
    }
    if (this.#pingsUnanswered >= this.#limits.pingsUnansweredMax) {
      const count = this.#pingsUnanswered
      const silenceMs = (count + 1) * this.#limits.pingMs
      this.#die(new Fault('closed', `libvirt is silent: ${count} pings in ${silenceMs} ms`))
      return
    }
    this.#pingsUnanswered++
    this.#sendKeepalive(keepalive.ping)
  }

  #die(fault: Fault): void {
    if (this.#fault) return
    this.#fault = fault
    clearInterval(this.#pinger)
    this.#socket.destroy()
    const calls = [...this.#inFlight.values(), ...this.#waiting.splice(0)]
    this.#inFlight.clear()
    for (const call of calls) call.settle(closed(call.what, fault))
    for (const stream of [...this.#streams.values()]) stream.destroy(closed('go on', fault))
    this.#ended.resolve(fault)
  }
}

const procedureOf = <Name extends ProcedureName>(
  name: Name
): Procedure<ArgsOf<Name>, RetOf<Name>> =>
  procedures[name] as unknown as Procedure<ArgsOf<Name>, RetOf<Name>>

const isEvent = (number: number): number is keyof Events => number in events

function refusal(what: string, body: Buffer): Fault {
  const cause = new RefusalError(decodeError(body))
  const code = cause.code === errorCode.noDomain ? 'not-found' : 'hypervisor'
  return new Fault(code, `cannot ${what}: libvirt refuses: ${cause.message}`, { cause })
}

const closed = (what: string, cause: Fault): Fault =>
  new Fault('closed', `cannot ${what}: the connection to libvirt is gone`, { cause })

const lost = (cause?: Error): Fault =>
  new Fault('closed', 'libvirt has closed the connection', cause ? { cause } : {})

function impossible({ program, procedure, type, serial }: Packet): Fault {
  const packet = `program ${program}, procedure ${procedure}, type ${type}, serial ${serial}`
  return new Fault('protocol', `libvirt sent a packet that cannot be: ${packet}`)
}
