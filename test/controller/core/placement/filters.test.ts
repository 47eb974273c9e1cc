/** Every rule by itself: which hosts it leaves, and what it says of the others. */
import test from 'ava'
import type { Host } from '#shared/model/host.ts'
import {
  type Candidate,
  type Demand,
  type Filter,
  place
} from '../../../../controller/core/placement/pipeline.ts'
import { rules } from '../../../../controller/core/placement/rules.ts'
import { inSomeCell } from '../../../../controller/core/scarce.ts'
import { sampleCloud, sampleFacts } from '../../../world/sample-cloud.ts'

const { view } = sampleCloud()
const sample = view.named('host', 'h1')!
const facts = { ...sampleFacts('h1', 8_192), cellsChosen: true }
const host = (name: string, given: Partial<Host> = {}): Host => ({ ...sample, name, ...given })
const decided = (more: Partial<Host['decided']>): Partial<Host> => ({
  decided: { ...sample.decided, ...more }
})
const spec = (more: Partial<Host['spec']>): Partial<Host> => ({ spec: { ...sample.spec, ...more } })

const room = {
  ...{ memoryMib: 8_192, memoryPromisedMib: 2_048, vcpus: 16, vcpusPromised: 4, instances: 2 },
  ...{ scarce: { gpu: 2 }, scarcePromised: { gpu: 1 } }
}
const fine: Candidate = {
  ...{ host: host('h1'), phase: 'online', capacity: room, drivers: ['qemu', 'lxc'], facts },
  ...{ poolFreeMib: new Map([['local', 900]]), poolShares: new Map(), memoryFreeMib: 4_096 },
  ...{ images: new Set(), poolFaults: new Map(), networkFaults: new Map(), orderBytes: 1_000 },
  use: undefined
}
const wish: Demand = {
  ...{ name: 'web', type: 'vm', memoryMib: 1_024, vcpus: 2, running: true, orderBytes: 500 },
  ...{ pools: new Map([['local', 16]]), bonds: [], tenant: 'acme' }
}
const duty = { since: '2026-01-01T00:00:00Z', by: 'user/ann', parallel: 1, cold: false }
const group = (counts: Readonly<Record<string, number>>, rule: object) => ({
  name: 'web',
  rule: {
    ...({ group: 'web', rule: 'apart', level: 'host', hard: true, max: 1 } as const),
    ...rule
  },
  spread: () => ({ counts: new Map(Object.entries(counts)), anchors: new Set(Object.keys(counts)) })
})

type Row = {
  readonly filter: string
  readonly wish?: Partial<Demand>
  /** What is so of the host that it takes away. */
  readonly is: Partial<Candidate>
  readonly because: string
}

const rows: readonly Row[] = [
  {
    filter: 'filterPinned',
    wish: { bonds: [{ host: 'h2', because: 'volume data is there' }] },
    is: {},
    because: 'the instance is bound to h2: volume data is there'
  },
  {
    filter: 'filterApproved',
    is: { host: host('h1', decided({ approval: 'pending' })) },
    because: 'it waits to be let in: remuda host approve h1'
  },
  {
    filter: 'filterApproved',
    is: { host: host('h1', decided({ duty: { ...duty, state: 'draining' } })) },
    because: 'it is out of service since 2026-01-01T00:00:00Z (draining)'
  },
  {
    filter: 'filterApproved',
    is: { host: host('h1', spec({ schedulable: false })) },
    because: 'it is closed for new instances (schedulable: false)'
  },
  { filter: 'filterOnline', is: { phase: 'silent' }, because: 'its agent is silent' },
  {
    filter: 'filterOnline',
    is: { phase: 'unknown' },
    because: 'its agent has not been heard by this controller yet'
  },
  {
    filter: 'filterAvoided',
    wish: { avoided: new Map([['h1', 'it failed 5 times there']]) },
    is: {},
    because: 'it failed 5 times there'
  },
  {
    filter: 'filterArchitecture',
    is: { facts: { ...facts, architecture: 'aarch64' } },
    because: 'its processors are aarch64, the instance is for x86_64'
  },
  {
    filter: 'filterDriver',
    is: { drivers: ['lxc'] },
    because: "a vm needs libvirt's qemu driver, it has lxc"
  },
  {
    filter: 'filterDriver',
    is: { drivers: [] },
    because: 'its libvirt has not said yet what it can run'
  },
  {
    filter: 'filterAcceleration',
    wish: { acceleration: 'kvm' },
    is: { facts: { ...facts, kvm: { works: false, because: 'no /dev/kvm' } } },
    because: 'needs KVM, which does not work: no /dev/kvm'
  },
  {
    filter: 'filterDedicated',
    is: { host: host('h1', spec({ dedicated: ['blue', 'green'] })) },
    because: 'it is dedicated to blue, green'
  },
  {
    filter: 'filterLabels',
    wish: { hostLabels: { disk: 'ssd' } },
    is: { host: host('h1', { labels: { disk: 'hdd' } }) },
    because: 'its label disk is hdd, needs ssd'
  },
  {
    filter: 'filterMemory',
    is: { capacity: { ...room, memoryPromisedMib: 7_500 } },
    because: 'needs 1024 MiB, has 692 MiB unpromised (of 8192 MiB, 7500 MiB promised)'
  },
  {
    filter: 'filterMemory',
    wish: { memoryMib: 1_090, overheadMib: 66 },
    is: { capacity: { ...room, memoryPromisedMib: 7_168 } },
    because:
      'needs 1090 MiB (66 MiB beside its own), has 1024 MiB unpromised ' +
      '(of 8192 MiB, 7168 MiB promised)'
  },
  {
    filter: 'filterVcpus',
    is: { capacity: { ...room, vcpusPromised: 15 } },
    because: 'needs 2 vcpus, has 1 of 16 unpromised (4 per thread)'
  },
  {
    filter: 'filterScarce',
    wish: { scarce: { gpu: 1 } },
    is: { capacity: { ...room, scarcePromised: { gpu: 2 } } },
    because: 'needs 1 gpu, has 0 unpromised (of 2, 2 promised)'
  },
  {
    filter: 'filterNuma',
    wish: { scarce: { [inSomeCell.memory]: 1_024, [inSomeCell.vcpus]: 2 } },
    is: {},
    because: 'needs 1024 MiB and 2 vcpus in one NUMA cell, and has not said which it has'
  },
  {
    filter: 'filterPools',
    is: { poolFreeMib: new Map([['local', 15]]) },
    because: 'pool local has 15 MiB free, needs 16 MiB'
  },
  {
    filter: 'filterPools',
    is: { poolFaults: new Map([['local', 'it is not mounted']]) },
    because: 'pool local cannot be used: it is not mounted'
  },
  {
    filter: 'filterNetworks',
    wish: { networks: new Map([['n-1', 'blue']]) },
    is: { networkFaults: new Map([['n-1', 'there is no eth7']]) },
    because: 'network blue cannot be used: there is no eth7'
  },
  {
    filter: 'filterGroups',
    wish: { groups: [group({ h1: 2 }, { max: 2 })] },
    is: {},
    because: 'group web is kept apart, at most 2 on one host: it has 2'
  },
  {
    filter: 'filterGroups',
    wish: { groups: [group({ h2: 1 }, { rule: 'with' })] },
    is: {},
    because: 'group web is kept together on one host: the others are on h2'
  }
]

const named = (name: string): Filter => rules.filters.find(each => each.name === name)!
/** A second host that all wishes can go to, however the first one is. */
const cells = [{ index: 0, memoryMib: 8_192, threads: [0, 1, 2, 3] }]
const labels = { disk: 'ssd' }
const better: Candidate = {
  ...fine,
  host: host('h2', { labels }),
  facts: { ...facts, numa: cells }
}

for (const { filter, wish: more, is, because } of rows) {
  test(`${filter}: ${because}`, t => {
    const demand = { ...wish, ...more }
    const bad: Candidate = { ...fine, ...is }
    t.is(named(filter)(bad, demand), because)
    t.is(named(filter)(better, demand), undefined)
    const { chosen, rejected } = place(demand, [bad, better], rules)
    t.is(chosen?.name, 'h2')
    t.deepEqual([...rejected], [['h1', because]])
  })
}

test('features that a processor lacks, and orders that are full, are told with all numbers', t => {
  const features = { ...wish, cpuFeatures: ['avx2', 'sse4_2'] }
  const able = { ...facts, cpu: { ...facts.cpu, features: ['sse4_2'] } }
  t.is(
    named('filterCpuFeatures')({ ...fine, facts: able }, features),
    'its processor model lacks avx2 of avx2, sse4_2'
  )
  t.regex(
    named('filterOrder')({ ...fine, orderBytes: 2 ** 31 }, wish) ?? '',
    /^its order would have 2147484148 bytes of instances and their user data, at most \d+ are sent$/
  )
})

test('every rule has a row of its own', t => {
  const shown = new Set([...rows.map(({ filter }) => filter), 'filterCpuFeatures', 'filterOrder'])
  t.deepEqual(
    rules.filters.map(({ name }) => name).filter(name => !shown.has(name)),
    []
  )
  t.true([...shown].every(name => named(name) !== undefined))
})

test('what is stopped needs no room, and all else all the same', t => {
  const full = { ...fine, capacity: { ...room, memoryPromisedMib: 8_192, vcpusPromised: 16 } }
  const stopped = { ...wish, running: false, scarce: { gpu: 5 } }
  for (const name of ['filterMemory', 'filterVcpus', 'filterScarce', 'filterNuma']) {
    t.is(named(name)(full, stopped), undefined, name)
  }
  t.is(place(stopped, [full], rules).chosen?.name, 'h1')
})
