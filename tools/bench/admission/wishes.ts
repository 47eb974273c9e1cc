/** Clouds and wishes by a seed: sizes of a mixed cloud, groups, rare devices. */
import type { Asked } from '../../../controller/core/engine/admission.ts'
import type { Problem } from '../../../controller/core/engine/problem.ts'

/** Numbers from 0 to below 1. */
export type Chance = () => number

/** Mulberry32. */
export function chanceOf(seed: number): Chance {
  let state = (seed * 2654435761) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

const memories = [1024, 2048, 4096, 8192, 16384, 32768]
const odds = [14, 36, 64, 86, 97, 100]
const groupedShare = 0.12
const rareShare = 0.05
/** Every so many hosts have the rare device. */
const rareEvery = 10
const hostsInRack = 20

/** Gives wishes; `amountsOf` makes the amounts of memory and processors those of the problem. */
export function wisher(
  chance: Chance,
  amountsOf: (memoryMib: number, vcpus: number) => readonly number[],
  { groups, rare }: { readonly groups: readonly number[]; readonly rare: boolean }
): () => Asked {
  let [group, left, next] = [0, 0, 0]
  return () => {
    const draw = chance() * 100
    const memoryMib = memories[odds.findIndex(odd => draw < odd)]!
    const vcpus = Math.max(1, Math.min(16, Math.round((memoryMib / 4096) * [0.5, 1, 2][next % 3]!)))
    next += 1
    if (left === 0 && groups.length > 0 && chance() < groupedShare) {
      left = 2 + Math.floor(chance() * 4)
      group = groups[Math.floor(chance() * groups.length)]!
    }
    const isGrouped = left > 0
    left = Math.max(0, left - 1)
    return {
      amounts: amountsOf(memoryMib, vcpus),
      groups: isGrouped ? [group] : [],
      kind: rare && chance() < rareShare ? 1 : 0
    }
  }
}

/**
 * An empty cloud with every rule: three generations of hosts, memory and processors that are never
 * exceeded, network and disk load that is levelled, racks, every tenth host with a rare device.
 */
export function ruledCloud(hosts: number, chance: Chance) {
  const gib = Array.from({ length: hosts }, () => [128, 192, 256][Math.floor(chance() * 3)]!)
  const all = (value: (host: number) => number) => gib.map((_, host) => value(host))
  const plain = { weight: 1, both: false, amount: [], taken: all(() => 0) }
  const dimension = (name: string, hard: boolean, limit: (host: number) => number) => ({
    ...{ ...plain, name, hard },
    ...{ capacity: all(limit), limit: all(limit) }
  })
  const level = { clashWeight: 2, pairWeight: 0 }
  const problem: Problem = {
    ...{ open: all(() => 1), first: [], second: [], pair: [], fixed: [], groups: [] },
    dimensions: [
      dimension('memory', true, host => gib[host]! * 1024 - 4096),
      dimension('vcpus', true, host => gib[host]! / 2),
      dimension('network', false, host => gib[host]! * 100),
      dimension('disk', false, host => gib[host]! * 100)
    ],
    levels: [
      { ...level, name: 'host', domain: all(host => host), forbids: true },
      {
        ...level,
        name: 'rack',
        domain: all(host => Math.floor(host / hostsInRack)),
        forbids: false
      }
    ],
    ...{ closedSeatWeight: 4, closedFirstWeight: 16 }
  }
  const kinds = [all(() => 1), all(host => Number(host % rareEvery === 0))]
  const amountsOf = (memoryMib: number, vcpus: number) => [
    memoryMib,
    vcpus,
    memoryMib / 100,
    memoryMib / 50
  ]
  return { problem, kinds, amountsOf, losses: [all(host => host)] }
}
