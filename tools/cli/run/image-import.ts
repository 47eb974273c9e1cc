/**
 * Bringing an image in. A file is hashed here first, so that the wish carries the hash and the
 * controller refuses whatever arrives otherwise; and so that the same command, given again, knows
 * that it is the same image and only sends what is still missing.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { Readable } from 'node:stream'
import { type Fault, isFault } from '#shared/fault.ts'
import {
  createResource,
  pathOf,
  readResource,
  tenantQuery,
  type Written
} from '../api/resources.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import type { Reference } from '../kinds.ts'
import { makeProgress, transferLine } from '../output/progress.ts'
import { unreadable } from './files.ts'
import { formatOfName, type ImageFormat, sniffFormat } from './image-format.ts'
import { given as present, referenceTo, tellOutcome } from './outcome.ts'
import { waitMsOf } from './settle.ts'
import { specOf } from './spec.ts'

/** How long the controller may take to check an upload once it has all of it. */
const uploadMsMax = 6 * 3_600_000

/** Imports an image from a file or from an address. */
export async function importImage(invocation: Invocation): Promise<void> {
  const { given } = invocation
  const [file, url] = [given.text('file'), given.text('url')]
  if ((file === undefined) === (url === undefined)) {
    throw new UsageFault('cannot import an image from nowhere or from two places', {
      next: ['give either --file PATH or --url URL']
    })
  }
  return file === undefined ? importUrl(invocation, url!) : importFile(invocation, file)
}

async function importUrl(invocation: Invocation, url: string): Promise<void> {
  const parsed = URL.parse(url)
  if (!parsed || !/^https?:$/.test(parsed.protocol)) {
    throw new UsageFault(`cannot fetch from "${url}"`, { next: ['give an http or https address'] })
  }
  const spec = wishFor(invocation, formatOfName(parsed.pathname), { source: url })
  const waitMs = waitMsOf(invocation)
  const started = performance.now()
  const { reference, written } = await create(invocation, spec)
  await tellOutcome(invocation, written, { reference, verb: 'created', started, waitMs })
}

async function importFile(invocation: Invocation, file: string): Promise<void> {
  const started = performance.now()
  const waitMs = waitMsOf(invocation)
  const { bytes, head } = await openImage(file)
  const sha256 = await hashFile(invocation, file, bytes)
  const claimed = invocation.given.text('sha256')?.toLowerCase()
  if (claimed !== undefined && claimed !== sha256) {
    throw new UsageFault(`cannot import ${file}: it is not the image that --sha256 says`, {
      reasons: [`it hashes to ${sha256}, not to ${claimed}`]
    })
  }
  const spec = wishFor(invocation, sniffFormat(head), { sha256 })
  if (spec['format'] === 'raw' && bytes % sectorBytes !== 0) throw noDisk(file, bytes)
  const { reference, written } = await createOrTakeUp(invocation, spec, sha256)
  const isThere = written.document?.status['phase'] === 'ready'
  if (written.dryRun || isThere) {
    return tellOutcome(invocation, written, { reference, verb: 'created', started, waitMs })
  }
  await upload(invocation, { reference, file, bytes })
  const imported: Written = { changed: true, document: undefined, dryRun: undefined }
  await tellOutcome(invocation, imported, { reference, verb: 'imported', started, waitMs })
}

const sectorBytes = 512

const noDisk = (file: string, bytes: number): Fault =>
  new UsageFault(`cannot import ${file}: it is no disk`, {
    reasons: [
      'it begins like no qcow2 and no tar, and so would be a raw disk',
      `a raw disk is made of sectors of ${sectorBytes} bytes, and this has ${bytes} bytes`
    ],
    next: ['unpack it first if it is packed']
  })

async function openImage(file: string): Promise<{ readonly bytes: number; readonly head: Buffer }> {
  try {
    const handle = await fs.promises.open(file)
    try {
      const { size: bytes } = await handle.stat()
      const head = Buffer.alloc(512)
      const { bytesRead } = await handle.read(head, 0, head.length, 0)
      if (bytes === 0) throw new UsageFault(`cannot import ${file}: it is empty`)
      return { bytes, head: head.subarray(0, bytesRead) }
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw isFault(error) ? error : unreadable(file, error)
  }
}

function wishFor(
  invocation: Invocation,
  seemingFormat: ImageFormat,
  rest: Readonly<Record<string, unknown>>
): Record<string, unknown> {
  const { text } = invocation.given
  const format = text('format') ?? seemingFormat
  return present({
    type: format === 'tar' ? 'container' : 'vm',
    ...specOf(invocation, 'image'),
    format,
    sha256: text('sha256')?.toLowerCase(),
    ...rest
  })
}

type Created = { readonly reference: Reference; readonly written: Written }

async function create(
  invocation: Invocation,
  spec: Readonly<Record<string, unknown>>
): Promise<Created> {
  const { given, signal } = invocation
  const reference = referenceTo(invocation, 'image', given.positional('NAME')!)
  const labels = given.pairs('label')
  const wish = Object.keys(labels).length === 0 ? { spec } : { labels, spec }
  const api = await invocation.connect()
  const dryRun = given.flag('dry-run')
  return { reference, written: await createResource(api, reference, wish, { dryRun, signal }) }
}

/** Creates the image, or finds the one of that hash whose upload broke off. */
async function createOrTakeUp(
  invocation: Invocation,
  spec: Readonly<Record<string, unknown>>,
  sha256: string
): Promise<Created> {
  try {
    return await create(invocation, spec)
  } catch (error) {
    if (!isFault(error, 'conflict')) throw error
    const reference = referenceTo(invocation, 'image', invocation.given.positional('NAME')!)
    const document = await readResource(await invocation.connect(), reference, invocation.signal)
    const isSame = document.spec['sha256'] === sha256 && document.spec['source'] === undefined
    if (!isSame || document.status['phase'] === 'deleting') throw error
    return { reference, written: { changed: false, document, dryRun: undefined } }
  }
}

async function hashFile(invocation: Invocation, file: string, bytes: number): Promise<string> {
  const hash = createHash('sha256')
  const stream = fs.createReadStream(file, { highWaterMark: 1024 * 1024 })
  const source = withProgress(invocation, stream, { title: 'hashing', bytes })
  try {
    for await (const chunk of source) hash.update(chunk as Buffer)
  } catch (error) {
    throw isFault(error) ? error : unreadable(file, error)
  }
  return hash.digest('hex')
}

async function upload(
  invocation: Invocation,
  options: { readonly reference: Reference; readonly file: string; readonly bytes: number }
): Promise<void> {
  const { reference, file, bytes } = options
  const api = await invocation.connect()
  const stream = fs.createReadStream(file, { highWaterMark: 256 * 1024 })
  const content = withProgress(invocation, stream, { title: 'sending', bytes })
  await api.ask({
    method: 'PUT',
    path: `${pathOf('image', reference.name)}/content`,
    query: tenantQuery('image', reference.tenant),
    content: { stream: Readable.from(content), bytes },
    deadlineMs: uploadMsMax,
    doing: `send image/${reference.name}`,
    signal: invocation.signal
  })
}

/** Passes chunks on and shows how far they are; without a terminal it says so at every quarter. */
async function* withProgress(
  invocation: Invocation,
  stream: AsyncIterable<Buffer>,
  options: { readonly title: string; readonly bytes: number }
): AsyncGenerator<Buffer, void, undefined> {
  const { terminal, settings, signal } = invocation
  const progress = makeProgress(terminal.errors, {
    quiet: settings.quiet || terminal.errors.isTTY !== true,
    now: () => performance.now()
  })
  const started = performance.now()
  let doneBytes = 0
  try {
    for await (const chunk of stream) {
      signal.throwIfAborted()
      yield chunk
      doneBytes += chunk.length
      progress.say(
        transferLine({
          title: options.title,
          doneBytes,
          totalBytes: options.bytes,
          elapsedMs: performance.now() - started
        })
      )
    }
  } finally {
    progress.end()
  }
}
