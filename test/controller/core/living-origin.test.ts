/** What becomes of instances whose host was believed off, and is not, before they have another. */
import test from 'ava'
import { commitBytesMax, encodeCommit } from '../../../controller/io/journal/entry-codec.ts'
import { Rack } from '../../world/rack.ts'
import { decidedBy, instanceIntent } from '../../world/sample-cloud.ts'

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

test('what a host has of very much goes and comes back in commits that the journal takes', t => {
  const rack = new Rack()
  makeRoom(rack, false)
  const userData = '\u0001'.repeat(60_000)
  const names = Array.from({ length: 14 }, (_, at) => `n${at}`)
  for (const name of names)
    rack.cloud.done(instanceIntent(name, { pool: 'far', memoryMib: 64, userData }))
  rack.decide()
  const { view } = rack.cloud
  const instances = names.map(name => {
    const { id } = view.named('instance', name, 'default')!
    const words = { generation: 1, power: 'running', reason: 'running', message: 'running' }
    return { id, ...words, startCount: 1, restartNeeded: false }
  })
  const hosts = (): Set<string | undefined> =>
    new Set(names.map(name => view.named('instance', name, 'default')!.decided.host))
  t.deepEqual(hosts(), new Set(['h1']))
  rack.pass(500, ['h1', ...others], { instances })
  rack.pass(3_000, others, seen({ stillMs: 2_000, writtenMs: 2_600 }))
  rack.decide()
  rack.said('h1', 'off-confirmed')
  const gone = [...decidedBy(rack.cloud), ...decidedBy(rack.cloud)]
  t.deepEqual(hosts(), new Set([undefined]))
  rack.pass(3_000, others, writes)
  rack.decide()
  rack.pass(500, ['h1', ...others], { instances })
  const back = decidedBy(rack.cloud)
  t.deepEqual(hosts(), new Set(['h1']))
  const sizes = [...gone, ...back].map(commit => encodeCommit(commit).length)
  t.true(sizes.length > 4 && Math.max(...sizes) < commitBytesMax, `${sizes}`)
  t.true(sizes.reduce((all, size) => all + size) > 2 * commitBytesMax)
})
