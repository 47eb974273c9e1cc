import { existsSync } from 'node:fs'
import { Fault } from '../fault.ts'

/** Where the program of the session's thread is: beside us, or a bundle of its own in `dist/`. */
export function workerUrl(): URL {
  const places = import.meta.url.endsWith('.ts')
    ? ['./worker.ts']
    : // A bundle of ours, or a part that several bundles share.
      ['./zookeeper-worker.js', '../zookeeper-worker.js']
  const urls = places.map(place => new URL(place, import.meta.url))
  const found = urls.find(url => existsSync(url))
  if (found !== undefined) return found
  const where = urls.map(({ pathname }) => pathname).join(' or ')
  throw new Fault('not-found', `cannot open a ZooKeeper session: there is no ${where}`, {
    next: ['npm run build']
  })
}
