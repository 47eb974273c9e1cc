/**
 * Which orders an agent takes on. A controller that was deposed may not know it yet and go on
 * sending; an order may also arrive late. So an agent remembers what it has seen:
 *
 * - an order of another cloud is refused: this host belongs to one;
 * - an order of a lower epoch is refused: that controller's reign is over;
 * - in the same epoch, a lower generation is refused (an older order that came late); the same one
 *   again is fine, since a repeated order does nothing;
 * - an order that was made for another boot of this host is refused: it may have waited on its way
 *   while this host was proven off, and what it names may run elsewhere by now;
 * - in a higher epoch any generation goes: the new controller's journal is the truth, even where it
 *   lost what the old one had not committed.
 */
import type { Epoch, Generation } from '#shared/ids.ts'
import type { Refusal } from '#shared/wire/messages.ts'
import type { Order } from '#shared/wire/order.ts'

/** What an agent has seen so far; it must survive a restart of the agent. */
export type Seen = {
  /** Id of the cloud that the host belongs to; undefined: it has never had an order. */
  readonly cloud: string | undefined
  /** The highest epoch; 0: none. */
  readonly epoch: Epoch
  /** The generation that was last taken on in that epoch. */
  readonly generation: Generation
}

/** What an agent knows before its first order. */
export const nothingSeen: Seen = { cloud: undefined, epoch: 0, generation: 0 }

/** What becomes of an order. */
export type Judgement =
  | { readonly verdict: 'accepted'; readonly seen: Seen }
  | { readonly verdict: 'refused'; readonly refusal: Refusal }

/** What an order is judged by. */
type Judged = Pick<Order, 'cloud' | 'epoch' | 'generation' | 'boot'>

/** Says whether an order is taken on in this boot, and what has been seen then, or why not. */
export function judgeOrder(seen: Seen, order: Judged, boot: string): Judgement {
  const because = objection(seen, order) ?? madeForAnother(order, boot)
  if (because !== undefined) {
    const { epoch, generation } = seen
    return { verdict: 'refused', refusal: { type: 'refusal', epoch, generation, because } }
  }
  const { cloud, epoch, generation } = order
  return { verdict: 'accepted', seen: { cloud, epoch, generation } }
}

const madeForAnother = (order: Judged, boot: string): string | undefined =>
  order.boot === undefined || order.boot === boot
    ? undefined
    : `cannot take an order that was made for boot ${order.boot}: this is boot ${boot}`

function objection(seen: Seen, order: Judged): string | undefined {
  if (seen.cloud !== undefined && order.cloud !== seen.cloud) {
    return `cannot take an order of cloud ${order.cloud}: this host belongs to cloud ${seen.cloud}`
  }
  if (order.epoch < seen.epoch) {
    return (
      `cannot take an order of epoch ${order.epoch}: epoch ${seen.epoch} has been seen, ` +
      'so another controller has taken over'
    )
  }
  if (order.epoch === seen.epoch && order.generation < seen.generation) {
    return (
      `cannot take an order of generation ${order.generation}: ` +
      `generation ${seen.generation} of the same epoch ${seen.epoch} has been taken on`
    )
  }
  return undefined
}
