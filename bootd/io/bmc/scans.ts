/**
 * Looks for baseboard controllers in a range of addresses when an operator asks for it: one scan
 * at a time, at a rate that no network minds, without any password. What was found is remembered
 * for as long as bootd runs, also when it does not answer the next scan: then it says since when.
 */
import { createSocket, type Socket } from 'node:dgram'
import { request } from 'node:https'
import { bmcAddresses } from '#shared/bmc-range.ts'
import type { Clock } from '#shared/clock.ts'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import { type BmcFound, type BmcsFound, bmcsMax } from '#shared/wire/bootd-question.ts'
import {
  capabilitiesQuestion,
  presencePing,
  readBmcAnswer,
  readRedfishRoot,
  rmcpPort
} from '../../core/bmc-packets.ts'

/** So many addresses are asked at once, so long after those before: 640 a second. Unit: ms. */
const [groupSize, groupMs]: readonly [number, Ms] = [32, 50]
/** So long is waited for the last answers. Unit: ms. */
const answerMs: Ms = 2_000
/** How many Redfish services are asked at once, and how long for each. Unit: ms. */
const [redfishAtOnce, redfishMs]: readonly [number, Ms] = [64, 1_500]
/** No scan lasts longer. Unit: ms. */
const scanMsMax: Ms = 180_000
const bodyBytesMax = 64 * 1024

/** What it works with; ports are said in tests alone. */
export type BmcScansOptions = {
  readonly clock: Clock
  readonly log: Log
  /** The MAC that the kernel knows for an address. */
  readonly macOf: (address: string) => Promise<string | undefined>
  readonly ports?: { readonly rmcp: number; readonly redfish: number }
}

type Scan = {
  -readonly [Field in keyof NonNullable<BmcsFound['scan']>]: NonNullable<BmcsFound['scan']>[Field]
}

/** Scans, and remembers what was found, until it is disposed of. */
export class BmcScans implements AsyncDisposable {
  readonly #options: BmcScansOptions
  /** By address; those that answered last stand last. */
  readonly #found = new Map<string, BmcFound>()
  readonly #closing = new AbortController()
  #scan: Scan | undefined
  #running: Promise<void> | undefined

  constructor(options: BmcScansOptions) {
    this.#options = options
  }

  /** Begins a scan. Faults: `invalid`: that is no range; `conflict`: one is under way. */
  begin(range: string): void {
    const addresses = bmcAddresses(range)
    if (typeof addresses === 'string') throw new Fault('invalid', `cannot scan: ${addresses}`)
    if (this.#running) {
      const { asked, of } = this.#scan ?? { asked: 0, of: 0 }
      throw new Fault('conflict', `cannot scan ${range}: a scan is under way`, {
        reasons: [`${this.#scan?.range}: ${asked} of ${of} addresses were asked`]
      })
    }
    const begunAt = this.#now()
    const scan: Scan = { range, begunAt, asked: 0, of: addresses.length, isOver: false }
    this.#scan = scan
    this.#options.log.info('looks for baseboard controllers', { range, of: addresses.length })
    this.#running = this.#look(scan, addresses).finally(() => {
      scan.isOver = true
      this.#running = undefined
    })
  }

  /** What was found, by address, and how far the last scan is. */
  found(): BmcsFound {
    const items = [...this.#found.values()].toSorted((a, b) => (a.address < b.address ? -1 : 1))
    return { items, ...(this.#scan && { scan: { ...this.#scan } }) }
  }

  async #look(scan: Scan, addresses: readonly string[]): Promise<void> {
    const late = AbortSignal.timeout(scanMsMax)
    const signal = AbortSignal.any([this.#closing.signal, late])
    try {
      await this.#ask(scan, addresses, signal)
      await this.#askRedfish(addresses, signal)
      if (late.aborted) scan.problem = `it was ended after ${scanMsMax / 1_000} s`
    } catch (thrown) {
      scan.problem = sentence(thrown).slice(0, 512)
      this.#options.log.warn('baseboard controllers are not looked for', {
        because: scan.problem
      })
    }
  }

  async #ask(scan: Scan, addresses: readonly string[], signal: AbortSignal): Promise<void> {
    const { clock, ports } = this.#options
    const asked = new Set(addresses)
    const socket = await bound()
    const port = ports?.rmcp ?? rmcpPort
    socket.on('message', (bytes, from) => {
      const answer = asked.has(from.address) ? readBmcAnswer(bytes) : undefined
      if (!answer || from.port !== port) return
      const { speaks, isIpmi2 = false } = answer
      this.#note(from.address, speaks === 'asf' ? { asf: true } : { ipmi: true, ipmi2: isIpmi2 })
    })
    try {
      for (let at = 0; at < addresses.length && !signal.aborted; at += groupSize) {
        for (const address of addresses.slice(at, at + groupSize)) {
          scan.asked += 1
          // Where there is no way to an address, nobody is there.
          for (const packet of [presencePing, capabilitiesQuestion]) {
            socket.send(packet, port, address, () => {})
          }
        }
        await clock.sleep(groupMs, signal).catch(() => undefined)
      }
      await clock.sleep(answerMs, signal).catch(() => undefined)
    } finally {
      await new Promise<void>(resolve => socket.close(() => resolve()))
    }
  }

  async #askRedfish(addresses: readonly string[], signal: AbortSignal): Promise<void> {
    const port = this.#options.ports?.redfish ?? 443
    const rest = addresses.values()
    const turn = this.#turns(signal)
    const askNext = async (): Promise<void> => {
      for (const address of rest) {
        await turn()
        if (signal.aborted) return
        const root = await redfishRoot({ address, port, signal })
        if (root) this.#note(address, { redfish: root.version, product: root.product })
      }
    }
    await Promise.all(Array.from({ length: redfishAtOnce }, askNext))
    for (const address of addresses) {
      const mac = this.#found.has(address) ? await this.#options.macOf(address) : undefined
      if (mac !== undefined) this.#note(address, { mac })
    }
  }

  /**
   * Gives whose turn it is: those of one group together, the next one `groupMs` after it. Who is
   * refused at once would else have all addresses asked in a moment.
   */
  #turns(signal: AbortSignal): () => Promise<void> {
    const { clock } = this.#options
    let left = groupSize
    let open: Promise<void> = Promise.resolve()
    return () => {
      if (left === 0) {
        open = open.then(() => clock.sleep(groupMs, signal)).catch(() => undefined)
        left = groupSize
      }
      left -= 1
      return open
    }
  }

  #note(
    address: string,
    news: { readonly [Field in keyof BmcFound]?: BmcFound[Field] | undefined }
  ): void {
    const before = this.#found.get(address) ?? { address, asf: false, ipmi: false, ipmi2: false }
    const known = Object.fromEntries(
      Object.entries(news).filter(([, value]) => value !== undefined)
    )
    this.#found.delete(address)
    this.#found.set(address, { ...before, ...known, at: this.#now() })
    const [oldest] = this.#found.keys()
    if (this.#found.size > bmcsMax && oldest !== undefined) this.#found.delete(oldest)
  }

  #now(): string {
    return new Date(this.#options.clock.wall()).toISOString()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#running
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4')
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.once('error', reject)
  socket.bind({ port: 0 }, resolve)
  try {
    await promise
  } catch (cause) {
    socket.close()
    throw new Fault('network', 'cannot look for baseboard controllers', { cause })
  }
  socket.removeAllListeners('error')
  socket.on('error', () => {})
  return socket
}

/** What a Redfish service says to everybody; it is told nothing, so any certificate will do. */
async function redfishRoot({
  address,
  port,
  signal
}: {
  readonly address: string
  readonly port: number
  readonly signal: AbortSignal
}): Promise<ReturnType<typeof readRedfishRoot>> {
  try {
    const text = await fetched({ address, port, signal })
    return readRedfishRoot(JSON.parse(text))
  } catch (thrown) {
    if (isFault(thrown) || thrown instanceof SyntaxError) return undefined
    throw thrown
  }
}

function fetched(from: {
  readonly address: string
  readonly port: number
  readonly signal: AbortSignal
}): Promise<string> {
  const { address: host, port } = from
  const signal = AbortSignal.any([from.signal, AbortSignal.timeout(redfishMs)])
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const fail = (cause: unknown): void => reject(new Fault('network', 'no Redfish', { cause }))
  const asking = request({
    ...{ host, port, path: '/redfish/v1/', method: 'GET', agent: false, signal },
    ...{ rejectUnauthorized: false, headers: { accept: 'application/json' } }
  })
  asking.on('error', fail)
  asking.on('response', response => {
    const chunks: Buffer[] = []
    let bytes = 0
    response.on('error', fail)
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > bodyBytesMax) asking.destroy(new Error('its answer is too long'))
      else chunks.push(chunk)
    })
    response.on('end', () => {
      if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString('utf8'))
      else fail(new Error(`status ${response.statusCode}`))
    })
  })
  asking.end()
  return promise
}
