/** Limits of hosts that fence themselves, as operators wish them. */
import type { Host, HostSpec } from '#shared/model/host.ts'
import { formatMs } from '#shared/units.ts'
import { type Refusal, refuse } from '../refusal.ts'
import { leastLimitMs, limitProblem } from '../timing.ts'
import type { View } from '../view.ts'

/** Says why a host cannot have this limit; undefined when it can, or has it already. */
export function refuseSelfFence(view: View, host: Host, spec: HostSpec): Refusal | undefined {
  const limitMs = spec.selfFence?.limitMs
  const { sessionMs } = view
  if (limitMs === undefined || limitMs === host.spec.selfFence?.limitMs) return undefined
  if (sessionMs === undefined) return undefined
  const problem = limitProblem(limitMs, sessionMs)
  if (problem === undefined) return undefined
  const least = formatMs(leastLimitMs(sessionMs))
  return refuse('invalid', `cannot let host ${host.name} fence itself so soon: ${problem}`, {
    pointer: '/spec/selfFence/limitMs',
    reasons: [
      'each change of the controller might end what runs there',
      `the shortest limit in this cloud is ${least}`
    ],
    next: [`remuda host fence self ${host.name} --limit ${least.replace(' ', '')}`]
  })
}
