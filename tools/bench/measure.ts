/** What measurements share. Medians, not means: a shared machine stutters, and upwards only. */
import { readFile } from 'node:fs/promises'

/** Runs something once and gives how long it took. Unit: ms. */
export async function timeMs(call: () => unknown): Promise<number> {
  const startedAt = performance.now()
  await call()
  return performance.now() - startedAt
}

/** Runs something several times, one after another, and gives how long each took. Unit: ms. */
export async function timesMs(count: number, call: () => unknown): Promise<readonly number[]> {
  const times: number[] = []
  for (let index = 0; index < count; index += 1) times.push(await timeMs(call))
  return times
}

/** The middle of some values; of an even count the mean of the two. NaN of none. */
export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** The value below which this share of all values lies, from 0 to 1, interpolated. NaN of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const place = (sorted.length - 1) * share
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]]
  if (below === undefined || above === undefined) return Number.NaN
  return below + (above - below) * (place - Math.floor(place))
}

/** Writes milliseconds with three digits that count: 0.0712 ms, 1.23 ms, 145 ms. */
export const formatTime = (ms: number): string =>
  `${ms >= 100 ? Math.round(ms) : Number(ms.toPrecision(3))} ms`

/** One line for several times of one thing: median, 95th percentile, worst, and of how many. */
export function summary(name: string, times: readonly number[]): string {
  const worst = times.reduce((most, time) => Math.max(most, time), Number.NEGATIVE_INFINITY)
  const figures = [
    `median ${formatTime(median(times))}`,
    `p95 ${formatTime(quantile(times, 0.95))}`,
    `worst ${formatTime(worst)}`
  ]
  return `${name}: ${figures.join(', ')} (${times.length} times)`
}

/** Resident memory of a process, now and at most. Unit: MiB. */
export async function memoryOf(
  pid: number
): Promise<{ readonly rss: number; readonly peak: number }> {
  const text = await readFile(`/proc/${pid}/status`, 'utf8')
  const field = (name: string): number =>
    Math.round(Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) / 1024)
  return { rss: field('VmRSS'), peak: field('VmHWM') }
}
