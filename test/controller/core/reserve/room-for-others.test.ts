/** Who has lost its host leaves room for others, as long as that keeps nobody from starting now. */
import test from 'ava'
import { demandOf } from '../../../../controller/core/admission/instance-place.ts'
import { candidatesOf } from '../../../../controller/core/placement/candidates.ts'
import { rules } from '../../../../controller/core/placement/rules.ts'
import { othersOf, placeLeavingRoom } from '../../../../controller/core/reserve/room-for-others.ts'
import { RandomCloud } from './random-cloud.ts'

const gib = 1_024
const vm = { type: 'vm', pool: 'far', vcpus: 1, highlyAvailable: true } as const

const cloudOf = (...gibs: readonly number[]): RandomCloud =>
  new RandomCloud(
    gibs.map(one => ({ memoryMib: one * gib + 512, vcpusPerThread: 4, rack: 0, lxc: false })),
    { reserveHosts: 1 }
  )

/** Places one in a cloud of three hosts; others would be stranded by a place on some of them. */
function placed(stranding: readonly string[], avoided: readonly string[]) {
  const random = cloudOf(4, 4, 4)
  const wish = random.wish({ ...vm, memoryMib: gib, priority: 500, desiredPower: 'running' })
  const { id } = random.cloud.done(wish).resource
  const { view, context } = random.cloud
  const instance = view.get('instance', id)!
  const { host: _, ...decided } = instance.decided
  random.put({ ...instance, decided })
  return placeLeavingRoom({
    demand: {
      ...demandOf(view, { instance, volumes: [] }),
      avoided: new Map(avoided.map(host => [host, 'it failed once there']))
    },
    candidates: candidatesOf(view, context.now.monotonic),
    rules,
    changesOn: host => [{ op: 'reply-remove', key: host }],
    others: ([change]) =>
      change?.op === 'reply-remove' && stranding.includes(change.key) ? ['large'] : []
  })
}

test('it goes to the best host that leaves room, and says for whom', t => {
  t.is(placed([], []).chosen?.name, 'h0')
  const { chosen, because } = placed(['h0', 'h1'], [])
  t.is(chosen?.name, 'h2')
  t.regex(because, /\(2 better left to large\)$/)
})

test('where no host does it goes to the best, and never for that to one where it has failed', t => {
  for (const one of [placed(['h0', 'h1', 'h2'], []), placed(['h0', 'h2'], ['h1'])]) {
    t.is(one.chosen?.name, 'h0')
    t.notRegex(one.because, /left to|failed/)
  }
})

test('nobody who waits is left without a place for one that may come', t => {
  const random = cloudOf(8, 5, 3, 6)
  const { cloud } = random
  random.heal({ reserveHosts: 0 })
  const put = (on: string, memoryMib: number, priority: number): string => {
    const wish = random.wish({ ...vm, memoryMib, priority, desiredPower: 'running' })
    const { id } = cloud.done(wish).resource
    const instance = cloud.view.get('instance', id)!
    random.put({ ...instance, decided: { ...instance.decided, host: on } })
    return id
  }
  put('h3', 4.5 * gib, 950)
  const waiting = [put('h0', gib, 900), put('h0', 3 * gib, 500)]
  random.heal({ reserveHosts: 1 })
  for (let passed = 0; passed < 8; passed += 1) random.pass(1_000, ['h0', 'h3'])
  cloud.done({ verb: 'confirm-off', id: cloud.host('h0').id })
  random.decide()
  const hosts = waiting.map(id => cloud.view.get('instance', id)!.decided.host)
  t.deepEqual(hosts.toSorted(), ['h1', 'h2'])
})

test('without a reserve nobody looks', t => {
  const random = cloudOf(4, 4)
  random.heal({ reserveHosts: 0 })
  Object.defineProperty(random.cloud.view.indexes, 'unplaced', {
    get: () => t.fail('it was looked who waits')
  })
  t.is(othersOf(random.cloud.view, random.cloud.context.now)([]), undefined)
})
