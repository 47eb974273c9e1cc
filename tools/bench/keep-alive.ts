/**
 * The simplest client of HTTP/1.1 on a socket: one request after another on one connection. It
 * does so little that what is measured is the server. It only understands answers that say their
 * length, which is all that both sides of a comparison ever send.
 */
import { connect, type Socket } from 'node:net'
import { Fault } from '#shared/fault.ts'

/** Bytes of a request, made once and sent often. */
export function requestOf(
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: string,
  headers: readonly string[] = []
): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: bench', ...headers]
  if (body !== undefined) {
    lines.push('Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`)
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body ?? ''}`)
}

/** An answer as far as it is looked at. */
export type Answer = { readonly status: number; readonly body: Buffer }

/** A connection that is kept; one request may be under way. */
export class KeptConnection implements Disposable {
  readonly #socket: Socket
  #bytes: Buffer = Buffer.alloc(0)
  #waiting: { resolve: (answer: Answer) => void; reject: (fault: Fault) => void } | undefined

  constructor(path: string) {
    this.#socket = connect(path)
    this.#socket.on('data', bytes => this.#take(bytes))
    this.#socket.on('error', cause => this.#fail(cause))
    this.#socket.on('close', () => this.#fail(undefined))
  }

  /** Sends a request and gives the answer; Fault `closed` when the connection ends meanwhile. */
  ask(request: Buffer): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    this.#waiting = { resolve, reject }
    this.#socket.write(request)
    return promise
  }

  #take(bytes: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes])
    const headEnd = this.#bytes.indexOf('\r\n\r\n')
    if (headEnd < 0) return
    const head = this.#bytes.toString('latin1', 0, headEnd)
    const length = /^content-length: *(\d+)/im.exec(head)?.[1]
    if (length === undefined) {
      this.#fail(new Error(`an answer without length: ${head}`))
      return
    }
    const end = headEnd + 4 + Number(length)
    if (this.#bytes.length < end) return
    const answer = {
      status: Number(head.slice(9, 12)),
      body: this.#bytes.subarray(headEnd + 4, end)
    }
    this.#bytes = this.#bytes.subarray(end)
    this.#waiting?.resolve(answer)
  }

  #fail(cause: unknown): void {
    this.#waiting?.reject(new Fault('closed', 'cannot go on: the connection has ended', { cause }))
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }
}
