/** Answers what controllers ask; a failure is an answer too. */
import { isFault, sentence } from '#shared/fault.ts'
import type { BootdAsk, BootdQuestion } from '#shared/wire/bootd-question.ts'
import { type Answer, answerBytesMax } from '#shared/wire/messages.ts'
import type { BmcScans } from './bmc/scans.ts'
import type { HostLogs } from './boot/host-logs.ts'
import type { Fencer } from './fencer.ts'

/** Who knows. */
export type Knowing = {
  readonly logs: Pick<HostLogs, 'boots' | 'read'>
  readonly bmcs: Pick<BmcScans, 'begin' | 'found'>
  readonly fences: Pick<Fencer, 'look'>
}

/** Answers one question. */
export async function answerQuestion(
  { number, question }: BootdQuestion,
  knowing: Knowing
): Promise<Answer> {
  try {
    const bytes = Buffer.from(JSON.stringify(await answerTo(question, knowing)))
    if (bytes.length <= answerBytesMax) {
      return { type: 'answer', number, message: '', bytes }
    }
    const message = `cannot answer: it would be ${bytes.length} bytes`
    return { type: 'answer', number, code: 'capacity', message, bytes: new Uint8Array() }
  } catch (thrown) {
    if (!isFault(thrown)) throw thrown
    const message = [sentence(thrown), ...thrown.reasons].join('; ').slice(0, 2_048)
    return { type: 'answer', number, code: thrown.code, message, bytes: new Uint8Array() }
  }
}

async function answerTo(question: BootdAsk, { logs, bmcs, fences }: Knowing): Promise<object> {
  switch (question.ask) {
    case 'fence-look':
      return await fences.look(question.host)
    case 'host-logs':
      return await logs.boots(question.host)
    case 'host-log':
      return await logs.read(question)
    case 'bmc-scan':
      bmcs.begin(question.range)
      return bmcs.found()
    case 'bmcs':
      return bmcs.found()
    default:
      return question satisfies never
  }
}
