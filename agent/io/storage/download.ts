import { createHash } from 'node:crypto'
import fs from 'node:fs/promises'
import { Fault } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { formatMib, type Mib } from '#shared/units.ts'

/** What is fetched, what it must turn out to be, and where it goes. */
export type Download = {
  /** For messages. */
  readonly name: string
  /** May carry a ticket, so it is never shown. */
  readonly url: string
  readonly sizeBytes: number
  readonly sha256: string
  /** Where it is written to; must not exist. */
  readonly path: string
  readonly stallMsMax: number
  readonly log: Log
}

const reportMs = 10_000

/**
 * Fetches a file over HTTP, and knows at its end that every byte is as it should be. It may take as
 * long as it wants, but not stand still. Faults: `unavailable` (no or bad answer, stood still,
 * ended early), `corrupt` (too long, or another hash), `aborted`.
 */
export async function download(what: Download, signal: AbortSignal): Promise<void> {
  const stall = new Stall(what.stallMsMax)
  const { name, sizeBytes } = what
  const file = await fs.open(what.path, 'wx', 0o600)
  try {
    const body = await open(what, AbortSignal.any([signal, stall.signal]))
    const hash = createHash('sha256')
    const progress = new Progress(what)
    let received = 0
    for await (const chunk of body) {
      stall.postpone()
      received += chunk.byteLength
      if (received > sizeBytes) {
        throw corrupt(name, `it is longer than the ${sizeBytes} bytes that it should have`)
      }
      hash.update(chunk)
      await file.writeFile(chunk)
      progress.tell(received)
    }
    if (received < sizeBytes) {
      throw new Fault(
        'unavailable',
        `cannot fetch image ${name}: it ended after ${received} of ${sizeBytes} bytes`
      )
    }
    const digest = hash.digest('hex')
    if (digest !== what.sha256) {
      throw corrupt(name, `its SHA-256 is ${digest}, and should be ${what.sha256}`)
    }
    await file.sync()
  } catch (thrown) {
    throw judge(thrown, { name, signal, stall })
  } finally {
    stall[Symbol.dispose]()
    await file.close()
  }
}

async function open(what: Download, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const headers = { 'accept-encoding': 'identity' }
  const response = await fetch(what.url, { signal, headers })
  if (response.status === 200 && response.body) return response.body
  await response.body?.cancel()
  throw new Fault(
    'unavailable',
    `cannot fetch image ${what.name}: ${new URL(what.url).host} answered ${response.status}`
  )
}

/** Says what a failure means; those of fetch(1) itself say little, and their cause the rest. */
function judge(
  thrown: unknown,
  about: { readonly name: string; readonly signal: AbortSignal; readonly stall: Stall }
): unknown {
  if (thrown instanceof Fault) return thrown
  const { name, signal, stall } = about
  if (signal.aborted) {
    return new Fault('aborted', `cannot fetch image ${name}: given up`, { cause: signal.reason })
  }
  if (stall.signal.aborted) {
    const message = `cannot fetch image ${name}: nothing came for ${stall.durationMs} ms`
    return new Fault('unavailable', message)
  }
  const code = (thrown as NodeJS.ErrnoException).code
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EIO') return thrown
  return new Fault('unavailable', `cannot fetch image ${name}: the connection failed`, {
    cause: (thrown as Error).cause ?? thrown
  })
}

const corrupt = (name: string, why: string): Fault =>
  new Fault('corrupt', `cannot use image ${name}: ${why}`)

/** Aborts when it has not been postponed for a while. */
class Stall {
  readonly durationMs: number
  readonly #abort = new AbortController()
  readonly #timer: NodeJS.Timeout

  constructor(durationMs: number) {
    this.durationMs = durationMs
    this.#timer = setTimeout(() => this.#abort.abort(), durationMs)
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  postpone(): void {
    this.#timer.refresh()
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
  }
}

/** Logs how far it is, now and then. */
class Progress {
  readonly #what: Download
  #toldAt = performance.now()

  constructor(what: Download) {
    this.#what = what
  }

  tell(received: number): void {
    const now = performance.now()
    if (now - this.#toldAt < reportMs) return
    this.#toldAt = now
    const { name, sizeBytes, log } = this.#what
    const of = (bytes: number) => formatMib((bytes / 2 ** 20) as Mib)
    log.info('image is being fetched', { image: name, have: of(received), of: of(sizeBytes) })
  }
}
