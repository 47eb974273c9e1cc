/**
 * One `up` or `down` at a time for each state folder: two at once would start every daemon twice.
 * The turn is held by listening on an abstract socket, which is a name and no file: the kernel
 * gives it back when its holder ends, however that comes about, and nothing is left behind. Who
 * must wait connects to it, is told who has the turn, and knows by the end of the connection when
 * it is free.
 */
import { createHash } from 'node:crypto'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'
import { codeOf } from '#shared/files.ts'

/** How long another `up` or `down` may take before we give up on it. Unit: ms. */
const waitMsMax = 900_000
/** Between two attempts where the holder has ended but its name is not free yet. Unit: ms. */
const againMs = 50

/** What a turn is wanted for. */
export type TurnOptions = {
  readonly state: string
  /** Who we are, for those that wait for us, such as: npm run up. */
  readonly holder: string
  /** Is told whom we wait for. */
  readonly waiting: (holder: string) => void
  readonly waitMs?: number
}

/** Waits for the turn and holds it until it is disposed of. Fault `locked`: another holds it. */
export async function takeTurn(options: TurnOptions): Promise<AsyncDisposable> {
  const name = nameOf(options.state)
  const until = performance.now() + (options.waitMs ?? waitMsMax)
  let last = 'somebody'
  for (;;) {
    const turn = await listen(name, `${options.holder}, process ${process.pid}`)
    if (turn) return turn
    const leftMs = until - performance.now()
    if (leftMs <= 0) {
      throw new Fault('locked', `cannot begin: ${last} works on ${options.state}`, {
        reasons: [`waited ${Math.round((options.waitMs ?? waitMsMax) / 1000)} s`],
        next: ['wait until it is done, or end it with Ctrl-C where it runs']
      })
    }
    await untilFree(name, leftMs, holder => {
      last = holder
      options.waiting(holder)
    })
    await sleep(Math.min(againMs, leftMs))
  }
}

const nameOf = (state: string): string =>
  `\0remuda-turn-${createHash('sha256').update(state).digest('hex').slice(0, 16)}`

/** Listens and tells whoever connects who we are; undefined: the name is taken. */
async function listen(name: string, holder: string): Promise<AsyncDisposable | undefined> {
  const waiting = new Set<Socket>()
  const server = createServer(socket => {
    waiting.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => waiting.delete(socket))
    socket.unref()
    socket.write(holder)
  })
  const isOurs = await new Promise<boolean>((resolve, reject) => {
    server.once('error', thrown => {
      if (codeOf(thrown) === 'EADDRINUSE') resolve(false)
      else reject(thrown)
    })
    server.listen(name, () => resolve(true))
  })
  if (!isOurs) return undefined
  server.unref()
  return {
    [Symbol.asyncDispose]: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of waiting) socket.destroy()
      })
  }
}

/** Waits until the connection to the holder ends, or there is none, or the time is over. */
async function untilFree(
  name: string,
  waitMs: number,
  tell: (holder: string) => void
): Promise<void> {
  await new Promise<void>(resolve => {
    const socket = connect(name)
    const timer = setTimeout(() => socket.destroy(), waitMs)
    socket.once('data', text => tell(text.toString()))
    socket.once('error', () => {})
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
