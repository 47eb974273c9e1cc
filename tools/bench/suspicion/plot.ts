/** A curve in letters: one point for each setting. */

/** A point, by the letter that stands for it. */
export type Point = { readonly letter: string; readonly x: number; readonly y: number }

const [width, height] = [56, 14]

/** Draws points, x evenly and y by its logarithm, since it goes over several powers of ten. */
export function plotOf(
  points: readonly Point[],
  axes: { readonly x: string; readonly y: string }
): readonly string[] {
  const xMost = Math.max(...points.map(({ x }) => x)) * 1.05
  const logs = points.map(({ y }) => Math.log10(Math.max(1, y)))
  const top = Math.ceil(Math.max(...logs) * 2) / 2
  const bottom = Math.floor(Math.min(...logs) * 2) / 2
  const rows = Array.from({ length: height + 1 }, () =>
    Array.from({ length: width + 1 }, () => ' ')
  )
  for (const [place, { letter, x }] of points.entries()) {
    const share = (logs[place]! - bottom) / Math.max(0.5, top - bottom)
    rows[Math.round((1 - share) * height)]![Math.round((x / xMost) * width)] = letter
  }
  const label = (row: number): string => {
    if (row % 7 !== 0) return ''
    return String(Math.round(10 ** (top - (row / height) * (top - bottom))))
  }
  const ticks = [0, 0.25, 0.5, 0.75, 1].map(share => (share * xMost).toFixed(1))
  const step = Math.floor(width / 4)
  return [
    axes.y,
    ...rows.map((row, number) => `${label(number).padStart(7)} |${row.join('').trimEnd()}`),
    `${' '.repeat(8)}+${'-'.repeat(width)}`,
    `${' '.repeat(8)}${ticks.map(tick => tick.padEnd(step)).join('')}${axes.x}`.trimEnd()
  ]
}
