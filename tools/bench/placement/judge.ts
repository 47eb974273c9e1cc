/**
 * Judges both sides: the score of a cluster by Metrics.hs of Ganeti 3.0.2, and whether a list of
 * moves is legal by the checks of Node.hs, each move in its turn. It shares nothing with the engine
 * and keeps no sums: what it says is reckoned from the instances each time.
 */
import { type Cluster, type Node, prefixesIn, type Tenancy, usesNodeDisk } from './ganeti-text.ts'

/** Where an instance goes; nodes are numbers, -1: no secondary. */
export type Seated = {
  readonly demand: number
  readonly first: number
  readonly second: number
}

/** The score of a cluster, without utilisation (`--ignore-dynu`). */
export function scoreOf(cluster: Cluster): number {
  const nodes = everyState(cluster)
  const online = nodes.filter(({ node }) => !node.offline)
  const offline = nodes.filter(({ node }) => node.offline)
  const spread = (value: (state: State) => number) => deviationOf(online.map(value))
  const total = (states: readonly State[], value: (state: State) => number) =>
    states.reduce((sum, state) => sum + value(state), 0)
  return (
    spread(({ node, memory }) => (node.memory - node.ownMemory - memory) / node.memory) +
    spread(({ node, disk }) => (node.disk === 0 ? 1 : (node.disk - disk) / node.disk)) +
    spread(({ node, vcpus }) => (node.ownCpus + vcpus) / node.cpus / node.cpuSpeed) +
    spread(({ node, spindles }) => spindles / (cluster.spindleRatio * node.spindles)) +
    spread(({ node, kept }) => kept / node.memory) +
    0.25 * total(online, ({ node, kept }) => kept / node.memory) +
    total(online, state => (isShort(state) ? state.primaries + state.secondaries : 0)) +
    2 * total(online, ({ tags }) => clashesIn(tags)) +
    total(online, ({ shared }) => shared) +
    clashesIn(
      online.flatMap(({ places, tags }) => places.flatMap(p => tags.map(t => `${p} ${t}`)))
    ) +
    4 * total(offline, state => state.primaries + state.secondaries) +
    16 * total(offline, state => state.primaries)
  )
}

/** Says why a move is not legal, or undefined. */
export function objectionTo(cluster: Cluster, move: Seated): string | undefined {
  const instance = cluster.instances[move.demand]!
  const { primary, secondary } = instance
  const forced = isOffline(cluster, primary) || isOffline(cluster, secondary)
  const states = statesOf(moved(cluster, move), [move.first, move.second])
  const before = statesOf(cluster, [move.first, move.second])
  if (move.first === move.second) return 'both seats on one node'
  if (move.first !== primary && isOffline(cluster, move.first)) return 'to an offline node'
  for (const number of [move.first, move.second]) {
    if (number < 0) continue
    const [now, then] = [states.get(number)!, before.get(number)!]
    const { node } = now
    if (freeOf(now) <= 0 && now.memory > then.memory) return `memory of ${node.name}`
    if (now.disk >= node.disk && now.disk > then.disk) return `disk of ${node.name}`
    if (forced) continue
    const limit = cluster.vcpuRatio * node.cpus
    const vcpus = now.vcpus + node.ownCpus
    if (vcpus > limit && now.vcpus > then.vcpus) return `vcpus of ${node.name}`
    if (isShort(now) && !isShort(then)) return `N+1 of ${node.name}`
  }
  if (forced || move.first === primary) return undefined
  const tags = before.get(move.first)!.tags
  const clash = exclusionsOf(cluster, instance).find(tag => tags.includes(tag))
  return clash && `${clash} is at ${cluster.nodes[move.first]!.name} already`
}

/** The cluster after a move. */
export function moved(cluster: Cluster, { demand, first, second }: Seated): Cluster {
  const instance = { ...cluster.instances[demand]!, primary: first, secondary: second }
  return { ...cluster, instances: cluster.instances.with(demand, instance) }
}

const isOffline = (cluster: Cluster, node: number): boolean =>
  node >= 0 && cluster.nodes[node]!.offline

type State = {
  readonly node: Node
  memory: number
  vcpus: number
  disk: number
  spindles: number
  primaries: number
  secondaries: number
  /** Places that a primary shares with its secondary. */
  shared: number
  kept: number
  readonly tags: string[]
  readonly places: readonly string[]
}

const freeOf = ({ node, memory }: State): number => node.memory - node.ownMemory - memory
const isShort = (state: State): boolean => state.kept > 0 && freeOf(state) <= state.kept

const everyState = (cluster: Cluster): readonly State[] => [
  ...statesOf(cluster, [...cluster.nodes.keys()]).values()
]

function statesOf(cluster: Cluster, numbers: readonly number[]): ReadonlyMap<number, State> {
  const wanted = numbers.filter(number => number >= 0)
  const states = new Map(wanted.map(number => [number, stateOf(cluster, number)]))
  const peers = new Map<number, Map<number, number>>()
  for (const instance of cluster.instances) {
    const { primary, secondary } = instance
    const here = states.get(primary)
    if (here) addPrimary(cluster, here, instance)
    const there = states.get(secondary)
    if (!there) continue
    there.secondaries += 1
    there.disk += instance.disk
    there.spindles += instance.spindleUse
    if (!instance.balances) continue
    const sums = peers.get(secondary) ?? new Map<number, number>()
    sums.set(primary, (sums.get(primary) ?? 0) + instance.memory)
    peers.set(secondary, sums)
  }
  for (const [number, sums] of peers) states.get(number)!.kept = Math.max(...sums.values())
  return states
}

function stateOf(cluster: Cluster, number: number): State {
  const node = cluster.nodes[number]!
  const prefixes = prefixesIn(cluster.tags, 'htools:nlocation:')
  const places = node.tags.filter(tag => prefixes.some(prefix => tag.startsWith(`${prefix}:`)))
  const seats = { primaries: 0, secondaries: 0, shared: 0, kept: 0, tags: [] }
  return { node, memory: 0, vcpus: 0, disk: 0, spindles: 0, ...seats, places }
}

function addPrimary(cluster: Cluster, state: State, instance: Tenancy): void {
  state.memory += instance.memory
  state.vcpus += instance.vcpus
  state.primaries += 1
  state.tags.push(...exclusionsOf(cluster, instance))
  if (usesNodeDisk(instance)) {
    state.disk += instance.disk
    state.spindles += instance.spindleUse
  }
  if (instance.secondary < 0) return
  const { tags } = cluster.nodes[instance.secondary]!
  state.shared += state.places.filter(place => tags.includes(place)).length
}

function exclusionsOf(cluster: Cluster, { tags }: Tenancy): readonly string[] {
  if (tags.length === 0) return tags
  const prefixes = prefixesIn(cluster.tags, 'htools:iextags:')
  return tags.filter(tag => prefixes.some(prefix => tag.startsWith(`${prefix}:`)))
}

const clashesIn = (tags: readonly string[]): number => tags.length - new Set(tags).size

function deviationOf(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
}
