/**
 * What a bootd takes on of that which controllers want, and what it says of it. A controller that
 * was deposed may not know it yet: what is wanted in a lower epoch than one seen is refused, all of
 * it. What is wanted again as before goes on; another wish, or another id of a fence, begins anew.
 */
import { Fault } from '#shared/fault.ts'
import type { Epoch } from '#shared/ids.ts'
import {
  type FenceDeviceState,
  type FenceOrder,
  type FenceState,
  fenceHostsMax
} from '#shared/wire/fence.ts'
import type { FencePlan, Finding } from './fence-plan.ts'

/** Why orders are not taken on, `invalid` or `stale`; undefined: they are. */
export function objectionTo(
  orders: readonly FenceOrder[],
  { epochs, seen }: { readonly epochs: readonly Epoch[]; readonly seen: Epoch }
): Fault | undefined {
  const refusal = (because: string) => new Fault('invalid', `cannot take fence orders: ${because}`)
  if (epochs.length === 0) return refusal('there are none, and no epoch either')
  if (orders.length > fenceHostsMax) {
    return refusal(`${orders.length} hosts, ${fenceHostsMax} are allowed`)
  }
  if (new Set(orders.map(({ host }) => host)).size < orders.length) {
    return refusal('a host is named twice')
  }
  const lowest = Math.min(...epochs)
  if (lowest >= seen) return undefined
  const words = `cannot take fence orders of epoch ${lowest}: epoch ${seen} was seen already`
  return new Fault('stale', words)
}

/** Whether another order ends what was begun by the one before it. */
export function endsPlan(
  plan: FencePlan | undefined,
  { before, after }: { readonly before: FenceOrder; readonly after: FenceOrder }
): boolean {
  const isSameWish = before.want === after.want && before.fence === after.fence
  const isOver = plan?.stage.phase === 'proven'
  return !isSameWish || (areOtherDevices(before, after) && !isOver)
}

/** Whether another order names other devices, or other secrets of them. */
export const areOtherDevices = (before: FenceOrder, after: FenceOrder): boolean =>
  printOf(before) !== printOf(after)

const printOf = ({ levels, secrets }: FenceOrder): string => JSON.stringify([levels, secrets])

/** The verdict as it is told: with the fence and the epoch that it was found for. */
export const verdictOf = (
  { verdict, at, because }: Finding,
  given: { readonly order: FenceOrder; readonly startedAt: number; readonly wall: string }
): NonNullable<FenceState['verdict']> => ({
  ...{ verdict, epoch: given.order.epoch, at: given.wall },
  ...{ tookMs: Math.round(at - given.startedAt), because },
  ...(given.order.fence !== undefined && { fence: given.order.fence })
})

/** How a host stands, without any secret. */
export function fenceStateOf(given: {
  readonly order: FenceOrder
  readonly plan: FencePlan | undefined
  readonly verdict: FenceState['verdict']
  readonly since: string
  /** What came of asking the host itself. */
  readonly courtesy: string | undefined
  readonly devices: readonly FenceDeviceState[]
}): FenceState {
  const { order, plan, verdict, since, courtesy, devices } = given
  const { host, name, want, fence, epoch } = order
  const stage = plan?.stage
  return {
    ...{ host, name, want, epoch },
    ...(fence !== undefined && { fence }),
    phase: stage?.phase ?? 'idle',
    since,
    attempt: plan?.attempt ?? 0,
    level: stage === undefined || stage.phase === 'waiting' ? 0 : stage.level + 1,
    ...(verdict !== undefined && { verdict }),
    story: plan?.story ?? [],
    ...(courtesy !== undefined && { courtesy }),
    devices
  }
}
