import type { Host } from '#shared/model/host.ts'
import type { View } from './view.ts'

/** Fewest starts at once where nobody has said how many: much of a start waits for disks. */
export const startsMin = 4

/**
 * How many instances may be on their way up on a host at once. Where operators have said nothing,
 * as many as it has hardware threads: an instance that comes up keeps about one of them busy, so
 * with fewer some would idle, and with more all would come up later, the first ones too.
 */
export function startsMaxOf(view: View, host: Host): number {
  const threads = view.heard(host.name).report?.facts?.cpu.threads ?? 0
  return view.cloud?.healing?.startsPerHost ?? Math.max(startsMin, threads)
}
