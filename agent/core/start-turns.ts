/**
 * Who may be started now. After a host has died, or power has come back, many instances want up on
 * one host at once; all of them together would all be slow, and the most important ones no sooner
 * than the rest. So only some are on their way up at one time, and the most important go first.
 *
 * One is on its way up from its start until it is ready; where nothing says when it is, until it
 * runs. One that is not ready for `upMsMax` no longer counts: it may never be, and others wait.
 */
import { formatMs, type Ms } from '#shared/units.ts'
import type { InstanceVerdict } from './diff-instance.ts'
import type { Situation } from './situation.ts'
import { keyOf, type Step } from './steps.ts'
import { counted } from './words.ts'

/** An instance that runs and is not ready counts as on its way up for no longer. Unit: ms. */
export const upMsMax: Ms = 60_000
/** So many names are told of those that are on their way up. */
const namesToldMax = 8

/** The verdicts, with those held back whose turn it is not, and the starts that wait for that. */
export function inTurns(
  verdicts: readonly InstanceVerdict[],
  situation: Situation
): { readonly verdicts: readonly InstanceVerdict[]; readonly waiting: readonly Step[] } {
  const { startsMax } = situation.order
  if (startsMax === undefined) return { verdicts, waiting: [] }
  const begun = new Set(situation.inFlight.flatMap(step => startedBy(step) ?? []))
  const up = verdicts.filter(each => begun.has(each.instance.id) || comesUp(each, situation))
  const wanting = verdicts
    .filter(each => isDue(each) && !begun.has(each.instance.id))
    .sort(byImportance)
  const free = Math.max(0, startsMax - up.length)
  if (wanting.length <= free) return { verdicts, waiting: [] }
  const next = wanting.slice(0, free)
  const late = new Map(wanting.slice(free).map((each, at) => [each.instance.id, at + 1]))
  const taken = [...up, ...next].sort(byImportance).map(({ instance }) => instance.name)
  return {
    verdicts: verdicts.map(each => {
      const place = late.get(each.instance.id)
      return place === undefined ? each : heldBack(each, { place, of: late.size, taken, situation })
    }),
    waiting: wanting.slice(free).flatMap(({ wish }) => wish?.step ?? [])
  }
}

/** The keys of starts that wait for their turn: how they failed before is still to be known. */
export const keysOf = (waiting: readonly Step[]): readonly string[] => waiting.map(keyOf)

const startedBy = (step: Step): string | undefined =>
  step.type === 'create-domain' ? step.plan.instance.id : undefined

const isDue = ({ wish }: InstanceVerdict): boolean =>
  wish?.state === 'due' && wish.step.type === 'create-domain'

/** It runs, and is not ready yet. */
function comesUp({ instance, own }: InstanceVerdict, { memory, now }: Situation): boolean {
  if (!instance.readiness || own === undefined) return false
  const known = memory.readiness.get(instance.id)
  if (known === undefined || known.readyAt !== undefined) return false
  return now.monotonic - known.since < upMsMax
}

const byImportance = (a: InstanceVerdict, b: InstanceVerdict): number =>
  (b.instance.priority ?? 0) - (a.instance.priority ?? 0) ||
  (a.instance.id < b.instance.id ? -1 : 1)

function heldBack(
  verdict: InstanceVerdict,
  given: {
    readonly place: number
    readonly of: number
    readonly taken: readonly string[]
    readonly situation: Situation
  }
): InstanceVerdict {
  const { place, of, taken, situation } = given
  const { order, host } = situation
  const names = [
    ...taken.slice(0, namesToldMax),
    ...(taken.length > namesToldMax ? [`${taken.length - namesToldMax} more`] : [])
  ]
  const starts = counted(order.startsMax!, 'start')
  const way = `${taken.length} of ${starts} under way on ${host.hostname}`
  const message =
    `waits for its turn, ${place} of ${of}: ${way} (${names.join(', ')}); ` +
    `each is until it is ready, at most ${formatMs(upMsMax)}`
  const { wish: _, ...rest } = verdict
  return { ...rest, power: 'waiting', reason: 'waits-for-turn', message, settled: false }
}
