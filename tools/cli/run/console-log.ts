import { setTimeout as sleep } from 'node:timers/promises'
import { pathOf, tenantQuery } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { printable } from '../terminal.ts'
import { referenceTo } from './outcome.ts'

/** How often a log that is followed is read. */
const lookMs = 1_000

/** Writes what an instance wrote to its console; with --follow also what comes. */
export async function writeConsoleLog(invocation: Invocation): Promise<void> {
  const { given, signal, terminal } = invocation
  const reference = referenceTo(invocation, 'instance', given.positional('NAME')!)
  const api = await invocation.connect()
  const read = async (): Promise<Buffer> => {
    const answer = await api.ask({
      method: 'GET',
      path: `${pathOf('instance', reference.name)}/log`,
      query: tenantQuery('instance', reference.tenant),
      doing: `read the log of instance/${reference.name}`,
      signal
    })
    return answer.bytes
  }
  const write = (bytes: Buffer) => {
    if (bytes.length === 0) return
    // Only a terminal could be fooled by control characters; a file gets what was written.
    const asIs = given.flag('raw') || terminal.output.isTTY !== true
    terminal.output.write(asIs ? bytes : printable(bytes.toString('utf8')))
  }
  let before = await read()
  write(before)
  while (given.flag('follow') && !signal.aborted) {
    await sleep(lookMs, undefined, { signal }).catch(() => {})
    if (signal.aborted) break
    const now = await read()
    write(newBytes(before, now))
    before = now
  }
}

/** So many bytes at the end of the last reading are looked for in the next one. */
const memoryBytesMax = 1_024

/**
 * What a window onto the end of a log shows that it did not show before. The window moves: the end
 * of what was seen is searched in it, and where it is not to be found everything is new.
 */
export function newBytes(before: Buffer, now: Buffer): Buffer {
  if (before.length === 0) return now
  if (now.length >= before.length && now.subarray(0, before.length).equals(before)) {
    return now.subarray(before.length)
  }
  const end = before.subarray(-memoryBytesMax)
  const at = now.lastIndexOf(end)
  return at < 0 ? now : now.subarray(at + end.length)
}
