import { setTimeout as sleep } from 'node:timers/promises'

/** Whatever a test waits for has come about long before, on a machine that is up to the tests. */
const waitMsMax = 240_000

/** Looks again and again until there is something to see; throws what it last met instead. */
export async function eventually<Value>(
  what: string,
  look: () => Promise<Value | undefined>
): Promise<Value> {
  const until = performance.now() + waitMsMax
  let last: unknown
  for (;;) {
    try {
      const value = await look()
      if (value !== undefined) return value
      last = undefined
    } catch (thrown) {
      last = thrown
    }
    if (performance.now() > until) {
      const met = last instanceof Error ? `: ${last.message}` : ''
      throw new Error(`waited ${waitMsMax} ms in vain until ${what}${met}`, { cause: last })
    }
    await sleep(50)
  }
}
