/** Wishes about the balance of the hosts, judged. */
import { formatMs } from '#shared/units.ts'
import { type Context, decision, isoOf } from '../admission/context.ts'
import type { AutomaticBalance, BalanceRun, Cloud, Commit } from '../commit.ts'
import { listed, type Refusal, refuse } from '../refusal.ts'
import type { View } from '../view.ts'
import { minuteGainElse } from './move-price.ts'
import type { BalancePlan } from './plan.ts'
import { balanceSubject, isRecovering, told } from './rounds.ts'

/** What is used where nothing else was said. */
export const automaticDefault: AutomaticBalance = {
  gainMin: 0.1,
  moveGainMin: 0.005,
  restMs: 600_000,
  movesMax: 20,
  parallel: 2
}

/** Begins a levelling as it is planned. */
export function beginBalance(
  view: View,
  { plan, parallel }: { readonly plan: BalancePlan; readonly parallel: number },
  context: Context
): Commit | Refusal {
  const refusal = refuseNow(view)
  if (refusal) return refusal
  const { before, after, steps, emptied } = plan
  if (emptied.length > 0 && view.cloud?.balance?.automatic) {
    return refuse('conflict', 'cannot empty hosts: they are levelled by themselves', {
      reasons: ['what leaves them would come back'],
      next: ['remuda balance set --automatic off']
    })
  }
  if (steps.length === 0) return { changes: [], decisions: [] }
  const run: BalanceRun = {
    at: isoOf(context),
    by: context.by,
    parallel,
    before,
    after,
    moves: steps.map(({ instance, from, to }) => ({
      instance: instance.id,
      from,
      to,
      state: 'planned'
    })),
    ...(emptied.length > 0 && { emptied })
  }
  const moves = `${steps.length} ${steps.length === 1 ? 'move' : 'moves'}`
  const empty = emptied.length === 0 ? '' : ` to empty ${listed(emptied)}`
  const message =
    `${moves}${empty}, ${parallel} at once, as ${context.by} wishes: ` +
    `unevenness ${before.toFixed(4)} now, ${after.toFixed(4)} then`
  return told(view, { run, reason: 'balance-begun', message }, context)
}

/** What is on its way arrives, and nothing more is begun. */
export function stopBalance(view: View, context: Context): Commit {
  const run = view.cloud?.balance?.run
  if (!run) return { changes: [], decisions: [] }
  const count = (state: string) => run.moves.filter(move => move.state === state).length
  const message =
    `stopped by ${context.by}: ${count('done')} of ${run.moves.length} moves made, ` +
    `${count('begun')} on their way, which go on`
  return told(view, { run: undefined, reason: 'balance-stopped', message }, context)
}

/** Sets when hosts are levelled by themselves; null: never. */
export function setBalance(
  view: View,
  wish: Partial<AutomaticBalance> | null,
  context: Context
): Commit | Refusal {
  const { cloud } = view
  if (!cloud) return notFounded
  const { automatic: before, run } = cloud.balance ?? {}
  if (wish !== null && run?.emptied) {
    return refuse('conflict', 'cannot level hosts by themselves: hosts are being emptied', {
      reasons: [`what leaves ${listed(run.emptied)} would come back`],
      next: ['remuda balance show -w', 'remuda balance stop']
    })
  }
  const automatic = wish === null ? undefined : { ...automaticDefault, ...before, ...wish }
  if (JSON.stringify(before) === JSON.stringify(automatic)) return { changes: [], decisions: [] }
  const message = automatic ? automaticWords(automatic) : 'hosts are levelled only when asked for'
  const { automatic: _, ...rest } = cloud.balance ?? {}
  const balance = { ...rest, ...(automatic && { automatic }) }
  const { balance: __, ...others } = cloud
  const after: Cloud = { ...others, ...(Object.keys(balance).length > 0 && { balance }) }
  return {
    changes: [{ op: 'cloud-put', cloud: after }],
    decisions: [decision(context, 'balance-set', message, balanceSubject)]
  }
}

/** When hosts are levelled by themselves, in words. */
export const automaticWords = (automatic: AutomaticBalance): string => {
  const {
    gainMin,
    moveGainMin,
    minuteGain = minuteGainElse,
    restMs,
    movesMax,
    parallel
  } = automatic
  return (
    `hosts are levelled by themselves where that makes them more even by ${gainMin}, by at most ` +
    `${movesMax} moves that gain ${moveGainMin} each and ${minuteGain} more for every minute ` +
    `that they take, ${parallel} at once, ${formatMs(restMs)} apart`
  )
}

const notFounded = refuse('unavailable', 'cannot level the hosts: the cloud is not founded yet', {
  next: ['try again in a moment']
})

function refuseNow(view: View): Refusal | undefined {
  const { cloud } = view
  if (!cloud) return notFounded
  const { run } = cloud.balance ?? {}
  if (run) {
    const done = run.moves.filter(({ state }) => state === 'done').length
    return refuse('conflict', 'cannot level the hosts: they are being levelled', {
      reasons: [`since ${run.at} by ${run.by}, ${done} of ${run.moves.length} moves are made`],
      next: ['remuda balance show -w', 'remuda balance stop']
    })
  }
  if (!isRecovering(view)) return undefined
  return refuse('conflict', 'cannot level the hosts: a host is being recovered', {
    reasons: ['room is needed for what was lost'],
    next: ['remuda ha status -w, and try again']
  })
}
