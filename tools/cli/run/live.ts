import type { EventsQuery } from '../api/events.ts'
import { follow } from '../api/follow.ts'
import type { Invocation } from '../invocation.ts'

/**
 * Writes what `look` gives, once; with --watch again whenever it may have changed, until the user
 * has seen enough. A terminal is drawn anew; elsewhere every new text follows the one before.
 */
export async function showLive(
  invocation: Invocation,
  options: {
    readonly query: EventsQuery
    readonly look: (signal: AbortSignal) => Promise<string>
  }
): Promise<void> {
  const { terminal, signal } = invocation
  if (!invocation.given.flag('watch')) return invocation.write(await options.look(signal))
  const api = await invocation.connect()
  const isTerminal = terminal.output.isTTY === true
  let before: string | undefined
  const away = (because: string | undefined) => {
    if (because !== undefined) invocation.note(`${because}; trying again\n`)
  }
  for await (const text of follow(api, { ...options, signal, away })) {
    if (text === before) continue
    if (isTerminal) invocation.write(`\u001b[H\u001b[2J${text}`)
    else invocation.write(before === undefined ? text : `\n${text}`)
    before = text
  }
}
