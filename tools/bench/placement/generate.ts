/**
 * Clusters to measure with, in the format of Ganeti's htools, by a seed: three generations of
 * hardware, some nodes far more popular than others, so that the placement is legal but skewed;
 * three in ten instances are in groups whose members should be apart, and a few of those clash.
 * The same seed gives the same file on any machine.
 */

/** What to generate. */
export type Recipe = {
  readonly nodes: number
  /** Shared storage, DRBD with two nodes an instance, or half of each. */
  readonly template: 'ext' | 'drbd' | 'mixed'
  readonly seed?: number
  readonly racks?: number
}

type Node = {
  readonly name: string
  readonly memory: number
  readonly cpus: number
  readonly disk: number
  readonly popularity: number
  readonly rack: number
  memoryUsed: number
  diskUsed: number
  vcpusUsed: number
  /** Memory of the secondaries here, by the node of their primaries. */
  readonly peers: Map<Node, number>
  readonly groups: Set<string>
}

type Wish = {
  readonly memory: number
  readonly disk: number
  readonly vcpus: number
  readonly isDrbd: boolean
  readonly tag: string
}

const instancesPerNode = 16
const ownMemory = 4096
const vcpuRatio = 4
const fullest = 0.95
const skew = 0.7
const groupedShare = 0.3
const clashShare = 0.03
const tries = 400
const hardware = [
  [131072, 16, 4194304, 3],
  [196608, 24, 6291456, 4],
  [262144, 32, 8388608, 3]
] as const
const memories = [1024, 2048, 4096, 8192, 16384, 32768]
const memoryOdds = [14, 22, 28, 22, 11, 3]
const disks = [10240, 20480, 40960, 81920, 163840, 327680]
const diskOdds = [15, 25, 28, 20, 9, 3]
const vcpusPer4Gib = [0.5, 1, 2]
const vcpuOdds = [3, 5, 2]

/** Generates the text of a cluster. */
export function generateCluster({ nodes: count, template, seed = 1, racks = 0 }: Recipe): string {
  const chance = generator(seed)
  const nodes = Array.from({ length: count }, (_, number) => nodeOf(chance, number, racks))
  const groups = groupsBy(chance)
  const lines: string[] = []
  for (let number = 0; number < count * instancesPerNode; number += 1) {
    const wish = wishOf(chance, template, groups)
    const seats = seat(chance, nodes, wish)
    if (seats) lines.push(settle(number, wish, seats))
  }
  return textOf(nodes, lines, racks)
}

type Chance = () => number

/** Mulberry32. */
function generator(seed: number): Chance {
  let state = (seed * 2654435761) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

function pick(chance: Chance, odds: readonly number[]): number {
  let rest = chance() * odds.reduce((sum, each) => sum + each, 0)
  for (const [index, each] of odds.entries()) {
    rest -= each
    if (rest < 0) return index
  }
  return odds.length - 1
}

const padded = (number: number, width: number): string => String(number).padStart(width, '0')

function nodeOf(chance: Chance, number: number, racks: number): Node {
  const [memory, cpus, disk] =
    hardware[
      pick(
        chance,
        hardware.map(([, , , odds]) => odds)
      )
    ]!
  const radius = Math.sqrt(-2 * Math.log(chance() + 1e-12))
  const normal = radius * Math.cos(2 * Math.PI * chance())
  return {
    ...{ name: `node${padded(number, 4)}`, memory, cpus, disk },
    popularity: Math.exp(normal * skew) * (memory / 196608),
    rack: racks > 0 ? number % racks : -1,
    ...{ memoryUsed: 0, diskUsed: 0, vcpusUsed: 0, peers: new Map(), groups: new Set() }
  }
}

/** Gives the tag of each next instance: groups of two to five come one after another. */
function groupsBy(chance: Chance): () => string {
  const odds = groupedShare / 3.5 / (1 - groupedShare + groupedShare / 3.5)
  let [name, left, number] = ['', 0, 0]
  return () => {
    if (left === 0 && chance() < odds) {
      left = 2 + Math.floor(chance() * 4)
      name = `svc:s${number}`
      number += 1
    }
    if (left === 0) return ''
    left -= 1
    return name
  }
}

function wishOf(chance: Chance, template: Recipe['template'], group: () => string): Wish {
  const memory = memories[pick(chance, memoryOdds)]!
  const disk = disks[pick(chance, diskOdds)]!
  const vcpus = Math.round((memory / 4096) * vcpusPer4Gib[pick(chance, vcpuOdds)]!)
  const isDrbd = template === 'mixed' ? chance() < 0.5 : template === 'drbd'
  return { memory, disk, vcpus: Math.max(1, Math.min(16, vcpus)), isDrbd, tag: group() }
}

type Pair = { readonly primary: Node; readonly secondary: Node | undefined }

function seat(chance: Chance, nodes: readonly Node[], wish: Wish): Pair | undefined {
  const clashes = wish.tag !== '' && chance() < clashShare
  const odds = nodes.map(({ popularity }) => popularity)
  let primary: Node | undefined
  if (clashes) {
    const among = nodes.filter(node => node.groups.has(wish.tag) && canLead(node, wish, true))
    if (among.length > 0) primary = among[Math.floor(chance() * among.length)]
  }
  const draw = (fits: (node: Node) => boolean): Node | undefined => {
    for (let trial = 0; trial < tries; trial += 1) {
      const node = nodes[pick(chance, odds)]!
      if (fits(node)) return node
    }
    return nodes.find(fits)
  }
  primary ??= draw(node => canLead(node, wish, false))
  if (!primary) return undefined
  if (!wish.isDrbd) return { primary, secondary: undefined }
  const first = primary
  const secondary = draw(node => canFollow(node, wish, first))
  return secondary && { primary, secondary }
}

function canLead(node: Node, wish: Wish, clashes: boolean): boolean {
  const free = node.memory - ownMemory - node.memoryUsed - wish.memory
  const kept = Math.max(0, ...node.peers.values())
  if (free <= (node.memory - ownMemory) * (1 - fullest) || free <= kept) return false
  if (node.vcpusUsed + wish.vcpus > vcpuRatio * node.cpus) return false
  if (wish.isDrbd && node.disk * fullest - node.diskUsed <= wish.disk) return false
  return wish.tag === '' || clashes === node.groups.has(wish.tag)
}

function canFollow(node: Node, wish: Wish, primary: Node): boolean {
  if (node === primary || node.disk * fullest - node.diskUsed <= wish.disk) return false
  const kept = Math.max(0, ...node.peers.values())
  const more = (node.peers.get(primary) ?? 0) + wish.memory
  return node.memory - ownMemory - node.memoryUsed > Math.max(kept, more)
}

function settle(number: number, wish: Wish, { primary, secondary }: Pair): string {
  const { memory, disk, vcpus, isDrbd, tag } = wish
  if (secondary) {
    secondary.peers.set(primary, (secondary.peers.get(primary) ?? 0) + memory)
    secondary.diskUsed += disk
    primary.diskUsed += disk
  }
  primary.memoryUsed += memory
  primary.vcpusUsed += vcpus
  if (tag !== '') primary.groups.add(tag)
  const seats = `${primary.name}|${secondary?.name ?? ''}`
  const sizes = `${memory}|${disk}|${vcpus}`
  return `vm${padded(number, 5)}|${sizes}|running|Y|${seats}|${isDrbd ? 'drbd' : 'ext'}|${tag}|1`
}

function textOf(nodes: readonly Node[], instances: readonly string[], racks: number): string {
  const lines = nodes.map(node => {
    const free = node.memory - ownMemory - node.memoryUsed
    const memory = `${node.name}|${node.memory}|${ownMemory}|${free}`
    const rest = `${node.disk}|${node.disk - node.diskUsed}|${node.cpus}|N|fake-uuid-01|8`
    return `${memory}|${rest}|${node.rack >= 0 ? `rack:r${node.rack}` : ''}|N|0|1|1.0`
  })
  const least = '128,1,1024,1,1,1'
  const templates = 'diskless,file,sharedfile,plain,blockdev,drbd,rbd,ext'
  const policy = `${least}|${least};131072,32,4194304,16,8,12|${templates}|4.0|32.0`
  const tags = ['htools:iextags:svc', ...(racks > 0 ? ['htools:nlocation:rack'] : [])]
  const parts = [['group-01|fake-uuid-01|preferred||'], lines, instances, tags]
  const text = parts.map(part => part.join('\n')).join('\n\n')
  return `${text}\n\n|${policy}\ngroup-01|${policy}\n`
}
