/**
 * TCP between a client and a server, in our hands: it can be cut, held, or lose what comes back.
 */
import net from 'node:net'

type Pair = { readonly inner: net.Socket; readonly outer: net.Socket }

/** Opens a relay to a server on a port of this machine. */
export async function openRelay(server: string): Promise<Relay> {
  const relay = new Relay(server)
  await relay.listen()
  return relay
}

export class Relay implements AsyncDisposable {
  readonly #server: string
  readonly #listener = net.createServer(socket => this.#join(socket))
  readonly #pairs = new Set<Pair>()
  #isCut = false
  #isHeld = false
  #toLose = 0
  /** Bytes that came back since they were last counted. */
  returned = 0
  /** When so many bytes have come back, the connection is cut in the middle. */
  cutAfter = Infinity

  constructor(server: string) {
    this.#server = server
  }

  async listen(): Promise<void> {
    await new Promise<void>(resolve => this.#listener.listen(0, '127.0.0.1', resolve))
  }
  /** Where clients connect to. */
  get address(): string {
    return `127.0.0.1:${(this.#listener.address() as net.AddressInfo).port}`
  }

  cut(): void {
    this.#isCut = true
    for (const pair of this.#pairs) this.#part(pair)
  }
  heal(): void {
    this.#isCut = false
  }
  /** Nothing passes, and nobody notices. */
  hold(): void {
    this.#isHeld = true
    for (const { inner, outer } of this.#pairs) {
      inner.pause()
      outer.pause()
    }
  }
  release(): void {
    this.#isHeld = false
    for (const { inner, outer } of this.#pairs) {
      inner.resume()
      outer.resume()
    }
  }
  /** Cuts the connection when the answer to the next request comes back. */
  loseReply(): void {
    this.#toLose++
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    await new Promise<void>(resolve => this.#listener.close(() => resolve()))
  }

  #join(inner: net.Socket): void {
    if (this.#isCut) {
      inner.destroy()
      return
    }
    const at = this.#server.lastIndexOf(':')
    const port = Number(this.#server.slice(at + 1))
    const outer = net.connect({ host: this.#server.slice(0, at), port })
    const pair = { inner, outer }
    this.#pairs.add(pair)
    inner.on('data', bytes => outer.write(bytes))
    outer.on('data', bytes => this.#back(pair, bytes))
    for (const socket of [inner, outer]) {
      socket.on('error', () => {})
      socket.on('close', () => this.#part(pair))
      if (this.#isHeld) socket.pause()
    }
  }

  #back(pair: Pair, bytes: Buffer): void {
    if (this.#toLose > 0 && answersRequest(bytes)) {
      this.#toLose--
      this.#part(pair)
      return
    }
    this.returned += bytes.length
    if (this.returned > this.cutAfter) {
      pair.inner.write(
        bytes.subarray(0, Math.max(0, bytes.length - (this.returned - this.cutAfter)))
      )
      pair.inner.end()
      this.cutAfter = Infinity
      pair.outer.destroy()
      return
    }
    pair.inner.write(bytes)
  }

  #part(pair: Pair): void {
    this.#pairs.delete(pair)
    pair.inner.destroy()
    pair.outer.destroy()
  }
}

/**
 * Each answer begins with its length and the number of what it answers. Only requests count from 1:
 * the numbers of pings, of the secret that is said at the beginning, and of changes are negative.
 */
function answersRequest(bytes: Buffer): boolean {
  for (let at = 0; at + 8 <= bytes.length; at += 4 + bytes.readInt32BE(at)) {
    if (bytes.readInt32BE(at + 4) > 0) return true
  }
  return false
}
