/** Levels the hosts by itself, where that is wished and worth it. */
import type { Clock } from '#shared/clock.ts'
import { isFault, sentence } from '#shared/fault.ts'
import { newId } from '#shared/ids.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import { beginBalance } from '../../core/balance/admission.ts'
import { isRecovering } from '../../core/balance/rounds.ts'
import { phaseOf } from '../../core/liveness.ts'
import { isRefusal } from '../../core/refusal.ts'
import type { Reign } from '../reign.ts'
import { planInThread } from './thinker.ts'

/** How often it is looked whether it is time. Unit: ms. */
const lookMs: Ms = 15_000

type Parts = {
  readonly reign: Pick<Reign, 'view' | 'now' | 'record'>
  readonly clock: Pick<Clock, 'monotonic' | 'sleep'>
  readonly log: Log
}

/**
 * Looks again and again until the signal aborts. Whoever begins to lead rests first: what it sees
 * then is not how the cloud is when it is calm.
 */
export async function balanceByItself(parts: Parts, signal: AbortSignal): Promise<void> {
  const { reign, clock, log } = parts
  let calmSince = clock.monotonic()
  while (!signal.aborted) {
    await clock.sleep(lookMs, signal).catch(() => undefined)
    const automatic = reign.view.cloud?.balance?.automatic
    if (signal.aborted || !automatic) continue
    if (!isCalm(parts)) calmSince = clock.monotonic()
    if (clock.monotonic() - calmSince < automatic.restMs) continue
    calmSince = clock.monotonic()
    try {
      await levelOnce(parts)
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      log.warn('cannot level the hosts', { because: sentence(thrown) })
    }
  }
}

/** Whether all hosts are heard, nothing is recovered, and no levelling is under way. */
function isCalm({ reign }: Parts): boolean {
  const { view } = reign
  const { monotonic } = reign.now()
  if (view.cloud?.balance?.run || isRecovering(view)) return false
  return [...view.all('host').values()]
    .filter(({ decided }) => decided.approval === 'approved' && !decided.deletedAt)
    .every(host => phaseOf(host, view.heard(host.name), monotonic) === 'online')
}

async function levelOnce({ reign, log }: Parts): Promise<void> {
  const { view } = reign
  const automatic = view.cloud?.balance?.automatic
  if (!automatic) return
  const { gainMin, moveGainMin, minuteGain, movesMax, parallel } = automatic
  const effort = { movesMax, gainMin: moveGainMin, trials: 0, seed: 1 }
  const plan = await planInThread(view, { now: () => reign.now(), effort, minuteGain })
  if (plan.before - plan.after < gainMin) {
    log.debug('hosts are level enough', { before: plan.before, after: plan.after, gainMin })
    return
  }
  const context = { by: 'controller', now: reign.now(), newId }
  const commit = beginBalance(view, { plan, parallel }, context)
  if (!isRefusal(commit) && commit.changes.length > 0) await reign.record(commit)
}
