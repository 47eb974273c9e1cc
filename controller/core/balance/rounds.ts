/**
 * Makes the moves of a levelling, in their order and so many at once.
 *
 *   planned ──► begun ──► done
 *      │          └─────► failed   it was called back, or its target failed
 *      └────────────────► failed   by then the rules do not let it go there
 *
 * - Each is a move like any other, judged anew when it is begun: what has changed since the plan
 *   was made is never overruled by it.
 * - A later move may need the room that an earlier one leaves. So nobody overtakes: where one is
 *   refused while others are on their way, it waits for them; where none is, it is given up.
 * - Nothing is begun while a host is being recovered: then room is needed for what was lost.
 * - All of it is in the journal, so that the next controller goes on where this one ends.
 */
import type { Instance } from '#shared/model/instance.ts'
import { formatMs } from '#shared/units.ts'
import { admit } from '../admission/admit.ts'
import { type Context, decision, isoOf } from '../admission/context.ts'
import type { BalanceEnd, BalanceMove, BalanceRun, Change, Cloud, Commit } from '../commit.ts'
import { notification } from '../notification.ts'
import { isRefusal, listed } from '../refusal.ts'
import type { View } from '../view.ts'
import { balanceGround } from './ground.ts'
import { unevenness } from './search.ts'

/** What decisions about the balance are about. */
export const balanceSubject = 'cloud/balance'

/** Decides what comes next of a levelling that is under way. */
export function* balances(view: View, context: Context): Iterable<Commit> {
  const run = view.cloud?.balance?.run
  if (!run) return
  const moves = run.moves.map((move, at) => (isLater(run, at) ? move : seenNow(view, move)))
  const isNews = moves.some((move, index) => move !== run.moves[index])
  if (isNews) yield recorded(view, { ...run, moves })
  const next = view.cloud?.balance?.run
  if (next) yield* begin(view, next, context)
  const last = view.cloud?.balance?.run
  if (last?.moves.every(({ state }) => state === 'done' || state === 'failed')) {
    yield ended(view, last, context)
  }
}

/** Whether the instance goes somewhere else first: until then it is not where this one begins. */
const isLater = ({ moves }: BalanceRun, at: number): boolean =>
  moves
    .slice(0, at)
    .some(
      ({ instance, state }) =>
        instance === moves[at]!.instance && (state === 'planned' || state === 'begun')
    )

/** How far a move is by now. */
function seenNow(view: View, move: BalanceMove): BalanceMove {
  if (move.state === 'done' || move.state === 'failed') return move
  const instance = view.get('instance', move.instance)
  if (!instance) return { ...move, state: 'failed', because: 'it is gone' }
  const { host, moving } = instance.decided
  if (move.state === 'begun') {
    if (moving) return move
    if (host === move.to) return { ...move, state: 'done' }
    return { ...move, state: 'failed', because: `it has stayed on ${host ?? 'no host'}` }
  }
  if (host === move.from || moving) return move
  return { ...move, state: 'failed', because: `it is on ${host ?? 'no host'} by now` }
}

/** Begins what may be begun now. */
function* begin(view: View, run: BalanceRun, context: Context): Iterable<Commit> {
  if (isRecovering(view)) return
  let under = run.moves.filter(({ state }) => state === 'begun').length
  for (const [index, { instance: id, to, state }] of run.moves.entries()) {
    if (state !== 'planned') continue
    if (under >= run.parallel) return
    const now = view.cloud?.balance?.run
    const instance = view.get('instance', id)
    if (now?.at !== run.at || !instance) return
    const because = `hosts are levelled, move ${index + 1} of ${now.moves.length}`
    const verdict = admit(view, { verb: 'move', id, to, live: true, because }, context)
    if (isRefusal(verdict)) {
      if (under > 0 || instance.decided.moving) return
      const { message, reasons } = verdict.refused
      const why = `${message}${reasons.length > 0 ? `: ${listed(reasons)}` : ''}`
      yield recorded(view, withMove(now, index, { state: 'failed', because: why }))
      continue
    }
    const { changes, decisions } = verdict.commit
    const noted = recorded(view, withMove(now, index, { state: 'begun' }))
    yield { changes: [...changes, ...noted.changes], decisions }
    under += 1
  }
}

const withMove = (run: BalanceRun, at: number, after: Partial<BalanceMove>): BalanceRun => ({
  ...run,
  moves: run.moves.map((move, index) => (index === at ? { ...move, ...after } : move))
})

/** Whether room may be needed for what was lost. */
export const isRecovering = (view: View): boolean =>
  [...view.all('host').values()].some(({ decided }) => decided.recovery !== undefined)

/** The record of a run as it is by now. */
function recorded(view: View, run: BalanceRun): Commit {
  const changes: Change[] = [{ op: 'cloud-put', cloud: cloudWith(view.cloud!, run) }]
  return { changes, decisions: [] }
}

/** The cloud with this run; undefined: with none, and, if it ends here, how. */
function cloudWith(cloud: Cloud, run: BalanceRun | undefined, last?: BalanceEnd): Cloud {
  const { balance, ...rest } = cloud
  const { run: _, ...kept } = balance ?? {}
  const after = { ...kept, ...(run && { run }), ...(last && { last }) }
  return { ...rest, ...(Object.keys(after).length > 0 && { balance: after }) }
}

function ended(view: View, run: BalanceRun, context: Context): Commit {
  const failed = run.moves.filter(({ state }) => state === 'failed')
  const made = run.moves.length - failed.length
  const took = formatMs(Math.max(0, context.now.wall - Date.parse(run.at)))
  const score = unevenness(balanceGround(view, context.now).problem)
  const rest = failed.map(move => `${nameOf(view.get('instance', move.instance), move)}`)
  const missed = failed.length === 0 ? '' : `; not: ${listed(rest)}`
  const message =
    `${made} of ${run.moves.length} moves made in ${took}: unevenness ` +
    `${run.before.toFixed(4)} before, ${score.toFixed(4)} now${missed}`
  return told(view, { run: undefined, reason: 'balanced', message, failed: failed.length }, context)
}

const nameOf = (instance: Instance | undefined, { instance: id, because }: BalanceMove): string =>
  `${instance?.name ?? id} (${because})`

/** Records a run, or its end, and tells of it. */
export function told(
  view: View,
  news: {
    readonly run: BalanceRun | undefined
    readonly reason: string
    readonly message: string
    readonly failed?: number
  },
  context: Context
): Commit {
  const { run, reason, message, failed = 0 } = news
  const severity = failed > 0 ? 'warning' : 'notice'
  const seen = { subject: balanceSubject, reason, message, severity, at: isoOf(context) } as const
  const event = notification(view, { ...seen, source: 'controller' }, context)
  const last = run ? undefined : { at: isoOf(context), message, failed }
  const changes: Change[] = [
    { op: 'cloud-put', cloud: cloudWith(view.cloud!, run, last) },
    { op: 'put', resource: event }
  ]
  return { changes, decisions: [decision(context, reason, message, balanceSubject)] }
}
