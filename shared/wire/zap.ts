/**
 * The gate: decides whose key may come in, for all sockets of this process that listen (ZeroMQ
 * RFC 27). The library asks at each handshake, with the name of the socket's domain; who judges for
 * that domain answers. A key is refused when nobody judges for it.
 *
 * The gate is asked at the handshake only. To take back what was admitted, the connection has to be
 * closed by its owner.
 */
import { GateSocket } from './socket.ts'
import { toZ85 } from './z85.ts'

/** Who knocks: a key whose owner has proven that it is his, and the IP address he comes from. */
export type Knock = { readonly publicKey: string; readonly address: string }
/** Says whether to let a key in. It must not throw. */
export type Judge = (knock: Knock) => boolean

type Gate = { readonly socket: GateSocket; readonly answering: Promise<void> }

const judges = new Map<string, Judge>()
let gate: Promise<Gate> | undefined
let closing: Promise<void> = Promise.resolve()
let numbered = 0

/** A domain of its own for one socket. Closing it refuses all; the last one closes the gate. */
export class Domain implements AsyncDisposable {
  readonly name: string

  private constructor(name: string) {
    this.name = name
  }

  /** Makes a new domain, and opens the gate where it is the first. */
  static async open(what: 'agent' | 'door' | 'probe', judge: Judge): Promise<Domain> {
    const domain = new Domain(`${what}-${++numbered}`)
    judges.set(domain.name, judge)
    gate ??= openGate(closing)
    await gate
    return domain
  }

  async [Symbol.asyncDispose](): Promise<void> {
    judges.delete(this.name)
    if (judges.size === 0 && gate !== undefined) {
      closing = closeGate(gate)
      gate = undefined
    }
    await closing
  }
}

async function openGate(before: Promise<void>): Promise<Gate> {
  await before
  const socket = await GateSocket.open()
  const answering = socket.answer(({ domain, address, mechanism, key }) => {
    if (mechanism !== 'CURVE' || key.length !== 32) return false
    return judges.get(domain)?.({ publicKey: toZ85(key), address }) ?? false
  })
  return { socket, answering }
}

async function closeGate(open: Promise<Gate>): Promise<void> {
  const { socket, answering } = await open
  await socket.close()
  await answering
}
