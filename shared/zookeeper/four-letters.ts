/**
 * What a server says of itself to anybody who asks with one of ZooKeeper's words of four letters.
 * It needs no session, and is answered even by a server that has no quorum, with a sentence.
 */
import net from 'node:net'
import tls from 'node:tls'
import { Fault } from '../fault.ts'
import type { Ms } from '../units.ts'
import type { Tls } from './connection.ts'

/** The words that our servers answer to. */
export type FourLetters = 'srvr' | 'mntr' | 'ruok'

const answerBytesMax = 256 * 1024

/** Asks a server. Fault `unavailable` when it does not answer in time. */
export async function askServer(
  server: string,
  word: FourLetters,
  options: { readonly deadlineMs: Ms; readonly signal?: AbortSignal; readonly tls?: Tls }
): Promise<string> {
  const at = server.lastIndexOf(':')
  const place = {
    host: server.slice(0, at).replace(/^\[|\]$/g, ''),
    port: Number(server.slice(at + 1))
  }
  const { tls: secured } = options
  const { certificate: cert, key } = secured ?? {}
  const socket = secured
    ? tls.connect({ ...place, ca: secured.ca, ...(cert && { cert }), ...(key && { key }) })
    : net.connect(place)
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const give = (because: string, cause?: unknown) =>
    reject(new Fault('unavailable', `cannot ask ${server}: ${because}`, { cause }))
  const timer = setTimeout(
    () => give(`no answer within ${options.deadlineMs} ms`),
    options.deadlineMs
  )
  const aborted = () => give('it is not wanted any more', options.signal?.reason)
  options.signal?.addEventListener('abort', aborted)
  let text = ''
  socket.setEncoding('utf8')
  socket.on('data', (chunk: string) => {
    text += chunk
    if (text.length > answerBytesMax) give(`it says more than ${answerBytesMax} bytes`)
  })
  socket.on('error', error => give(error.message, error))
  socket.on('close', () => resolve(text))
  socket.write(word)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    options.signal?.removeEventListener('abort', aborted)
    socket.destroy()
  }
}

/** What `mntr` says, by name without `zk_`. */
export function readMonitor(text: string): ReadonlyMap<string, string> {
  const pairs = text.split('\n').flatMap(line => {
    const match = /^zk_(\S+)\t(.*)$/.exec(line)
    return match ? [[match[1]!, match[2]!] as const] : []
  })
  return new Map(pairs)
}
