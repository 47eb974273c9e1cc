import { createInterface } from 'node:readline/promises'
import { Fault } from '#shared/fault.ts'
import { nameOf } from '../command.ts'
import { UsageFault } from '../failure.ts'
import type { Invocation } from '../invocation.ts'
import { canAsk, oneLine } from '../terminal.ts'

/**
 * Asks whether something may really be done, unless --yes says so. Fault `command` when it may
 * not; a usage fault when nobody can be asked.
 */
export const confirm = (invocation: Invocation, question: string): Promise<void> =>
  asked(invocation, `${question} [y/N]`, answer => /^y(es)?$/i.test(answer))

/**
 * The same for what would do harm if it were said of the wrong one: its name must be typed.
 */
export const confirmName = (
  invocation: Invocation,
  { question, name }: { readonly question: string; readonly name: string }
): Promise<void> =>
  asked(invocation, `${question} Type ${name} to go on:`, answer => answer === name)

async function asked(
  invocation: Invocation,
  question: string,
  isYes: (answer: string) => boolean
): Promise<void> {
  const { terminal, given, signal } = invocation
  if (given.flag('yes')) return
  if (!canAsk(terminal)) {
    throw new UsageFault(`cannot run "remuda ${nameOf(invocation.command)}" without asking`, {
      reasons: ['it would ask whether it may, and there is no terminal to ask on'],
      next: ['add --yes', 'or see what would happen with --dry-run']
    })
  }
  const dialogue = createInterface({ input: terminal.input, output: terminal.errors })
  const closed = new AbortController()
  dialogue.once('close', () => closed.abort())
  try {
    const answer = await dialogue.question(`${oneLine(question)} `, {
      signal: AbortSignal.any([signal, closed.signal])
    })
    if (isYes(answer.trim())) return
  } catch (error) {
    // Ctrl-C and Ctrl-D say no as well.
    if (!(error instanceof Error && error.name === 'AbortError')) throw error
    terminal.errors.write('\n')
  } finally {
    dialogue.close()
  }
  throw new Fault('command', 'cannot go on: it was not confirmed, and nothing was done')
}
