/** Chooses which log of a host is meant: of which boot, and kept by which bootd. */
import type { HostLogs } from '#shared/wire/bootd-question.ts'
import { type Refusal, refuse } from '../refusal.ts'

/** The log of one boot, and the bootd that keeps it. */
export type KeptLog = HostLogs['boots'][number] & { readonly bootd: string }

/** A place in a log, as whoever follows it shows it again. */
export type LogPlace = { readonly boot: string; readonly after: number }

/** Writes a place. */
export const writeLogPlace = ({ boot, after }: LogPlace): string => `${boot}:${after}`

/** Reads a place; undefined: it is none. */
export function readLogPlace(text: string): LogPlace | undefined {
  const [, boot, after] = /^([0-9a-f]{1,64}):(\d{1,15})$/.exec(text) ?? []
  return boot === undefined ? undefined : { boot, after: Number(after) }
}

/** Logs of all bootds, the oldest first; of a boot that several have, the one that ends last. */
export function allLogs(said: readonly (HostLogs & { readonly bootd: string })[]): KeptLog[] {
  const found = new Map<string, KeptLog>()
  for (const { bootd, boots } of said) {
    for (const log of boots) {
      const before = found.get(log.boot)
      if (!before || before.lastAt < log.lastAt) found.set(log.boot, { ...log, bootd })
    }
  }
  return [...found.values()].toSorted((a, b) => (a.begunAt < b.begunAt ? -1 : 1))
}

/** The boot that is under way or runs, where nothing was heard of it yet. */
export const unheardOf = (
  logs: readonly KeptLog[],
  current: string | undefined
): string | undefined => (logs.some(({ boot }) => boot === current) ? undefined : current)

/**
 * The log that is meant. `current`: of the boot that is under way or runs, as bootd has seen it
 * last, and where that is not known or has no log yet the newest: of a host that does not come back
 * that is where it is told why. `previous`: of the one before that which runs.
 */
export function chooseLog(
  name: string,
  logs: readonly KeptLog[],
  asked: { readonly boot: string; readonly current: string | undefined }
): KeptLog | Refusal {
  const { boot, current } = asked
  const at = logs.findIndex(log => log.boot === current)
  const chosen =
    boot === 'current'
      ? (logs[at] ?? logs.at(-1))
      : boot === 'previous'
        ? current === undefined
          ? logs.at(-2)
          : logs.slice(0, at < 0 ? undefined : at).at(-1)
        : logs.find(log => log.boot === boot)
  if (chosen) return chosen
  const kept = logs.map(log => `boot ${log.boot} of ${log.begunAt}, the last line at ${log.lastAt}`)
  const isNone = logs.length === 0
  return refuse('not-found', `cannot show the log of host ${name}: ${wordsOf(boot, isNone)}`, {
    reasons: isNone
      ? ['hosts that boot over the network send their log to the bootd that has them boot']
      : kept.map(one => `there is the log of ${one}`),
    next: isNone
      ? [`remuda host boot-log ${name}`, `remuda power console ${name}`]
      : [`remuda host logs ${name} --boot ${logs.at(-1)?.boot}`]
  })
}

function wordsOf(boot: string, isNone: boolean): string {
  if (isNone) return 'no bootd that is heard has one'
  return boot === 'previous' ? 'there is none of the boot before' : `there is none of boot ${boot}`
}
