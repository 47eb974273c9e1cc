import { Fault, isFault, sentence } from '#shared/fault.ts'
import { uuidOf } from '#shared/ids.ts'
import { type Answer, answerBytesMax, type Question } from '#shared/wire/messages.ts'
import type { Hypervisor } from '../core/ports.ts'
import type { ConsoleHub } from './console/hub.ts'

/** Answers a controller's question; a failure is an answer too. */
export async function answer(
  question: Question,
  given: {
    readonly hypervisor: Pick<Hypervisor, 'stats'>
    readonly consoles: Pick<ConsoleHub, 'log'>
  }
): Promise<Answer> {
  const { number } = question
  try {
    const bytes = await bytesOf(question, given)
    return { type: 'answer', number, message: '', bytes: bytes.slice(-answerBytesMax) }
  } catch (thrown) {
    if (!(thrown instanceof Error)) throw thrown
    const code = isFault(thrown) ? thrown.code : 'unavailable'
    const message = sentence(thrown).slice(0, 2048)
    return { type: 'answer', number, code, message, bytes: new Uint8Array() }
  }
}

async function bytesOf(
  { ask, subject }: Question,
  { hypervisor, consoles }: Parameters<typeof answer>[1]
): Promise<Uint8Array> {
  switch (ask) {
    case 'console-log':
      return await consoles.log(subject)
    case 'instance-stats': {
      const uuid = uuidOf(subject)
      const stats = (await hypervisor.stats()).find(each => each.uuid === uuid)
      if (stats !== undefined) return Buffer.from(JSON.stringify(stats))
      throw new Fault('not-found', `cannot tell how busy ${subject} is: it does not run here`)
    }
    default:
      return ask satisfies never
  }
}
