import type { Host } from '#shared/model/host.ts'
import { formatMs } from '#shared/units.ts'
import { fenced, recoveryOf, trusted } from '../fencing.ts'
import { phaseOf } from '../liveness.ts'
import { listed, type Refusal, refuse } from '../refusal.ts'
import { corroborationOf } from '../silence.ts'
import { lifeSentence, lifeSignOf, witnessHolds } from '../storage-witness.ts'
import { hasListened } from '../suspicion.ts'
import type { View } from '../view.ts'
import { testimonyMsMax } from '../witnesses.ts'
import { type Context, unchanged, type Verdict } from './context.ts'

/**
 * Judges an operator's word that a host is off. It is as good as proof: what ran there starts
 * elsewhere. So it is not taken of a host that speaks, or that peers reach, or that others see
 * write to shared storage, nor by a controller that has not listened for long enough to know.
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
  const unseen = refuseUnseen(view, host, context)
  if (unseen) return unseen
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

/** What peers say of it, and how long we have listened: a moment later both may be otherwise. */
function refuseUnseen(view: View, host: Host, { now }: Context): Refusal | undefined {
  const { name, decided } = host
  const found = corroborationOf(view, host, now.monotonic)
  if (found.verdict === 'one-sided') {
    const reasons = [
      `its agent answers them, so it lives; what is broken is the line to ${decided.endpoint}`
    ]
    const says = `cannot take host ${name} for off: ${listed(found.reached)} reached it just now`
    return refuse('conflict', says, {
      reasons,
      next: [
        `if its power is cut: say it again in ${formatMs(testimonyMsMax)}, when they miss it`,
        'otherwise: remuda cluster step-down'
      ]
    })
  }
  if (hasListened(view, host, now.monotonic)) return undefined
  const { newcomerMs } = view.patience
  const heardMs = Math.max(0, now.monotonic - view.listeningSince)
  return refuse('conflict', `cannot take host ${name} for off: nobody has listened for it yet`, {
    reasons: [`this controller began to listen ${formatMs(heardMs)} ago, and dials it still`],
    next: [`say it again in ${formatMs(Math.max(0, newcomerMs - heardMs))}`]
  })
}
