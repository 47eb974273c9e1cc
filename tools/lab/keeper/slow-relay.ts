/**
 * Holds datagrams back, each for the same time, and drops some. Run in the namespace of a switch:
 * `slow-relay.ts DELAY-MS LOSS FIRST-PORT LINES`; says `ready` when it listens.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

/** What waits beyond this is dropped, as by any switch. Unit: frames. */
const framesMax = 10_000

type Waiting = { readonly frame: Uint8Array; readonly dueMs: number }

/** One direction of a line. */
class Direction {
  readonly #waiting: Waiting[] = []
  readonly #send: (frame: Uint8Array) => void
  readonly #delayMs: number
  readonly #loss: number
  #timer: NodeJS.Timeout | undefined

  constructor(options: { delayMs: number; loss: number; send: (frame: Uint8Array) => void }) {
    this.#delayMs = options.delayMs
    this.#loss = options.loss
    this.#send = options.send
  }

  take(frame: Uint8Array): void {
    if (Math.random() < this.#loss || this.#waiting.length >= framesMax) return
    if (this.#delayMs === 0) {
      this.#send(frame)
      return
    }
    this.#waiting.push({ frame, dueMs: performance.now() + this.#delayMs })
    this.#timer ??= setTimeout(() => this.#release(), this.#delayMs)
  }

  #release(): void {
    this.#timer = undefined
    const now = performance.now()
    const due = this.#waiting.findIndex(({ dueMs }) => dueMs > now)
    for (const { frame } of this.#waiting.splice(0, due < 0 ? this.#waiting.length : due)) {
      this.#send(frame)
    }
    const [next] = this.#waiting
    if (next) this.#timer = setTimeout(() => this.#release(), next.dueMs - now)
  }
}

const [delayMs = 0, loss = 0, first = 0, lines = 0] = process.argv.slice(2).map(Number)
for (let index = 0; index < lines; index += 1) {
  const [toNear, fromNear, toFar, fromFar] = [0, 1, 2, 3].map(at => first + index * 4 + at)
  const [near, far] = await Promise.all([fromNear!, fromFar!].map(listen))
  const towards = (socket: Socket, port: number) => (frame: Uint8Array) => {
    socket.send(frame, port, '127.0.0.1', () => {}) // the emulator may not listen yet
  }
  const out = new Direction({ delayMs, loss, send: towards(far!, toFar!) })
  const back = new Direction({ delayMs, loss, send: towards(near!, toNear!) })
  near!.on('message', frame => out.take(frame))
  far!.on('message', frame => back.take(frame))
}
console.log('ready')

async function listen(port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 * 1024 * 1024 })
  socket.bind(port, '127.0.0.1')
  await once(socket, 'listening')
  socket.on('error', () => {})
  return socket
}
