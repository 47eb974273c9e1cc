/**
 * What the first stage is told when it asks over HTTP, since its boot loader could not: one line,
 * the first word of which says what to do.
 *
 *     boot remuda.url=… remuda.boot=… …    go on with these words, as if the kernel had them
 *     anew it gets image version …         start anew: what runs is not what it shall run
 *     wait nothing is wished of it         ask again
 */
import type { BootChoice } from './boot-choice.ts'
import { kernelWords } from './kernel-line.ts'

/** What runs where it is asked: what the boot loader has started. */
export type RunningStage = {
  /** Undefined: it does not say. */
  readonly version: string | undefined
  /** The system goes by the kernel's own command line, which nobody can change any more. */
  readonly profile: string
}

/** Why what runs is not what shall run; undefined: it is, or nothing shall run yet. */
export function whyAnew(choice: BootChoice, runs: RunningStage): string | undefined {
  if (choice.gives === 'nothing') return undefined
  if (choice.gives === 'disk') return 'it starts from its own disk'
  if (choice.version !== runs.version) return `it gets image version ${choice.version}`
  return choice.profile === runs.profile ? undefined : `it gets profile ${choice.profile}`
}

/** The line for a machine that runs what it shall run, or waits. */
export function stageAnswer(asked: {
  readonly url: string
  readonly choice: BootChoice
  readonly token: string
}): string {
  const { url, choice, token } = asked
  switch (choice.gives) {
    case 'nothing':
      return `wait ${plain(choice.because)}`
    case 'disk':
      return anewLine('it starts from its own disk')
    case 'image': {
      const { version, manifestSha256, profile } = choice
      const isRescue = profile === 'rescue'
      return `boot ${kernelWords({ url, token, version, manifestSha256, isRescue }).join(' ')}`
    }
    default:
      return choice satisfies never
  }
}

/** The line for a machine that is to start anew. */
export const anewLine = (because: string): string => `anew ${plain(because)}`

const plain = (sentence: string): string => sentence.replaceAll(/[^\x20-\x7e]/g, ' ')
