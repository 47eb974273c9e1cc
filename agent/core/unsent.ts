import type { Ms } from '#shared/units.ts'
import type { OrderArriving } from '#shared/wire/order.ts'
import type { InstanceMemory } from './memory.ts'

/** Remembers since when nobody sends what has come of an instance in part. */
export function withUnsent(
  last: InstanceMemory,
  arriving: OrderArriving | undefined,
  now: Ms
): InstanceMemory {
  const unsentSince = arriving?.over ? (last.unsentSince ?? now) : undefined
  return unsentSince === last.unsentSince ? last : { ...last, unsentSince }
}
