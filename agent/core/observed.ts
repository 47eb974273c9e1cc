/**
 * What is so on this host, as far as it was seen. Domains are asked for at every look; pools,
 * volumes and images less often, and what a step brings about is entered at once; networks are what
 * the last application of them said.
 */
import type { Mib, Ms } from '#shared/units.ts'
import type { OrderNetwork } from '#shared/wire/order.ts'
import { fingerprint } from './fingerprint.ts'
import type {
  Arrival,
  Domain,
  NamedPort,
  StandingNetwork,
  StoredPool,
  StoredVolume,
  Transfer
} from './ports.ts'
import type { Step, StepResult } from './steps.ts'

/** A pool that was opened, with what is in it. */
export type ObservedPool = StoredPool & { readonly volumes: readonly StoredVolume[] }

/** What the networks were last made to be. */
export type AppliedNetworks = {
  /** Fingerprint of the networks and ports that were applied. */
  readonly fingerprint: string
  readonly networks: readonly OrderNetwork[]
  readonly ports: readonly NamedPort[]
  readonly standing: readonly StandingNetwork[]
  readonly at: Ms
}

/** libvirt's domains: never seen, seen just now, or seen before libvirt stopped answering. */
export type ObservedDomains =
  | { readonly state: 'unknown'; readonly because: string }
  | { readonly state: 'fresh'; readonly list: readonly Domain[] }
  | { readonly state: 'old'; readonly list: readonly Domain[]; readonly because: string }

/** What was found at the last look; a part that did not answer is as it was found before. */
export type Observed = {
  readonly domains: ObservedDomains
  readonly pools: readonly ObservedPool[]
  /** undefined: not looked at yet. */
  readonly images: readonly string[] | undefined
  readonly networks: AppliedNetworks | undefined
  readonly memoryFreeMib: Mib
  /** Ids of the instances of which a seed or a console log lies here. */
  readonly remains: readonly string[]
  /** By UUID, domains that are being sent to another host; looked at while one is to leave. */
  readonly transfers: ReadonlyMap<string, Transfer>
  /** By UUID, domains that have come from another host; looked at while one is to arrive. */
  readonly arrivals: ReadonlyMap<string, Arrival>
}

/** What an agent knows before its first look. */
export const nothingObserved: Observed = {
  domains: { state: 'unknown', because: 'libvirt has not been asked yet' },
  pools: [],
  images: undefined,
  networks: undefined,
  memoryFreeMib: 0,
  remains: [],
  transfers: new Map(),
  arrivals: new Map()
}

/** The domains that were last seen, old or fresh. */
export const domainsOf = (observed: Observed): readonly Domain[] =>
  observed.domains.state === 'unknown' ? [] : observed.domains.list

/** Fingerprint of networks and ports. */
export const networksFingerprint = (
  networks: readonly OrderNetwork[],
  ports: readonly NamedPort[]
): string => fingerprint([networks, ports])

/** Enters what a step has brought about, so that nobody does it again before the next look. */
export function withResult(
  observed: Observed,
  done: { readonly step: Step; readonly result: StepResult; readonly now: Ms }
): Observed {
  const { step, result, now } = done
  switch (step.type) {
    case 'open-pool': {
      if (result.pool === undefined) return observed
      const pool = { ...result.pool, volumes: result.poolVolumes ?? [] }
      const others = observed.pools.filter(each => each.name !== pool.name)
      return { ...observed, pools: [...others, pool] }
    }
    case 'fetch-image': {
      const images = new Set([...(observed.images ?? []), step.image.id])
      return { ...observed, images: [...images] }
    }
    case 'create-volume':
    case 'grow-volume':
    case 'remove-volume':
      return withVolume(observed, { pool: step.pool.name, id: step.volume.id }, result.volume)
    case 'apply-networks': {
      const { networks, ports } = step
      const standing = result.networks ?? []
      const applied = { networks, ports, standing, at: now }
      return {
        ...observed,
        networks: { ...applied, fingerprint: networksFingerprint(networks, ports) }
      }
    }
    case 'keep-images':
      return { ...observed, images: result.images ?? observed.images }
    case 'remove-remains':
      return { ...observed, remains: observed.remains.filter(id => id !== step.id) }
    case 'create-domain':
    case 'migrate-domain':
    case 'abort-migration':
    case 'start-post-copy':
    case 'allow-standstill':
    case 'prepare-arrival':
    case 'shutdown':
    case 'destroy':
    case 'suspend':
    case 'resume':
    case 'forget-instance':
    case 'reboot':
      return observed
    default:
      return step satisfies never
  }
}

function withVolume(
  observed: Observed,
  at: { readonly pool: string; readonly id: string },
  volume: StoredVolume | undefined
): Observed {
  const pools = observed.pools.map(pool => {
    if (pool.name !== at.pool) return pool
    const others = pool.volumes.filter(each => each.id !== at.id)
    return { ...pool, volumes: volume === undefined ? others : [...others, volume] }
  })
  return { ...observed, pools }
}
