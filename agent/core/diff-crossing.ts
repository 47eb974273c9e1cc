/**
 * When an instance that is sent goes on at the other host before all of its memory has come there.
 *
 * While it is sent it writes, and what it has written is sent again, round after round. Each round
 * is as much smaller as it writes slower than it is sent. One that writes about as fast never comes
 * to an end so. QEMU slows its processor down more and more then; where that does not help within
 * some rounds, it is let go on at the other host, and fetches from here what it misses. That ends
 * for certain, after once what is left. But meanwhile it lives of both hosts and of the line
 * between them, and is lost with any of the three: so it is the last resort.
 */
import type { OrderLeaving } from '#shared/wire/order.ts'
import type { OwnDomain } from './metadata.ts'
import { isCrossing } from './own-domains.ts'
import type { Transfer } from './ports.ts'
import { type Matter, type Situation, wishFor } from './situation.ts'
import type { Step } from './steps.ts'

/**
 * From this round on it is judged whether the rounds come to an end. QEMU begins to slow the
 * processor down after two rounds that brought little, and slows it further with each one.
 */
const judgedRound = 6
/** After so many rounds it no longer matters why it has not come to its end. */
const roundsMax = 40

/** Whether it may go on there before all of its memory has come, should that be needed. */
export const mayCross = ({ live, door, pace }: OrderLeaving): boolean =>
  live && door?.postCopy === true && pace?.postCopy !== 'never'

/** Whether a transfer comes to no end by itself: why not, or undefined. */
export function whyEndless(transfer: Transfer): string | undefined {
  const { round, mibPerSecond, writtenMibPerSecond, remainingMib } = transfer
  const speeds = `it writes ${writtenMibPerSecond} MiB/s, and ${mibPerSecond} MiB/s are sent`
  const words = `after ${round} rounds ${remainingMib} MiB are left: ${speeds}`
  if (round >= roundsMax) return words
  return round >= judgedRound && writtenMibPerSecond * 2 >= mibPerSecond ? words : undefined
}

/** Lets those go on at the other host that come to no end else. */
export function diffCrossings(own: readonly OwnDomain[], situation: Situation): readonly Matter[] {
  const { order, observed } = situation
  return order.instances.flatMap(({ id, tenant, name, leaving }) => {
    if (!leaving?.go || !mayCross(leaving)) return []
    const found = own.find(each => each.metadata.id === id && each.domain.driver === 'qemu')
    const transfer = found && observed.transfers.get(found.domain.uuid)
    if (!transfer || found.domain.state !== 'running' || isCrossing(found.domain)) return []
    const because = whyEndless(transfer)
    if (because === undefined) return []
    const { driver, uuid } = found.domain
    const step: Step = {
      type: 'start-post-copy',
      instance: { id, tenant, name },
      domain: { driver, uuid },
      because
    }
    return [{ wish: wishFor(step, situation), settled: false }]
  })
}
