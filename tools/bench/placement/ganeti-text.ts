/**
 * Clusters in the text format of Ganeti's htools, as `hbal -t FILE` reads it: five parts with an
 * empty line between them (groups, nodes, instances, tags of the cluster, policies), fields with
 * bars between them, sizes in MiB.
 */

/** One of Ganeti's nodes. */
export type Node = {
  readonly name: string
  readonly memory: number
  /** Taken by the node itself. */
  readonly ownMemory: number
  readonly freeMemory: number
  readonly disk: number
  readonly freeDisk: number
  readonly cpus: number
  readonly offline: boolean
  readonly spindles: number
  readonly tags: readonly string[]
  readonly ownCpus: number
  readonly cpuSpeed: number
}

/** One of Ganeti's instances; nodes are numbers. */
export type Tenancy = {
  readonly name: string
  readonly memory: number
  readonly disk: number
  readonly vcpus: number
  readonly balances: boolean
  readonly primary: number
  /** -1: none. */
  readonly secondary: number
  readonly template: string
  readonly tags: readonly string[]
  readonly spindleUse: number
}

/** What a file says; of policies only the ratios, which are those of the cluster. */
export type Cluster = {
  readonly nodes: readonly Node[]
  readonly instances: readonly Tenancy[]
  readonly tags: readonly string[]
  readonly vcpuRatio: number
  readonly spindleRatio: number
  /** The parts as they were, to be written again. */
  readonly parts: readonly (readonly string[])[]
}

/** Reads a cluster. */
export function readCluster(text: string): Cluster {
  const parts = text.split('\n\n').map(part => part.split('\n').filter(line => line !== ''))
  const [, nodeLines = [], instanceLines = [], tags = [], policies = []] = parts
  const nodes = nodeLines.map(readNode)
  const numbers = new Map(nodes.map((node, number) => [node.name, number]))
  const instances = instanceLines.map(line => readInstance(line, numbers))
  const policy = (policies.find(line => line.startsWith('|')) ?? '|||||4|32').split('|')
  const [vcpuRatio, spindleRatio] = [Number(policy.at(-2)), Number(policy.at(-1))]
  return { nodes, instances, tags, vcpuRatio, spindleRatio, parts }
}

function readNode(line: string): Node {
  const fields = line.split('|')
  const number = (index: number, otherwise = 0): number => Number(fields[index] ?? otherwise)
  return {
    name: fields[0]!,
    memory: number(1),
    ownMemory: number(2),
    freeMemory: number(3),
    disk: number(4),
    freeDisk: number(5),
    cpus: number(6),
    offline: fields[7] === 'Y',
    spindles: number(9, 1),
    tags: (fields[10] ?? '').split(',').filter(tag => tag !== ''),
    ownCpus: number(13, 1),
    cpuSpeed: number(14, 1)
  }
}

function readInstance(line: string, nodes: ReadonlyMap<string, number>): Tenancy {
  const fields = line.split('|')
  return {
    name: fields[0]!,
    memory: Number(fields[1]),
    disk: Number(fields[2]),
    vcpus: Number(fields[3]),
    balances: fields[5] === 'Y',
    primary: nodes.get(fields[6]!)!,
    secondary: fields[7] ? nodes.get(fields[7])! : -1,
    template: fields[8]!,
    tags: (fields[9] ?? '').split(',').filter(tag => tag !== ''),
    spindleUse: Number(fields[10] ?? 1)
  }
}

/** Where instances sit, by their numbers; secondaries are -1 for none. */
export type Seats = { readonly first: ArrayLike<number>; readonly second: ArrayLike<number> }

/** The cluster with its instances elsewhere; what nodes have free is reckoned anew. */
export function withSeats(cluster: Cluster, { first, second }: Seats): Cluster {
  const instances = cluster.instances.map((instance, number) => ({
    ...instance,
    primary: first[number]!,
    secondary: second[number]!
  }))
  const nodes = cluster.nodes.map((node, number) => {
    const before = takenOf(cluster.instances, number)
    const after = takenOf(instances, number)
    const freeMemory = node.freeMemory + before.memory - after.memory
    return { ...node, freeMemory, freeDisk: node.freeDisk + before.disk - after.disk }
  })
  return { ...cluster, nodes, instances }
}

function takenOf(instances: readonly Tenancy[], node: number) {
  let [memory, disk] = [0, 0]
  for (const instance of instances) {
    if (instance.primary === node) memory += instance.memory
    const isHere = instance.primary === node || instance.secondary === node
    if (isHere && usesNodeDisk(instance)) disk += instance.disk
  }
  return { memory, disk }
}

/** Whether an instance's disks are on its nodes. */
export const usesNodeDisk = ({ template }: Tenancy): boolean =>
  template === 'drbd' || template === 'plain'

/** Writes a cluster. */
export function writeCluster(cluster: Cluster): string {
  const [groups = [], nodeLines = [], instanceLines = [], ...rest] = cluster.parts
  const nodes = nodeLines.map((line, number) => {
    const fields = line.split('|')
    const { freeMemory, freeDisk, offline } = cluster.nodes[number]!
    fields[3] = String(freeMemory)
    fields[5] = String(freeDisk)
    fields[7] = offline ? 'Y' : fields[7] === 'Y' ? 'N' : fields[7]!
    return fields.join('|')
  })
  const instances = instanceLines.map((line, number) => {
    const fields = line.split('|')
    const { primary, secondary } = cluster.instances[number]!
    fields[6] = cluster.nodes[primary]!.name
    fields[7] = secondary < 0 ? '' : cluster.nodes[secondary]!.name
    return fields.join('|')
  })
  const parts = [groups, nodes, instances, ...rest]
  return `${parts.map(part => part.join('\n')).join('\n\n')}\n`
}

/** What the cluster's own tags of one kind name. */
export const prefixesIn = (tags: readonly string[], kind: string): readonly string[] =>
  tags.filter(tag => tag.startsWith(kind)).map(tag => tag.slice(kind.length))
