/** What hosts are found to use: means that forget, and what is done with them. */
import test from 'ava'
import fc from 'fast-check'
import type { Host } from '#shared/model/host.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Report } from '#shared/wire/order.ts'
import { documentOf } from '../../../controller/core/documents.ts'
import { MeasuredUses, useMsMax } from '../../../controller/core/measured-use.ts'
import { instanceIntent, sampleCloud } from '../../world/sample-cloud.ts'

const cloud = sampleCloud()
const report = (use: Report['use'], more: Partial<Report> = {}): Report => ({
  ...cloud.view.heard('h1').report!,
  ...(use && { use }),
  ...more
})
const use = (look: number, cpu: number, more: Partial<Report['use'] & object> = {}) => ({
  ...{ look, cpu, instances: [] },
  ...more
})

test('the first finding counts in full, and one of a minute ago half as much as a new one', t => {
  const uses = new MeasuredUses()
  uses.hear('h1', report(use(1, 0.8)), 0)
  t.is(uses.of('h1', 0)?.cpu, 0.8)
  uses.hear('h1', report(use(2, 0)), 60_000)
  t.is(uses.of('h1', 60_000)?.cpu, 0.4)
})

test('what is said again is not taken in twice; another run of the agent begins anew', t => {
  const uses = new MeasuredUses()
  uses.hear('h1', report(use(1, 1)), 0)
  uses.hear('h1', report(use(2, 0)), 10_000)
  const once = uses.of('h1', 10_000)
  uses.hear('h1', report(use(2, 0)), 12_000)
  t.is(uses.of('h1', 12_000), once)
  uses.hear('h1', report(use(1, 0.3), { agentRun: 'other' }), 14_000)
  t.is(uses.of('h1', 14_000)?.cpu, 0.3)
})

test('what was found longer ago says nothing, and neither does a host that is gone', t => {
  const uses = new MeasuredUses()
  uses.hear('h1', report(use(1, 0.5)), 0)
  uses.hear('h1', report(undefined), 50_000)
  t.truthy(uses.of('h1', useMsMax))
  t.is(uses.of('h1', useMsMax + 1), undefined)
  t.is(uses.of('h2', 0), undefined)
  uses.gone('h1')
  t.is(uses.of('h1', 0), undefined)
})

test('what is not known now is not what it was', t => {
  const uses = new MeasuredUses()
  const i = (cpu: number) => ({ instances: [{ id: 'i', cpu, networkMbit: 8 }] })
  uses.hear('h1', report(use(1, 0, { disk: 0.5, network: 0.5, ...i(2) })), 0)
  uses.hear('h1', report(use(2, 0, { network: 0, ...i(0) })), 60_000)
  const found = uses.of('h1', 60_000)!
  t.is(found.disk, undefined)
  t.is(found.network, 0.25)
  t.deepEqual(found.instances.get('i'), { cpu: 1, networkMbit: 8 })
  uses.hear('h1', report(use(3, 0)), 61_000)
  t.is(uses.of('h1', 61_000)?.instances.size, 0)
})

test('how an instance was sent last is kept', t => {
  const uses = new MeasuredUses()
  const seen = { generation: 1, power: 'running' as const, reason: 'r', message: 'm' }
  const move = { move: 'mv', step: 1, stand: 'sending' as const, message: 'm' }
  const hear = (pace: object): void => {
    const instance = { id: 'i', ...seen, startCount: 1, restartNeeded: false }
    uses.hear(
      'h1',
      report(undefined, { instances: [{ ...instance, move: { ...move, ...pace } }] }),
      0
    )
  }
  hear({})
  t.is(uses.paceOf('i'), undefined)
  hear({ mibPerSecond: 100, writtenMibPerSecond: 40 })
  hear({ mibPerSecond: 0, writtenMibPerSecond: 0 })
  t.deepEqual(uses.paceOf('i'), { mibPerSecond: 100, writtenMibPerSecond: 40 })
})

test('a mean is between the least and the most that was found', t => {
  const share = fc.double({ min: 0, max: 1, noNaN: true })
  const looks = fc.array(fc.record({ cpu: share, ms: fc.nat(200_000) }), { minLength: 1 })
  const property = fc.property(looks, found => {
    const uses = new MeasuredUses()
    let now = 0
    for (const [at, { cpu, ms }] of found.entries()) {
      now += ms
      uses.hear('h1', report(use(at + 1, cpu)), now)
    }
    const all = found.map(({ cpu }) => cpu)
    const mean = uses.of('h1', now)!.cpu
    return mean >= Math.min(...all) - 1e-9 && mean <= Math.max(...all) + 1e-9
  })
  t.notThrows(() => fc.assert(property, { numRuns: 500 }))
})

test('host and instance show what was measured, and nothing that is a minute old', t => {
  const { view, context, done, host } = sampleCloud()
  done(instanceIntent('web', {}))
  const web = view.named('instance', 'web', 'default')!
  const name = web.decided.host!
  const found = {
    cpu: 0.254,
    network: 0.5,
    instances: [{ id: web.id, cpu: 1.234, networkMbit: 8 }]
  }
  const heard = view.heard(name).report!
  view.fold({
    type: 'report',
    host: name,
    report: { ...heard, use: { look: 1, ...found } },
    at: context.now
  })
  const shown = (now: number) => {
    const at = { ...context.now, monotonic: now }
    const of = (resource: Host | Instance) =>
      documentOf(view, resource, at).status as { use?: object }
    return [of(host(name)).use, of(web).use]
  }
  const { monotonic } = context.now
  t.deepEqual(shown(monotonic), [
    { cpuPercent: 25, networkPercent: 50 },
    { cpuThreads: 1.23, networkMbit: 8 }
  ])
  t.deepEqual(shown(monotonic + useMsMax + 1), [undefined, undefined])
})
