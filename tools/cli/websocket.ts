/** The only user of the package `ws` on the client's side. */
import type { IncomingMessage } from 'node:http'
import net from 'node:net'
import type { Duplex } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { createWebSocketStream, WebSocket } from 'ws'
import { Fault, isFault } from '#shared/fault.ts'
import type { Address } from './api/address.ts'
import { type Api, type Ask, credentialsOf, pathOfAsk } from './api/client.ts'
import { faultOfAnswer, faultOfConnection } from './api/problem.ts'

/** Time for the connection to come about. */
const openMsMax = 10_000
/** Longest message that is taken. Unit: bytes. */
const messageBytesMax = 1024 * 1024
/** A connection on which nothing came for so long is asked whether it is still there. */
const pingMs = 15_000

/** A channel of bytes in both directions. */
export type Channel = {
  /** Ends when the other side closes. */
  readonly stream: Duplex
  /** How it ended: 1000 is as it should; from 4000 on the reason is ours. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
  readonly close: () => void
}

/** Opens a WebSocket at a path of the API; Fault of the refusal or of the connection. */
export async function openChannel(
  api: Api,
  ask: Pick<Ask, 'path' | 'query' | 'doing'> & { readonly signal: AbortSignal }
): Promise<Channel> {
  return api.servers.try({
    doing: ask.doing,
    repeatable: true,
    signal: ask.signal,
    attempt: async address => {
      try {
        return { done: await openAt(address, ask) }
      } catch (error) {
        if (!isFault(error, 'unavailable') && !isFault(error, 'closed')) throw error
        return { missed: error, untouched: true, hopeful: false }
      }
    }
  })
}

async function openAt(
  address: Address,
  ask: Pick<Ask, 'path' | 'query' | 'doing'> & { readonly signal: AbortSignal }
): Promise<Channel> {
  const path = pathOfAsk(ask)
  const base = address.via === 'socket' ? 'ws://localhost' : address.url.href.replace(/^http/, 'ws')
  const socket = new WebSocket(base.replace(/\/$/, '') + path, {
    handshakeTimeout: openMsMax,
    maxPayload: messageBytesMax,
    perMessageDeflate: false,
    followRedirects: false,
    headers: { ...credentialsOf(address) },
    ...(address.via === 'socket' ? { createConnection: () => net.connect(address.path) } : {})
  })
  const closed = new Promise<{ code: number; reason: string }>(resolve => {
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString('utf8') }))
  })
  // Made before anything can arrive, so that nothing is missed. How it ends is told by `closed`.
  const stream = createWebSocketStream(socket, { highWaterMark: 64 * 1024 })
  stream.on('error', () => {})
  const stop = () => socket.terminate()
  ask.signal.addEventListener('abort', stop, { once: true })
  try {
    await opened(socket, address, ask.doing)
  } finally {
    ask.signal.removeEventListener('abort', stop)
  }
  keepAlive(socket)
  return { stream, closed, close: () => socket.close(1000) }
}

function opened(socket: WebSocket, address: Address, doing: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.once('open', resolve)
  socket.once('unexpected-response', (_request, response: IncomingMessage) => {
    buffer(response).then(
      bytes => reject(faultOfAnswer(response.statusCode ?? 500, bytes, doing)),
      reject
    )
  })
  socket.on('error', error => {
    reject(faultOfConnection(error, { address, peer: 'controller', doing }))
  })
  return promise
}

/** Ends a connection whose other side has gone without a word. */
function keepAlive(socket: WebSocket): void {
  let heard = true
  socket.on('pong', () => {
    heard = true
  })
  const timer = setInterval(() => {
    if (!heard) return socket.terminate()
    heard = false
    socket.ping()
  }, pingMs)
  timer.unref()
  socket.once('close', () => clearInterval(timer))
}

/** The failure that a closing code stands for; undefined: it ended as it should. */
export function faultOfClosing(
  { code, reason }: { readonly code: number; readonly reason: string },
  doing: string
): Fault | undefined {
  if (code === 1000 || code === 1005) return undefined
  if (reason !== '') return new Fault('closed', `cannot ${doing}: ${reason}`)
  return new Fault('closed', `cannot ${doing} any longer: the connection was cut (${code})`, {
    reasons: ['the controller, or the way to it, has ended; the instance goes on'],
    next: ['give the same command again; what it says meanwhile is in its console log']
  })
}
