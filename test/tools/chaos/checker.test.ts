/** The judge of chaos runs: a history that keeps all promises, and one for each that is broken. */
import test from 'ava'
import { judge, type Replica, type ReplicaEntry } from '../../../tools/chaos/checker.ts'
import type { Event, Line } from '../../../tools/chaos/history.ts'

const line = (at: number, by: string, event: Event): Line => ({ at, by, ...event })
const entry = (position: number, epoch: number, key: string): ReplicaEntry => ({
  position,
  epoch,
  key,
  hash: `#${position} ${key}`
})
const replica = (server: string, ...entries: readonly ReplicaEntry[]): Replica => ({
  server,
  entries
})

/** `a` leads, is stopped and comes back too late; `b` has gone on. */
const history: readonly Line[] = [
  line(1, 'a.1', { type: 'leads', epoch: 1, head: 0 }),
  line(2, 'a.1', { type: 'holds', holds: true }),
  line(3, 'a.1', { type: 'attempt', key: 'a1', epoch: 1 }),
  line(4, 'a.1', { type: 'acknowledged', key: 'a1', epoch: 1, position: 1 }),
  line(5, 'a.1', { type: 'holds', holds: true }),
  line(6, 'a.1', { type: 'attempt', key: 'a2', epoch: 1 }),
  line(20, 'b.1', { type: 'leads', epoch: 2, head: 2 }),
  line(21, 'b.1', { type: 'holds', holds: true }),
  line(22, 'b.1', { type: 'attempt', key: 'b1', epoch: 2 }),
  line(23, 'b.1', { type: 'acknowledged', key: 'b1', epoch: 2, position: 3 }),
  line(30, 'a.1', { type: 'holds', holds: false }),
  line(31, 'a.1', { type: 'failed', key: 'a2', epoch: 1, code: 'unavailable', remote: true }),
  line(32, 'a.1', { type: 'attempt', key: 'a3', epoch: 1 }),
  line(33, 'a.1', { type: 'failed', key: 'a3', epoch: 1, code: 'stale', remote: true })
]
const whole = [entry(1, 1, 'a1'), entry(2, 1, 'a2'), entry(3, 2, 'b1')]
const three = (entries: readonly ReplicaEntry[]): readonly Replica[] =>
  ['s1', 's2', 's3'].map(server => replica(server, ...entries))

test('a history without fault is told apart and counted', t => {
  const { violations, counts } = judge(history, three(whole))
  t.deepEqual(violations, [])
  t.deepEqual(counts, {
    attempts: 4,
    acknowledged: 2,
    entries: 3,
    epochs: 2,
    takeOvers: 1,
    unknown: 1,
    unknownCommitted: 1,
    deposedAttempts: 1,
    deposedRefusedRemotely: 1
  })
})

type Case = readonly [
  title: string,
  given: { readonly history?: readonly Line[]; readonly replicas: readonly Replica[] },
  says: RegExp
]
const cases: readonly Case[] = [
  [
    'an acknowledged commit that is missing on one replica',
    { replicas: [...three(whole).slice(1), replica('s1', ...whole.slice(0, 2))] },
    /^s1: acknowledged b1 is not at 3$/
  ],
  [
    'replicas that are whole and differ',
    {
      replicas: [
        ...three(whole).slice(1),
        replica('s1', { ...whole[0]!, hash: 'other' }, ...whole.slice(1))
      ]
    },
    /^s1 differs from s2 from 1 on$/
  ],
  [
    'an attempt of a deposed candidate that got through',
    { replicas: three([...whole, entry(4, 1, 'a3')]) },
    /^s1: a3 of epoch 1, tried at 32, got through$/
  ],
  [
    'an epoch that goes back',
    { replicas: three([...whole, entry(4, 1, 'a3')]) },
    /^s1: epoch 1 after 2$/
  ],
  ['a gap', { replicas: three([whole[0]!, whole[2]!]) }, /^s1: 3 stands where 2 must$/],
  [
    'a commit that stands there twice',
    { replicas: three([...whole, entry(4, 2, 'b1')]) },
    /^s1: b1 is there twice$/
  ],
  [
    'a commit that nobody has tried',
    { replicas: three([...whole, entry(4, 2, 'x')]) },
    /^s1: nobody has tried x so$/
  ],
  [
    'an epoch that did not begin where its holder says',
    { replicas: three([whole[0]!, entry(2, 2, 'b1'), entry(3, 2, 'b2')]) },
    /^s1: epoch 2 did not begin after 2$/
  ],
  [
    'a commit that was refused for certain and is there',
    { replicas: three([...whole, entry(4, 1, 'a3')]) },
    /^a3 was refused \(stale\) and is there$/
  ],
  [
    'an epoch that two have raised',
    {
      history: [...history, line(40, 'c.1', { type: 'leads', epoch: 2, head: 2 })],
      replicas: three(whole)
    },
    /^epoch 2 is of b\.1 and of c\.1$/
  ],
  [
    'two who hold the lease at one moment',
    {
      history: history.map(each =>
        each.type === 'holds' && !each.holds ? { ...each, holds: true } : each
      ),
      replicas: three(whole)
    },
    /^a\.1 and b\.1 held the lease together for 0\.0 ms$/
  ],
  [
    'a replica that cannot be read',
    { replicas: [...three(whole).slice(1), { server: 's1', entries: whole, broken: 'torn' }] },
    /^s1: cannot be read: torn$/
  ]
]

for (const [title, given, says] of cases) {
  test(`finds ${title}`, t => {
    const { violations } = judge(given.history ?? history, given.replicas)
    t.true(
      violations.some(each => says.test(each)),
      violations.join('\n')
    )
  })
}
