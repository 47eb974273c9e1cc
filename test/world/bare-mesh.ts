/**
 * ZeroMQ under CURVE and MessagePack with nothing of ours around them: to measure against. Each end
 * may unpack what comes in, since nobody can do anything with it before, or leave it as it is: that
 * is what the library alone can do. Nothing is looked through or checked.
 */
import { Packr } from 'msgpackr'
import * as zmq from 'zeromq'
import { type CurveKeys, makeKeys } from '#shared/wire/keys.ts'

const context = new zmq.Context({ blocky: false, ioThreads: 1, maxSockets: 65_536 })

const packr = new Packr({ useRecords: false })

/** What each end makes of the bytes that come in. */
export type Taking = 'unpacked' | 'raw'

/** Packs what is sent. */
export const packBare = (value: unknown): Uint8Array => packr.pack(value)

/** What a bare agent is dialled by. */
export type BarePeer = { readonly endpoint: string; readonly publicKey: string }

/** An agent that listens, counts what comes in, and sends it back when told to. */
export class BareAgent {
  readonly peer: BarePeer
  readonly #dealer: zmq.Dealer
  received = 0
  echoes = false
  taking: Taking = 'unpacked'

  private constructor(dealer: zmq.Dealer, publicKey: string) {
    this.#dealer = dealer
    this.peer = { endpoint: dealer.lastEndpoint ?? '', publicKey }
    this.#read().catch(() => {})
  }

  static async open(): Promise<BareAgent> {
    const { publicKey, secretKey } = makeKeys()
    const options = { context, linger: 0, sendTimeout: 0, immediate: true }
    const dealer = new zmq.Dealer({ ...options, curveServer: true, curveSecretKey: secretKey })
    await dealer.bind('tcp://127.0.0.1:*')
    return new BareAgent(dealer, publicKey)
  }

  async #read(): Promise<void> {
    for await (const [bytes = Buffer.alloc(0)] of this.#dealer) {
      this.received += 1
      if (this.taking === 'unpacked') packr.unpack(bytes)
      if (this.echoes) await this.send(bytes)
    }
  }

  /** Hands a message over; false: there is no room. */
  async send(bytes: zmq.MessageLike): Promise<boolean> {
    if (!this.#dealer.writable) return false
    try {
      await this.#dealer.send(bytes)
      return true
    } catch {
      return false
    }
  }

  close(): void {
    this.#dealer.close()
  }
}

/** A controller that dials, as fast as the library goes. */
export class BareRouter {
  readonly #router: zmq.Router
  readonly onMessage: (value: unknown) => void
  taking: Taking = 'unpacked'
  connected = 0

  /** Calls `onMessage` with what comes in, which is nothing where it is left as it is. */
  constructor(keys: CurveKeys, onMessage: (value: unknown) => void) {
    this.onMessage = onMessage
    const { publicKey: curvePublicKey, secretKey: curveSecretKey } = keys
    const options = { context, linger: 0, mandatory: true, sendTimeout: 0 }
    this.#router = new zmq.Router({ ...options, curvePublicKey, curveSecretKey })
    this.#watch().catch(() => {})
    this.#read().catch(() => {})
  }

  dial(peers: readonly BarePeer[]): void {
    const emitWarning = process.emitWarning
    process.emitWarning = () => {}
    for (const [number, { endpoint, publicKey }] of peers.entries()) {
      this.#router.curveServerKey = publicKey
      this.#router.connect(endpoint, { routingId: `line-${number}` })
    }
    process.emitWarning = emitWarning
  }

  async #watch(): Promise<void> {
    for await (const event of this.#router.events) {
      if (event?.type === 'handshake') this.connected += 1
    }
  }

  async #read(): Promise<void> {
    for await (const [, bytes = Buffer.alloc(0)] of this.#router) {
      this.onMessage(this.taking === 'unpacked' ? packr.unpack(bytes) : undefined)
    }
  }

  /** Hands a message over; false: there is no room. */
  async send(line: string, bytes: Uint8Array): Promise<boolean> {
    try {
      await this.#router.send([line, bytes as zmq.MessageLike])
      return true
    } catch {
      return false
    }
  }

  close(): void {
    this.#router.close()
  }
}
