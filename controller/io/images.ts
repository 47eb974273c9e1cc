/**
 * The controller's store of image content: one file per SHA-256. What is stored is whole: it is
 * written under another name, checked, made durable, and only then given its name.
 */
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Image } from '#shared/model/image.ts'
import { run } from '#shared/process.ts'
import type { ImageContent } from '../core/admission/image.ts'
import type { ImageStore } from './api/service.ts'
import { Lane } from './journal/lane.ts'

/** A stream that brings nothing for so long is given up. Unit: ms. */
const silenceMsMax = 60_000
/** All tables of a qcow2 are read before it is taken. Unit: ms. */
const checkMsMax = 300_000
/** How `qemu-img check` ends where clusters are lost, which harms nobody, and nothing else. */
const onlyLeaks = 3
const partSuffix = '.part'

/** Opens the store in a folder; what an earlier run left half-done is removed. */
export async function openImageStore(folder: string): Promise<ImageStore> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  for (const name of await readdir(folder)) {
    if (name.endsWith(partSuffix)) await rm(join(folder, name), { force: true })
  }
  const held = new Held()
  return {
    store: async (content, expected, record) => {
      const part = join(folder, `${randomUUID()}${partSuffix}`)
      try {
        const stored = await receiveImage(part, content, expected)
        const name = stored.sha256
        return await held.keep(
          name,
          () => nameIt(folder, part, name),
          () => record(stored)
        )
      } finally {
        await rm(part, { force: true })
      }
    },
    has: async sha256 => (await stat(join(folder, sha256)).catch(() => undefined)) !== undefined,
    open: async sha256 => {
      const path = join(folder, sha256)
      const there = await stat(path).catch(() => undefined)
      return there ? createReadStream(path) : undefined
    },
    keepOnly: (wanted, durable) =>
      held.alone(async () => {
        const names = await readdir(folder)
        const hashes = wanted()
        if (!hashes) return
        const isDoomed = (name: string): boolean =>
          !hashes.has(name) && !held.has(name) && !name.endsWith(partSuffix)
        const doomed = names.filter(isDoomed)
        if (doomed.length === 0) return
        // That no image has it may itself not be on disk yet.
        await durable()
        for (const name of doomed) await rm(join(folder, name), { force: true })
      })
  }
}

/**
 * Content that has its name and whose image is not recorded yet: nobody wants it, and yet it must
 * stay. Names are given and taken one at a time, so that none is taken that was just given.
 */
class Held {
  readonly #lane = new Lane()
  readonly #counts = new Map<string, number>()

  has(name: string): boolean {
    return this.#counts.has(name)
  }

  alone<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#lane.run(work)
  }

  /** Gives a name, and holds what has it until it is recorded or that has failed. */
  async keep<Result>(
    name: string,
    give: () => Promise<void>,
    record: () => Promise<Result>
  ): Promise<Result> {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
    try {
      await this.alone(give)
      return await record()
    } finally {
      const left = this.#counts.get(name)! - 1
      if (left > 0) this.#counts.set(name, left)
      else this.#counts.delete(name)
    }
  }
}

async function nameIt(folder: string, part: string, name: string): Promise<void> {
  await rename(part, join(folder, name))
  await syncFolder(folder)
}

async function receiveImage(
  part: string,
  content: Readable,
  expected: { readonly image: Image; readonly signal: AbortSignal }
): Promise<ImageContent> {
  const { image } = expected
  const { sha256, sizeBytes } = await receive(part, content, expected.signal)
  if (image.spec.sha256 !== undefined && image.spec.sha256 !== sha256) {
    throw new Fault('invalid', `the content of image ${image.name} is not what was announced`, {
      reasons: [`SHA-256 ${sha256} of ${sizeBytes} bytes came, ${image.spec.sha256} is expected`],
      next: ['check the file and import it again']
    })
  }
  return { sha256, sizeBytes, virtualMib: await virtualMibOf(part, image) }
}

async function receive(
  path: string,
  content: Readable,
  signal: AbortSignal
): Promise<{ readonly sha256: string; readonly sizeBytes: number }> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  let heard = performance.now()
  const watch = setInterval(() => {
    if (performance.now() - heard < silenceMsMax) return
    content.destroy(new Fault('deadline', `nothing came for ${silenceMsMax} ms`))
  }, 1_000)
  const stop = (): void => void content.destroy(new Fault('aborted', 'the sender went away'))
  signal.addEventListener('abort', stop)
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const bytes of content as AsyncIterable<Buffer>) {
      heard = performance.now()
      hash.update(bytes)
      await file.writeFile(bytes)
      sizeBytes += bytes.length
    }
    await file.sync()
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw new Fault('unavailable', `cannot store the content after ${sizeBytes} bytes`, {
      cause,
      reasons: [sentence(cause)],
      next: ['see how much room is left where the controller keeps its state: remuda doctor']
    })
  } finally {
    clearInterval(watch)
    signal.removeEventListener('abort', stop)
    await file.close()
  }
  if (sizeBytes === 0) throw new Fault('invalid', 'the content is empty')
  return { sha256: hash.digest('hex'), sizeBytes }
}

/** Size of the disk inside, or of what a tar unpacks to; content that is neither is refused. */
async function virtualMibOf(path: string, image: Image): Promise<number> {
  const { format } = image.spec
  try {
    if (format === 'tar') return await unpackedMib(path)
    const args = ['info', '--output=json', '-f', format, path]
    const { stdout } = await run('qemu-img', args, { deadlineMs: 30_000 })
    const seen = JSON.parse(stdout) as {
      readonly 'virtual-size': number
      readonly 'backing-filename'?: string
      readonly 'format-specific'?: { readonly data?: { readonly 'data-file'?: string } }
    }
    // An image that points at another file would read that file of the host.
    if (seen['backing-filename'] !== undefined || seen['format-specific']?.data?.['data-file']) {
      throw new Fault('invalid', `image ${image.name} points at another file`, {
        reasons: ['a qcow2 with a backing or data file is not taken'],
        next: ['flatten it first: qemu-img convert -O qcow2 IN OUT']
      })
    }
    if (format === 'qcow2') await refuseDamaged(path, image)
    return Math.ceil(seen['virtual-size'] / 2 ** 20)
  } catch (cause) {
    if (cause instanceof Fault && ['invalid', 'deadline'].includes(cause.code)) throw cause
    throw new Fault('invalid', `the content of image ${image.name} is no ${format}`, {
      cause,
      reasons: [sentence(cause)],
      next: ['say what it is: --format qcow2, raw or tar']
    })
  }
}

/** One whose end is missing, for one, would be taken for a disk and not boot. */
async function refuseDamaged(path: string, image: Image): Promise<void> {
  try {
    await run('qemu-img', ['check', '--output=json', '-f', 'qcow2', path], {
      deadlineMs: checkMsMax,
      exitCodes: [0, onlyLeaks]
    })
  } catch (cause) {
    if (!isFault(cause, 'command')) throw cause
    const { size } = await stat(path)
    throw new Fault('invalid', `the content of image ${image.name} is a damaged qcow2`, {
      cause,
      reasons: [`${size} bytes came, and qemu-img check finds clusters missing or used twice`],
      next: ['check the file where it is, and its size: qemu-img check FILE', 'import it again']
    })
  }
}

async function unpackedMib(path: string): Promise<number> {
  const { stdout } = await run('tar', ['--list', '--verbose', '--numeric-owner', '-f', path], {
    deadlineMs: 120_000,
    outputBytesMax: 256 * 2 ** 20
  })
  let bytes = 0
  for (const line of stdout.split('\n')) bytes += Number(/^-\S+\s+\S+\s+(\d+)/.exec(line)?.[1] ?? 0)
  return Math.max(1, Math.ceil(bytes / 2 ** 20))
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
