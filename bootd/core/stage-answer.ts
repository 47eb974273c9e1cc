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

/** The line for a machine that runs the first stage of a version. */
export function stageAnswer(asked: {
  readonly url: string
  readonly choice: BootChoice
  readonly token: string
  /** Version of the first stage that asks; undefined: it does not say. */
  readonly runs: string | undefined
}): string {
  const { url, choice, token, runs } = asked
  switch (choice.gives) {
    case 'nothing':
      return `wait ${plain(choice.because)}`
    case 'disk':
      return 'anew it starts from its own disk'
    case 'image': {
      const { version, manifestSha256, profile } = choice
      if (runs !== version) return `anew it gets image version ${version}`
      const isRescue = profile === 'rescue'
      return `boot ${kernelWords({ url, token, version, manifestSha256, isRescue }).join(' ')}`
    }
    default:
      return choice satisfies never
  }
}

const plain = (sentence: string): string => sentence.replaceAll(/[^\x20-\x7e]/g, ' ')
