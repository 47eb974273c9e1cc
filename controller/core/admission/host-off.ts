import type { Host } from '#shared/model/host.ts'
import { formatMs } from '#shared/units.ts'
import { fenced, recoveryOf, trusted } from '../fencing.ts'
import { phaseOf } from '../liveness.ts'
import { refuse } from '../refusal.ts'
import { lifeSentence, lifeSignOf, witnessHolds } from '../storage-witness.ts'
import type { View } from '../view.ts'
import { type Context, unchanged, type Verdict } from './context.ts'

/**
 * Judges an operator's word that a host is off. It is as good as proof: what ran there starts
 * elsewhere. So it is not taken of a host that speaks, or that others see write to shared storage.
 */
export function confirmOff(view: View, host: Host, context: Context): Verdict {
  const { name, decided } = host
  if (decided.recovery?.phase === 'fenced') return unchanged(host)
  const heard = view.heard(name)
  const phase = phaseOf(host, heard, context.now.monotonic)
  if (phase === 'pending') {
    return refuse('conflict', `cannot take host ${name} for off: it was never let in`, {
      next: [`remuda host delete ${name}`]
    })
  }
  if (phase === 'online' || phase === 'late') {
    const ago = formatMs(context.now.monotonic - (heard.heardAt ?? 0))
    return refuse('conflict', `cannot take host ${name} for off: it speaks`, {
      reasons: [`its agent was heard ${ago} ago, at ${decided.endpoint}`],
      next: [`to empty it: remuda host drain ${name}`, 'or switch it off first']
    })
  }
  const life = lifeSignOf(view, host, context.now.monotonic)
  if (life && witnessHolds(view)) {
    return refuse('conflict', `cannot take host ${name} for off: ${lifeSentence(life)}`, {
      reasons: ['a host that is off writes nothing: what starts elsewhere would run twice'],
      next: [
        'cut its power by hand: it counts as off once it has stopped',
        'if you know better: remuda ha set --storage-witness alarm'
      ]
    })
  }
  const because = `${context.by} has seen that it is off`
  const known = decided.recovery ?? recoveryOf(host, because, context)
  const recovery = trusted(known)
  const commit = fenced(view, { host, recovery }, { verdict: 'operator', because }, context)
  return { commit, resource: { ...host, decided: { ...decided, recovery } } }
}
