/** The start of an instance for which there is no room where it is; see ../preemption.ts. */
import type { Instance } from '#shared/model/instance.ts'
import { lingers } from '../capacity.ts'
import type { Change } from '../commit.ts'
import { isResting } from '../indexes.ts'
import { orderBytesOf } from '../order-size.ts'
import { heldMib } from '../overhead.ts'
import { candidateOf } from '../placement/candidates.ts'
import { filterMemory } from '../placement/filter-memory.ts'
import { filterNuma } from '../placement/filter-numa.ts'
import { filterOrder } from '../placement/filter-order.ts'
import { filterScarce } from '../placement/filter-scarce.ts'
import { filterVcpus } from '../placement/filter-vcpus.ts'
import type { Demand } from '../placement/pipeline.ts'
import { giving, yieldingAmong } from '../preemption.ts'
import type { Refusal } from '../refusal.ts'
import { scarceOf } from '../scarce.ts'
import type { View } from '../view.ts'
import { admitted, type Context, type Verdict } from './context.ts'

/** What speaks against a start is the room alone: that it is there was judged when it came. */
const roomRules = {
  filters: [filterMemory, filterVcpus, filterScarce, filterNuma, filterOrder],
  score: () => 0
}

/**
 * Starts it all the same if less important ones there may be stopped for it, and would make room;
 * else gives the refusal. It starts once its host has said that they have ended.
 */
export function startWhereRoomIsMade(
  view: View,
  given: {
    readonly before: Instance
    readonly after: Instance
    readonly more: readonly Change[]
    /** What is recorded of the wish itself. */
    readonly because: string
    readonly refusal: Refusal
  },
  context: Context
): Verdict {
  const { before, after, more, because, refusal } = given
  const host = view.named('host', after.decided.host ?? '')
  const isStart = isResting(before) && !isResting(after) && !lingers(view, before)
  if (!host || !isStart) return refusal
  const candidate = candidateOf(view, host, context.now.monotonic)
  // Nobody is stopped in vain where the host cannot say that it has happened.
  if (candidate.phase !== 'online' && candidate.phase !== 'late') return refusal
  const { vcpus } = after.decided
  const memoryMib = heldMib(after.decided)
  const demand: Demand = {
    ...{
      name: after.name,
      type: after.spec.type,
      memoryMib,
      vcpus,
      scarce: scarceOf(after.decided)
    },
    ...{
      pools: new Map(),
      bonds: [],
      orderBytes: orderBytesOf(after) - orderBytesOf(before),
      running: true
    }
  }
  const asked = { instance: after, demand, rules: roomRules, candidates: [candidate] }
  const victims = yieldingAmong(view, asked)?.victims
  if (!victims) return refusal
  const why = `as ${after.name} was asked to start on ${host.name}`
  const { resources, decisions, names } = giving(view, { instance: after, victims, why }, context)
  const roomFrom = victims.map(({ id }) => id)
  const held: Instance = { ...after, decided: { ...after.decided, roomFrom } }
  const room = `${names} makes room for it on ${host.name}: it starts once that has ended`
  const puts = resources.map((resource): Change => ({ op: 'put', resource }))
  const verdict = admitted(context, held, {
    verb: 'changed',
    because: `${because}; ${room}`,
    more: [...more, ...puts]
  })
  const { commit } = verdict
  return { ...verdict, commit: { ...commit, decisions: [...commit.decisions, ...decisions] } }
}
