/** A socket that says anything, for tests of what others make of it. */

import type { CurveKeys } from '#shared/wire/keys.ts'
import { type Received, type SocketEvent, WireSocket } from '#shared/wire/socket.ts'
import { until } from './reading.ts'

export class RawSocket implements AsyncDisposable {
  readonly #socket: WireSocket
  readonly #loops: Promise<unknown>
  readonly received: Received[] = []
  readonly events: SocketEvent[] = []

  constructor(socket: WireSocket, options: { readonly reads: boolean } = { reads: true }) {
    this.#socket = socket
    this.#loops = Promise.all([options.reads ? this.#read() : undefined, this.#watch()])
  }

  /** Dials with any keys and waits until it was let in. */
  static async dialling(
    keys: CurveKeys,
    at: { readonly endpoint: string; readonly publicKey: string }
  ): Promise<RawSocket> {
    const raw = new RawSocket(WireSocket.dialling(keys))
    raw.#socket.dial({ ...at, line: 'raw' })
    await until(() => raw.events.some(event => event.type === 'connected'))
    return raw
  }

  async #read(): Promise<void> {
    for await (const received of this.#socket.messages()) this.received.push(received)
  }

  async #watch(): Promise<void> {
    for await (const event of this.#socket.events()) this.events.push(event)
  }

  get endpoint(): string {
    return this.#socket.endpoint
  }

  /** Says these frames to whom it dialled, or to another line. */
  async say(frames: readonly Uint8Array[], line = 'raw'): Promise<void> {
    while ((await this.#socket.send(line, frames)) === 'full') await until(() => true)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close()
    await this.#loops
  }
}
