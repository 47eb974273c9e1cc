/**
 * How ipmi_sim comes to the board of a host: it starts a small script for each question, which
 * hands it on to the service beside it, on the loopback of the switch. A line there, an answer
 * back.
 */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import type { Machine } from './redfish-bmc.ts'

/** Nobody else in the switch's namespace listens there. */
export const chassisPort = 7_623

/**
 * Is told HOST, get or set, and what; a script that was given a socket would read files of root.
 */
export const chassisProgram = `#!/bin/bash --norc
exec 3<>/dev/tcp/127.0.0.1/${chassisPort} || exit 1
printf '%s\\n' "$*" >&3
answer=$(cat <&3)
[ "$answer" ] || exit 1
printf '%s\\n' "$answer"
`

/** Answers for the boards of all hosts until it is disposed of. */
export class ChassisServer implements AsyncDisposable {
  readonly #server: Server
  readonly #open = new Set<Socket>()

  private constructor(boards: ReadonlyMap<string, Machine>) {
    this.#server = createServer(socket => {
      this.#open.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => this.#open.delete(socket))
      createInterface({ input: socket })
        .on('error', () => {})
        .once('line', line => {
          answer(line, boards).then(
            said => socket.end(`${said}\n`),
            () => socket.destroy()
          )
        })
    })
  }

  static async listen(boards: ReadonlyMap<string, Machine>): Promise<ChassisServer> {
    const made = new ChassisServer(boards)
    made.#server.listen(chassisPort, '127.0.0.1')
    await once(made.#server, 'listening')
    return made
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    for (const socket of this.#open) socket.destroy()
    await closed
  }
}

/**
 * Answers `HOST get NAME…` and `HOST set NAME VALUE…`; of all that can be named, power alone is.
 */
export async function answer(line: string, boards: ReadonlyMap<string, Machine>): Promise<string> {
  const [host = '', verb = '', ...words] = line.split(' ')
  const board = boards.get(host)
  if (!board || (verb !== 'get' && verb !== 'set')) throw new TypeError(`cannot answer "${line}"`)
  if (verb === 'get') {
    const lines: string[] = []
    for (const name of words) {
      lines.push(`${name}:${name === 'power' && (await board.isRunning()) ? 1 : 0}`)
    }
    return lines.join('\n')
  }
  for (let at = 0; at + 1 < words.length; at += 2) {
    if (words[at] === 'power') await board.switch(words[at + 1] === '1')
  }
  return 'done'
}
