/**
 * Sends a part of a file as fast as the other end takes it, from a buffer of its own that is read
 * into again once it has been handed on: so memory is bounded by the number of transfers.
 */
import { type FileHandle, open } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import type { Clock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'

const chunkBytes = 256 * 1024

/** What is sent, of which file, and how fast at most; 0: as fast as it goes. */
export type SendWish = {
  readonly path: string
  readonly first: number
  readonly last: number
  readonly bytesPerS: number
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** Sends it, after the head; Fault `closed`: the other end has gone, `corrupt`: it is shorter. */
export async function sendFile(response: ServerResponse, wish: SendWish): Promise<void> {
  const { path, first, last, bytesPerS, clock, signal } = wish
  await using file = await open(path, 'r')
  const startedAt = clock.monotonic()
  const buffer = Buffer.allocUnsafeSlow(Math.min(chunkBytes, last - first + 1))
  let at = first
  while (at <= last) {
    const wanted = Math.min(buffer.length, last - at + 1)
    const { bytesRead } = await readInto(file, buffer, { at, wanted })
    if (bytesRead === 0) throw new Fault('corrupt', `cannot send ${path}: it ends at ${at}`)
    await written(response, buffer.subarray(0, bytesRead), signal)
    at += bytesRead
    if (bytesPerS === 0) continue
    const aheadMs = ((at - first) / bytesPerS) * 1_000 - (clock.monotonic() - startedAt)
    if (aheadMs > 1) await clock.sleep(aheadMs, signal)
  }
}

const readInto = (
  file: FileHandle,
  buffer: Buffer,
  { at, wanted }: { readonly at: number; readonly wanted: number }
) => file.read(buffer, 0, wanted, at)

function written(response: ServerResponse, bytes: Buffer, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const gone = (): void => reject(new Fault('closed', 'cannot send a file: nobody takes it'))
  if (signal.aborted) {
    gone()
    return promise
  }
  signal.addEventListener('abort', gone)
  response.write(bytes, failed => (failed ? gone() : resolve()))
  return promise.finally(() => signal.removeEventListener('abort', gone))
}
