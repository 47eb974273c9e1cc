/**
 * A power switch that lies: it speaks like the keeper of a lab, says that it has cut the power of a
 * host, reads *off* from then on, and has done nothing.
 */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'

/** Listens until it is disposed of. */
export class LyingSwitch implements AsyncDisposable {
  readonly path: string
  readonly #server: Server
  readonly #open = new Set<Socket>()
  #power: 'on' | 'off' = 'on'

  private constructor(path: string) {
    this.path = path
    this.#server = createServer(socket => {
      this.#open.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => this.#open.delete(socket))
      createInterface({ input: socket })
        .on('error', () => {})
        .on('line', line => {
          if (socket.writable) socket.write(`${JSON.stringify({ ok: this.#turn(line) })}\n`)
        })
    })
  }

  static async listen(path: string): Promise<LyingSwitch> {
    const liar = new LyingSwitch(path)
    liar.#server.listen(path)
    await once(liar.#server, 'listening')
    return liar
  }

  #turn(line: string): { readonly power: 'on' | 'off' } {
    const { to } = JSON.parse(line) as { readonly to?: 'on' | 'off' | 'cycle' }
    if (to !== undefined) this.#power = to === 'off' ? 'off' : 'on'
    return { power: this.#power }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    for (const socket of this.#open) socket.destroy()
    await closed
  }
}
