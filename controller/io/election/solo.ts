import type { Election } from '../../core/ports.ts'

/**
 * The election of a cloud with one controller: it always wins. The lock on its journal sees to it
 * that there is no second one.
 */
export const soloElection = (): Election => ({
  alone: true,
  lead: async () => ({ lost: new AbortController().signal }),
  holds: () => true,
  leasesUntil: now => now,
  [Symbol.asyncDispose]: async () => {}
})
