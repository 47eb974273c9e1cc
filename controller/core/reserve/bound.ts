/**
 * When a loss is sure to be survived, without a plan. However the leaving instances are placed and
 * in which order: for one of them to find no place, every other host must be blocked for it, each
 * by too little memory, processors or room in its order. To block a host by memory takes at least
 * `free - most + 1` MiB of what leaves, where `most` is what the largest asks for; and all that
 * leaves has only `need` MiB. So each host takes a share of the need to be blocked, and hosts whose
 * shares add up to more than one per kind of room cannot all be blocked.
 *
 * The hosts with the most room come first, so that mostly a few dozen are looked at, however many
 * there are. As it holds for any order, it also holds for hosts that are lost one after another.
 * A group that is kept apart blocks hosts for its members as well, but not more of them than it has
 * members: these are taken to be the hosts with the largest shares.
 *
 * With `further`, it is said of all ways at once in which so many more hosts may be lost.
 */
import type { Ground } from './ground.ts'

/** Kinds of room. */
const kinds = 3
/** Groups that may block more hosts than this are left to the plans. */
const blockedMax = 64
/** One host that could take all that leaves is as good as several. */
const shareMax = kinds + 1

/** The largest needs of single hosts, added up: what so many of them have at most. */
export type Summit = {
  readonly version: number
  readonly needMib: number
  readonly needVcpus: number
  readonly needBytes: number
  readonly mostMib: number
  readonly mostVcpus: number
  readonly mostBytes: number
  readonly wants: number
  /** Hosts that groups may keep one of them from. */
  readonly blocked: number
}

/** What any so many hosts of the ground have at most to leave. */
export function summitOf(ground: Ground, count: number): Summit {
  const { needMib, needVcpus, needBytes, version } = ground
  let wants = 0
  for (const bits of ground.needWants) wants |= bits
  return {
    version,
    needMib: sumOfLargest(needMib, count),
    needVcpus: sumOfLargest(needVcpus, count),
    needBytes: sumOfLargest(needBytes, count),
    mostMib: sumOfLargest(ground.mostMib, 1),
    mostVcpus: sumOfLargest(ground.mostVcpus, 1),
    mostBytes: sumOfLargest(ground.mostBytes, 1),
    wants,
    blocked: ground.groups.blockedMost
  }
}

function sumOfLargest(values: Float64Array, count: number): number {
  const largest = new Float64Array(count)
  for (const value of values) keepLargest(largest, value)
  return largest.reduce((sum, one) => sum + one, 0)
}

/** Keeps the largest, the smallest of them first. */
function keepLargest(largest: Float64Array, value: number): void {
  if (largest.length === 0 || value <= largest[0]!) return
  let at = 0
  while (at + 1 < largest.length && largest[at + 1]! < value) {
    largest[at] = largest[at + 1]!
    at += 1
  }
  largest[at] = value
}

/** What leaves, at most. */
type Need = Omit<Summit, 'version'>

/**
 * Whether the loss of these hosts, and of `further` more whichever they are, is sure to be
 * survived. False says nothing. `summit` is that of `further` hosts.
 */
export function isSure(
  ground: Ground,
  lost: readonly number[],
  further: { readonly count: number; readonly summit: Summit } | undefined
): boolean {
  const need = needOf(ground, lost, further?.summit)
  if (need.needBytes === 0) return true
  if (need.wants < 0 || need.blocked > blockedMax) return false
  const { marks, roomiest, meets, freeMib, freeVcpus, freeBytes } = ground
  ground.mark += 1
  for (const host of lost) marks[host] = ground.mark
  const largest = new Float64Array((further?.count ?? 0) + need.blocked)
  let [sum, lostSum] = [0, 0]
  for (let at = 0; at < roomiest.length; at += 1) {
    const host = roomiest[at]!
    // No later host has more memory to be blocked by.
    if (freeMib[host]! < need.mostMib) return false
    if ((meets[host]! & need.wants) !== need.wants || marks[host] === ground.mark) continue
    const share = Math.min(
      shareMax,
      shareToBlock(freeMib[host]! - need.mostMib + 1, need.needMib),
      shareToBlock(freeVcpus[host]! - need.mostVcpus + 1, need.needVcpus),
      shareToBlock(freeBytes[host]! - need.mostBytes + 1, need.needBytes)
    )
    if (share <= 0) continue
    sum += share
    if (largest.length > 0 && share > largest[0]!) {
      keepLargest(largest, share)
      lostSum = 0
      for (const one of largest) lostSum += one
    }
    if (sum - lostSum > kinds + 1e-6) return true
  }
  return false
}

/** The share of all that leaves which it takes to block a host; beyond the whole it cannot be. */
const shareToBlock = (room: number, need: number): number =>
  room > need ? shareMax : need === 0 ? 0 : room / need

function needOf(ground: Ground, lost: readonly number[], summit: Summit | undefined): Need {
  let [needMib, needVcpus, needBytes] = [0, 0, 0]
  let [mostMib, mostVcpus, mostBytes, wants, blocked] = [0, 0, 0, 0, 0]
  if (summit) {
    ;({ needMib, needVcpus, needBytes, mostMib, mostVcpus, mostBytes, wants, blocked } = summit)
  }
  for (const host of lost) {
    needMib += ground.needMib[host]!
    needVcpus += ground.needVcpus[host]!
    needBytes += ground.needBytes[host]!
    mostMib = Math.max(mostMib, ground.mostMib[host]!)
    mostVcpus = Math.max(mostVcpus, ground.mostVcpus[host]!)
    mostBytes = Math.max(mostBytes, ground.mostBytes[host]!)
    wants |= ground.needWants[host]!
    blocked = Math.max(blocked, ground.blockedMost(host))
  }
  // Who waits now and could be placed now would come in between: that is left to the plans.
  if (ground.hopes) [wants, needBytes] = [-1, needBytes + 1]
  return { needMib, needVcpus, needBytes, mostMib, mostVcpus, mostBytes, wants, blocked }
}
