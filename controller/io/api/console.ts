/** Attaches a WebSocket to the console of an instance, or of a host's machine. */
import type { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { Fault, sentence } from '#shared/fault.ts'
import type { Host } from '#shared/model/host.ts'
import type { Instance } from '#shared/model/instance.ts'
import { find } from '../../core/paths.ts'
import { isRefusal } from '../../core/refusal.ts'
import { faultOf } from '../refusal-fault.ts'
import { problemOf } from './problem.ts'
import type { Caller } from './route.ts'
import type { Service } from './service.ts'
import { hostOf } from './verbs.ts'

/** Longest message that a client may send. Unit: bytes. */
const messageBytesMax = 64 * 1024
/** Longest reason that a close frame holds. Unit: bytes. */
const reasonBytesMax = 123
/** A line on which nothing is said is tried after so long. Unit: ms. */
const keepAliveMs = 30_000
/** Bytes that may wait for a slow client before the console waits for it. */
const waitingBytesMax = 1024 * 1024
const pathPattern = /^\/v1\/(instances|hosts)\/([^/]+)\/console$/

/** Answers one upgrade request, as a server emits it; what it refuses gets a problem document. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** The consoles of all servers of one API. */
export type Consoles = {
  /** Makes the answer to upgrade requests; `callerOf` says who asks. */
  readonly upgrade: (callerOf: (request: IncomingMessage) => Caller | undefined) => Upgrade
  /** Cuts all off: a server does not close while one is open. */
  readonly close: () => void
}

/** Makes them. */
export function makeConsoles(service: Service): Consoles {
  const server = new WebSocketServer({ noServer: true, maxPayload: messageBytesMax })
  return {
    upgrade: callerOf => (request, socket, head) => {
      socket.on('error', () => socket.destroy())
      // A client whose machine is gone says nothing more; this finds out.
      if (socket instanceof Socket) socket.setKeepAlive(true, keepAliveMs)
      try {
        const stream = wanted(service, request, callerOf(request))
        // Also where the handshake fails, of which nothing else is told.
        socket.once('close', () => stream.destroy())
        server.handleUpgrade(request, socket, head, client => join(client, stream))
      } catch (thrown) {
        refuse(socket, problemOf(thrown, request.url ?? ''))
      }
    },
    close: () => {
      for (const client of server.clients) client.terminate()
    }
  }
}

function wanted(service: Service, request: IncomingMessage, caller: Caller | undefined): Duplex {
  const url = URL.parse(request.url ?? '', 'http://console')
  const [, kind, part] = pathPattern.exec(url?.pathname ?? '') ?? []
  const name = decoded(part)
  if (!url || name === undefined) {
    throw new Fault('not-found', `there is nothing to attach to at ${url?.pathname ?? 'that path'}`)
  }
  if (!caller) {
    throw new Fault('unauthenticated', 'cannot attach to a console: no token', {
      next: ['send Authorization: Bearer TOKEN']
    })
  }
  if (caller.role !== 'admin') {
    throw new Fault('forbidden', 'cannot attach to a console: not allowed', {
      reasons: [`${caller.name} has the role ${caller.role}, admin is needed`]
    })
  }
  const { view } = service.reign
  const tenant = url.searchParams.get('tenant')
  const isHost = kind === 'hosts'
  const key = tenant === null || isHost ? { name } : { name, tenant }
  const found = find(view, isHost ? 'host' : 'instance', key)
  if (isRefusal(found)) throw faultOf(found)
  if (isHost) {
    const take = url.searchParams.get('take') === '1'
    service.log.info('console of a machine is asked for', { host: name, by: caller.name, take })
    return service.machines.open(found.resource as Host, { take })
  }
  const instance = found.resource as Instance
  return service.agents.console(hostOf(service, instance), instance)
}

/** A part of a path as it was meant; undefined where there is none that could be read. */
function decoded(part: string | undefined): string | undefined {
  try {
    return part === undefined ? undefined : decodeURIComponent(part)
  } catch {
    return undefined
  }
}

/** Passes bytes both ways until one side ends. */
function join(client: WebSocket, stream: Duplex): void {
  stream.on('data', (bytes: Buffer) => {
    client.send(bytes)
    if (client.bufferedAmount < waitingBytesMax) return
    stream.pause()
    const timer = setInterval(() => {
      if (client.bufferedAmount >= waitingBytesMax && client.readyState === client.OPEN) return
      clearInterval(timer)
      stream.resume()
    }, 20)
  })
  stream.on('end', () => client.close(1000, 'the console has ended'))
  stream.on('error', thrown => client.close(4000, cut(sentence(thrown))))
  client.on('message', data => {
    if (!stream.write(data as Buffer)) client.pause()
  })
  stream.on('drain', () => client.resume())
  client.on('close', () => stream.destroy())
  client.on('error', () => stream.destroy())
}

/** As much of a sentence as a close frame holds (RFC 6455, 5.5.1), without half a letter. */
const cut = (text: string): string =>
  new TextDecoder().decode(Buffer.from(text).subarray(0, reasonBytesMax)).replace(/\uFFFD+$/, '')

function refuse(socket: Duplex, problem: ReturnType<typeof problemOf>): void {
  const body = JSON.stringify(problem)
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\n` +
      'Content-Type: application/problem+json\r\nConnection: close\r\n' +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
}
