/** Small problems by chance, with everything that a problem can have, and what checks them. */
import fc from 'fast-check'
import type { Problem } from '../../../../controller/core/engine/problem.ts'

/** Pairs and singles, racks, groups, closed hosts, fixed demands, a reserve. */
export const problems: fc.Arbitrary<Problem> = fc
  .record({
    hosts: fc.array(
      fc.record({
        memory: fc.constantFrom(128, 192, 256),
        cpus: fc.constantFrom(16, 24, 32),
        disk: fc.constantFrom(4000, 6000),
        rack: fc.integer({ min: -1, max: 2 }),
        open: fc.integer({ min: 0, max: 5 })
      }),
      { minLength: 4, maxLength: 8 }
    ),
    demands: fc.array(
      fc.record({
        seats: fc.tuple(fc.nat(1000), fc.nat(1000)),
        pair: fc.boolean(),
        fixed: fc.integer({ min: 0, max: 9 }),
        memory: fc.constantFrom(1, 2, 4, 8, 16),
        cpus: fc.constantFrom(1, 2, 4),
        disk: fc.constantFrom(10, 20, 80),
        group: fc.integer({ min: -4, max: 3 })
      }),
      { minLength: 1, maxLength: 24 }
    ),
    paired: fc.boolean()
  })
  .map(({ hosts, demands, paired }) => problemOf(hosts, demands, paired))

type HostShape = Readonly<Record<'memory' | 'cpus' | 'disk' | 'rack' | 'open', number>>
type DemandShape = Readonly<
  Record<'fixed' | 'memory' | 'cpus' | 'disk' | 'group', number> & {
    seats: readonly [number, number]
    pair: boolean
  }
>

function problemOf(
  hosts: readonly HostShape[],
  demands: readonly DemandShape[],
  paired: boolean
): Problem {
  const count = hosts.length
  const isPair = ({ pair }: DemandShape) => paired && pair
  const firstOf = ({ seats: [first] }: DemandShape) => first % count
  const plain = { taken: hosts.map(() => 1), weight: 1 }
  const memory = hosts.map(host => host.memory)
  const reserve = {
    dimension: 0,
    counted: demands.map(each => Number(isPair(each))),
    deviationWeight: 1,
    sumWeight: 0.25,
    shortWeight: 1
  }
  return {
    open: hosts.map(({ open }, host) => Number(open > 0 || host < 3)),
    first: demands.map(firstOf),
    second: demands.map(each =>
      isPair(each) ? (firstOf(each) + 1 + (each.seats[1] % (count - 1))) % count : -1
    ),
    pair: demands.map(each => Number(isPair(each))),
    fixed: demands.map(({ fixed }) => Number(fixed === 0)),
    groups: demands.map(({ group }) => (group < 0 ? [] : [group])),
    dimensions: [
      {
        ...{ ...plain, name: 'memory', both: false, hard: true },
        capacity: memory,
        limit: memory,
        amount: demands.map(each => each.memory)
      },
      {
        ...{ ...plain, name: 'cpus', both: false, hard: false },
        capacity: hosts.map(({ cpus }) => cpus),
        limit: hosts.map(({ cpus }) => 4 * cpus),
        amount: demands.map(({ cpus }) => cpus)
      },
      {
        ...{ ...plain, name: 'disk', both: true, hard: true },
        capacity: hosts.map(({ disk }) => disk),
        limit: hosts.map(({ disk }) => disk),
        amount: demands.map(({ disk }) => disk)
      }
    ],
    levels: [
      {
        ...{ name: 'host', clashWeight: 2, pairWeight: 0, forbids: true },
        domain: hosts.map((_, host) => host)
      },
      {
        ...{ name: 'rack', clashWeight: 1, pairWeight: 1, forbids: false },
        domain: hosts.map(({ rack }) => rack)
      }
    ],
    ...(paired ? { reserve } : {}),
    closedSeatWeight: 4,
    closedFirstWeight: 16
  }
}
