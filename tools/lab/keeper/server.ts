/** The keeper's socket: a line with an ask, a line with the reply, and so on. */
import { rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { Fault, sentence } from '#shared/fault.ts'
import { type Ask, bmcManners, daemonNames, type Reply, services } from '../protocol.ts'

/** Longer lines are no asks of ours. */
const lineCharsMax = 64 * 1024

/** Listens, for root only, until it is disposed of. */
export class LabServer implements AsyncDisposable {
  readonly #server: Server
  readonly #open = new Set<Socket>()

  private constructor(serve: (ask: Ask) => Promise<unknown>) {
    this.#server = createServer(socket => {
      this.#open.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => this.#open.delete(socket))
      void this.#converse(socket, serve)
    })
  }

  static async listen(path: string, serve: (ask: Ask) => Promise<unknown>): Promise<LabServer> {
    const server = new LabServer(serve)
    await rm(path, { force: true })
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', reject)
      server.#server.listen(path, resolve)
    })
    return server
  }

  async #converse(socket: Socket, serve: (ask: Ask) => Promise<unknown>): Promise<void> {
    try {
      for await (const line of createInterface({ input: socket })) {
        const reply = await replyTo(line, serve)
        if (socket.writable) socket.write(`${JSON.stringify(reply)}\n`)
      }
    } catch {
      socket.destroy() // whoever asked has gone
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>(resolve => {
      this.#server.close(() => resolve())
    })
    for (const socket of this.#open) socket.end()
    const timer = setTimeout(() => {
      for (const socket of this.#open) socket.destroy()
    }, 1_000)
    await closed
    clearTimeout(timer)
  }
}

async function replyTo(line: string, serve: (ask: Ask) => Promise<unknown>): Promise<Reply> {
  try {
    return { ok: (await serve(readAsk(line))) ?? null }
  } catch (thrown) {
    const { code, message, reasons, next } =
      thrown instanceof Fault ? thrown : new Fault('command', sentence(thrown))
    const cause = thrown instanceof Error && thrown.cause ? [sentence(thrown.cause)] : []
    return { fault: { code, message, reasons: [...reasons, ...cause], next } }
  }
}

const isText = (value: unknown): value is string => typeof value === 'string'
const isNumber = (value: unknown): value is number => Number.isFinite(value)
const isOneOf =
  (words: readonly string[]) =>
  (value: unknown): boolean =>
    isText(value) && words.includes(value)
const optional =
  (check: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    value === undefined || check(value)

/** What each verb needs beside itself. */
const shapes: Readonly<Record<Ask['verb'], Readonly<Record<string, (value: unknown) => boolean>>>> =
  {
    status: {},
    power: {
      host: isText,
      to: optional(isOneOf(['on', 'off', 'cycle'])),
      withBmc: optional(value => typeof value === 'boolean')
    },
    bmc: { host: isText, manner: isOneOf(bmcManners) },
    pause: { host: isText, daemon: optional(isOneOf(daemonNames)) },
    resume: { host: isText, daemon: optional(isOneOf(daemonNames)) },
    start: { host: isText, daemon: isOneOf(daemonNames) },
    stop: { host: isText, daemon: isOneOf(daemonNames) },
    kill: { host: isText, daemon: isOneOf(daemonNames) },
    cut: { cut: isCut },
    heal: {},
    slow: { host: isText, delayMs: isNumber, loss: isNumber },
    clock: { host: isText, byMs: isNumber },
    down: {}
  }

function isCut(value: unknown): boolean {
  const { groups, hosts, from, oneWay } = (value ?? {}) as Record<string, unknown>
  const areNames = (names: unknown): boolean => Array.isArray(names) && names.every(isText)
  if (typeof oneWay !== 'boolean') return false
  if (groups !== undefined) return Array.isArray(groups) && groups.every(areNames)
  return areNames(hosts) && isOneOf(services)(from)
}

/** Reads one line. Fault `invalid`. */
export function readAsk(line: string): Ask {
  const refuse = (because: string): Fault => new Fault('invalid', `cannot read the ask: ${because}`)
  if (line.length > lineCharsMax) throw refuse(`it is longer than ${lineCharsMax} characters`)
  let ask: Record<string, unknown>
  try {
    ask = JSON.parse(line) as Record<string, unknown>
  } catch (cause) {
    throw new Fault('invalid', 'cannot read the ask: it is no JSON', { cause })
  }
  const shape = shapes[ask?.['verb'] as Ask['verb']]
  if (shape === undefined) throw refuse(`its verb is none of ${Object.keys(shapes).join(', ')}`)
  const wrong = Object.entries(shape).find(([field, check]) => !check(ask[field]))
  if (wrong) throw refuse(`${wrong[0]} of ${String(ask['verb'])} is missing or wrong`)
  return ask as Ask
}
