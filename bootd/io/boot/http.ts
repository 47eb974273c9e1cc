/**
 * What machines fetch while they boot: scripts, firmware, images, and how to join; and where they
 * say how far they are. Plain HTTP, since firmware speaks no more; what must not be forged is
 * signed, and what is secret is given only to the address that was told to boot.
 *
 * Anyone on the boot network may connect: heads, bodies, connections, waits and transfers are all
 * bounded, and a connection that stands still is closed.
 */
import { randomInt } from 'node:crypto'
import { lstat } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Clock } from '#shared/clock.ts'
import { isFault, sentence } from '#shared/fault.ts'
import { codeOf } from '#shared/files.ts'
import type { Log } from '#shared/log.ts'
import { manifestName, signatureName } from '#shared/model/host-image.ts'
import { isNamed, type PlanIndex } from '../../core/boot-plan.ts'
import {
  type BootRequest,
  progressBytesMax,
  readProgress,
  readRequest
} from '../../core/boot-request.ts'
import { askingScript, ipxeScript } from '../../core/ipxe-script.ts'
import { joinAnswer } from '../../core/join-answer.ts'
import { peersFor } from '../../core/peers.ts'
import { answerFile, say } from './answer-file.ts'
import type { Boots } from './boots.ts'
import { BoundedServer } from './bounded-server.ts'
import type { ImageStore, StoredFile } from './images.ts'
import { stageWords } from './stage-words.ts'
import { Transfers } from './transfers.ts'

/** What is allowed. */
export const httpBounds = {
  connectionsMax: 4_096,
  connectionsOfOneMax: 64,
  headBytesMax: 8_192,
  headersMax: 64,
  /**
   * From the beginning of a connection until a head, and until its body, is here. When a rack
   * boots from a machine that has much else to do, what is here may be read late. Unit: ms.
   */
  headMsMax: 30_000,
  requestMsMax: 45_000,
  /** A connection on which nothing moves is closed. Unit: ms. */
  stillMsMax: 60_000,
  /** One that asks nothing more. Unit: ms. */
  idleMsMax: 15_000,
  /** How long a request for a file waits for its turn. Unit: ms. */
  waitMsMax: 45_000,
  waitingMax: 8_192
} as const

/** What is allowed, as it may be said otherwise in tests. */
export type HttpBounds = { readonly [Name in keyof typeof httpBounds]: number }

/** A machine that cannot boot yet waits before it asks again, at least and most. Unit: s. */
const waitS = [4, 9] as const

/** What it works with. */
export type BootHttpOptions = {
  readonly address: string
  readonly port: number
  readonly boots: Boots
  readonly images: Pick<ImageStore, 'file' | 'isUnchecked'>
  /** The plan as it is now. */
  readonly index: () => PlanIndex | undefined
  /** Where the files for firmware are. */
  readonly firmware: string
  readonly transfersMax: number
  readonly clientBytesPerS: number
  readonly bounds?: Partial<HttpBounds>
  readonly clock: Clock
  readonly log: Log
}

/** Answers machines that boot, until it is disposed of. */
export class BootHttp implements AsyncDisposable {
  readonly #options: BootHttpOptions
  readonly #server: BoundedServer
  readonly #transfers: Transfers

  private constructor(options: BootHttpOptions) {
    this.#options = options
    const bounds = { ...httpBounds, ...options.bounds }
    this.#transfers = new Transfers({
      runningMax: options.transfersMax,
      runningOfOneMax: 4,
      waitingMax: bounds.waitingMax,
      waitingOfOneMax: 32,
      waitMsMax: bounds.waitMsMax
    })
    this.#server = new BoundedServer(bounds, {
      answer: (request, response, signal) =>
        this.#answer(request, response, signal).catch(thrown => this.#fail(response, thrown)),
      log: options.log
    })
  }

  /** Listens. Fault `network`: it cannot there. */
  static async open(options: BootHttpOptions): Promise<BootHttp> {
    const http = new BootHttp(options)
    const { address, port } = options
    await http.#server.listen({ address, port, backlog: 1_024, what: 'serve boots' })
    return http
  }

  /** Port that it has. */
  get port(): number {
    return this.#server.port
  }

  /** Where it is found, with no slash at the end. */
  get url(): string {
    return `http://${this.#options.address}:${this.port}`
  }

  #fail(response: ServerResponse, thrown: unknown): void {
    if (!isFault(thrown)) this.#options.log.warn('boot request', { because: sentence(thrown) })
    if (response.headersSent || response.destroyed) {
      response.destroy()
      return
    }
    if (isFault(thrown, 'capacity') || isFault(thrown, 'deadline')) {
      response.setHeader('retry-after', String(randomInt(waitS[0], waitS[1])))
      say(response, 503, 'too many fetch at once: come again')
      return
    }
    say(response, 500, 'it could not be done')
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal
  ): Promise<void> {
    const asked = readRequest(request.method ?? '', request.url ?? '')
    if ('status' in asked) {
      // What is sent with a request that is refused is not read.
      response.setHeader('connection', 'close')
      say(response, asked.status, asked.because)
      return
    }
    const address = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '')
    const { boots } = this.#options
    switch (asked.asks) {
      case 'script':
        return this.#script(response, asked, address)
      case 'words':
        return answerWords(response, stageWords(asked, { boots, url: this.url, address }))
      case 'firmware':
        return this.#firmware(request, response, asked.file, { address, signal })
      case 'image':
        return this.#image(request, response, asked, { address, signal })
      case 'progress':
        return this.#progress(request, response, asked.token, address)
      case 'join':
      case 'peers':
        return this.#give(response, asked, address)
      default:
        return asked satisfies never
    }
  }

  #script(
    response: ServerResponse,
    { asker, isAgain }: Extract<BootRequest, { asks: 'script' }>,
    address: string
  ): void {
    const pause = randomInt(waitS[0], waitS[1] + 1)
    const { mac, architecture } = asker
    if (!isNamed(asker)) {
      say(response, 200, askingScript(this.url, pause))
      return
    }
    const { choice, token } = this.#options.boots.ask(asker, address, { isAgain })
    const wish = {
      ...{ url: this.url, choice, token, waitS: pause },
      ...(mac !== undefined && { mac }),
      ...(architecture !== undefined && { architecture })
    }
    say(response, 200, ipxeScript(wish))
  }

  async #firmware(
    request: IncomingMessage,
    response: ServerResponse,
    name: string,
    from: { readonly address: string; readonly signal: AbortSignal }
  ): Promise<void> {
    const path = join(this.#options.firmware, name)
    const stat = await lstat(path).catch(thrown => {
      if (codeOf(thrown) !== 'ENOENT') throw thrown
    })
    if (!stat?.isFile()) return say(response, 404, 'there is no such file')
    const sha256 = `${stat.ino}-${stat.size}-${Math.trunc(stat.mtimeMs)}`
    await this.#send(request, response, { path, bytes: stat.size, sha256 }, from)
  }

  async #image(
    request: IncomingMessage,
    response: ServerResponse,
    asked: Extract<BootRequest, { asks: 'image' }>,
    from: { readonly address: string; readonly signal: AbortSignal }
  ): Promise<void> {
    const { version, file, token } = asked
    const { boots, images } = this.#options
    const isPublic = file === manifestName || file === signatureName
    let key: string | undefined
    if (!isPublic && !this.#isPeer(token)) {
      const shown = token === undefined ? undefined : await boots.show(token, from.address)
      if (!shown || 'refused' in shown || !boots.isOpen(shown.boot)) {
        return say(response, 403, shown && 'refused' in shown ? shown.refused : 'no boot is open')
      }
      if (shown.boot.version !== version) return say(response, 403, 'another version is meant')
      key = shown.key
    }
    const stored = images.file(version, file)
    if (!stored) {
      // Who is told that there is none gives up; one that may come is asked for again.
      if (!images.isUnchecked(version)) return say(response, 404, 'that version is not here')
      response.setHeader('retry-after', String(randomInt(waitS[0], waitS[1])))
      return say(response, 503, 'that version is being looked at: come again')
    }
    await this.#send(request, response, stored, from)
    if (key !== undefined && file === 'vmlinuz' && request.method === 'GET') {
      boots.progress(key, { stage: 'kernel' })
    }
  }

  /** Whether the token is the one that bootds show each other. */
  #isPeer(token: string | undefined): boolean {
    const own = this.#options.index()?.plan.peerToken
    return own !== undefined && token === own
  }

  async #send(
    request: IncomingMessage,
    response: ServerResponse,
    file: StoredFile,
    { address, signal }: { readonly address: string; readonly signal: AbortSignal }
  ): Promise<void> {
    const { clock, clientBytesPerS: bytesPerS } = this.#options
    const take = () => this.#transfers.take(address, signal)
    await answerFile(request, response, file, { take, bytesPerS, clock, signal })
  }

  async #progress(
    request: IncomingMessage,
    response: ServerResponse,
    token: string,
    address: string
  ): Promise<void> {
    const { boots } = this.#options
    // All of it is read before anything is said: else the answer may be lost with the connection.
    const form = await readBody(request)
    const shown = await boots.show(token, address)
    if ('refused' in shown) return say(response, 403, shown.refused)
    const progress = form === undefined ? undefined : readProgress(form)
    if (!progress) {
      response.setHeader('connection', 'close')
      return say(response, 400, 'that is no progress of a boot')
    }
    boots.progress(shown.key, progress)
    response.writeHead(204).end()
  }

  /** What an open boot gets beside files: how to join, or who else serves its image. */
  async #give(
    response: ServerResponse,
    { asks, token }: Extract<BootRequest, { asks: 'join' | 'peers' }>,
    address: string
  ): Promise<void> {
    const { boots, index, clock } = this.#options
    const shown = await boots.show(token, address)
    if ('refused' in shown) return say(response, 403, shown.refused)
    const isOpen = boots.isOpen(shown.boot)
    // Who waits for an operator may ask on, however long that takes.
    const waits = asks === 'join' && shown.boot.unapproved !== undefined
    if (!isOpen && !waits) return say(response, 403, 'this boot is over')
    if (asks === 'peers') {
      const known = { index: index(), boots: boots.all(), nowS: clock.wall() / 1_000 }
      const peers = peersFor(shown.boot, { ...known, random: Math.random })
      return say(response, 200, peers.join('\n'))
    }
    const answer = joinAnswer(index(), shown.boot)
    response.setHeader('cache-control', 'no-store')
    response.setHeader('content-type', 'application/json')
    response.end(`${JSON.stringify(answer)}\n`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]()
  }
}

const answerWords = (response: ServerResponse, words: string | undefined): void =>
  say(response, words === undefined ? 400 : 200, words ?? 'say uuid, serial or mac')

/** Reads a short body; undefined: it is too long. Of a far longer one the rest is not read. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length
    if (bytes > 32 * progressBytesMax) return undefined
    if (bytes <= progressBytesMax) chunks.push(chunk as Buffer)
  }
  return bytes > progressBytesMax ? undefined : Buffer.concat(chunks).toString('utf8')
}
