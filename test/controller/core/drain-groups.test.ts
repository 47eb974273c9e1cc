/** Groups that are kept together when their host is emptied. */
import test from 'ava'
import fc from 'fast-check'
import { departuresOf } from '../../../controller/core/drain.ts'
import { Yard } from '../../world/yard.ts'

const together = (group: string, level = 'host'): object => ({
  affinity: [{ group, rule: 'with', level, hard: true, max: 1 }]
})

function label(yard: Yard, name: string, rack: string): void {
  const { id, spec } = yard.cloud.host(name)
  yard.cloud.done({ verb: 'change', kind: 'host', id, labels: { rack }, spec })
}

const app = (...sizes: readonly number[]): Record<string, object> =>
  Object.fromEntries(sizes.map((memoryMib, at) => [`app${at}`, { memoryMib, ...together('app') }]))

test('who is kept together goes where there is room for all, not where one has the most', t => {
  const yard = new Yard({ h1: 8_192, h2: 1_536, h3: 16_384 })
  yard.fill('h3', { other: { memoryMib: 13_312 } })
  yard.fill('h1', app(800, 800, 800))
  // Of h2 all is left, of h3 a sixth: the first alone would rather go to h2.
  yard.drain('h1', { parallel: 1 })
  yard.turns(20)
  t.deepEqual(yard.on('h1'), [])
  t.deepEqual(yard.on('h2'), [])
  t.is(yard.on('h3').length, 4)
  t.is(yard.duty('h1'), 'maintenance')
})

test('where there is room for some of them alone, none goes and it is said why', t => {
  const yard = new Yard({ h1: 8_192, h2: 1_536, h3: 1_536 })
  yard.fill('h1', { ...app(600, 600), free: { memoryMib: 256 } })
  yard.drain('h1')
  yard.turns(10)
  t.deepEqual(yard.on('h1'), ['app0', 'app1'])
  t.is(yard.duty('h1'), 'draining')
  t.regex(
    yard.because('h1', 'drain-held'),
    /h2: has room for 1 of the 2 of group app that leave together: none for app1/
  )
})

test('nobody else takes the room of those that are under way', t => {
  const yard = new Yard({ h1: 8_192, h2: 2_048 })
  yard.fill('h1', {
    app0: { memoryMib: 700, priority: 900, ...together('app') },
    between: { memoryMib: 700, priority: 800 },
    app1: { memoryMib: 700, priority: 100, ...together('app') }
  })
  yard.drain('h1', { parallel: 1 })
  yard.turns(20)
  t.deepEqual(yard.on('h2'), ['app0', 'app1'])
  t.deepEqual(yard.on('h1'), ['between'])
})

test('a rack has room when its hosts together have', t => {
  const yard = new Yard({ h1: 8_192, h2: 1_536, h3: 1_536, h4: 2_048 })
  for (const [name, rack] of Object.entries({ h1: 'r1', h2: 'r2', h3: 'r2', h4: 'r3' })) {
    label(yard, name, rack)
  }
  const one = { memoryMib: 900, ...together('app', 'rack') }
  yard.fill('h1', { app0: one, app1: one })
  yard.drain('h1', { parallel: 1 })
  yard.turns(20)
  t.deepEqual([...yard.on('h2'), ...yard.on('h3')].toSorted(), ['app0', 'app1'])
})

test('what is said of a drain before it goes on names one place for all of them', t => {
  const yard = new Yard({ h1: 8_192, h2: 4_096, h3: 4_096 })
  yard.fill('h1', app(512, 512, 512, 512))
  const host = yard.cloud.host('h1')
  const since = '2026-01-01T00:00:00.000Z'
  const duty = { state: 'draining', since, by: 'user/ann', parallel: 1, cold: false } as const
  yard.cloud.commit({
    changes: [{ op: 'put', resource: { ...host, decided: { ...host.decided, duty } } }],
    decisions: []
  })
  const wish = { host: yard.cloud.host('h1'), cold: false, tries: undefined }
  const { view, context } = yard.cloud
  const said = [...departuresOf(view, wish, { now: context.now, turns: false })]
  t.deepEqual(
    said.map(each => (each.state === 'goes' ? each.to : each.because)),
    ['h2', 'h2', 'h2', 'h2']
  )
})

const member = fc.record({
  memoryMib: fc.integer({ min: 100, max: 1_200 }),
  priority: fc.integer({ min: 1, max: 900 }),
  group: fc.constantFrom('a', 'a', 'b', undefined),
  stopped: fc.constantFrom(false, false, false, true)
})

test('however a host is emptied, no group that is kept together is torn apart by it', t => {
  const property = fc.property(
    fc.array(fc.integer({ min: 1_024, max: 5_120 }), { minLength: 1, maxLength: 4 }),
    fc.array(member, { minLength: 1, maxLength: 7 }),
    fc.integer({ min: 1, max: 4 }),
    (rooms, members, parallel) => {
      const others = Object.fromEntries(rooms.map((room, at) => [`h${at + 2}`, room]))
      const yard = new Yard({ h1: 16_384, ...others })
      const wishes = members.map(({ memoryMib, priority, group, stopped }, at) => [
        `vm${at}`,
        {
          ...{ memoryMib, priority, desiredPower: stopped ? 'stopped' : 'running' },
          ...(group && together(group))
        }
      ])
      yard.fill('h1', Object.fromEntries(wishes))
      yard.drain('h1', { parallel })
      yard.turns(30)
      for (const group of ['a', 'b']) {
        const names = members.flatMap((one, at) => (one.group === group ? [`vm${at}`] : []))
        const hosts = new Set(names.map(name => yard.instance(name).decided.host))
        if (hosts.size > 1) throw new Error(`${group} is on ${[...hosts].join(' and ')}`)
      }
    }
  )
  t.notThrows(() => fc.assert(property, { numRuns: 40 }))
})
