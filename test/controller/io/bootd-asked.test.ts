/** A bootd is asked over real sockets, once it has said that it answers. */
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { realClock } from '#shared/clock.ts'
import { silentLog } from '#shared/log.ts'
import type { BootReport } from '#shared/wire/boot.ts'
import { BmcsFound } from '#shared/wire/bootd-question.ts'
import { serveControllers } from '../../../bootd/io/controllers.ts'
import { bootdPeer } from '../../../controller/io/bootd-line.ts'
import { type BootdAnswer, BootdQuestions } from '../../../controller/io/bootd-questions.ts'
import { Fences } from '../../../controller/io/fences.ts'
import { RealMeshRig } from '../../world/real-mesh.ts'
import { sampleCloud } from '../../world/sample-cloud.ts'

const report: BootReport = { type: 'boot-report', mode: 'off', foreign: [], images: [], boots: [] }

test('a bootd that answers is asked soon after it is heard', async t => {
  t.timeout(120_000)
  await using rig = new RealMeshRig()
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  const { signal } = stop
  const { mesh: end, peer } = await rig.agent(bootdPeer('c1'))
  const served = serveControllers(
    {
      end,
      fencer: { epoch: 1, reports: () => [], heard: async () => {}, want: async () => {} } as never,
      boots: { report: () => report, want: async () => {}, tellProblem: () => {} },
      consoles: { giveWay: () => {} } as never,
      knowing: {
        bmcs: { begin: () => {}, found: () => ({ items: [] }) },
        logs: undefined as never,
        fences: undefined as never
      },
      ...{ clock: realClock, log: silentLog }
    },
    signal
  )
  const fences = new Fences({
    ...{ mesh: rig.controller(() => 1), view: sampleCloud().view, own: 'c1' },
    feed: { report: () => {}, forgetStatus: () => {} },
    ...{ epoch: () => 1, mayAct: () => true, durable: async () => {}, record: async () => {} },
    bootds: async () => [{ name: 'c1', endpoint: peer.endpoint, publicKey: peer.publicKey }],
    ...{ onNews: () => {}, clock: realClock, log: silentLog }
  })
  const over = fences.run(signal)
  const questions = new BootdQuestions()
  questions.serve(fences.line)
  let answers: readonly BootdAnswer<BmcsFound>[] = []
  while (!answers.some(one => 'value' in one)) {
    await sleep(10)
    answers = await questions.askAll<BmcsFound>({ ask: 'bmcs' }, { schema: BmcsFound, signal })
  }
  t.deepEqual(answers, [{ bootd: 'c1', value: { items: [] } }])
  stop.abort()
  await Promise.all([served.over, over])
})
