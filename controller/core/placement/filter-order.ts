import { orderBytesMax } from '../order-size.ts'
import type { Filter } from './pipeline.ts'

/** Keeps the hosts whose order has room for the instance. */
export const filterOrder: Filter = ({ orderBytes }, demand) => {
  const bytes = orderBytes + demand.orderBytes
  if (demand.orderBytes <= 0 || bytes <= orderBytesMax) return undefined
  const most = `at most ${orderBytesMax} are sent`
  return `its order would have ${bytes} bytes of instances and their user data, ${most}`
}
