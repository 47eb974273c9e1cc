/**
 * Networks are brought about together, in one step: that is how the driver takes them. It is wished
 * when they differ from what was last applied, and again from time to time, since a bridge may be
 * taken away behind our back. What domains still use that no order names (they are shutting down)
 * stays until they have ended.
 */
import type { Order, OrderNetwork } from '#shared/wire/order.ts'
import type { OwnDomain } from './metadata.ts'
import { networksFingerprint } from './observed.ts'
import { isAlive } from './own-domains.ts'
import type { NamedPort } from './ports.ts'
import { failureOf, type Matter, type Situation, stepInLane, wishFor } from './situation.ts'

/** How old the last application may be when all was well. Unit: ms. */
const networksCheckedMs = 15_000
/** How old it may be when something failed. Unit: ms. */
const networksRetriedMs = 2_000

/** Where an ordered network stands. */
export type NetworkVerdict = {
  readonly network: OrderNetwork
  readonly phase: 'ready' | 'opening' | 'failed'
  readonly message: string
  /** Whether its bridge stood when the networks were last applied. */
  readonly stands: boolean
}

/** Where all ordered networks stand, and what is to be done about them. */
export type NetworksVerdict = Matter & { readonly each: readonly NetworkVerdict[] }

/** Says where the ordered networks stand. */
export function diffNetworks(situation: Situation, own: readonly OwnDomain[]): NetworksVerdict {
  const { observed, now, order } = situation
  const wanted = wantedNetworks(situation, own)
  const { print } = wanted
  const applied = observed.networks
  const underWay = stepInLane(situation, 'networks')
  const undone =
    underWay?.type === 'apply-networks' &&
    networksFingerprint(underWay.networks, underWay.ports) !== print
  const isCurrent = applied?.fingerprint === print && !undone
  const failures = applied?.standing.filter(each => each.failure !== undefined) ?? []
  const ageMax = failures.length === 0 ? networksCheckedMs : networksRetriedMs
  const dueAt = isCurrent ? applied.at + ageMax : now.monotonic
  const isEmpty = wanted.networks.length === 0 && applied === undefined
  const { networks, ports } = wanted
  const because = isCurrent ? 'it is time to check them' : 'they differ from what was applied'
  const wish =
    dueAt > now.monotonic || isEmpty
      ? undefined
      : wishFor(
          { type: 'apply-networks', networks, ports, because, isRoutine: isCurrent },
          situation
        )
  const failure = wish === undefined ? undefined : failureOf(wish, now)
  return {
    each: order.networks.map(network => judge(network, { isCurrent, failure, situation })),
    wish,
    lookAgainAt: isEmpty ? undefined : dueAt,
    settled: isEmpty || (isCurrent && failures.length === 0)
  }
}

function judge(
  network: OrderNetwork,
  about: {
    readonly isCurrent: boolean
    readonly failure: string | undefined
    readonly situation: Situation
  }
): NetworkVerdict {
  const standing = about.situation.observed.networks?.standing.find(each => each.id === network.id)
  const stands = standing !== undefined && standing.failure === undefined
  const base = { network, stands }
  if (!about.isCurrent) {
    return about.failure === undefined
      ? { ...base, phase: 'opening', message: `network ${network.name} is being brought about` }
      : { ...base, phase: 'failed', message: about.failure }
  }
  if (standing === undefined) {
    const message = `network ${network.name} was applied and is not there`
    return { ...base, phase: 'failed', message }
  }
  if (standing.failure !== undefined) return { ...base, phase: 'failed', message: standing.failure }
  const message = `network ${network.name} is bridge ${standing.bridge}`
  return { ...base, phase: 'ready', message }
}

type Wanted = {
  readonly networks: readonly OrderNetwork[]
  readonly ports: readonly NamedPort[]
  readonly print: string
}

/** An order is never altered, and looked at in every round. */
const orderedWanted = new WeakMap<Order, Wanted>()

function wantedIn(order: Order): Wanted {
  const known = orderedWanted.get(order)
  if (known) return known
  const { networks } = order
  const ports: NamedPort[] = order.instances.flatMap(instance =>
    instance.ports.map((port, index) => {
      const phonesHome = index === 0 && instance.readiness?.phoneHome === true
      return { ...port, name: instance.name, ...(phonesHome && { phonesHome }) }
    })
  )
  const wanted = { networks, ports, print: networksFingerprint(networks, ports) }
  orderedWanted.set(order, wanted)
  return wanted
}

function wantedNetworks({ order, observed }: Situation, own: readonly OwnDomain[]): Wanted {
  const wanted = wantedIn(order)
  const applied = observed.networks
  if (!applied || applied.ports.length === 0) return wanted
  const ordered = new Set(wanted.ports.map(port => port.id))
  if (applied.ports.every(port => ordered.has(port.id))) return wanted
  const used = new Set(
    own.filter(each => isAlive(each.domain)).flatMap(each => each.metadata.ports)
  )
  const left = applied.ports.filter(port => used.has(port.id) && !ordered.has(port.id))
  if (left.length === 0) return wanted
  const known = new Set(order.networks.map(network => network.id))
  const needed = new Set(left.map(port => port.networkId))
  const leftNetworks = applied.networks.filter(
    network => needed.has(network.id) && !known.has(network.id)
  )
  const networks = [...order.networks, ...leftNetworks]
  const ports = [...wanted.ports, ...left]
  return { networks, ports, print: networksFingerprint(networks, ports) }
}
