/**
 * Console logs: one file for each instance, and the part before it as `.0`. A VM's is written by
 * libvirt's virtlogd, which begins a new one at 2 MiB and keeps three more; where virtlogd is not
 * used nobody would, so `capLog` does. A container's is written here.
 */
import {
  appendFile,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  writeFile
} from 'node:fs/promises'
import { join } from 'node:path'

/** So much of a log is given to who asks. Unit: bytes. */
export const tailBytesMax = 64 * 1024
/** A container's log begins a new file at this size; one earlier one is kept. Unit: bytes. */
const containerLogBytesMax = 64 * 1024
/** A VM's log that is larger is not looked after by virtlogd. Unit: bytes. */
export const machineLogBytesMax = 4 * 1024 * 1024
/** So much output waits to be written; more is left out of the log. Unit: bytes. */
const pendingBytesMax = 1024 * 1024

const pathOf = (folder: string, instanceId: string): string => join(folder, `${instanceId}.log`)

/** Gives the last part of an instance's console log; empty: there is none. */
export async function readLog(folder: string, instanceId: string): Promise<Uint8Array> {
  const path = pathOf(folder, instanceId)
  const now = await readTail(path, tailBytesMax)
  if (now.length === tailBytesMax) return now
  return Buffer.concat([await readTail(`${path}.0`, tailBytesMax - now.length), now])
}

async function readTail(path: string, bytesMax: number): Promise<Uint8Array> {
  try {
    await using file = await open(path, 'r')
    const { size } = await file.stat()
    const length = Math.min(size, bytesMax)
    const { buffer, bytesRead } = await file.read({
      buffer: Buffer.alloc(length),
      position: size - length
    })
    return buffer.subarray(0, bytesRead)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return new Uint8Array()
    throw thrown
  }
}

/** Removes the log of an instance, with its earlier parts. */
export async function removeLog(folder: string, instanceId: string): Promise<void> {
  const prefix = `${instanceId}.log`
  const names = await readdir(folder).catch(() => [])
  const ours = names.filter(name => name === prefix || name.startsWith(`${prefix}.`))
  await Promise.all(ours.map(name => rm(join(folder, name), { force: true })))
}

/**
 * Cuts a log that grew beyond all bounds: its end is kept as the earlier part. QEMU appends, so
 * that what it writes next is at the new beginning. What it writes in between is lost.
 */
export async function capLog(folder: string, instanceId: string): Promise<void> {
  const path = pathOf(folder, instanceId)
  const size = await stat(path).then(
    found => found.size,
    () => 0
  )
  if (size <= machineLogBytesMax) return
  await writeFile(`${path}.0`, await readTail(path, tailBytesMax), { mode: 0o600 })
  await truncate(path)
}

/** Appends to a container's log, in order, and begins a new file when it is time. */
export class LogFile {
  readonly #path: string
  #writing: Promise<void> = Promise.resolve()
  #pendingBytes = 0
  #size: number | undefined

  constructor(folder: string, instanceId: string) {
    this.#path = pathOf(folder, instanceId)
  }

  /** Adds output; failures to write are told to nobody, the console itself goes on. */
  append(bytes: Uint8Array): void {
    if (this.#pendingBytes + bytes.length > pendingBytesMax) return
    this.#pendingBytes += bytes.length
    this.#writing = this.#writing
      .then(() => this.#write(bytes))
      .catch(() => {})
      .finally(() => {
        this.#pendingBytes -= bytes.length
      })
  }

  /** Resolves once all that was added is written. */
  async written(): Promise<void> {
    await this.#writing
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#size ??= await readFile(this.#path).then(
      found => found.length,
      () => 0
    )
    if (this.#size >= containerLogBytesMax) {
      await rename(this.#path, `${this.#path}.0`)
      this.#size = 0
    }
    await appendFile(this.#path, bytes, { mode: 0o600 })
    this.#size += bytes.length
  }
}
