import test from 'ava'
import { instanceState } from '../../../controller/core/instance-state.ts'
import { instanceIntent, sampleCloud } from '../../world/sample-cloud.ts'

/** What is said of an instance whose host has been told of it, so long after its last report. */
function said(quietMs: number, report: { readonly libvirtSilence?: string } = {}): string {
  const cloud = sampleCloud()
  cloud.done(instanceIntent('web'))
  cloud.report('h1', { number: 2, ...report })
  const now = { ...cloud.context.now, monotonic: cloud.context.now.monotonic + quietMs }
  cloud.view.fold({ type: 'heartbeat', host: 'h1', loopLagMs: 0, beat: undefined, at: now })
  const instance = cloud.view.named('instance', 'web', 'default')!
  const { conditions } = instanceState(cloud.view, instance, now)
  return conditions.find(({ type }) => type === 'ready')?.message ?? ''
}

for (const [title, message, expected] of [
  ['a host that has just been told', said(500), 'h1 has not taken the order on yet'],
  [
    'one whose libvirt is silent',
    said(500, { libvirtSilence: 'nobody listens' }),
    'h1 has not taken the order on yet: libvirt there: nobody listens'
  ],
  [
    'one that lives and has not reported for long',
    said(61_000),
    'h1 has not taken the order on yet: its last report is of 61 s ago'
  ]
] as const) {
  test(`what keeps an instance that is ordered: ${title}`, t => t.is(message, expected))
}
