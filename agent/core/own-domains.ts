/**
 * Which of libvirt's domains are ours. Ours is only what carries our element, of this cloud, under
 * the UUID of the very instance that the element names: a copy that somebody made of one of our
 * domains carries the element too. Everything else is foreign and never touched.
 */
import { uuidOf } from '#shared/ids.ts'
import { type DomainMetadata, type OwnDomain, readMetadata } from './metadata.ts'
import type { Domain } from './ports.ts'

/** The domains of a host, parted. */
export type SortedDomains = {
  readonly own: readonly OwnDomain[]
  readonly foreign: readonly Domain[]
}

/** Parts our domains of a cloud from the foreign ones. */
export function sortDomains(domains: readonly Domain[], cloud: string): SortedDomains {
  const known = sorted.get(domains)
  if (known?.cloud === cloud) return known.parts
  const parts = parted(domains, cloud)
  sorted.set(domains, { cloud, parts })
  return parts
}

/** What was seen at one look is never altered, and parted by several who judge it. */
const sorted = new WeakMap<
  readonly Domain[],
  { readonly cloud: string; readonly parts: SortedDomains }
>()

function parted(domains: readonly Domain[], cloud: string): SortedDomains {
  const own: OwnDomain[] = []
  const foreign: Domain[] = []
  for (const domain of domains) {
    const metadata = metadataIn(domain)
    if (metadata?.cloud === cloud && uuidOf(metadata.id) === domain.uuid) {
      own.push({ domain, metadata })
    } else foreign.push(domain)
  }
  return { own, foreign }
}

/** A domain is never altered, and looked at many times in one round: it is read once. */
const read = new WeakMap<Domain, { readonly metadata: DomainMetadata | undefined }>()

function metadataIn(domain: Domain): DomainMetadata | undefined {
  const known = read.get(domain)
  if (known) return known.metadata
  const metadata = readMetadata(domain.metadata)
  read.set(domain, { metadata })
  return metadata
}

/** Why libvirt pauses a domain that goes to another host, or comes from one. */
const heldReasons: ReadonlySet<string> = new Set([
  'migration',
  'starting up',
  'postcopy',
  'postcopy failed'
])

/**
 * Whether libvirt holds it still on one end of a migration: there may be another copy of it, so
 * only libvirt itself may let it go on while somebody sends it.
 */
export const isHeld = ({ state, reason }: Pick<Domain, 'state' | 'reason'>): boolean =>
  state === 'paused' && heldReasons.has(reason)

/** libvirt's words for what has a part of its memory on either end; see `isCrossing`. */
const crossingReasons: ReadonlySet<string> = new Set(['postcopy', 'postcopy failed'])

/**
 * Whether a part of its memory is here and the rest is on another host: what is paused here runs
 * there, or the other way round. Neither is worth anything without the other.
 */
export const isCrossing = ({ reason }: Pick<Domain, 'reason'>): boolean =>
  crossingReasons.has(reason)

/** Whether the two parts of it have lost each other. */
export const isTorn = ({ reason }: Pick<Domain, 'reason'>): boolean => reason === 'postcopy failed'

/** Whether it takes up its name, its memory and its volumes: all but one that has stopped. */
export const isAlive = (domain: Domain): boolean => domain.state !== 'stopped'
