import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { realClock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import type { ToAgent, ToController } from '#shared/wire/messages.ts'
import { serveControllers } from '../../bootd/io/controllers.ts'
import { plan } from './boot/plans.ts'

test('where its epoch cannot be written a new plan is followed, and nobody is fenced', async t => {
  const stop = new AbortController()
  const all: readonly ToAgent[] = [
    { type: 'heartbeat', number: 1, loopLagMs: 0, epoch: 6, generation: 0 },
    { ...plan, epoch: 6 },
    { type: 'fence-orders', epoch: 6, orders: [] }
  ]
  async function* messages() {
    yield* all
    await sleep(60_000, undefined, { signal: stop.signal }).catch(() => {})
  }
  const full = async (): Promise<void> => {
    const cause = Object.assign(new Error('no space left'), { code: 'ENOSPC' })
    throw new Fault('storage', 'cannot write epoch.json', { cause })
  }
  const said: ToController[] = []
  const problems: (string | undefined)[] = []
  const taken = Promise.withResolvers<number>()
  const refused = Promise.withResolvers<void>()
  const served = serveControllers(
    {
      end: {
        messages,
        send: (message: ToController) => {
          said.push(message)
          if (message.type === 'refusal') refused.resolve()
        }
      } as never,
      fencer: { epoch: 5, reports: () => [], heard: full, want: full } as never,
      boots: {
        report: () => ({ type: 'boot-report', mode: 'off', foreign: [], images: [], boots: [] }),
        want: async ({ epoch }) => taken.resolve(epoch),
        tellProblem: (of, problem) => void problems.push(`${of}: ${problem}`)
      },
      ...{ knowing: undefined as never, consoles: { giveWay() {} } as never },
      ...{ clock: realClock, log: silentLog }
    },
    stop.signal
  )
  t.is(await taken.promise, 6)
  await refused.promise
  stop.abort()
  await served.over
  t.deepEqual(
    said.filter(({ type }) => type === 'refusal'),
    [
      {
        ...{ type: 'refusal', epoch: 5, generation: 0 },
        because: 'cannot write epoch.json (no space left)'
      }
    ]
  )
  t.deepEqual(
    [...new Set(problems)],
    ['epoch: no host is fenced through this bootd: cannot write epoch.json (ENOSPC)']
  )
})
