/**
 * The agent's own socket, for the operator on this machine: what is, what should be, what is done
 * about it. It answers with no controller, and it only answers: nothing can be changed by it.
 */
import { chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { dirname, join } from 'node:path'
import { Fault, sentence } from '#shared/fault.ts'
import { createServer } from './http.ts'

/** So many may ask at once. */
const connectionsMax = 64

/** What each path shows, worked out when it is asked for. */
export type Pages = Readonly<Record<`/${string}`, () => unknown>>

/** The socket, for as long as it is not disposed of. */
export class LocalSocket implements AsyncDisposable {
  readonly #server: Server
  readonly #path: string

  private constructor(server: Server, path: string) {
    this.#server = server
    this.#path = path
  }

  /**
   * Listens on a file that only its owner may open. It is made in a folder of its own and gets its
   * name once its mode is right: there is no moment when it stands open. Fault `unavailable`.
   */
  static async open(path: string, pages: Pages): Promise<LocalSocket> {
    const server = createServer(
      { requestTimeout: 5_000, headersTimeout: 5_000 },
      (request, response) => reply(request, response, pages)
    )
    server.maxConnections = connectionsMax
    await mkdir(dirname(path), { recursive: true, mode: 0o711 })
    const folder = await mkdtemp(`${path}.`)
    try {
      const made = join(folder, 's')
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(made, resolve)
      })
      await chmod(made, 0o600)
      await rename(made, path)
    } catch (cause) {
      server.close()
      throw new Fault('unavailable', `cannot listen on ${path}`, { cause })
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
    return new LocalSocket(server, path)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#path, { force: true })
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }
}

function reply(request: IncomingMessage, response: ServerResponse, pages: Pages): void {
  const path = (request.url ?? '/').split('?')[0] as `/${string}`
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined
  const said = page === undefined || request.method !== 'GET' ? undefined : show(page)
  if (said !== undefined) {
    write(response, said.status, said.body)
    return
  }
  const known = Object.keys(pages).join(', ')
  write(response, 404, {
    type: 'urn:remuda:not-found',
    title: 'There is no such thing',
    status: 404,
    detail: `cannot ${request.method} ${path}: the agent shows only ${known}`,
    instance: path,
    reasons: [],
    next: ['remuda agent status']
  })
}

function show(page: () => unknown): { readonly status: number; readonly body: unknown } {
  try {
    return { status: 200, body: page() }
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown
    const { code, reasons, next } = thrown
    const detail = sentence(thrown)
    const type = `urn:remuda:${code}`
    return {
      status: 503,
      body: { type, title: 'Not possible at the moment', detail, reasons, next }
    }
  }
}

function write(response: ServerResponse, status: number, body: unknown): void {
  const type = status === 200 ? 'application/json' : 'application/problem+json'
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
  response.end(`${JSON.stringify(body, undefined, 2)}\n`)
}
