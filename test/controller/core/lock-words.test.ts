import test from 'ava'
import type { Report } from '#shared/wire/order.ts'
import { instanceState } from '../../../controller/core/instance-state.ts'
import { Rack } from '../../world/rack.ts'

type Seen = Report['instances'][number]

/** What is said of an instance whose start a lock has refused, where others say what they have. */
function saidOf(rack: Rack, others: Readonly<Record<string, Partial<Seen>>> = {}): string {
  const { cloud } = rack
  const instance = cloud.view.named('instance', 'web', 'default')!
  const seen: Seen = {
    ...{ id: instance.id, generation: 1, power: 'starting', reason: 'volume-locked' },
    ...{ message: 'a volume of it is locked', since: '2026-01-01T00:00:00.000Z', restarts: 0 },
    ...{ startCount: 0, restartNeeded: false }
  }
  cloud.report(rack.host()!, { number: 9_000, instances: [seen] })
  for (const [host, changes] of Object.entries(others)) {
    const message = 'it runs'
    const one = { ...seen, reason: 'as-desired', message, ...changes }
    cloud.report(host, { number: 9_001, instances: [one] })
  }
  const { conditions } = instanceState(cloud.view, instance, cloud.context.now)
  return conditions.find(({ type }) => type === 'ready')?.message ?? ''
}

test('of a lock that refuses a start it is said which other host still has the instance', t => {
  const words = saidOf(new Rack(), { h2: { power: 'running' } })
  t.regex(words, /a volume of it is locked; h2 still has it, running$/)
})

test('where no other host says so, it is said that the lock does not tell whose it is', t => {
  t.regex(
    saidOf(new Rack()),
    /locked; no other host that is heard has it, and the lock does not say/
  )
})

test('of one that has lost its host the proof that this host was off is named', t => {
  const rack = new Rack()
  rack.pass(3_000, ['h2', 'h3'])
  rack.decide()
  rack.said('h1', 'off-confirmed')
  rack.decide()
  t.is(rack.host(), 'h2')
  t.regex(saidOf(rack), /who holds it; it was moved away because read off twice/)
})
