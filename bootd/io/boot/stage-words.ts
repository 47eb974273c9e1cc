/** What a first stage is told that asks what to boot, and what is remembered of that. */
import { isNamed } from '../../core/boot-plan.ts'
import type { BootRequest } from '../../core/boot-request.ts'
import { anewLine, stageAnswer, whyAnew } from '../../core/stage-answer.ts'
import type { Boots } from './boots.ts'

/** The line for who asks from an address; undefined: it does not say who it is. */
export function stageWords(
  { asker, runs }: Extract<BootRequest, { asks: 'words' }>,
  given: { readonly boots: Boots; readonly url: string; readonly address: string }
): string | undefined {
  if (!isNamed(asker)) return undefined
  const { boots, url, address } = given
  // What is only told to start anew has not been given what it shall have.
  const asking = { isRunning: true }
  const because = whyAnew(boots.choiceFor(asker, asking), runs)
  if (because === undefined) {
    const { choice, token } = boots.ask(asker, address, asking)
    return stageAnswer({ url, choice, token })
  }
  boots.startsAnew(asker, because)
  return anewLine(because)
}
