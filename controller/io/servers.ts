/** Where the API answers: TCP, with TLS or without, and the control sockets. */
import { chmod, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Fault } from '#shared/fault.ts'

/** Connections of one server; more wait. */
const connectionsMax = 10_000

/** A server that answers; disposing of it cuts its connections. A control socket has port 0. */
export type Listening = AsyncDisposable & { readonly server: Server; readonly port: number }

/** Listens on an address; TLS where a certificate is given. Fault `unavailable`: it cannot. */
export async function listenTcp(options: {
  readonly address: string
  readonly port: number
  readonly tls?: { readonly certificate: string; readonly key: string }
  readonly listener: RequestListener
}): Promise<Listening> {
  const { address, port, tls, listener } = options
  const server = tls
    ? createTlsServer(
        { cert: await readFile(tls.certificate), key: await readFile(tls.key) },
        listener
      )
    : createServer(listener)
  await started(server, { host: address, port }, `${address}:${port}`)
  return listening(server, (server.address() as AddressInfo).port)
}

/**
 * A control socket: who may open the file, may speak. It is made in a folder that is closed to all
 * others, and gets its name once its mode is right: there is no moment when it stands open.
 */
export async function listenSocket(options: {
  readonly path: string
  readonly mode: number
  readonly listener: RequestListener
}): Promise<Listening> {
  const { path, mode, listener } = options
  const folder = await mkdtemp(`${path}.`)
  const server = createServer(listener)
  try {
    const made = join(folder, 's')
    await started(server, { path: made }, path)
    await chmod(made, mode)
    await rename(made, path)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  const { [Symbol.asyncDispose]: close, ...rest } = listening(server, 0)
  return {
    ...rest,
    [Symbol.asyncDispose]: async () => {
      await rm(path, { force: true })
      await close()
    }
  }
}

async function started(server: Server, where: object, name: string): Promise<void> {
  server.maxConnections = connectionsMax
  server.headersTimeout = 15_000
  server.requestTimeout = 0
  await new Promise<void>((resolve, reject) => {
    server.once('error', cause => {
      const next =
        (cause as NodeJS.ErrnoException).code === 'EADDRINUSE'
          ? ['another controller may run here: remuda status', 'or choose another port']
          : []
      reject(new Fault('unavailable', `cannot listen on ${name}`, { cause, next }))
    })
    server.listen(where, resolve)
  })
}

const listening = (server: Server, port: number): Listening => ({
  server,
  port,
  [Symbol.asyncDispose]: async () => {
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    server.closeAllConnections()
    await closed
  }
})
