/** What becomes of instances whose host was believed off, and is not, before they have another. */
import test from 'ava'
import { Rack } from '../../world/rack.ts'

const others = ['h2', 'h3'] as const

const seen = (words: object) => ({
  storage: [
    {
      pool: 'far',
      seen: [{ host: 'uuid-h1', bootId: 'boot', number: 7, ageMs: 100, stillMs: 0, ...words }]
    }
  ]
})
const writes = seen({ writtenMs: 600 })

const reported = (rack: Rack, power: string) => ({
  instances: [
    {
      id: rack.cloud.view.named('instance', 'web', 'default')!.id,
      ...{ generation: 1, power, reason: power, message: power },
      ...{ startCount: 1, restartNeeded: false }
    }
  ]
})

function makeRoom(rack: Rack, schedulable: boolean): void {
  for (const name of others) {
    const { id, spec } = rack.cloud.host(name)
    const change = { verb: 'change', kind: 'host', id, labels: {}, spec: { ...spec, schedulable } }
    rack.cloud.done(change as never)
  }
}

/** h1 was believed off while it had this to say; nobody else has room for its instance. */
function believedOff(power: string): Rack {
  const rack = new Rack()
  makeRoom(rack, false)
  rack.pass(500, ['h1', ...others], reported(rack, power))
  rack.pass(3_000, others, seen({ stillMs: 2_000, writtenMs: 2_600 }))
  rack.decide()
  rack.said('h1', 'off-confirmed')
  rack.decide()
  rack.pass(3_000, others, writes)
  rack.decide()
  return rack
}

function beats({ cloud }: Rack): void {
  cloud.view.fold({ type: 'heartbeat', host: 'h1', loopLagMs: 0, at: cloud.context.now })
}

for (const power of ['running', 'starting', 'waiting', 'stopping']) {
  test(`one that is ${power} on a host whose device lied starts nowhere else`, t => {
    const rack = believedOff(power)
    rack.pass(500, ['h1', ...others], reported(rack, power))
    rack.decide()
    makeRoom(rack, true)
    rack.pass(500, ['h1', ...others], reported(rack, 'running'))
    rack.decide()
    t.is(rack.host(), 'h1')
  })
}

test('a heartbeat alone does not say which boot it is of: the report is waited for', t => {
  const rack = believedOff('starting')
  rack.pass(1_000, others, writes)
  beats(rack)
  t.deepEqual(rack.decide(), [])
  t.is(rack.phase('h1'), 'fencing')
  makeRoom(rack, true)
  rack.pass(500, others, writes)
  rack.decide()
  t.is(rack.host(), undefined)
})

test('one that comes back with another boot is not taken for one whose device lied', t => {
  const rack = believedOff('running')
  rack.pass(1_000, others, writes)
  beats(rack)
  t.deepEqual(rack.decide(), [])
  rack.pass(1_000, ['h1', ...others], { bootId: 'boot-2' })
  const decided = rack.decide().join('\n')
  t.false(decided.includes('fence-lied'), decided)
})
