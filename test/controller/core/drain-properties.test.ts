/** Whatever happens while a host is emptied: what must hold at each commit, and at the end. */
import test from 'ava'
import fc from 'fast-check'
import type { Instance } from '#shared/model/instance.ts'
import { arrivalsMax } from '../../../controller/core/departure.ts'
import { View } from '../../../controller/core/view.ts'
import { Yard } from '../../world/yard.ts'

const parallel = 2
const hosts = { h1: 8_192, h2: 4_096, h3: 4_096 }

type Deed =
  | { readonly do: 'turn' | 'wait' | 'heal' | 'again' }
  | { readonly do: 'fail' | 'stop' | 'start'; readonly name: string }
  | { readonly do: 'hush'; readonly host: string }

const names = ['a', 'b', 'c', 'd', 'e', 'f']
const nameOf = fc.constantFrom(...names)
const deeds: fc.Arbitrary<readonly Deed[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.constant<Deed>({ do: 'turn' }) },
    { weight: 2, arbitrary: fc.constant<Deed>({ do: 'wait' }) },
    { weight: 1, arbitrary: fc.constant<Deed>({ do: 'heal' }) },
    { weight: 1, arbitrary: fc.constant<Deed>({ do: 'again' }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constantFrom<'fail' | 'stop' | 'start'>('fail', 'stop', 'start'),
        name: nameOf
      })
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant<'hush'>('hush'),
        host: fc.constantFrom('h1', 'h2', 'h3')
      })
    }
  ),
  { maxLength: 40 }
)
const specs = fc.array(
  fc.record({
    memoryMib: fc.constantFrom(128, 1_024),
    priority: fc.integer({ min: 0, max: 1_000 }),
    pool: fc.constantFrom('far', 'far', 'far', 'local')
  }),
  { minLength: 1, maxLength: names.length }
)

/**
 * What must hold after each commit. `started`: moves of those that somebody has started; as their
 * host is out of use they start elsewhere, at once, and nothing of them has to be sent.
 */
function check(yard: Yard, started: ReadonlySet<string>): void {
  const { view } = yard.cloud
  const moving = [...view.all('instance').values()].filter(({ decided }) => decided.moving)
  const isSent = ({ decided: { host, moving } }: Instance): boolean =>
    host === 'h1' && !started.has(moving!.id)
  const from = moving.filter(isSent).length
  if (from > parallel) throw new Error(`${from} leave h1 at once`)
  for (const name of yard.names) {
    const arrivals = view.indexes.of('host-arrivals', name).size
    if (arrivals > arrivalsMax) throw new Error(`${arrivals} come to ${name} at once`)
    const { memoryMib } = view.indexes.promised(name)
    const room = hosts[name as keyof typeof hosts] - 512
    if (memoryMib > room) throw new Error(`${name} has promised ${memoryMib} of ${room} MiB`)
  }
  const coming = moving.find(({ decided }) => decided.moving?.to === 'h1')
  if (coming && view.named('host', 'h1')!.decided.duty) throw new Error(`${coming.name} arrives`)
}

function act(yard: Yard, deed: Deed, started: Set<string>): void {
  const { cloud } = yard
  switch (deed.do) {
    case 'turn':
      yard.turn()
      return
    case 'wait':
      yard.turn(30_000)
      return
    case 'heal':
      yard.failing.clear()
      yard.dead.clear()
      return
    case 'again':
      yard.drain('h1', { parallel })
      return
    case 'fail':
      yard.failing.add(deed.name)
      return
    case 'hush':
      yard.dead.add(deed.host)
      return
    case 'stop':
    case 'start': {
      const instance = cloud.view.named('instance', deed.name, 'default')
      if (!instance || instance.decided.moving) return
      const power = deed.do === 'stop' ? 'stopped' : 'running'
      const verdict = cloud.judged({ verb: 'power', id: instance.id, power })
      if ('commit' in verdict) cloud.commit(verdict.commit)
      const { moving } = yard.instance(deed.name).decided
      if (moving) started.add(moving.id)
      return
    }
    default:
      deed satisfies never
  }
}

test('bounds hold at each commit, and once all is well nobody is left who could leave', t => {
  const property = fc.property(specs, deeds, (wishes, some) => {
    const yard = new Yard(hosts)
    yard.fill('h1', Object.fromEntries(wishes.map((spec, at) => [names[at]!, spec])))
    yard.drain('h1', { parallel })
    const started = new Set<string>()
    yard.onCommit = () => check(yard, started)
    for (const deed of some) act(yard, deed, started)
    yard.failing.clear()
    yard.dead.clear()
    yard.turns(60, 10_000)
    if (yard.moving().length > 0) throw new Error(`still on its way: ${yard.moving().join()}`)
    const left = yard.on('h1').filter(name => yard.instance(name).spec.pool !== 'local')
    const state = yard.duty('h1')
    const running = left.filter(name => yard.instance(name).spec.desiredPower !== 'stopped')
    if (running.length > 0 && state === 'maintenance') throw new Error(`${running.join()} runs`)
    if (running.length === 0 && state !== 'maintenance') throw new Error(`it is ${state}`)
    const free = 2 * (4_096 - 512) - 1_024 > wishes.reduce((sum, one) => sum + one.memoryMib, 0)
    if (free && running.length > 0) throw new Error(`${running.join()} could have left`)
  })
  t.notThrows(() => fc.assert(property, { numRuns: 60, endOnFailure: true }))
})

test('a controller that has only the journal goes on with the same decisions', t => {
  const yard = new Yard(hosts)
  yard.fill('h1', { a: {}, b: {}, c: {}, d: {} })
  yard.failing.add('b')
  yard.drain('h1', { parallel })
  yard.turns(2)
  const kept = new View()
  for (const key of yard.cloud.view.keys()) kept.load(key, yard.cloud.view.valueOf(key))
  const [before, after] = [yard.cloud.view, kept].map(view => view.named('host', 'h1')!.decided)
  t.deepEqual(after?.duty, before?.duty)
  t.truthy(after?.duty?.tries)
})
