/** Which bootds are asked, and what is said of those that are away. */
import test from 'ava'
import { Fault } from '#shared/fault.ts'
import { validator } from '#shared/model/validate.ts'
import { answersQuestions } from '#shared/wire/bootd-question.ts'
import { type ToAgent, type ToController, toController } from '#shared/wire/messages.ts'
import type { Mesh } from '../../../controller/core/ports.ts'
import { AgentLines } from '../../../controller/io/agents.ts'
import { AskedBootds, bootdSpeaker } from '../../../controller/io/bootd-line.ts'

const { signal } = new AbortController()
const question = { ask: 'bmcs' } as const

/** A line to the bootd of c1, over which a test sees what is sent. */
function lineTo(send: (message: ToAgent) => void) {
  const mesh = { send: (_: string, message: ToAgent) => send(message) }
  const lines = new AgentLines(mesh as unknown as Mesh)
  return { lines, asked: new AskedBootds(lines, () => ['c1']) }
}

test('a bootd that has not said that it answers questions is asked none', async t => {
  const sent: ToAgent[] = []
  const { lines, asked } = lineTo(message => sent.push(message))
  const refused = { instanceOf: Fault, message: /cannot ask bootd of c1: it answers no questions/ }
  t.deepEqual(asked.bootds(), ['c1'])
  await t.throwsAsync(asked.ask('c1', question, { signal }), refused)
  t.deepEqual(sent, [])
  asked.take('c1', answersQuestions)
  const answered = asked.ask('c1', question, { signal })
  t.like(sent, [{ type: 'bootd-question', question }])
  const { number } = sent[0] as { number: number }
  const answer: ToController = { type: 'answer', number, message: '', bytes: new Uint8Array() }
  lines.heard(bootdSpeaker('c1'), answer)
  t.is(await answered, answer)
  asked.forget('c1')
  await t.throwsAsync(asked.ask('c1', question, { signal }), refused)
})

test('that it answers is said in a message that older controllers read and drop', t => {
  t.deepEqual(validator(toController)(answersQuestions), [])
  const { lines } = lineTo(() => {})
  t.notThrows(() => lines.heard(bootdSpeaker('c1'), answersQuestions))
})

test('a bootd that is away, or says nothing, is named as one', async t => {
  const { asked: away } = lineTo(() => {
    throw new Fault('unavailable', 'no line')
  })
  away.take('c1', answersQuestions)
  t.like(await t.throwsAsync(away.ask('c1', question, { signal })), {
    ...{ code: 'unavailable', next: ['remuda boot show', 'remuda doctor, on c1'] },
    message: 'cannot ask bootd of c1: bootd of c1 is not connected'
  })
  const { asked: silent } = lineTo(() => {})
  silent.take('c1', answersQuestions)
  t.like(await t.throwsAsync(silent.ask('c1', question, { signal, answerMs: 20 })), {
    ...{ code: 'deadline', next: ['remuda boot show'] },
    message: 'bootd of c1 did not answer within 20 ms'
  })
})
