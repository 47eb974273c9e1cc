import type { Filter } from './pipeline.ts'

/** Keeps the hosts that have the labels that are asked for. */
export const filterLabels: Filter = ({ host: { labels } }, { hostLabels }) => {
  if (hostLabels === undefined) return undefined
  for (const [key, wanted] of Object.entries(hostLabels)) {
    const has = labels[key]
    if (has === wanted) continue
    return has === undefined
      ? `it has no label ${key}, needs ${key}=${wanted}`
      : `its label ${key} is ${has}, needs ${wanted}`
  }
  return undefined
}
