/**
 * Which of libvirt's domains are ours. Ours is only what carries our element, of this cloud, under
 * the UUID of the very instance that the element names: a copy that somebody made of one of our
 * domains carries the element too. Everything else is foreign and never touched.
 */
import { uuidOf } from '#shared/ids.ts'
import { type OwnDomain, readMetadata } from './metadata.ts'
import type { Domain } from './ports.ts'

/** The domains of a host, parted. */
export type SortedDomains = {
  readonly own: readonly OwnDomain[]
  readonly foreign: readonly Domain[]
}

/** Parts our domains of a cloud from the foreign ones. */
export function sortDomains(domains: readonly Domain[], cloud: string): SortedDomains {
  const own: OwnDomain[] = []
  const foreign: Domain[] = []
  for (const domain of domains) {
    const metadata = readMetadata(domain.metadata)
    if (metadata?.cloud === cloud && uuidOf(metadata.id) === domain.uuid) {
      own.push({ domain, metadata })
    } else foreign.push(domain)
  }
  return { own, foreign }
}

/** Whether it takes up its name, its memory and its volumes: all but one that has stopped. */
export const isAlive = (domain: Domain): boolean => domain.state !== 'stopped'
