/**
 * What waits to be sent on one channel. The receiver grants a window; what it has not taken yet
 * counts against it. An instance is never made to wait for a viewer: when more waits than is kept,
 * the oldest is left out, and a line says how much.
 */

/** So much waits for one viewer at most. Unit: bytes. */
export const waitingBytesMax = 256 * 1024
/** No message carries more. Unit: bytes. */
export const chunkBytesMax = 32 * 1024

/** What may be sent on a channel, and what waits. */
export type ChannelWindow = {
  /** So much may be sent before the receiver says that it has taken some. */
  readonly creditBytes: number
  readonly waiting: readonly Uint8Array[]
  readonly waitingBytes: number
  /** So much was left out before what waits now. */
  readonly leftOutBytes: number
}

/** A window of which nothing is used. */
export const openWindow = (creditBytes: number): ChannelWindow => ({
  creditBytes,
  waiting: [],
  waitingBytes: 0,
  leftOutBytes: 0
})

/** Adds output; the oldest is left out where too much waits. */
export function offer(window: ChannelWindow, bytes: Uint8Array): ChannelWindow {
  let waiting: readonly Uint8Array[] = [...window.waiting, bytes]
  let waitingBytes = window.waitingBytes + bytes.length
  let leftOutBytes = window.leftOutBytes
  while (waitingBytes > waitingBytesMax) {
    const [first, ...rest] = waiting
    const excess = waitingBytes - waitingBytesMax
    const cut = Math.min(excess, first!.length)
    waiting = cut < first!.length ? [first!.subarray(cut), ...rest] : rest
    waitingBytes -= cut
    leftOutBytes += cut
  }
  return { ...window, waiting, waitingBytes, leftOutBytes }
}

/** The receiver has taken so much; `limitBytes` is what it may ever have granted. */
export const granted = (
  window: ChannelWindow,
  given: { readonly bytes: number; readonly limitBytes: number }
): ChannelWindow => ({
  ...window,
  creditBytes: Math.min(given.limitBytes, window.creditBytes + given.bytes)
})

/** Takes the next chunk that may be sent; undefined: nothing waits, or the window is used up. */
export function nextChunk(
  window: ChannelWindow
): { readonly chunk: Uint8Array; readonly window: ChannelWindow } | undefined {
  if (window.leftOutBytes > 0) {
    const chunk = Buffer.from(`\r\n[${window.leftOutBytes} bytes left out]\r\n`)
    if (chunk.length > window.creditBytes) return undefined
    const creditBytes = window.creditBytes - chunk.length
    return { chunk, window: { ...window, creditBytes, leftOutBytes: 0 } }
  }
  const [first, ...rest] = window.waiting
  const length = Math.min(first?.length ?? 0, window.creditBytes, chunkBytesMax)
  if (first === undefined || length === 0) return undefined
  const waiting = length < first.length ? [first.subarray(length), ...rest] : rest
  return {
    chunk: first.subarray(0, length),
    window: {
      ...window,
      waiting,
      waitingBytes: window.waitingBytes - length,
      creditBytes: window.creditBytes - length
    }
  }
}
