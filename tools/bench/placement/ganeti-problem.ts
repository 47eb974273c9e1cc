/**
 * A cluster of Ganeti's as a problem for the engine: its weights are those of Metrics.hs of Ganeti
 * 3.0.2, its limits those of Node.hs. Dimensions of which no instance takes anything are left out:
 * they cannot change.
 */
import type { Dimension, Level, Problem } from '../../../controller/core/engine/problem.ts'
import { type Cluster, type Node, prefixesIn, type Tenancy, usesNodeDisk } from './ganeti-text.ts'

/** What is asked of a cluster beside the file. */
export type Question = {
  /** Whether each instance counts as a load of 1, as without `--ignore-dynu`. */
  readonly loads?: boolean
  /** Names of nodes that are to be treated as offline. */
  readonly offline?: readonly string[]
}

/** The problem of balancing a cluster. */
export function problemOf(cluster: Cluster, question: Question = {}): Problem {
  const { nodes, instances } = cluster
  const isOffline = (node: Node) => node.offline || question.offline?.includes(node.name)
  const dimensions = [...sizes(cluster), ...(question.loads ? loads(cluster) : [])].filter(
    ({ amount }) => Array.from(amount).some(each => each > 0)
  )
  const groups = groupsOf(cluster)
  const isPair = ({ secondary }: Tenancy) => secondary >= 0
  const memory = dimensions.findIndex(({ name }) => name === 'memory')
  const reserve = {
    dimension: memory,
    counted: instances.map(each => Number(isPair(each) && each.balances)),
    deviationWeight: 1,
    sumWeight: 0.25,
    shortWeight: 1
  }
  return {
    open: nodes.map(node => Number(!isOffline(node))),
    first: instances.map(({ primary }) => primary),
    second: instances.map(({ secondary }) => secondary),
    pair: instances.map(each => Number(isPair(each))),
    fixed: instances.map(each => Number(!each.balances || each.template === 'plain')),
    dimensions,
    groups,
    levels: levelsOf(cluster),
    ...(instances.some(isPair) ? { reserve } : {}),
    closedSeatWeight: 4,
    closedFirstWeight: 16
  }
}

/** What sizes weigh: each counts twice in Metrics.hs, with half the weight, now and forthcoming. */
function sizes(cluster: Cluster): readonly Dimension[] {
  const { nodes, instances, vcpuRatio, spindleRatio } = cluster
  const memoryUsed = nodes.map(() => 0)
  const diskUsed = nodes.map(() => 0)
  for (const instance of instances) {
    memoryUsed[instance.primary]! += instance.memory
    if (!usesNodeDisk(instance)) continue
    for (const node of [instance.primary, instance.secondary]) {
      if (node >= 0) diskUsed[node]! += instance.disk
    }
  }
  const diskOf = (each: Tenancy) => (usesNodeDisk(each) ? each.disk : 0)
  const spindlesOf = (each: Tenancy) => (usesNodeDisk(each) ? each.spindleUse : 0)
  const spindles = nodes.map(node => spindleRatio * node.spindles)
  return [
    {
      ...{ name: 'memory', weight: 1, both: false, hard: true },
      capacity: nodes.map(({ memory }) => memory),
      taken: nodes.map((node, k) =>
        Math.max(node.ownMemory, node.memory - node.freeMemory - memoryUsed[k]!)
      ),
      limit: nodes.map(({ memory }) => memory - 1),
      amount: instances.map(({ memory }) => memory)
    },
    {
      ...{ name: 'vcpus', weight: 1, both: false, hard: false },
      capacity: nodes.map(({ cpus, cpuSpeed }) => cpus * cpuSpeed),
      taken: nodes.map(({ ownCpus }) => ownCpus),
      limit: nodes.map(({ cpus }) => cpus * vcpuRatio),
      amount: instances.map(({ vcpus }) => vcpus)
    },
    {
      ...{ name: 'disk', weight: 1, both: true, hard: true },
      capacity: nodes.map(({ disk }) => disk),
      taken: nodes.map((node, k) => node.disk - node.freeDisk - diskUsed[k]!),
      limit: nodes.map(({ disk }) => disk - 1),
      amount: instances.map(diskOf)
    },
    {
      ...{ name: 'spindles', weight: 1, both: true, hard: false },
      capacity: spindles,
      taken: nodes.map(() => 0),
      limit: spindles,
      amount: instances.map(spindlesOf)
    }
  ]
}

/** Processors, memory and network are loaded by primaries alone, disks by both. */
function loads({ nodes, instances }: Cluster): readonly Dimension[] {
  const plain = {
    hard: false,
    capacity: nodes.map(() => 1),
    taken: nodes.map(() => 0),
    limit: nodes.map(() => Infinity),
    amount: instances.map(() => 1)
  }
  return [
    { ...plain, name: 'load', weight: 3, both: false },
    { ...plain, name: 'disk load', weight: 1, both: true }
  ]
}

function groupsOf({ instances, tags }: Cluster): readonly (readonly number[])[] {
  const prefixes = prefixesIn(tags, 'htools:iextags:')
  const numbers = new Map<string, number>()
  return instances.map(instance =>
    instance.tags
      .filter(tag => prefixes.some(prefix => tag.startsWith(`${prefix}:`)))
      .map(tag => {
        const number = numbers.get(tag) ?? numbers.size
        numbers.set(tag, number)
        return number
      })
  )
}

/** Nodes by themselves, and one level for each kind of place that nodes have a tag of. */
function levelsOf({ nodes, tags }: Cluster): readonly Level[] {
  const places = prefixesIn(tags, 'htools:nlocation:').map(prefix => {
    const numbers = new Map<string, number>()
    const domain = nodes.map(node => {
      const tag = node.tags.find(each => each.startsWith(`${prefix}:`))
      if (tag === undefined) return -1
      const number = numbers.get(tag) ?? numbers.size
      numbers.set(tag, number)
      return number
    })
    return { name: prefix, domain, clashWeight: 1, pairWeight: 1, forbids: false }
  })
  const own = nodes.map((_, number) => number)
  return [{ name: 'node', domain: own, clashWeight: 2, pairWeight: 0, forbids: true }, ...places]
}
