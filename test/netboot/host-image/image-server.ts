/**
 * What a booting host asks of bootd, as a server of its own with faults: it serves one version,
 * listens to what the host says of its progress, and gives it what it is given to join.
 */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

/** The boot token that it knows. */
export const bootToken = 'token-of-this-boot'

/** What a host has said: its stage, and why, if it said so. */
export type Progress = {
  readonly stage: string
  readonly because?: string
  readonly percent?: number
}

/** How it behaves; each field may change while it runs. */
export type ImageServerFaults = {
  /** Bytes that replace a file. */
  readonly replaced?: Readonly<Record<string, Buffer>>
  /** Answers with this status so many times before it serves the root. */
  readonly refusals?: { readonly status: number; times: number }
  /** Hangs up after so many bytes of the root, so many times. */
  readonly hangUps?: { readonly afterBytes: number; times: number }
  /** Answers with this status so many times before it hears of a stage. */
  readonly deafness?: { readonly status: number; times: number }
  /** Answers with this status so many times before it says how to join. */
  readonly silence?: { readonly status: number; times: number }
}

/** A stand-in for bootd on a port of 127.0.0.1, which qemu's own network shows as 10.0.2.2. */
export class ImageServer implements AsyncDisposable {
  readonly progress: Progress[] = []
  /** Ranges of the root that were asked for. */
  readonly ranges: string[] = []
  faults: ImageServerFaults = {}
  given: Readonly<Record<string, unknown>> | undefined
  /** Addresses of the root at others, as bootd names them. */
  peers: readonly string[] = []
  /** How often the root was asked for, and how to join. */
  roots = 0
  joins = 0
  readonly #folder: string
  readonly #server: Server

  private constructor(folder: string, server: Server) {
    this.#folder = folder
    this.#server = server
  }

  /** Serves the version that lies in a folder. */
  static async open(folder: string): Promise<ImageServer> {
    const server = createServer((request, response) => {
      void served.#serve(request, response).catch(() => response.destroy())
    })
    const served = new ImageServer(folder, server)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return served
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get stages(): readonly string[] {
    return this.progress.map(({ stage }) => stage)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://bootd')
    if (pathname === `/v1/boots/${bootToken}/progress`) {
      const said = new URLSearchParams(await text(request))
      const { deafness } = this.faults
      if (deafness && deafness.times-- > 0) return void response.writeHead(deafness.status).end()
      const [because, percent] = [said.get('because'), said.get('percent')]
      this.progress.push({
        stage: said.get('stage') ?? '',
        ...(because !== null && { because }),
        ...(percent !== null && { percent: Number(percent) })
      })
      response.writeHead(204).end()
      return
    }
    if (pathname === `/v1/boots/${bootToken}/join` && this.given) {
      this.joins += 1
      const { silence } = this.faults
      if (silence && silence.times-- > 0) return void response.writeHead(silence.status).end()
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify(this.given))
      return
    }
    if (pathname === `/v1/boots/${bootToken}/peers`) {
      response.writeHead(200, { 'content-type': 'text/plain' }).end(`${this.peers.join('\n')}\n`)
      return
    }
    const [, name] = /^\/images\/[0-9a-f]{16}\/([a-z.]+)$/.exec(pathname) ?? []
    if (name === undefined) return void response.writeHead(404).end()
    if (name === 'root.squashfs') {
      this.roots += 1
      if (searchParams.get('token') !== bootToken) return void response.writeHead(403).end()
      const { refusals } = this.faults
      if (refusals && refusals.times-- > 0) return void response.writeHead(refusals.status).end()
    }
    await this.#send(name, request, response)
  }

  async #send(name: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const replaced = this.faults.replaced?.[name]
    const path = join(this.#folder, name)
    const size = replaced?.length ?? (await stat(path)).size
    const [, from] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? []
    const start = Number(from ?? 0)
    if (from !== undefined) this.ranges.push(from)
    if (start >= size && from !== undefined) {
      return void response.writeHead(416, { 'content-range': `bytes */${size}` }).end()
    }
    const range = { 'content-range': `bytes ${start}-${size - 1}/${size}` }
    response.writeHead(from === undefined ? 200 : 206, {
      'content-length': size - start,
      ...(from !== undefined && range)
    })
    const { hangUps } = this.faults
    if (name === 'root.squashfs' && hangUps && hangUps.times-- > 0) {
      const part = replaced?.subarray(start, start + hangUps.afterBytes)
      response.write(part ?? '', () => response.destroy())
      return
    }
    if (replaced) response.end(replaced.subarray(start))
    else createReadStream(path, { start, highWaterMark: 1 << 20 }).pipe(response)
  }
}
