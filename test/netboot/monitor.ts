/** What befalls a machine of a lab, as its emulator tells it at that moment (QMP). */
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { monitorOf } from '../../tools/lab/keeper/machine.ts'
import type { Lab } from '../../tools/lab/lab.ts'

/** One thing that befell it, and when. Unit: ms since 1970. */
export type Befallen = { readonly event: string; readonly at: number }

/** Listens until it is disposed of, or until the machine loses its power. */
export class Monitor implements AsyncDisposable {
  readonly #socket: Socket
  readonly #told: Befallen[] = []

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {})
    createInterface({ input: socket }).on('line', line => this.#take(line))
  }

  static async open(lab: Lab, machine: string): Promise<Monitor> {
    const socket = createConnection(monitorOf(lab.folder, machine))
    await once(socket, 'connect')
    socket.write(`${JSON.stringify({ execute: 'qmp_capabilities' })}\n`)
    return new Monitor(socket)
  }

  /** The first event of a name; undefined: there was none yet. */
  first(name: string): Befallen | undefined {
    return this.#told.find(({ event }) => event === name)
  }

  #take(line: string): void {
    const said = JSON.parse(line) as {
      readonly event?: string
      readonly timestamp?: { readonly seconds: number; readonly microseconds: number }
    }
    if (said.event === undefined || said.timestamp === undefined) return
    const { seconds, microseconds } = said.timestamp
    this.#told.push({ event: said.event, at: seconds * 1_000 + microseconds / 1_000 })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy()
  }
}
