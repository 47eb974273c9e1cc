import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import type { BootReport } from '#shared/wire/boot.ts'
import { answersQuestions } from '#shared/wire/bootd-question.ts'
import type { ToAgent, ToController } from '#shared/wire/messages.ts'
import { serveControllers } from '../../bootd/io/controllers.ts'

const report: BootReport = { type: 'boot-report', mode: 'off', foreign: [], images: [], boots: [] }

test('each controller that is heard is told that questions are answered', async t => {
  t.timeout(60_000)
  const stop = new AbortController()
  let line = 'of the first'
  const said: string[] = []
  const beat = { type: 'heartbeat', number: 1, loopLagMs: 0, epoch: 1, generation: 0 } as const
  const next = Promise.withResolvers<void>()
  async function* messages(): AsyncGenerator<ToAgent> {
    yield beat
    await next.promise
    yield beat
    await sleep(60_000, undefined, { signal: stop.signal }).catch(() => {})
  }
  const send = (message: ToController): void => {
    if (message === answersQuestions) said.push(line)
  }
  const end = {
    send,
    messages,
    get line() {
      return line
    }
  }
  const served = serveControllers(
    {
      end: end as never,
      fencer: { epoch: 1, reports: () => [], heard: async () => {} } as never,
      boots: { report: () => report, want: async () => {}, tellProblem: () => {} },
      ...{ knowing: undefined as never, consoles: {} as never },
      ...{ clock: realClock, log: silentLog }
    },
    stop.signal
  )
  while (!said.includes('of the first')) await sleep(5)
  line = 'of the second'
  next.resolve()
  while (!said.includes('of the second')) await sleep(5)
  stop.abort()
  await served.over
  t.true(said.length >= 2)
})
