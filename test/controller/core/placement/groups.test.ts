/** Groups that are kept apart or together, labels, and hosts that are for certain tenants. */
import test from 'ava'
import fc from 'fast-check'
import type { InstanceSpec } from '#shared/model/instance.ts'
import type { Intent } from '../../../../controller/core/admission/admit.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import {
  decidedBy,
  instanceIntent,
  type SampleCloud,
  sampleCloud,
  wishOf
} from '../../../world/sample-cloud.ts'
import { RandomCloud, type RandomInstance } from '../reserve/random-cloud.ts'

type Rule = NonNullable<InstanceSpec['affinity']>[number]
const rule = (changes: Partial<Rule> = {}): Rule => ({
  group: 'web',
  rule: 'apart',
  level: 'host',
  hard: true,
  max: 1,
  ...changes
})

/** h1 and h2 in rack r1, h3 in r2, h4 in none; each has room for all. */
function cloudOfRacks(): SampleCloud {
  const room = { memoryMib: 8_192 }
  const cloud = sampleCloud({ h1: room, h2: room, h3: room, h4: room })
  label(cloud, 'h1', { rack: 'r1', disk: 'ssd' })
  label(cloud, 'h2', { rack: 'r1', disk: 'hdd' })
  label(cloud, 'h3', { rack: 'r2' })
  return cloud
}

function label(cloud: SampleCloud, name: string, labels: Record<string, string>): void {
  const { id, spec } = cloud.host(name)
  cloud.done({ verb: 'change', kind: 'host', id, labels, spec })
}

const at = (name: string, host: string, spec: object): Intent =>
  instanceIntent(name, { host, ...spec })

/** The reason of each host that is refused when nothing else is wrong with it. */
function verdictOn(cloud: SampleCloud, intent: Intent): Readonly<Record<string, string>> {
  const verdict = cloud.judged(intent)
  const split = (reason: string) => [reason.slice(0, 2), reason.slice(4)]
  if (isRefusal(verdict)) return Object.fromEntries(verdict.refused.reasons.map(split))
  return Object.fromEntries(verdict.placement!.rejected)
}

const apart = 'group web is kept apart, at most'
const together = 'group web is kept together on one'

type Row = {
  readonly title: string
  readonly there: readonly (readonly [host: string, rules: readonly Rule[]])[]
  readonly wish: object
  readonly refused: Readonly<Record<string, string>>
}

const rack = { level: 'rack' }
const noRack = (word: string) => `it has no label rack, by which group web is kept ${word}`

const rows: readonly Row[] = [
  {
    title: 'who is kept apart goes to no host with another one',
    there: [['h1', [rule()]]],
    wish: { affinity: [rule()] },
    refused: { h1: `${apart} 1 on one host: it has 1` }
  },
  {
    title: 'two are allowed where two are',
    there: [
      ['h1', [rule({ max: 2 })]],
      ['h1', [rule({ max: 2 })]],
      ['h2', [rule({ max: 2 })]]
    ],
    wish: { affinity: [rule({ max: 2 })] },
    refused: { h1: `${apart} 2 on one host: it has 2` }
  },
  {
    title: 'a rack is full with one, and a host without a rack cannot be judged',
    there: [['h1', [rule(rack)]]],
    wish: { affinity: [rule(rack)] },
    refused: {
      h1: `${apart} 1 on one rack: rack r1 has 1`,
      h2: `${apart} 1 on one rack: rack r1 has 1`,
      h4: noRack('apart')
    }
  },
  {
    title: 'a hard rule that another one states holds for who states none',
    there: [['h1', [rule()]]],
    wish: { affinity: [rule({ hard: false, level: 'rack' })] },
    refused: { h1: `${apart} 1 on one host: it has 1` }
  },
  {
    title: 'a soft rule takes no host away',
    there: [['h1', [rule({ hard: false })]]],
    wish: { affinity: [rule({ hard: false })] },
    refused: {}
  },
  {
    title: 'those who are kept together go where the others are',
    there: [['h2', [rule({ rule: 'with' })]]],
    wish: { affinity: [rule({ rule: 'with' })] },
    refused: Object.fromEntries(
      ['h1', 'h3', 'h4'].map(host => [host, `${together} host: the others are on h2`])
    )
  },
  {
    title: 'and to any host of their rack',
    there: [['h2', [rule({ rule: 'with', ...rack })]]],
    wish: { affinity: [rule({ rule: 'with', ...rack })] },
    refused: {
      h3: `${together} rack: the others are on r1, this is rack r2`,
      h4: noRack('together')
    }
  },
  {
    title: 'the first of those goes anywhere',
    there: [],
    wish: { affinity: [rule({ rule: 'with' })] },
    refused: {}
  },
  {
    title: 'other groups do not matter',
    there: [['h1', [rule({ group: 'db' })]]],
    wish: { affinity: [rule()] },
    refused: {}
  },
  {
    title: 'labels are asked for by key and value',
    there: [],
    wish: { hostLabels: { disk: 'ssd' } },
    refused: {
      h2: 'its label disk is hdd, needs ssd',
      h3: 'it has no label disk, needs disk=ssd',
      h4: 'it has no label disk, needs disk=ssd'
    }
  }
]

for (const { title, there, wish, refused } of rows) {
  test(title, t => {
    const cloud = cloudOfRacks()
    for (const [number, [host, affinity]] of there.entries()) {
      cloud.done(at(`i${number}`, host, { affinity }))
    }
    t.deepEqual(verdictOn(cloud, instanceIntent('new', wish)), refused)
  })
}

test('a group of another tenant is another group', t => {
  const cloud = cloudOfRacks()
  cloud.done({ verb: 'create', kind: 'tenant', name: 'acme', spec: wishOf('tenant', {}) })
  for (const [kind, name, spec] of [
    ['network', 'own', {}],
    ['image', 'own', { type: 'vm', format: 'qcow2' }]
  ] as const) {
    cloud.done({ verb: 'create', kind, name, tenant: 'acme', spec: wishOf(kind, spec) })
  }
  const image = cloud.view.named('image', 'own', 'acme')!
  const content = { sha256: 'b'.repeat(64), sizeBytes: 1, virtualMib: 64 }
  cloud.done({ verb: 'fill-image', id: image.id, content })
  const spec = { image: 'own', ports: [], affinity: [rule()] }
  cloud.done({ ...at('a', 'h1', spec), tenant: 'acme' } as Intent)
  t.deepEqual(verdictOn(cloud, instanceIntent('b', { affinity: [rule()] })), {})
})

test('a dedicated host takes instances of its tenants alone', t => {
  const cloud = cloudOfRacks()
  const { id, labels, spec } = cloud.host('h1')
  cloud.done({ verb: 'change', kind: 'host', id, labels, spec: { ...spec, dedicated: ['acme'] } })
  t.deepEqual(verdictOn(cloud, instanceIntent('a')), { h1: 'it is dedicated to acme' })
  const own = { ...spec, dedicated: ['acme', 'default'] }
  cloud.done({ verb: 'change', kind: 'host', id, labels, spec: own })
  t.deepEqual(verdictOn(cloud, instanceIntent('b')), {})
})

test('a wish that its host does not satisfy is refused, another one is taken', t => {
  const cloud = cloudOfRacks()
  cloud.done(at('a', 'h1', { affinity: [rule()] }))
  cloud.done(instanceIntent('b', { host: 'h1' }))
  const b = cloud.view.named('instance', 'b', 'default')!
  const changed = (spec: object): Intent => ({
    verb: 'change',
    kind: 'instance',
    id: b.id,
    labels: {},
    spec: { ...b.spec, ...spec }
  })
  const verdict = JSON.stringify(cloud.judged(changed({ affinity: [rule()] })))
  t.regex(verdict, /cannot change instance b: it could not be on h1/)
  t.regex(verdict, /h1: group web is kept apart, at most 1 on one host: it has 1/)
  t.regex(JSON.stringify(cloud.judged(changed({ hostLabels: { disk: 'hdd' } }))), /disk is ssd/)
  t.false(isRefusal(cloud.judged(changed({ hostLabels: { disk: 'ssd' } }))))
})

const wish: fc.Arbitrary<Partial<Rule>> = fc.record({
  group: fc.constantFrom('a', 'b'),
  rule: fc.constantFrom('apart', 'apart', 'with'),
  level: fc.constantFrom('host', 'rack'),
  hard: fc.constantFrom(true, true, false),
  max: fc.integer({ min: 1, max: 2 })
})
const step = fc.record({
  does: fc.constantFrom('create', 'create', 'create', 'move', 'change', 'delete', 'lose', 'return'),
  rules: fc.array(wish, { maxLength: 2 }),
  a: fc.nat(1_000),
  b: fc.nat(1_000)
})

test('whatever is wished and lost, no hard rule is ever broken', t => {
  let judged = 0
  const property = fc.property(
    fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 2, maxLength: 6 }),
    fc.array(step, { minLength: 5, maxLength: 40 }),
    (racks, steps) => {
      const hosts = racks.map(rack => ({ memoryMib: 1_536, vcpusPerThread: 4, rack, lxc: true }))
      const random = new RandomCloud(hosts, {})
      for (const one of steps) {
        take(random, one)
        judged += 1
        assertKept(random.cloud)
      }
    }
  )
  fc.assert(property, { numRuns: 150 })
  t.true(judged > 500)
})

function take(random: RandomCloud, one: StepOf): void {
  const { does, rules, a, b } = one
  const { cloud } = random
  const instance = random.instance(a)
  const affinity = rules.map(some => rule(some))
  const intent = (): Intent | undefined => {
    if (does === 'create') {
      const plain: RandomInstance = {
        memoryMib: 256,
        vcpus: 1,
        highlyAvailable: true,
        pool: 'far',
        type: 'vm',
        priority: 500,
        desiredPower: 'running'
      }
      return random.wish({ ...plain, affinity })
    }
    if (!instance) return undefined
    const { id, spec, labels } = instance
    if (does === 'move') return { verb: 'move', id, to: random.hostAt(b).name, live: false }
    if (does === 'change') {
      return { verb: 'change', kind: 'instance', id, labels, spec: { ...spec, affinity } }
    }
    return does === 'delete' ? { verb: 'delete', kind: 'instance', id } : undefined
  }
  if (does === 'lose' || does === 'return') {
    const { recovery: _, ...decided } = random.hostAt(a).decided
    const lost = { id: 'f', phase: 'fenced', since: '2026-01-01T00:00:00Z', because: '' } as const
    const after = does === 'lose' ? { ...decided, recovery: lost } : decided
    random.put({ ...random.hostAt(a), decided: after })
    for (let round = 0; round < 4; round += 1) decidedBy(cloud)
    return
  }
  const wished = intent()
  const verdict = wished && cloud.judged(wished)
  if (verdict && !isRefusal(verdict)) cloud.commit(verdict.commit)
}

type StepOf = {
  readonly does: string
  readonly rules: readonly Partial<Rule>[]
  readonly a: number
  readonly b: number
}

/** Looks at every member of every group, and asks each for its hard rules. */
function assertKept({ view }: SampleCloud): void {
  const all = [...view.all('instance').values()]
  for (const one of all) {
    for (const { group, rule, level, hard, max } of one.spec.affinity ?? []) {
      if (!hard) continue
      const members = all.filter(other => other.spec.affinity?.some(some => some.group === group))
      const domains = members.flatMap(({ decided: { host } }) => {
        const found = host === undefined ? undefined : view.named('host', host)
        // A host that is lost has nothing of what left it, and keeps who has to stay.
        if (!found || found.decided.recovery) return []
        return [level === 'host' ? found.name : (found.labels[level] ?? 'none')]
      })
      const most = Math.max(0, ...domains.map(one => domains.filter(two => two === one).length))
      const isKept = rule === 'apart' ? most <= max : new Set(domains).size <= 1
      if (!isKept) throw new Error(`${one.name}: ${rule} ${level} of ${group}: ${domains.join()}`)
    }
  }
}
