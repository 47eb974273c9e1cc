/**
 * One stream inside a connection: a console, or the bytes of a volume.
 *
 * Data goes in packets of status `continue`; an empty one says "no more from here". The end is a
 * handshake: our `ok`, then libvirtd's, which comes only after it has stored what we sent. An
 * `error` from either side breaks the stream off.
 *
 * The protocol has no windows: the only brake is the socket. A reader that lags therefore stops
 * the whole connection, so a stream gets a connection of its own wherever it may be slow.
 */
import { Duplex } from 'node:stream'
import { Fault } from '#shared/fault.ts'
import { decodeError, type Packet, packetStatus, streamBodyBytesMax } from './packet.ts'

/** What a stream needs of its connection. */
export type StreamWire = {
  /** Sends one packet; `sent` is called when the socket has taken it, or has failed. */
  readonly send: (status: number, body: Uint8Array, sent?: (error?: Error | null) => void) => void
  readonly pauseReading: () => void
  readonly resumeReading: () => void
  /** The stream is over; its serial means nothing any more. */
  readonly forget: () => void
}

/** Bytes both ways. Ends when libvirtd ends it; `end()` waits until libvirtd has everything. */
export class RemoteStream extends Duplex {
  readonly #wire: StreamWire
  readonly #what: string
  readonly #finishMs: number
  #finish: ((fault?: Fault) => void) | undefined
  #over = false

  constructor(wire: StreamWire, options: { readonly what: string; readonly finishMs: number }) {
    super({ allowHalfOpen: true, emitClose: true, autoDestroy: true })
    this.#wire = wire
    this.#what = options.what
    this.#finishMs = options.finishMs
    // The connection may die while nobody looks; that is no reason for our process to die too.
    this.on('error', () => {})
  }

  /** Takes a packet of this stream from the connection. */
  deliver(packet: Packet): void {
    if (this.#over) return
    switch (packet.status) {
      case packetStatus.continue:
        if (packet.body.length > 0) this.#deliverBytes(packet.body)
        else this.#startFinish()
        return
      case packetStatus.ok:
        this.#over = true
        this.push(null)
        this.#finish?.()
        if (!this.writableFinished) this.end()
        return
      case packetStatus.error:
        this.#over = true
        this.destroy(this.#broken(decodeError(packet.body).message ?? 'no reason given'))
        return
      default:
        throw new Fault('protocol', `cannot read a stream of libvirt: status ${packet.status}`)
    }
  }

  override _read(): void {
    this.#wire.resumeReading()
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const sendFrom = (start: number): void => {
      const end = start + streamBodyBytesMax
      const next = end < chunk.length ? () => sendFrom(end) : undefined
      this.#wire.send(packetStatus.continue, chunk.subarray(start, end), error =>
        error || next === undefined ? done(error) : next()
      )
    }
    if (this.#over || chunk.length === 0) done()
    else sendFrom(0)
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#over) {
      done()
      return
    }
    const timer = setTimeout(() => {
      this.#finish?.(this.#broken(`no end within ${this.#finishMs} ms`, 'deadline'))
    }, this.#finishMs)
    this.#finish = fault => {
      this.#finish = undefined
      clearTimeout(timer)
      done(fault)
    }
    this.#wire.send(packetStatus.ok, new Uint8Array(0))
    this.#wire.resumeReading()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#over) this.#wire.send(packetStatus.error, new Uint8Array(0))
    this.#over = true
    this.#finish?.()
    this.#wire.forget()
    this.#wire.resumeReading()
    done(error)
  }

  #deliverBytes(body: Buffer): void {
    if (!this.push(body)) this.#wire.pauseReading()
  }

  /** libvirtd has no more data: the handshake follows, and its answer ends what we give. */
  #startFinish(): void {
    if (!this.writableEnded) this.end()
  }

  #broken(why: string, code: 'closed' | 'deadline' | 'hypervisor' = 'hypervisor'): Fault {
    return new Fault(code, `cannot ${this.#what}: the stream broke off: ${why}`)
  }
}
