/**
 * What the agent does, as data. A step says why (`because`), and can be compared with what another
 * look at the world would do: the same step again is no news, another one in its lane means that
 * this one is no longer wanted.
 *
 * Steps of one lane run one after the other; lanes run side by side.
 */
import { formatMib, formatMs, type Ms } from '#shared/units.ts'
import type { OrderImage, OrderNetwork, OrderPool, OrderVolume } from '#shared/wire/order.ts'
import { type DomainPlan, type OrderName, shapeOf } from './domain-plan.ts'
import { fingerprint } from './fingerprint.ts'
import type {
  DomainKey,
  MigrationWay,
  NamedPort,
  StandingNetwork,
  StoredPool,
  StoredVolume
} from './ports.ts'
import { counted } from './words.ts'

/** One thing to do, and why. */
export type Step = {
  readonly because: string
  /** Whether it is done again and again while nothing changes; then it is no news. */
  readonly isRoutine?: boolean
  /** The order that a start is of; it says nothing about what is done. */
  readonly orderedBy?: OrderName
} & (
  | { readonly type: 'open-pool'; readonly pool: OrderPool }
  | { readonly type: 'fetch-image'; readonly image: OrderImage }
  | { readonly type: 'keep-images'; readonly ids: readonly string[]; readonly tidied: string }
  | {
      readonly type: 'create-volume' | 'grow-volume'
      readonly volume: OrderVolume
      readonly pool: OrderPool
      readonly image: OrderImage | undefined
    }
  | { readonly type: 'remove-volume'; readonly volume: OrderVolume; readonly pool: OrderPool }
  | {
      readonly type: 'apply-networks'
      readonly networks: readonly OrderNetwork[]
      readonly ports: readonly NamedPort[]
    }
  | {
      readonly type: 'create-domain'
      readonly plan: DomainPlan
      /** Written anew for each start: names and contents. */
      readonly seed: Readonly<Record<string, string>>
      /** The tree that a container's seed goes into; a VM's is an image of its own. */
      readonly tree: StoredVolume | undefined
    }
  | {
      readonly type: 'shutdown' | 'suspend' | 'resume'
      readonly instance: InstanceName
      readonly domain: DomainKey
    }
  | {
      readonly type: 'destroy'
      readonly instance: InstanceName
      readonly domain: DomainKey
      /** Whether it ended by itself and only its remains are cleared away. */
      readonly crashed: boolean
    }
  | {
      readonly type: 'migrate-domain'
      readonly instance: InstanceName
      readonly domain: DomainKey
      /** Name of the host that it goes to. */
      readonly to: string
      /** Tells one attempt from another: the move and its step. */
      readonly attempt: string
      readonly way: MigrationWay
    }
  | {
      readonly type: 'abort-migration' | 'start-post-copy'
      readonly instance: InstanceName
      readonly domain: DomainKey
    }
  | {
      readonly type: 'allow-standstill'
      readonly instance: InstanceName
      readonly domain: DomainKey
      readonly standstillMs: Ms
    }
  | {
      readonly type: 'prepare-arrival'
      readonly instance: InstanceName
      readonly move: string
      readonly seed: Readonly<Record<string, string>>
    }
  | { readonly type: 'forget-instance'; readonly instance: InstanceName }
  /** Names the boot of this host that is to end. */
  | { readonly type: 'reboot'; readonly boot: string }
  /** Of an instance of which nothing is known but the id. */
  | { readonly type: 'remove-remains'; readonly id: string }
)

/** The sort of a step decides how long it may take, and how many of it go on at once. */
export type StepType = Step['type']

/** Enough to speak of an instance that no order may name any more. */
export type InstanceName = {
  readonly id: string
  readonly tenant: string
  readonly name: string
}

/** What a step brought back. */
export type StepResult = {
  readonly pool?: StoredPool
  readonly poolVolumes?: readonly StoredVolume[]
  readonly images?: readonly string[]
  readonly volume?: StoredVolume
  readonly networks?: readonly StandingNetwork[]
}

/** What a step is about: at most one step of a lane is under way. */
export function laneOf(step: Step): string {
  switch (step.type) {
    case 'open-pool':
      return `pool/${step.pool.name}`
    case 'fetch-image':
      return `image/${step.image.id}`
    case 'keep-images':
      return 'images'
    case 'create-volume':
    case 'grow-volume':
    case 'remove-volume':
      return `volume/${step.volume.id}`
    case 'apply-networks':
      return 'networks'
    case 'shutdown':
    case 'destroy':
    case 'suspend':
    case 'resume':
    case 'forget-instance':
    case 'migrate-domain':
    case 'prepare-arrival':
      return `instance/${step.instance.id}`
    case 'abort-migration':
      return `abort/${step.instance.id}`
    case 'start-post-copy':
      return `crossing/${step.instance.id}`
    case 'allow-standstill':
      return `standstill/${step.instance.id}`
    case 'create-domain':
      return `instance/${step.plan.instance.id}`
    case 'remove-remains':
      return `instance/${step.id}`
    case 'reboot':
      return 'host'
    default:
      return step satisfies never
  }
}

/** Names a step among its retries: the type and the lane. */
export const keyOf = (step: Step): string => `${step.type} ${laneOf(step)}`

/** Stands for all of a step but its reason: two steps with the same one do the same. */
export function stepFingerprint(step: Step): string {
  const { because: _, isRoutine: __, orderedBy: ___, ...rest } = step
  return fingerprint(rest)
}

/** The name of the start of an instance among its retries. */
export const keyOfStart = (instance: string): string => `create-domain instance/${instance}`

/**
 * Stands for what a step is to bring about. A step under way goes on while this is the same: that
 * an image may be fetched with a new ticket is no reason to give up the fetching, but that it is to
 * be fetched from elsewhere is, since who gave it before may be gone.
 */
export function purposeOf(step: Step): string {
  if (!('image' in step) || step.image === undefined) return stepFingerprint(step)
  const url = step.type === 'fetch-image' ? (URL.parse(step.image.url)?.host ?? '') : ''
  return stepFingerprint({ ...step, image: { ...step.image, url } })
}

/** Says what a step does, for the log and for `remuda agent diff`. */
export function stepSentence(step: Step): string {
  switch (step.type) {
    case 'open-pool':
      return `open pool ${step.pool.name}`
    case 'fetch-image':
      return `fetch image ${step.image.name}, ${step.image.sizeBytes} bytes`
    case 'keep-images':
      return `keep ${counted(step.ids.length, 'image')}, remove others that no volume is backed by`
    case 'create-volume':
      return `create volume ${step.volume.name} with ${formatMib(step.volume.sizeMib)}`
    case 'grow-volume':
      return `grow volume ${step.volume.name} to ${formatMib(step.volume.sizeMib)}`
    case 'remove-volume':
      return `remove volume ${step.volume.name}`
    case 'apply-networks':
      return `bring about ${networksWith(step.networks.length, step.ports.length)}`
    case 'create-domain':
      return `start ${nameOf(step.plan.instance)} with ${shapeOf(step.plan.instance)}`
    case 'forget-instance':
      return `remove what is left of ${nameOf(step.instance)}`
    case 'reboot':
      return 'have this host boot anew'
    case 'remove-remains':
      return `remove the seed and the console log of ${step.id}`
    case 'migrate-domain':
      return `send ${nameOf(step.instance)} to ${step.to}`
    case 'abort-migration':
      return `call ${nameOf(step.instance)} back`
    case 'start-post-copy':
      return `have ${nameOf(step.instance)} go on before all of its memory has come there`
    case 'allow-standstill':
      return `allow ${nameOf(step.instance)} to stand still for ${formatMs(step.standstillMs)}`
    case 'prepare-arrival':
      return `prepare for ${nameOf(step.instance)}`
    case 'shutdown':
      return `shut down ${nameOf(step.instance)}`
    case 'destroy':
    case 'suspend':
    case 'resume':
      return `${step.type} ${nameOf(step.instance)}`
    default:
      return step satisfies never
  }
}

const networksWith = (networks: number, ports: number): string =>
  `${counted(networks, 'network')} with ${counted(ports, 'port')}`

/** An instance as people call it. */
export const nameOf = (instance: Pick<InstanceName, 'tenant' | 'name'>): string =>
  `${instance.tenant}/${instance.name}`
