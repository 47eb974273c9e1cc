/**
 * Serves the image of a host that booted over the network to others that boot: a program of its
 * own, so that nothing of it can keep the agent from its work. What it is told comes on its
 * standard input; the folder of the version is its only argument.
 */
import { text } from 'node:stream/consumers'
import { realClock } from '#shared/clock.ts'
import { isFault, sentence } from '#shared/fault.ts'
import { makeLog } from '#shared/log.ts'
import { PeerHttp } from './io/boot/peer-http.ts'
import { announce, readPeerWords, rootOf } from './io/boot/peer-words.ts'

async function main(): Promise<void> {
  const log = makeLog('peer')
  const clock = realClock
  const stop = new AbortController()
  const { signal } = stop
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort())
  const words = readPeerWords(await text(process.stdin))
  const { version, key, address } = words
  const file = await rootOf(process.argv[2] ?? '.', version)
  await using http = await PeerHttp.open({
    ...{ address, port: words.port, version, key, file, clock, log }
  })
  const { port } = http
  if (!(await announce({ ...words, port }, { clock, signal }))) {
    if (!signal.aborted) log.warn('bootd names this host to nobody', { url: words.url })
    return
  }
  log.info('serves its image', { version, address, port })
  if (!signal.aborted) {
    await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve()))
  }
}

try {
  await main()
} catch (thrown) {
  if (!isFault(thrown)) throw thrown
  makeLog('peer').error('cannot go on', { code: thrown.code, because: sentence(thrown) })
  process.exitCode = 1
}
