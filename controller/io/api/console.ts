/** Attaches a WebSocket to the console of an instance. */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'
import { Fault, sentence } from '#shared/fault.ts'
import type { Instance } from '#shared/model/instance.ts'
import { find } from '../../core/paths.ts'
import { isRefusal } from '../../core/refusal.ts'
import { faultOf } from '../reign.ts'
import { problemOf } from './problem.ts'
import type { Caller } from './route.ts'
import type { Service } from './service.ts'
import { hostOf } from './verbs.ts'

/** Longest message that a client may send. Unit: bytes. */
const messageBytesMax = 64 * 1024
/** Bytes that may wait for a slow client before the console waits for it. */
const waitingBytesMax = 1024 * 1024
const pathPattern = /^\/v1\/instances\/([^/]+)\/console$/

/** Answers one upgrade request, as a server emits it; what it refuses gets a problem document. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

/** Makes the answer to upgrade requests; `callerOf` says who asks. */
export function consoleUpgrade(
  service: Service,
  callerOf: (request: IncomingMessage) => Caller | undefined
): Upgrade {
  const server = new WebSocketServer({ noServer: true, maxPayload: messageBytesMax })
  return (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    try {
      const instance = wanted(service, request, callerOf(request))
      const stream = service.agents.console(hostOf(service, instance), instance)
      server.handleUpgrade(request, socket, head, client => join(client, stream))
    } catch (thrown) {
      refuse(socket, problemOf(thrown, request.url ?? ''))
    }
  }
}

function wanted(service: Service, request: IncomingMessage, caller: Caller | undefined): Instance {
  const url = new URL(request.url ?? '/', 'http://console')
  const match = pathPattern.exec(url.pathname)
  if (!match) throw new Fault('not-found', `there is nothing to attach to at ${url.pathname}`)
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
  const tenant = url.searchParams.get('tenant')
  const name = decodeURIComponent(match[1]!)
  const found = find(service.reign.view, 'instance', tenant === null ? { name } : { name, tenant })
  if (isRefusal(found)) throw faultOf(found)
  return found.resource as Instance
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
  stream.on('error', thrown => client.close(4000, sentence(thrown).slice(0, 120)))
  client.on('message', data => {
    if (!stream.write(data as Buffer)) client.pause()
  })
  stream.on('drain', () => client.resume())
  client.on('close', () => stream.destroy())
  client.on('error', () => stream.destroy())
}

function refuse(socket: Duplex, problem: ReturnType<typeof problemOf>): void {
  const body = JSON.stringify(problem)
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\n` +
      'Content-Type: application/problem+json\r\nConnection: close\r\n' +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
}
