/**
 * What is left of a cloud: how many more instances of each size it could take, as it is and after
 * the worst loss that room is kept for, when all that was lost runs elsewhere. What still fits
 * then may be created now without breaking the promise.
 */
import type { Mib } from '#shared/units.ts'
import { orderBytesOf } from '../order-size.ts'
import { heldMib, overheadIn } from '../overhead.ts'
import type { View } from '../view.ts'
import { domainsOf } from './cases.ts'
import type { Ground } from './ground.ts'
import { planOf, type Taken } from './plan.ts'
import type { Reserve } from './settings.ts'

/** Losses that an outlook looks at; of more, those of the largest hosts alone. */
export const outlookCasesMax = 20_000

/** How many of one size fit. */
export type SizeLeft = {
  readonly name: string
  readonly vcpus: number
  readonly memoryMib: Mib
  /** What its host needs for one beside that. */
  readonly overheadMib: Mib
  readonly now: number
  /** After the worst of the losses. */
  readonly after: number
  /** The hosts of that loss. */
  readonly worst: readonly string[]
  /** How many fit now if nothing else were short. */
  readonly byMemory: number
  readonly byVcpus: number
  /** What there is too little of for more. */
  readonly limit: 'memory' | 'vcpus' | 'hosts'
}

/** What is left of all hosts that are open, and for each size. */
export type Outlook = {
  readonly hosts: number
  readonly memoryMib: Mib
  readonly memoryLeftMib: Mib
  readonly vcpus: number
  readonly vcpusLeft: number
  /** Hosts that are lost in "after". */
  readonly losses: number
  /** Whether all losses were looked at. */
  readonly exact: boolean
  readonly sizes: readonly SizeLeft[]
}

type Shape = Pick<SizeLeft, 'name' | 'vcpus' | 'memoryMib' | 'overheadMib'>

/** Looks; it yields after each loss, and gives the outlook at its end. */
export function* outlookOf(
  view: View,
  ground: Ground,
  reserve: Reserve | undefined
): Generator<undefined, Outlook> {
  const sizes = [...view.all('size').values()]
    .map(({ name, spec }): Shape => ({ name, ...spec, overheadMib: overheadIn(view, 'vm', spec) }))
    .sort((a, b) => a.memoryMib - b.memoryMib || a.vcpus - b.vcpus || (a.name < b.name ? -1 : 1))
  const want = ground.wants.of(plainDemand)
  ground.meetWants()
  const open = [...ground.rows.keys()].filter(host => ground.isMet(host, want))
  const losses = reserve?.hosts || (reserve?.domain === undefined ? 1 : 0)
  // A host that takes nobody in is lost as well, and who leaves it takes room from the others.
  const hosts = [...ground.rows.entries()]
    .filter(([host, { evacuees }]) => evacuees.length > 0 || ground.isMet(host, want))
    .map(([host]) => host)
  const { cases, exact } = casesOf(ground, { hosts, losses, domain: reserve?.domain })
  const now = sizes.map(size => sum(open, host => fitsOn(roomOf(ground, host), size)))
  const after = now.map(fits => ({ fits, worst: [] as readonly number[] }))
  for (const [number, lost] of cases.entries()) {
    const { taken } = planOf(ground, lost)
    for (const [at, size] of sizes.entries()) {
      const fits = now[at]! - lessAfter(ground, { lost, taken, want }, size)
      if (fits < after[at]!.fits || number === 0) after[at] = { fits, worst: lost }
    }
    yield
  }
  return {
    hosts: open.length,
    memoryMib: sum(open, host => ground.totalMib[host]!),
    memoryLeftMib: sum(open, host => Math.max(0, ground.freeMib[host]!)),
    vcpus: sum(open, host => ground.rows[host]!.candidate.capacity?.vcpus ?? 0),
    vcpusLeft: sum(open, host => Math.max(0, ground.freeVcpus[host]!)),
    losses,
    exact,
    sizes: sizes.map((size, at) => {
      const { fits, worst } = after[at]!
      const names = worst.map(host => ground.name(host))
      return { ...size, now: now[at]!, after: fits, worst: names, ...limitOf(ground, open, size) }
    })
  }
}

const sum = (hosts: readonly number[], value: (host: number) => number): number =>
  hosts.reduce((all, host) => all + value(host), 0)

/** A plain VM: which pool it will be in is not known. */
const plainDemand = {
  name: '',
  type: 'vm',
  memoryMib: 0,
  vcpus: 0,
  pools: new Map<string, number>(),
  bonds: [],
  orderBytes: 0,
  running: true
} as const
const plainBytes = orderBytesOf({
  spec: { sshKeys: [''] } as never,
  decided: { vcpus: 0, memoryMib: 0, volumes: [''], ports: [''] }
})

type Left = Pick<Taken, 'freeMib' | 'freeVcpus' | 'freeBytes'>

const roomOf = (ground: Ground, host: number): Left => ({
  freeMib: ground.freeMib[host]!,
  freeVcpus: ground.freeVcpus[host]!,
  freeBytes: ground.freeBytes[host]!
})

const fitsOn = ({ freeMib, freeVcpus, freeBytes }: Left, size: Shape): number => {
  const ways = [freeMib / heldMib(size), freeVcpus / size.vcpus, freeBytes / plainBytes]
  return Math.max(0, Math.floor(Math.min(...ways)))
}

/** How many fewer fit after a loss: those on the lost hosts, and what the others took in. */
function lessAfter(
  ground: Ground,
  loss: {
    readonly lost: readonly number[]
    readonly taken: readonly Taken[]
    readonly want: number
  },
  size: Shape
): number {
  const { lost, taken, want } = loss
  let less = 0
  for (const host of lost) {
    if (ground.isMet(host, want)) less += fitsOn(roomOf(ground, host), size)
  }
  for (const one of taken) {
    if (!ground.isMet(one.host, want)) continue
    less += fitsOn(roomOf(ground, one.host), size) - fitsOn(one, size)
  }
  return less
}

function limitOf(ground: Ground, open: readonly number[], size: Shape) {
  const whole = (value: number): number => Math.max(0, Math.floor(value))
  const byMemory = sum(open, host => whole(ground.freeMib[host]! / heldMib(size)))
  const byVcpus = sum(open, host => whole(ground.freeVcpus[host]! / size.vcpus))
  const limit = open.length === 0 ? 'hosts' : byMemory <= byVcpus ? 'memory' : 'vcpus'
  return { byMemory, byVcpus, limit } as const
}

/** The losses to look at: every one, or those of the hosts that carry the most. */
function casesOf(
  ground: Ground,
  given: {
    readonly hosts: readonly number[]
    readonly losses: number
    readonly domain: string | undefined
  }
): { readonly cases: readonly (readonly number[])[]; readonly exact: boolean } {
  const { hosts, losses, domain } = given
  const domains = domain === undefined ? [] : [...domainsOf(ground, domain).values()]
  let count = hosts.length
  while (losses > 1 && count > losses && waysOf(count, losses) > outlookCasesMax) count -= 1
  const largest = hosts.toSorted((a, b) => ground.totalMib[b]! - ground.totalMib[a]!)
  const cases = [...combinations(largest.slice(0, count), Math.min(losses, count)), ...domains]
  return { cases, exact: count === hosts.length }
}

/** How many ways there are to lose so many of so many. */
const waysOf = (count: number, losses: number): number =>
  Array.from({ length: losses }, (_, at) => (count - at) / (at + 1)).reduce((a, b) => a * b, 1)

function combinations(hosts: readonly number[], count: number): readonly (readonly number[])[] {
  if (count === 0) return []
  if (count === 1) return hosts.map(host => [host])
  return hosts.flatMap((host, at) =>
    combinations(hosts.slice(at + 1), count - 1).map(rest => [host, ...rest])
  )
}
