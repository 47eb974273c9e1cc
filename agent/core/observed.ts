/**
 * What is so on this host, as far as it was seen. Domains are asked for at every look; pools,
 * volumes and images less often, and what a step brings about is entered at once; networks are what
 * the last application of them said.
 */
import type { Mib, Ms } from '#shared/units.ts'
import type { OrderNetwork } from '#shared/wire/order.ts'
import { fingerprint } from './fingerprint.ts'
import type { Domain, NamedPort, StandingNetwork, StoredPool, StoredVolume } from './ports.ts'
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

/** A seed that this run of the agent has written. */
export type ObservedSeed = {
  readonly instanceId: string
  /** Fingerprint of its files, and of the volume that they are in. */
  readonly fingerprint: string
  /** Where it is; a container's is in its tree. */
  readonly path: string | undefined
}

/** libvirt's domains: never seen, seen just now, or seen before libvirt stopped answering. */
export type ObservedDomains =
  | { readonly state: 'unknown'; readonly because: string }
  | { readonly state: 'fresh'; readonly list: readonly Domain[] }
  | { readonly state: 'old'; readonly list: readonly Domain[]; readonly because: string }

export type Observed = {
  readonly domains: ObservedDomains
  readonly pools: readonly ObservedPool[]
  /** undefined: not looked at yet. */
  readonly images: readonly string[] | undefined
  readonly networks: AppliedNetworks | undefined
  readonly seeds: readonly ObservedSeed[]
  readonly memoryFreeMib: Mib
}

/** What an agent knows before its first look. */
export const nothingObserved: Observed = {
  domains: { state: 'unknown', because: 'libvirt has not been asked yet' },
  pools: [],
  images: undefined,
  networks: undefined,
  seeds: [],
  memoryFreeMib: 0
}

/** The domains that were last seen, old or fresh. */
export const domainsOf = (observed: Observed): readonly Domain[] =>
  observed.domains.state === 'unknown' ? [] : observed.domains.list

/** Fingerprint of networks and ports. */
export const networksFingerprint = (
  networks: readonly OrderNetwork[],
  ports: readonly NamedPort[]
): string => fingerprint([networks, ports])

/** Fingerprint of a seed. */
export const seedFingerprint = (step: Step & { readonly type: 'write-seed' }): string =>
  fingerprint([step.files, step.tree?.path])

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
    case 'write-seed': {
      const seed = {
        instanceId: step.instance.id,
        fingerprint: seedFingerprint(step),
        path: result.seedPath
      }
      return { ...observed, seeds: [...otherSeeds(observed, step.instance.id), seed] }
    }
    case 'forget-instance':
      return { ...observed, seeds: otherSeeds(observed, step.instance.id) }
    case 'keep-images':
    case 'create-domain':
    case 'shutdown':
    case 'destroy':
    case 'suspend':
    case 'resume':
      return observed
    default:
      return step satisfies never
  }
}

/** Takes a step's failure for what it says of the world: a start that failed may lack its seed. */
export const withFailure = (observed: Observed, step: Step): Observed =>
  step.type === 'create-domain'
    ? { ...observed, seeds: otherSeeds(observed, step.plan.instance.id) }
    : observed

const otherSeeds = (observed: Observed, instanceId: string): readonly ObservedSeed[] =>
  observed.seeds.filter(seed => seed.instanceId !== instanceId)

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
