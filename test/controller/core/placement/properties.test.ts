/** What holds of placement whatever is asked: hard rules, more room, and chance has no part. */
import test from 'ava'
import fc from 'fast-check'
import type { HostFacts } from '#shared/model/host-facts.ts'
import type { Instance } from '#shared/model/instance.ts'
import { candidatesOf } from '../../../../controller/core/placement/candidates.ts'
import { type Demand, place } from '../../../../controller/core/placement/pipeline.ts'
import { rules, weighedRules } from '../../../../controller/core/placement/rules.ts'
import { scoreNames, type Weights } from '../../../../controller/core/placement/weights.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import {
  instanceIntent,
  type SampleCloud,
  sampleCloud,
  sampleFacts
} from '../../../world/sample-cloud.ts'

const runs = Number(process.env['REMUDA_RUNS'] ?? 60)

type HostWish = {
  readonly memoryMib: number
  readonly rack: string
  readonly arm: boolean
  readonly gpus: number
  readonly ours: boolean
}
const hostWish = fc.record({
  memoryMib: fc.integer({ min: 600, max: 6_000 }),
  rack: fc.constantFrom('r1', 'r2'),
  arm: fc.boolean(),
  gpus: fc.nat(2),
  ours: fc.boolean()
})
const instanceWish = fc.record({
  memoryMib: fc.integer({ min: 64, max: 2_000 }),
  vcpus: fc.integer({ min: 1, max: 8 }),
  arm: fc.boolean(),
  gpus: fc.nat(2),
  rack: fc.constantFrom(undefined, 'r1', 'r2'),
  group: fc.constantFrom(undefined, 'host', 'rack'),
  max: fc.integer({ min: 1, max: 3 })
})
type InstanceWish = typeof instanceWish extends fc.Arbitrary<infer Wish> ? Wish : never

function factsOf(name: string, { memoryMib, arm, gpus }: HostWish): HostFacts {
  const devices = Array.from({ length: gpus }, (_, at) => ({
    ...{ pci: `0000:0${at}:00.0`, vendor: '10de', device: '1db6', class: 'gpu' as const },
    assignable: { works: true, because: 'it is set aside' }
  }))
  const architecture = arm ? 'aarch64' : 'x86_64'
  return { ...sampleFacts(name, memoryMib), devices, architecture }
}

function cloudOf(hosts: readonly HostWish[]): SampleCloud {
  const names = hosts.map((wish, at) => [`h${at}`, wish] as const)
  const cloud = sampleCloud(Object.fromEntries(names))
  for (const [name, wish] of names) {
    const { id, spec } = cloud.host(name)
    const owned = { ...spec, ...(wish.ours ? {} : { dedicated: ['others'] }) }
    const labels = { rack: wish.rack }
    cloud.done({ verb: 'change', kind: 'host', id, labels, spec: owned })
    cloud.report(name, { number: 2, facts: factsOf(name, wish) })
  }
  return cloud
}

const specOf = ({ memoryMib, vcpus, arm, gpus, rack, group, max }: InstanceWish) => ({
  ...{ memoryMib, vcpus, architecture: arm ? 'aarch64' : 'x86_64' },
  ...(gpus > 0 && { devices: [{ kind: 'gpu', count: gpus }] }),
  ...(rack && { hostLabels: { rack } }),
  ...(group && {
    affinity: [{ group: `by-${group}`, rule: 'apart', level: group, hard: true, max }]
  })
})

function filled(hosts: readonly HostWish[], wishes: readonly InstanceWish[]): SampleCloud {
  const cloud = cloudOf(hosts)
  for (const [at, wish] of wishes.entries()) {
    const verdict = cloud.judged(instanceIntent(`i${at}`, specOf(wish)))
    if (!isRefusal(verdict)) cloud.commit(verdict.commit)
  }
  return cloud
}

/** Reckoned anew from what is recorded, without any of the rules. */
function brokenIn(cloud: SampleCloud, hosts: readonly HostWish[]): readonly string[] {
  const all = [...cloud.view.all('instance').values()]
  const broken = hosts.flatMap((wish, at) => {
    const own = all.filter(({ decided }) => decided.host === `h${at}`)
    const sum = (amountOf: (instance: Instance) => number) =>
      own.reduce((total, one) => total + amountOf(one), 0)
    const wrong = (word: string, is: boolean) => (is ? [`h${at}: ${word}`] : [])
    return [
      ...wrong('memory', sum(({ decided }) => decided.memoryMib) > wish.memoryMib - 512),
      ...wrong('vcpus', sum(({ decided }) => decided.vcpus) > 16),
      ...wrong('gpus', sum(({ spec }) => spec.devices?.[0]?.count ?? 0) > wish.gpus),
      ...wrong('owner', !wish.ours && own.length > 0),
      ...wrong(
        'architecture',
        own.some(({ spec }) => (spec.architecture === 'aarch64') !== wish.arm)
      ),
      ...wrong(
        'rack',
        own.some(({ spec }) => (spec.hostLabels?.['rack'] ?? wish.rack) !== wish.rack)
      )
    ]
  })
  return [...broken, ...crowdedIn(all, hosts)]
}

/** Members beyond what the strictest of them allows in their domain. */
function crowdedIn(all: readonly Instance[], hosts: readonly HostWish[]): readonly string[] {
  return (['host', 'rack'] as const).flatMap(level => {
    const members = all.filter(({ spec }) => spec.affinity?.[0]?.level === level)
    const most = Math.min(...members.map(({ spec }) => spec.affinity![0]!.max))
    const counts = new Map<string, number>()
    for (const { decided } of members) {
      const name = decided.host!
      const domain = level === 'host' ? name : hosts[Number(name.slice(1))]!.rack
      counts.set(domain, (counts.get(domain) ?? 0) + 1)
    }
    return [...counts].filter(([, count]) => count > most).map(([domain]) => `group: ${domain}`)
  })
}

const hostsWish = fc.array(hostWish, { minLength: 1, maxLength: 5 })
const wishes = fc.array(instanceWish, { maxLength: 14 })

test('whatever is asked for, no hard rule is broken, and the same is done again', t => {
  const property = fc.property(hostsWish, wishes, (hosts, asked) => {
    const cloud = filled(hosts, asked)
    t.deepEqual(brokenIn(cloud, hosts), [])
    const seats = ({ view }: SampleCloud) =>
      [...view.all('instance').values()].map(({ name, decided }) => [name, decided.host])
    t.deepEqual(seats(filled(hosts, asked)), seats(cloud))
  })
  fc.assert(property, { numRuns: runs })
})

/** A wish as rules see it, of nobody's group. */
const demandOf = ({ memoryMib, vcpus, arm, gpus, rack }: InstanceWish): Demand => ({
  ...{ name: 'new', type: 'vm', memoryMib, vcpus, tenant: 'default', running: true },
  ...{ pools: new Map([['local', 16]]), bonds: [], orderBytes: 1_000 },
  ...(arm && { architecture: 'aarch64' as const }),
  ...(gpus > 0 && { scarce: { gpu: gpus } }),
  ...(rack && { hostLabels: { rack } })
})

test('a host with more of everything is taken for all that it was taken for before', t => {
  const more = fc.record({ memoryMib: fc.nat(4_000), gpus: fc.nat(3), at: fc.nat(4) })
  const property = fc.property(hostsWish, wishes, instanceWish, more, (hosts, asked, wish, add) => {
    const cloud = filled(hosts, asked)
    const demand = demandOf(wish)
    const survivors = () => {
      const { rejected } = place(demand, candidatesOf(cloud.view, 10_000), rules)
      return hosts.map((_, at) => `h${at}`).filter(name => !rejected.has(name))
    }
    const before = survivors()
    const at = add.at % hosts.length
    const host = hosts[at]!
    const larger = {
      ...host,
      memoryMib: host.memoryMib + add.memoryMib,
      gpus: host.gpus + add.gpus
    }
    cloud.report(`h${at}`, { number: 3, facts: factsOf(`h${at}`, larger) })
    const after = survivors()
    t.deepEqual(
      before.filter(name => !after.includes(name)),
      []
    )
  })
  fc.assert(property, { numRuns: runs })
})

test('neither the order of hosts nor what they use decides whether one is found', t => {
  const weights = fc.array(fc.integer({ min: -100, max: 100 }), {
    ...{ minLength: scoreNames.length, maxLength: scoreNames.length }
  })
  const uses = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 5, maxLength: 5 })
  const property = fc.property(
    ...[hostsWish, wishes, instanceWish, weights, uses],
    (hosts, asked, wish, given, used) => {
      const cloud = filled(hosts, asked)
      const weighed = Object.fromEntries(scoreNames.map((name, at) => [name, given[at]!]))
      const chosenBy = (reversed: boolean) => {
        const all = candidatesOf(cloud.view, 10_000)
        const some = reversed ? all.toReversed() : all
        return place(demandOf(wish), some, weighedRules(weighed as Weights)).chosen?.name
      }
      const plain = place(demandOf(wish), candidatesOf(cloud.view, 10_000), rules).chosen
      t.is(chosenBy(false) === undefined, plain === undefined)
      t.is(chosenBy(true), chosenBy(false))
      for (const at of hosts.keys()) {
        cloud.report(`h${at}`, { number: 3, use: { look: 1, cpu: used[at]!, instances: [] } })
      }
      t.is(chosenBy(true), chosenBy(false))
      t.is(chosenBy(false) === undefined, plain === undefined)
    }
  )
  fc.assert(property, { numRuns: runs })
})
