/** What admission asks the reserve of: wishes that only change the plan of a loss, or say why. */
import test from 'ava'
import type { Instance, InstanceSpec } from '#shared/model/instance.ts'
import { isRefusal, type Refusal } from '../../../../controller/core/refusal.ts'
import { wishOf } from '../../../world/sample-cloud.ts'
import { RandomCloud } from './random-cloud.ts'

const gib = 1_024
const host = { memoryMib: 4_608, vcpusPerThread: 4, rack: 0, lxc: false }
const vm = { type: 'vm', pool: 'far', vcpus: 1, priority: 500, highlyAvailable: true } as const

/** Hosts of so many GiB for instances each, without a reserve. */
const cloudOf = (...gibs: readonly number[]): RandomCloud =>
  new RandomCloud(
    gibs.map(one => ({ ...host, memoryMib: one * gib + 512 })),
    {}
  )

function put(random: RandomCloud, on: string, memoryMib: number, spec: object = {}): Instance {
  const wish = random.wish({ ...vm, desiredPower: 'running', memoryMib, ...spec })
  const { resource } = random.cloud.done(wish)
  const { id } = resource
  const instance = random.cloud.view.get('instance', id)!
  const placed = { ...instance, decided: { ...instance.decided, host: on } }
  random.put(placed)
  return placed
}

const change = ({ id, labels, spec }: Instance, other: Partial<InstanceSpec>) =>
  ({ verb: 'change', kind: 'instance', id, labels, spec: { ...spec, ...other } }) as const

const refused = (random: RandomCloud, wish: Parameters<RandomCloud['cloud']['judged']>[0]) => {
  const verdict = random.cloud.judged(wish)
  return isRefusal(verdict) ? (verdict as Refusal).refused : undefined
}

for (const [priority, isHarmful] of [
  [400, true],
  [600, false]
] as const) {
  test(`a priority of ${priority} instead of 500 is ${isHarmful ? 'refused' : 'taken'}`, t => {
    // Of what is lost with h0 the large one goes first, to the host with the larger share.
    const random = cloudOf(8, 4, 3)
    const large = put(random, 'h0', 3 * gib)
    put(random, 'h0', 2 * gib, { priority: 450 })
    put(random, 'h2', gib, { highlyAvailable: false })
    random.heal({ reserveHosts: 1 })
    const why = refused(random, change(large, { priority }))
    t.is(why !== undefined, isHarmful)
    if (why) t.regex(why.reasons[0]!, /^if h0 is lost, i1 \(3072 MiB\) could start nowhere/)
  })
}

test('a volume that all hosts reach is not exchanged for one that few do', t => {
  const random = cloudOf(4, 4)
  const web = put(random, 'h0', gib)
  for (const pool of ['far', 'near']) {
    const spec = wishOf('volume', { pool, sizeMib: 64 })
    random.cloud.done({ verb: 'create', kind: 'volume', name: pool, spec })
  }
  random.cloud.done(change(web, { volumes: ['far'] }))
  random.report(1, ['near'])
  random.heal({ reserveHosts: 1 })
  const now = random.cloud.view.get('instance', web.id)!
  const why = refused(random, change(now, { volumes: ['near'] }))
  t.regex(why?.reasons[0] ?? '', /^if h0 is lost, i1 \(1024 MiB\) could start nowhere/)
})

test('a move without a named host says whom a loss would strand, and what can be done', t => {
  const random = cloudOf(4, 4, 4)
  const soft = put(random, 'h0', 3 * gib, { highlyAvailable: false })
  put(random, 'h1', 3 * gib)
  random.cloud.done({ verb: 'change', kind: 'host', ...closed(random, 0) })
  random.heal({ reserveHosts: 1 })
  const why = refused(random, { verb: 'move', id: soft.id, live: false })
  if (!why) return t.fail('it was admitted')
  t.regex(why.message, /^cannot move instance i1: none of 2 hosts can take it and keep the reserve/)
  t.regex(why.reasons[0]!, /^if h1 is lost, i2 \(3072 MiB\) could start nowhere/)
  t.is(why.next[0], 'remuda capacity')
})

function closed(random: RandomCloud, at: number) {
  const { id, labels, spec } = random.hostAt(at)
  return { id, labels, spec: { ...spec, schedulable: false } }
}

for (const [memoryMib, isHarmful] of [
  [2 * gib, true],
  [gib, false]
] as const) {
  test(`one that waits for room, made as small as ${memoryMib} MiB, is judged as a new one`, t => {
    const random = cloudOf(4, 4)
    put(random, 'h0', 3 * gib)
    const placed = put(random, 'h1', 4 * gib, { priority: 600, highlyAvailable: false })
    const { host: _, ...decided } = placed.decided
    const waiter = { ...placed, spec: { ...placed.spec, memoryMib: 6 * gib } }
    random.put({ ...waiter, decided: { ...decided, memoryMib: 6 * gib } })
    random.heal({ reserveHosts: 1 })
    const why = refused(random, change(waiter, { memoryMib }))
    t.is(why !== undefined, isHarmful)
    if (!why) return
    t.is(why.message.split(':')[0], 'cannot change instance i2')
    t.regex(why.reasons[0]!, /^if h0 is lost, i1 \(3072 MiB\) could start nowhere/)
  })
}
