/** What of all that bootd is told about the power of hosts cannot wait. */
import { type FenceOrder, fenceHostsMax } from '#shared/wire/fence.ts'
import type { View } from './view.ts'

/** Stands for all that cannot wait: it is looked at in each turn. */
export function urgentIn(view: View): string {
  const all = [...view.all('host').values()].filter(
    ({ decided }) => decided.recovery ?? decided.fenceTest ?? decided.power
  )
  return JSON.stringify(
    all.map(({ name, decided: { recovery, fenceTest, power } }) => [
      name,
      ...[recovery?.id, recovery?.phase, recovery?.contradicted?.level],
      ...[fenceTest?.id, fenceTest?.step, power?.id, power?.step]
    ])
  )
}

/** There is a bound: whoever is to be fenced comes first, and some are not watched. */
export const mostUrgent = (orders: readonly FenceOrder[]): readonly FenceOrder[] =>
  orders.length <= fenceHostsMax
    ? orders
    : orders
        .toSorted((a, b) => Number(a.want === 'watch') - Number(b.want === 'watch'))
        .slice(0, fenceHostsMax)
