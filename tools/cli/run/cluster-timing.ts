/** The times on which a cloud rests, as `remuda cluster show` tells them. */
import { formatMs } from '#shared/units.ts'
import type { Invocation } from '../invocation.ts'
import { type Cell, renderTable } from '../output/table.ts'

type Side = { readonly says: string; readonly ms: number }

/** What the API says of it. */
export type TimingSaid = {
  readonly clockRateError: number
  readonly links: readonly {
    readonly name: string
    readonly ms: number
    readonly because: string
  }[]
  readonly rules: readonly {
    readonly name: string
    readonly left: Side
    readonly right: Side
    readonly holds: boolean
    readonly because: string
  }[]
}

/** Each time with its reason, then each inequality with its numbers and whether it holds. */
export function timingText(
  timing: TimingSaid | undefined,
  { paint, terminal }: Pick<Invocation, 'paint' | 'terminal'>
): string {
  if (!timing) return 'the controller is too old to say its times\n'
  const width = terminal.output.isTTY ? terminal.output.columns : undefined
  const links = timing.links.map(({ name, ms, because }): readonly Cell[] => [
    { text: name },
    { text: formatMs(ms) },
    { text: because }
  ])
  const rules = timing.rules.map(({ name, left, right, holds, because }): readonly Cell[] => [
    { text: name },
    { text: `${left.says} (${formatMs(left.ms)}) ≤ ${right.says} (${formatMs(right.ms)})` },
    { text: formatMs(Math.abs(right.ms - left.ms)), ...(!holds && { colour: 'red' as const }) },
    holds ? { text: 'holds', colour: 'green' } : { text: 'BROKEN', colour: 'red' },
    { text: because }
  ])
  const broken = timing.rules.filter(({ holds }) => !holds).length
  const error = `${timing.clockRateError * 100} %`
  const verdict =
    broken === 0
      ? `all ${timing.rules.length} hold, with clocks that are off by up to ${error}`
      : paint('red', `${broken} of ${timing.rules.length} are broken`)
  const sentences = (title: string) => ({ title, wraps: true })
  return [
    renderTable([{ title: 'TIME' }, { title: 'LONG', right: true }, sentences('WHY')], links, {
      width,
      paint
    }),
    renderTable(
      [
        { title: 'RULE' },
        sentences('MUST HOLD'),
        { title: 'MARGIN', right: true },
        { title: 'STATE' },
        sentences('OR ELSE')
      ],
      rules,
      { width, paint }
    ),
    `${verdict}\n`
  ].join('\n')
}
