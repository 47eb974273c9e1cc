import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import type { BootReport } from '#shared/wire/boot.ts'
import type { ToAgent } from '#shared/wire/messages.ts'
import { serveControllers } from '../../bootd/io/controllers.ts'

const report: BootReport = { type: 'boot-report', mode: 'off', foreign: [], images: [], boots: [] }
const planOf = (joinWithinS: number): ToAgent => ({
  type: 'boot-plan',
  epoch: 1,
  ...{ machines: [], images: [], sshKeys: [], joinWithinS },
  unknown: { profile: 'nothing' }
})

test('a boot plan that is slow to be written holds up no fence; the newest counts', async t => {
  const stop = new AbortController()
  const slow = Promise.withResolvers<void>()
  const fenced = Promise.withResolvers<void>()
  const taken: number[] = []
  const all: readonly ToAgent[] = [
    ...[60, 90, 120].map(planOf),
    { type: 'fence-orders', epoch: 1, orders: [] }
  ]
  async function* messages() {
    yield* all
    await sleep(60_000, undefined, { signal: stop.signal }).catch(() => {})
  }
  const served = serveControllers(
    {
      end: { send: () => {}, messages } as never,
      fencer: {
        ...{ epoch: 1, reports: () => [], heard: async () => {} },
        want: async () => fenced.resolve()
      } as never,
      knowing: undefined as never,
      boots: {
        report: () => report,
        tellProblem: () => {},
        want: async ({ joinWithinS }) => {
          taken.push(joinWithinS)
          await slow.promise
        }
      },
      consoles: { giveWay() {} } as never,
      clock: realClock,
      log: silentLog
    },
    stop.signal
  )
  await fenced.promise
  t.deepEqual(taken, [60], 'the first one is still being written')
  slow.resolve()
  while (taken.length < 2) await sleep(5)
  stop.abort()
  await served.over
  t.deepEqual(taken, [60, 120])
})
