/**
 * Which hosts a machine that boots may fetch its image from, so that a rack does not wait for the
 * one line of bootd. Only hosts of the plan are named, that joined with that very version and have
 * said that they serve it: a few of them by chance, those of the same rack first. What they send is
 * checked as what bootd sends is, so that a bad one costs time and nothing else.
 */
import { peerKeyOf, ticketOf } from '#shared/wire/boot-secret.ts'
import { machineBooted, type PlanIndex } from './boot-plan.ts'
import type { MachineBoot } from './boot-progress.ts'

/** TCP port at which hosts serve their image. */
export const peerPort = 7_481
/** So many hosts are named to one that boots. */
export const peersMax = 2
/** A machine may fetch from them for so long. Unit: s. */
export const ticketS = 900

/** What is known when a machine asks. */
export type PeersGiven = {
  readonly index: PlanIndex | undefined
  /** All boots that are known. */
  readonly boots: readonly MachineBoot[]
  /** Seconds since 1970. */
  readonly nowS: number
  /** A number from 0 up to 1, by chance. */
  readonly random: () => number
}

/** Where the machine may fetch the root of its image, beside bootd: addresses with its ticket. */
export function peersFor(asking: MachineBoot, given: PeersGiven): readonly string[] {
  const { index, nowS } = given
  const { version, address } = asking
  const key = index?.plan.peers?.key
  if (!index || key === undefined || version === undefined || address === undefined) return []
  const untilS = Math.floor(nowS) + ticketS
  return choosePeers(asking, { ...given, index }).map(peer => {
    const ticket = ticketOf(peerKeyOf(key, peer.boot), { version, address, untilS })
    return `http://${peer.address}:${peer.serves}/images/${version}/root.squashfs?token=${ticket}`
  })
}

function choosePeers(
  asking: MachineBoot,
  { index, boots, random }: PeersGiven & { readonly index: PlanIndex }
): readonly MachineBoot[] {
  const rack = machineBooted(index, asking)?.rack
  const [near, far]: readonly [MachineBoot[], MachineBoot[]] = [[], []]
  for (const boot of boots) {
    const { stage, profile, version, address, serves } = boot
    if (stage !== 'joined' || profile !== 'host' || serves === undefined) continue
    if (version !== asking.version || address === undefined) continue
    const machine = machineBooted(index, boot)
    if (address === asking.address || !machine) continue
    if (rack !== undefined && machine.rack === rack) near.push(boot)
    else far.push(boot)
  }
  const chosen = some(near, peersMax, random)
  return [...chosen, ...some(far, peersMax - chosen.length, random)]
}

/** So many of them by chance, each as likely as any other. */
function some<One>(from: readonly One[], count: number, random: () => number): readonly One[] {
  const left = [...from]
  const taken: One[] = []
  while (taken.length < count && left.length > 0) {
    const at = Math.min(Math.floor(random() * left.length), left.length - 1)
    taken.push(left[at]!)
    left[at] = left.at(-1)!
    left.pop()
  }
  return taken
}
