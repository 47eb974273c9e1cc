/**
 * Takes the calls of instances that phone home: any HTTP request, whatever it asks for, since
 * cloud-init posts a form and a shell script gets a page. What counts is where it comes from: the
 * packet filter lets no instance send from another one's address. Nothing of what is said is kept.
 */
import type { Server } from 'node:http'
import { Fault } from '#shared/fault.ts'
import { phoneHomePort } from '../core/readiness.ts'
import type { PhoneHome } from './gates.ts'
import { createServer } from './http.ts'

/** A caller has so long to say all that it says. Unit: ms. */
const requestMsMax = 5_000
/** More is not read. Unit: bytes. */
const bodyBytesMax = 64 * 1024
/** So many may call one address at once; others wait or are refused by the kernel. */
const callersMax = 64

/** Makes what listens; a test may choose another port. */
export function phoneHomeOver(
  called: (at: string, from: string) => boolean,
  port = phoneHomePort
): PhoneHome {
  const servers = new Map<string, Server>()
  return {
    listen: async addresses => {
      for (const [address, server] of servers) {
        if (addresses.has(address)) continue
        servers.delete(address)
        await closed(server)
      }
      for (const address of addresses) {
        if (servers.has(address)) continue
        const server = serverFor(address, called)
        await listening(server, { address, port })
        servers.set(address, server)
      }
    }
  }
}

function serverFor(address: string, called: (at: string, from: string) => boolean): Server {
  const limits = { requestTimeout: requestMsMax, headersTimeout: requestMsMax }
  const server = createServer({ ...limits, maxHeaderSize: 8_192 }, (request, response) => {
    let bytes = 0
    request.on('error', () => {})
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > bodyBytesMax) request.destroy()
    })
    request.on('end', () => {
      const isKnown = called(address, request.socket.remoteAddress ?? '')
      response.writeHead(isKnown ? 200 : 503, { connection: 'close' })
      response.end(isKnown ? 'ready\n' : 'not expected now; call again\n')
    })
  })
  server.maxConnections = callersMax
  return server
}

const listening = (
  server: Server,
  { address: host, port }: { readonly address: string; readonly port: number }
): Promise<void> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', cause => {
    reject(new Fault('network', `cannot take calls at ${host}:${port}`, { cause }))
  })
  server.listen({ host, port }, () => {
    server.removeAllListeners('error')
    server.on('error', () => {})
    resolve()
  })
  return promise
}

const closed = (server: Server): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  server.closeAllConnections()
  return promise
}
