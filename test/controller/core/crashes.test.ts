import test from 'ava'
import fc from 'fast-check'
import type { Instance } from '#shared/model/instance.ts'
import type { ReportInstance } from '#shared/wire/order.ts'
import { crashWordsOf, forgottenMs } from '../../../controller/core/crashes.ts'
import {
  decidedBy,
  instanceIntent,
  type SampleCloud,
  sampleCloud,
  wishOf
} from '../../world/sample-cloud.ts'

const pools = [
  { name: 'far', phase: 'ready', message: '', capacityMib: 10_000, freeMib: 9_000 } as const
]

/** A cloud of so many hosts that see a shared pool, and an instance in it. */
function cloudOf(hosts: number, spec: object = {}) {
  const names = Array.from({ length: hosts }, (_, at) => `h${at + 1}`)
  const cloud = sampleCloud(Object.fromEntries(names.map(name => [name, { memoryMib: 4_608 }])))
  const far = wishOf('pool', { path: '/far', shared: true })
  cloud.done({ verb: 'create', kind: 'pool', name: 'far', spec: far })
  for (const name of names) cloud.report(name, { pools })
  const create = (name: string): Instance => {
    const { resource } = cloud.done(instanceIntent(name, { pool: 'far', ...spec }))
    return cloud.view.get('instance', resource.id)!
  }
  return { ...cloud, names, create, web: create('web') }
}

const now = ({ view }: SampleCloud, { id }: Instance): Instance => view.get('instance', id)!

/** Its host says how it is. */
function seen(cloud: SampleCloud, instance: Instance, said: Partial<ReportInstance> = {}): void {
  const one = now(cloud, instance)
  const { id, generation } = one
  const base = { id, generation, power: 'waiting', reason: 'restart-wait', message: '' } as const
  const failed = { runs: 5, withinMs: 3_000, last: 'broke down' }
  const instances = [{ ...base, startCount: 6, restartNeeded: false, failed, ...said }]
  cloud.report(one.decided.host!, { pools, instances })
}

/** A move ends well. */
function arrive(cloud: SampleCloud, instance: Instance): void {
  const { moving, ...decided } = now(cloud, instance).decided
  const resource = { ...now(cloud, instance), decided: { ...decided, host: moving!.to } }
  cloud.commit({ changes: [{ op: 'put', resource }], decisions: [] })
}

const told = (commits: ReturnType<typeof decidedBy>): readonly string[] =>
  commits.flatMap(({ decisions }) => decisions.map(({ verb, because }) => `${verb}: ${because}`))

test('after too many failed runs an instance goes to another host, shut down', t => {
  const cloud = cloudOf(3)
  seen(cloud, cloud.web)
  t.deepEqual(told(decidedBy(cloud)), [
    'moving: failed 5 times on h1 within 3 s (at last: broke down): from h1 to h2, ' +
      'shut down and started again'
  ])
  const { decided } = now(cloud, cloud.web)
  t.like(decided.moving, { to: 'h2', live: false })
  t.is(decided.crashes?.hosts[0]?.host, 'h1')
})

for (const [what, said, spec] of [
  ['that runs again', { power: 'running' }, {}],
  ['whose host speaks of an earlier wish', { generation: 0 }, {}],
  ['that failed less often', { failed: { runs: 4, withinMs: 1, last: '' } }, {}],
  ['that may stay', {}, { failedRunsMax: 0 }]
] as const) {
  test(`an instance ${what} goes nowhere`, t => {
    const cloud = cloudOf(3, spec)
    seen(cloud, cloud.web, said)
    t.deepEqual(decidedBy(cloud), [])
  })
}

for (const [what, spec, because] of [
  ['on local storage', { pool: 'local' }, 'is in pool local, which only that host sees'],
  ['that names its host', { host: 'h1' }, 'it may run on h1 alone (spec.host)'],
  ['that is not highly available', { highlyAvailable: false }, 'it is not highly available']
] as const) {
  test(`an instance ${what} stays where it fails, which is told once`, t => {
    const cloud = cloudOf(3, spec)
    seen(cloud, cloud.web)
    const [first, ...more] = told(decidedBy(cloud))
    t.true(first?.startsWith('crash-loop: failed 5 times on h1 within 3 s'))
    t.true(first?.includes(because), first)
    t.deepEqual(more, [])
    seen(cloud, cloud.web, { failed: { runs: 9, withinMs: 9_000, last: '' } })
    t.deepEqual(decidedBy(cloud), [])
    const { report } = cloud.view.heard('h1')
    const words = crashWordsOf(
      cloud.view,
      now(cloud, cloud.web),
      report?.instances[0],
      cloud.context.now
    )
    t.is(words?.reason, 'held')
    t.true(words?.message.startsWith('failed 9 times on h1'))
  })
}

test('however it fails, it never comes back, and counts as failed in the end', t => {
  const sizes = fc.record({
    hosts: fc.integer({ min: 2, max: 6 }),
    max: fc.integer({ min: 1, max: 6 })
  })
  fc.assert(
    fc.property(sizes, ({ hosts, max }) => {
      const cloud = cloudOf(hosts, { failedHostsMax: max })
      const visited = ['h1']
      for (let round = 0; round < hosts + 3; round += 1) {
        seen(cloud, cloud.web)
        decidedBy(cloud)
        const { moving } = now(cloud, cloud.web).decided
        if (!moving) continue
        visited.push(moving.to)
        arrive(cloud, cloud.web)
      }
      const { crashes } = now(cloud, cloud.web).decided
      t.is(new Set(visited).size, visited.length)
      t.is(visited.length, Math.min(hosts, max))
      t.true(crashes?.failed?.because.startsWith('failed 5 times on h1'))
    }),
    { numRuns: 30 }
  )
})

test('another wish, or a restart, begins anew; another label does not', t => {
  for (const wish of ['change', 'restart', 'label'] as const) {
    const cloud = cloudOf(2, { failedHostsMax: 1 })
    seen(cloud, cloud.web)
    decidedBy(cloud)
    t.truthy(now(cloud, cloud.web).decided.crashes?.failed)
    const { id, spec, labels } = now(cloud, cloud.web)
    const changed = { verb: 'change', kind: 'instance', id } as const
    if (wish === 'restart') cloud.done({ verb: 'restart', id })
    else if (wish === 'label') cloud.done({ ...changed, labels: { tier: 'a' }, spec })
    else cloud.done({ ...changed, labels, spec: { ...spec, priority: 1 } })
    t.is(now(cloud, cloud.web).decided.crashes === undefined, wish !== 'label')
    seen(cloud, cloud.web, { generation: 1 })
    t.deepEqual(decidedBy(cloud), [], 'what was counted under the earlier wish counts no more')
  }
})

test('where it has failed is forgotten once it has run well for long, and not before', t => {
  const cloud = cloudOf(3)
  seen(cloud, cloud.web)
  decidedBy(cloud)
  arrive(cloud, cloud.web)
  const later = (ms: number): SampleCloud => {
    const { monotonic, wall } = cloud.context.now
    return { ...cloud, context: { ...cloud.context, now: { monotonic, wall: wall + ms } } }
  }
  seen(cloud, cloud.web, { power: 'running', failed: undefined as never })
  t.deepEqual(decidedBy(later(forgottenMs - 1)), [])
  t.deepEqual(told(decidedBy(later(forgottenMs))), [
    'recovered: runs well on h2: that it failed 5 times on h1 within 3 s (at last: broke down) ' +
      'is forgotten'
  ])
  t.is(now(cloud, cloud.web).decided.crashes, undefined)
})

test('who has lost its host goes back to where it failed only if nothing else is left', t => {
  for (const hosts of [2, 3]) {
    const cloud = cloudOf(hosts)
    seen(cloud, cloud.web)
    decidedBy(cloud)
    arrive(cloud, cloud.web)
    const { host: _, ...decided } = now(cloud, cloud.web).decided
    const volumes = decided.volumes.map(id => {
      const { decided: bound, ...volume } = cloud.view.get('volume', id)!
      const { host: _, ...free } = bound
      return { ...volume, decided: free }
    })
    const { id, spec, labels } = cloud.host('h2')
    const closed = { ...spec, schedulable: false }
    cloud.done({ verb: 'change', kind: 'host', id, labels, spec: closed })
    const all = [{ ...now(cloud, cloud.web), decided }, ...volumes]
    cloud.commit({
      changes: all.map(resource => ({ op: 'put', resource }) as const),
      decisions: []
    })
    const [placed] = told(decidedBy(cloud))
    t.is(now(cloud, cloud.web).decided.host, hosts === 3 ? 'h3' : 'h1')
    t.is(placed?.includes('although it failed 5 times on h1'), hosts === 2)
  }
})

test('a host that several have left because they failed there is named, once', t => {
  const cloud = cloudOf(3)
  const all = [cloud.web, cloud.create('db'), cloud.create('app'), cloud.create('mail')]
  for (const one of all) {
    const { decided, ...rest } = now(cloud, one)
    const moved = { ...rest, decided: { ...decided, host: 'h1' } }
    cloud.commit({ changes: [{ op: 'put', resource: moved }], decisions: [] })
  }
  for (const one of all.slice(0, 3)) {
    seen(cloud, one)
    decidedBy(cloud)
    arrive(cloud, one)
  }
  const events = [...cloud.view.all('event').values()].filter(
    ({ spec }) => spec.reason === 'instances-fail'
  )
  t.deepEqual(
    events.map(({ spec }) => `${spec.subject} ${spec.message}`),
    [
      'host/h1 3 instances have failed here again and again: app, db, web; on any other host ' +
        'at most 0 have: it may be the host itself'
    ]
  )
})
