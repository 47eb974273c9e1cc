/**
 * How the sending of an instance comes to its end, and when it goes on at the other host before all
 * of its memory has come there.
 *
 * While it is sent it writes, and what it has written is sent again, round after round. Each round
 * is as much smaller as it writes slower than it is sent. It stands still for the last one: as soon
 * as that takes no longer than is allowed. Who may stand still for long is allowed little
 * at first, and twice as much with each further round: most do not need it.
 *
 * One that writes about as fast as it is sent never comes to an end so. QEMU slows its processor
 * down more and more then; where that does not help within some rounds, it is let go on at the
 * other host, and fetches from here what it misses. That ends for certain, after once what is left.
 * But meanwhile it lives of both hosts and of the line between them, and is lost with any of the
 * three: so it is the last resort.
 */
import type { Ms } from '#shared/units.ts'
import type { OrderLeaving } from '#shared/wire/order.ts'
import type { HostContext } from './domain-plan.ts'
import type { OwnDomain } from './metadata.ts'
import { isCrossing } from './own-domains.ts'
import type { DomainKey, Transfer } from './ports.ts'
import { type Matter, type Situation, wishFor } from './situation.ts'
import type { InstanceName, Step } from './steps.ts'

/**
 * From this round on it is judged whether the rounds come to an end. QEMU begins to slow the
 * processor down after two rounds that brought little, and slows it further with each one.
 */
const judgedRound = 6
/** After so many rounds it no longer matters why it has not come to its end. */
const roundsMax = 40

/** So long one may stand still where nobody has said. */
const standstillMsDefault: Ms = 300
/**
 * So long it may in the first two rounds. Less makes it stand still for less, but takes more
 * rounds, and with each of them QEMU before 9.0 may lose writes of a VM that it emulates, whose
 * kernel then breaks. Where that may be, it is as long as QEMU allows by itself.
 */
const standstillMsFirst = { sound: 30, lossy: 300 } as const
/** The first QEMU that loses no writes of what it emulates. */
const soundQemu = 9

/** Whether what is sent from here may lose writes: under KVM the processor itself marks them. */
export const losesWrites = ({ kvm, abilities }: Pick<HostContext, 'kvm' | 'abilities'>): boolean =>
  !kvm && !(Number.parseInt(abilities?.qemuVersion ?? '', 10) >= soundQemu)

/**
 * How long an instance may stand still at the end of its way, by the round that it is in and the
 * host that it leaves.
 */
export function standstillAt(
  { pace }: Pick<OrderLeaving, 'pace'>,
  round: number,
  host: Pick<HostContext, 'kvm' | 'abilities'>
): Ms {
  const most = pace?.downtimeMs ?? standstillMsDefault
  const first = losesWrites(host) ? standstillMsFirst.lossy : standstillMsFirst.sound
  return Math.min(most, first * 2 ** Math.min(10, Math.max(0, round - 2)))
}

/** Whether it may go on there before all of its memory has come, should that be needed. */
export const mayCross = ({ live, door, pace }: OrderLeaving): boolean =>
  live && door?.postCopy === true && pace?.postCopy !== 'never'

/** Whether a transfer comes to no end by itself: why not, or undefined. */
export function whyEndless(transfer: Transfer): string | undefined {
  const { round, mibPerSecond, writtenMibPerSecond, remainingMib, standstillMs = 0 } = transfer
  // It has come to its end, or would have, had it been allowed what it is allowed now.
  if (remainingMib * 1_000 <= mibPerSecond * standstillMs) return undefined
  const speeds = `it writes ${writtenMibPerSecond} MiB/s, and ${mibPerSecond} MiB/s are sent`
  const words = `after ${round} rounds ${remainingMib} MiB are left: ${speeds}`
  if (round >= roundsMax) return words
  return round >= judgedRound && writtenMibPerSecond * 2 >= mibPerSecond ? words : undefined
}

/** Allows those that are sent to stand still, or to go on at the other host, where they have to. */
export function diffCrossings(own: readonly OwnDomain[], situation: Situation): readonly Matter[] {
  const { order, observed } = situation
  return order.instances.flatMap(({ id, tenant, name, leaving }) => {
    if (!leaving?.go || !leaving.live) return []
    const found = own.find(each => each.metadata.id === id && each.domain.driver === 'qemu')
    const transfer = found && observed.transfers.get(found.domain.uuid)
    if (!transfer || found.domain.state !== 'running' || isCrossing(found.domain)) return []
    const { driver, uuid } = found.domain
    const about = { instance: { id, tenant, name }, domain: { driver, uuid } }
    const step = nextFor({ leaving, transfer, about, host: situation.host })
    return step === undefined ? [] : [{ wish: wishFor(step, situation), settled: false }]
  })
}

function nextFor({
  leaving,
  transfer,
  about,
  host
}: {
  readonly leaving: OrderLeaving
  readonly transfer: Transfer
  readonly about: { readonly instance: InstanceName; readonly domain: DomainKey }
  readonly host: HostContext
}): Step | undefined {
  const { round } = transfer
  const standstillMs = standstillAt(leaving, round, host)
  if (transfer.standstillMs !== undefined && transfer.standstillMs < standstillMs) {
    const because = `${transfer.standstillMs} ms were too little for round ${round}`
    return { type: 'allow-standstill', ...about, standstillMs, because }
  }
  const because = mayCross(leaving) ? whyEndless(transfer) : undefined
  return because === undefined ? undefined : { type: 'start-post-copy', ...about, because }
}
