/** A libvirtd of a hundred lines, which answers as a test wants, or misbehaves. */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ArgsOf, ProcedureName, RetOf } from '../../../agent/io/libvirt/connection.ts'
import {
  encodePacket,
  type Packet,
  PacketReader,
  packetStatus,
  packetType
} from '../../../agent/io/libvirt/packet.ts'
import {
  type Procedure,
  procedures,
  remoteError,
  remoteProgram
} from '../../../agent/io/libvirt/procedures.ts'
import { decode, encode } from '../../../agent/io/libvirt/xdr.ts'

/** One side of one connection, as the server sees it. */
export type Peer = {
  readonly socket: Socket
  /** Sends any bytes. */
  readonly sendBytes: (bytes: Uint8Array) => void
  /** Sends a packet of our program. */
  readonly send: (header: Partial<Packet>, body?: Uint8Array) => void
}

/** Gives the answer to a call; throws a Refusal; or returns `silence` and sends what it likes. */
export type Answers = {
  readonly [Name in ProcedureName]?: (
    args: ArgsOf<Name>,
    peer: Peer,
    packet: Packet
  ) => RetOf<Name> | typeof silence
}

export const silence = Symbol('silence')

export class Refusal {
  readonly code: number
  readonly message: string
  constructor(code: number, message: string) {
    this.code = code
    this.message = message
  }
}

export type SmallServerOptions = {
  readonly answers?: Answers
  /** Takes packets that are no calls: keepalive and streams. */
  readonly onPacket?: (packet: Packet, peer: Peer) => void
}

const logIn: Answers = {
  authList: () => ({ types: [0] }),
  connectOpen: () => undefined,
  connectDomainEventCallbackRegisterAny: ({ eventId }) => ({ callbackId: eventId })
}

export async function startSmallServer(options: SmallServerOptions = {}): Promise<SmallServer> {
  const directory = await mkdtemp(join(tmpdir(), 'remuda-socket-'))
  const server = new SmallServer(directory, options)
  await server.listen()
  return server
}

export class SmallServer implements AsyncDisposable {
  readonly path: string
  /** Names of all calls so far. */
  readonly calls: string[] = []
  readonly peers = new Set<Peer>()
  readonly #directory: string
  readonly #options: SmallServerOptions
  readonly #server: Server

  constructor(directory: string, options: SmallServerOptions) {
    this.#directory = directory
    this.path = join(directory, 'sock')
    this.#options = options
    this.#server = createServer(socket => this.#serve(socket))
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.path, resolve)
    })
  }

  /** Drops all connections, as a server that is killed; it takes new ones at once. */
  dropAll(): void {
    for (const { socket } of this.peers) socket.destroy()
  }

  countOf(name: ProcedureName): number {
    return this.calls.filter(call => call === name).length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dropAll()
    await new Promise(resolve => this.#server.close(resolve))
    await rm(this.#directory, { recursive: true, force: true })
  }

  #serve(socket: Socket): void {
    const { number: program, version } = remoteProgram
    const sendBytes = (bytes: Uint8Array): void => void socket.write(bytes)
    const peer: Peer = {
      socket,
      sendBytes,
      send: (header, body) => {
        const full = { program, version, procedure: 0, type: 1, serial: 0, status: 0, ...header }
        sendBytes(encodePacket(full, body))
      }
    }
    this.peers.add(peer)
    socket.on('close', () => this.peers.delete(peer))
    socket.on('error', () => socket.destroy())
    const reader = new PacketReader()
    socket.on('data', chunk => {
      for (const packet of reader.push(chunk as Buffer)) this.#take(packet, peer)
    })
  }

  #take(packet: Packet, peer: Peer): void {
    if (packet.program !== remoteProgram.number || packet.type !== packetType.call) {
      this.#options.onPacket?.(packet, peer)
      return
    }
    const [name, procedure] = Object.entries(procedures).find(
      ([, { number }]) => number === packet.procedure
    ) as unknown as [ProcedureName, Procedure<unknown, unknown>]
    this.calls.push(name)
    const answer = { ...logIn, ...this.#options.answers }[name] as
      | ((args: unknown, peer: Peer, packet: Packet) => unknown)
      | undefined
    const { serial } = packet
    const reply = { procedure: packet.procedure, type: packetType.reply, serial }
    try {
      const ret = answer?.(decode(procedure.args, packet.body), peer, packet)
      if (ret !== silence) peer.send(reply, encode(procedure.ret, ret))
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown
      peer.send({ ...reply, status: packetStatus.error }, encodeRefusal(thrown))
    }
  }
}

/** What libvirtd sends as the body of a refusal. */
export const encodeRefusal = ({ code, message }: Refusal): Buffer =>
  encode(remoteError, {
    code,
    optDomain: 0,
    message,
    level: 2,
    dom: undefined,
    str1: undefined,
    str2: undefined,
    str3: undefined,
    int1: 0,
    int2: 0,
    net: undefined
  })
