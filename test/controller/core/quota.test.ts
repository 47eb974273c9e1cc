/** What tenants may have at most, and what is said to those who ask for more. */
import test from 'ava'
import fc from 'fast-check'
import type { Instance } from '#shared/model/instance.ts'
import type { Tenant, TenantSpec } from '#shared/model/tenant.ts'
import type { Intent } from '../../../controller/core/admission/admit.ts'
import { spreadPlan } from '../../../controller/core/placement/spread-plan.ts'
import { noUse, quotaNames, type Use, useBy, useOf } from '../../../controller/core/quota.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import {
  decidedBy,
  instanceIntent,
  type SampleCloud,
  sampleCloud
} from '../../world/sample-cloud.ts'

const acme = (cloud: SampleCloud): Tenant => cloud.view.named('tenant', 'acme')!
const own = (intent: Intent): Intent => ({ ...intent, tenant: 'acme' }) as Intent
const create = (name: string, spec: object = {}): Intent => own(instanceIntent(name, spec))
const web = (cloud: SampleCloud): Instance => cloud.view.named('instance', 'web', 'acme')!

function allow(cloud: SampleCloud, quota: TenantSpec['quota']): void {
  const { id, spec } = acme(cloud)
  const wish = { ...spec, ...(quota && { quota }) }
  cloud.done({ verb: 'change', kind: 'tenant', id, labels: {}, spec: wish })
}

/** Tenant acme with web: 1 GiB, 2 vcpus, a root of 64 MiB. */
function cloudOfAcme(): SampleCloud {
  const cloud = sampleCloud({ h1: { memoryMib: 8_704 } })
  const image = cloud.view.named('image', 'tiny', 'default')!
  const shared = { ...image.spec, shared: true }
  cloud.done({ verb: 'change', kind: 'image', id: image.id, labels: {}, spec: shared })
  cloud.done({ verb: 'create', kind: 'tenant', name: 'acme', spec: { description: '' } })
  cloud.done(create('web', { memoryMib: 1_024, vcpus: 2 }))
  return cloud
}

const change = (cloud: SampleCloud, spec: object): Intent => {
  const { id, spec: before } = web(cloud)
  return { verb: 'change', kind: 'instance', id, labels: {}, spec: { ...before, ...spec } }
}
const power = (cloud: SampleCloud, to: 'running' | 'stopped'): Intent => ({
  verb: 'power',
  id: web(cloud).id,
  power: to
})
const volume = (sizeMib: number): Intent =>
  own({
    verb: 'create',
    kind: 'volume',
    name: 'more',
    spec: { pool: 'local', format: 'raw', sizeMib }
  })

type Row = {
  readonly title: string
  readonly quota: TenantSpec['quota']
  readonly before?: (cloud: SampleCloud) => void
  readonly wish: (cloud: SampleCloud) => Intent
  /** Undefined: it is granted. */
  readonly reasons?: readonly string[]
  readonly says?: RegExp
}

const rows: readonly Row[] = [
  {
    title: 'up to its quota a tenant may have all',
    quota: { memoryMib: 1_152, instances: 2 },
    wish: () => create('db')
  },
  {
    title: 'beyond it an instance is refused',
    quota: { memoryMib: 1_151 },
    wish: () => create('db'),
    reasons: ['memory: it has 1024 MiB, 128 MiB more are asked for, 1151 MiB are its quota'],
    says: /^cannot create instance db: tenant acme would have more than its quota$/
  },
  {
    title: 'all that is exceeded is told',
    quota: { vcpus: 2, instances: 1, diskMib: 100 },
    wish: () => create('db'),
    reasons: [
      'instances: it has 1, 1 more are asked for, 1 are its quota',
      'vcpus: it has 2, 1 more are asked for, 2 are its quota',
      'disk: it has 64 MiB, 64 MiB more are asked for, 100 MiB are its quota'
    ]
  },
  {
    title: 'another shape is judged by what it adds',
    quota: { memoryMib: 1_500 },
    wish: cloud => change(cloud, { memoryMib: 1_501 }),
    reasons: ['memory: it has 1024 MiB, 477 MiB more are asked for, 1500 MiB are its quota'],
    says: /^cannot change instance web:/
  },
  {
    title: 'and may reach the quota',
    quota: { memoryMib: 1_500 },
    wish: cloud => change(cloud, { memoryMib: 1_500 })
  },
  {
    title: 'a stopped instance has its disk and its place alone',
    quota: { memoryMib: 1_024, vcpus: 2 },
    before: cloud => cloud.done(power(cloud, 'stopped')),
    wish: () => create('db', { memoryMib: 1_024, vcpus: 2 })
  },
  {
    title: 'and is judged again when it is started',
    quota: { memoryMib: 1_024 },
    before: cloud => {
      cloud.done(power(cloud, 'stopped'))
      cloud.done(create('db'))
    },
    wish: cloud => power(cloud, 'running'),
    reasons: ['memory: it has 128 MiB, 1024 MiB more are asked for, 1024 MiB are its quota'],
    says: /^cannot start instance web:/
  },
  {
    title: 'a restart of what runs takes nothing more',
    quota: { memoryMib: 1 },
    wish: cloud => ({ verb: 'restart', id: web(cloud).id })
  },
  {
    title: 'what is beyond a quota that was lowered may shrink',
    quota: { memoryMib: 512 },
    wish: cloud => change(cloud, { memoryMib: 900 })
  },
  { title: 'it may be stopped', quota: { memoryMib: 1 }, wish: cloud => power(cloud, 'stopped') },
  {
    title: 'it may be deleted',
    quota: { instances: 0 },
    wish: cloud => ({ verb: 'delete', kind: 'instance', id: web(cloud).id })
  },
  {
    title: 'a volume takes disk',
    quota: { diskMib: 128 },
    wish: () => volume(65),
    reasons: ['disk: it has 64 MiB, 65 MiB more are asked for, 128 MiB are its quota'],
    says: /^cannot create volume more:/
  },
  { title: 'up to the last MiB', quota: { diskMib: 128 }, wish: () => volume(64) },
  {
    title: 'another tenant has nothing to do with it',
    quota: { instances: 0 },
    wish: () => instanceIntent('db')
  }
]

for (const { title, quota, before, wish, reasons, says } of rows) {
  test(title, t => {
    const cloud = cloudOfAcme()
    before?.(cloud)
    allow(cloud, quota)
    const verdict = cloud.judged(wish(cloud))
    t.deepEqual(isRefusal(verdict) ? verdict.refused.reasons : undefined, reasons)
    if (isRefusal(verdict) && says) t.regex(verdict.refused.message, says)
  })
}

test('a refusal says the least quota with which it would be granted, and then it is', t => {
  const cloud = cloudOfAcme()
  allow(cloud, { memoryMib: 1_024, instances: 1 })
  const verdict = cloud.judged(create('db'))
  const next = isRefusal(verdict) ? verdict.refused.next.at(-1) : undefined
  t.is(next, 'an admin can allow it: remuda tenant set acme --instances 2 --memory 1152MiB')
  allow(cloud, { memoryMib: 1_152, instances: 2 })
  t.false(isRefusal(cloud.judged(create('db'))))
})

/** What it comes to when all is walked. */
const walked = (cloud: SampleCloud): Use => {
  const sum: Record<keyof Use, number> = { ...noUse }
  for (const kind of ['instance', 'volume'] as const) {
    for (const one of cloud.view.all(kind).values()) {
      if (one.tenant !== 'acme') continue
      const use = useOf(one)
      for (const name of quotaNames) sum[name] += use[name]
    }
  }
  return sum
}

const wishes = fc.array(
  fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    what: fc.constantFrom('create', 'delete', 'stop', 'start', 'resize'),
    memoryMib: fc.constantFrom(64, 256, 700),
    vcpus: fc.constantFrom(1, 2, 3)
  }),
  { maxLength: 30 }
)
const quotas = fc.record({
  memoryMib: fc.constantFrom(1_024, 1_400, 2_000),
  vcpus: fc.constantFrom(2, 4, 6),
  instances: fc.constantFrom(1, 2, 4),
  diskMib: fc.constantFrom(64, 150, 300)
})

test('whatever is wished, nobody has more than its quota, and sums are what is there', t => {
  fc.assert(
    fc.property(quotas, wishes, (quota, all) => {
      const cloud = cloudOfAcme()
      allow(cloud, quota)
      let before = useBy(cloud.view, acme(cloud))
      for (const { name, what, memoryMib, vcpus } of all) {
        const found = cloud.view.named('instance', name, 'acme')
        const intent = intentOf(found, { name, what, memoryMib, vcpus })
        const verdict = intent && cloud.judged(intent)
        if (verdict && !isRefusal(verdict)) cloud.commit(verdict.commit)
        decidedBy(cloud)
        const now = useBy(cloud.view, acme(cloud))
        t.deepEqual(now, walked(cloud))
        for (const one of quotaNames) t.true(now[one] <= Math.max(quota[one], before[one]))
        before = now
      }
    }),
    { numRuns: Number(process.env['REMUDA_RUNS'] ?? 30) }
  )
})

function intentOf(
  found: Instance | undefined,
  wish: {
    readonly name: string
    readonly what: string
    readonly memoryMib: number
    readonly vcpus: number
  }
): Intent | undefined {
  const { name, what, memoryMib, vcpus } = wish
  if (what === 'create') return create(name, { memoryMib, vcpus })
  if (!found) return undefined
  const { id, spec } = found
  if (what === 'delete') return { verb: 'delete', kind: 'instance', id }
  if (what === 'stop') return { verb: 'power', id, power: 'stopped' }
  if (what === 'start') return { verb: 'power', id, power: 'running' }
  const changed = { ...spec, memoryMib, vcpus }
  return { verb: 'change', kind: 'instance', id, labels: {}, spec: changed }
}

const plans: readonly (readonly [string, TenantSpec['quota'], number, string | undefined])[] = [
  ['without a quota hosts alone limit a plan', undefined, 7, undefined],
  ['and where the quota is larger', { memoryMib: 65_536 }, 7, undefined],
  [
    'a plan of many ends where the quota of memory does',
    { memoryMib: 3_500 },
    2,
    'memoryMib: it has 1024 of 3500, and each takes 1024'
  ],
  ['the least of all decides', { memoryMib: 4_096, instances: 2 }, 1, 'instances: it has 1 of 2'],
  ['what is used up gives none', { vcpus: 1 }, 0, 'vcpus: it has 2 of 1'],
  ['room on disks is not asked', { diskMib: 64 }, 7, undefined]
]
for (const [title, quota, placed, because] of plans) {
  test(title, t => {
    const cloud = cloudOfAcme()
    allow(cloud, quota)
    const shape = { type: 'vm', memoryMib: 1_024, vcpus: 1, pool: 'local' } as const
    const wish = { ...shape, tenant: 'acme', count: 20 }
    const plan = spreadPlan(cloud.view, wish, cloud.context.now)
    t.like(plan, { placed })
    const changes = because === undefined ? [] : [`with more quota for tenant acme: ${because}`]
    if (because !== undefined) t.like(plan, { changes, rejected: [] })
  })
}
