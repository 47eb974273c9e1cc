import type { FailedOn } from '#shared/model/instance-trouble.ts'
import { formatMs } from '#shared/units.ts'

/** How the runs of an instance have failed on one host, in words and numbers. */
export const failedWords = (one: Omit<FailedOn, 'at'>): string =>
  `failed ${timesOn(one)}${lastWords(one)}`

/** The same of several hosts, one after the other; the last run stands for all. */
export const storyOf = (hosts: readonly Omit<FailedOn, 'at'>[]): string =>
  `failed ${hosts.map(timesOn).join(', then ')}${lastWords(hosts.at(-1))}`

function timesOn({ host, runs, withinMs }: Omit<FailedOn, 'at'>): string {
  const times = runs === 1 ? 'once' : `${runs} times`
  return `${times} on ${host}${withinMs > 0 ? ` within ${formatMs(withinMs)}` : ''}`
}

const lastWords = (one: Omit<FailedOn, 'at'> | undefined): string =>
  !one || one.last === '' ? '' : ` (at last: ${one.last})`
