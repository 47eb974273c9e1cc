/** What machines are able to do, and what instances ask of them. */
import test from 'ava'
import type { HostFacts } from '#shared/model/host-facts.ts'
import type { Report } from '#shared/wire/order.ts'
import { spreadPlan } from '../../../../controller/core/placement/spread-plan.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import { planOf } from '../../../../controller/core/reserve/plan.ts'
import { surveyed } from '../../../../controller/core/reserve/survey.ts'
import { instanceIntent, sampleCloud, sampleFacts, wishOf } from '../../../world/sample-cloud.ts'

const facts = sampleFacts('h1', 4_608)
const able: HostFacts = { ...facts, cpu: { ...facts.cpu, features: ['sse4_2', 'avx2'] } }
const emulating: HostFacts = { ...able, kvm: { works: false, because: 'no /dev/kvm' } }

type Row = {
  readonly title: string
  readonly facts?: HostFacts
  readonly report?: (network: string) => Partial<Report>
  readonly wish?: object
  /** Undefined: the host takes it. */
  readonly refused?: string
}

const rows: readonly Row[] = [
  {
    title: 'a host of another architecture takes nobody who does not ask for it',
    facts: { ...able, architecture: 'aarch64' },
    refused: 'its processors are aarch64, the instance is for x86_64'
  },
  {
    title: 'and takes who does',
    facts: { ...able, architecture: 'aarch64' },
    wish: { architecture: 'aarch64' }
  },
  {
    title: 'who asks for another one than all hosts are is refused',
    facts: able,
    wish: { architecture: 'aarch64' },
    refused: 'its processors are x86_64, the instance is for aarch64'
  },
  {
    title: 'an architecture that nothing is built for takes nobody',
    facts: { ...able, architecture: 'riscv64' },
    wish: { architecture: 'aarch64' },
    refused: 'its processors are riscv64, the instance is for aarch64'
  },
  { title: 'one that says x86_64 does', facts: { ...able, architecture: 'x86_64' } },
  { title: 'and one that does not say', facts: able },
  {
    title: 'features that are there are found',
    facts: able,
    wish: { cpuFeatures: ['avx2', 'sse4_2'] }
  },
  {
    title: 'the ones that are missing are named',
    facts: able,
    wish: { cpuFeatures: ['avx2', 'avx512f'] },
    refused: 'its processor model lacks avx512f of avx2, avx512f'
  },
  {
    title: 'an emulated processor has no features to give',
    facts: emulating,
    wish: { cpuFeatures: ['avx2'] },
    refused: 'VMs are emulated here, which gives them no avx2: no /dev/kvm'
  },
  {
    title: 'a container has those of its host',
    facts: emulating,
    wish: { type: 'container', image: 'tiny-container', cpuFeatures: ['avx2'] }
  },
  {
    title: 'a VM that needs KVM goes where it works',
    facts: emulating,
    wish: { acceleration: 'kvm' },
    refused: 'needs KVM, which does not work: no /dev/kvm'
  },
  { title: 'it is started there', facts: able, wish: { acceleration: 'kvm' } },
  { title: 'any other may be emulated', facts: emulating },
  {
    title: 'a network that the host cannot build keeps those away that are in it',
    facts: able,
    report: id => ({ networks: [{ id, phase: 'failed', message: 'there is no eth7' }] }),
    refused: 'network default cannot be used: there is no eth7'
  },
  {
    title: 'and nobody else',
    facts: able,
    report: id => ({ networks: [{ id, phase: 'failed', message: 'there is no eth7' }] }),
    wish: { ports: [] }
  }
]

for (const { title, facts, report, wish, refused } of rows) {
  test(title, t => {
    const cloud = sampleCloud()
    const network = [...cloud.view.all('network').keys()][0]!
    cloud.report('h1', { number: 2, ...(facts && { facts }), ...report?.(network) })
    const verdict = cloud.judged(instanceIntent('web', wish))
    const reasons = isRefusal(verdict) ? verdict.refused.reasons : undefined
    t.deepEqual(reasons, refused === undefined ? undefined : [`h1: ${refused}`])
  })
}

test('an instance is for what its image is for, and cannot say otherwise', t => {
  const cloud = sampleCloud({ h1: { memoryMib: 4_608 }, h2: { memoryMib: 2_048 } })
  cloud.report('h2', { number: 2, facts: { ...sampleFacts('h2', 2_048), architecture: 'aarch64' } })
  const spec = wishOf('image', { architecture: 'aarch64' })
  const { resource } = cloud.done({ verb: 'create', kind: 'image', name: 'arm', spec })
  const content = { sha256: 'a'.repeat(64), sizeBytes: 1_000, virtualMib: 64 }
  cloud.done({ verb: 'fill-image', id: resource.id, content })
  const other = cloud.judged(instanceIntent('x', { image: 'arm', architecture: 'x86_64' }))
  t.like(isRefusal(other) && other.refused, {
    message: 'cannot create instance x for x86_64',
    reasons: ['image arm is for aarch64']
  })
  t.is(cloud.done(instanceIntent('web', { image: 'arm' })).placement?.chosen?.name, 'h2')
  const web = cloud.view.named('instance', 'web', 'default')!
  t.is(web.decided.architecture, 'aarch64')
  const change = { ...web.spec, architecture: 'x86_64' as const }
  const changed = cloud.judged({
    ...{ verb: 'change', kind: 'instance', id: web.id, labels: {}, spec: change }
  })
  t.regex(JSON.stringify(changed), /cannot change architecture of instance web/)
  const large = cloud.judged(instanceIntent('large', { image: 'arm', memoryMib: 3_000 }))
  t.deepEqual(isRefusal(large) && large.refused.next.slice(0, 2), [
    'it would fit with 1592 MiB more on h2, or with --memory 1408MiB',
    'it would fit if it were for x86_64: h1'
  ])
})

test('plans of many and of losses keep to architectures', t => {
  const cloud = sampleCloud({ h1: { memoryMib: 4_608 }, h2: { memoryMib: 4_608 } })
  const far = wishOf('pool', { path: '/far', shared: true })
  cloud.done({ verb: 'create', kind: 'pool', name: 'far', spec: far })
  const pools = ['local', 'far'].map(name => ({
    ...{ name, phase: 'ready' as const, message: '', capacityMib: 90_000, freeMib: 90_000 }
  }))
  const arm = { ...sampleFacts('h2', 4_608), architecture: 'aarch64' }
  cloud.report('h1', { number: 2, pools, facts: sampleFacts('h1', 4_608) })
  cloud.report('h2', { number: 2, pools, facts: arm })
  const shape = { type: 'vm', memoryMib: 1_024, vcpus: 1, pool: 'far', count: 3 } as const
  const { view, context } = cloud
  t.like(spreadPlan(view, { ...shape, architecture: 'aarch64' }, context.now), {
    placed: 3,
    hosts: [{ host: 'h2', count: 3 }]
  })
  cloud.done(instanceIntent('usual', { pool: 'far' }))
  cloud.done(instanceIntent('web', { pool: 'far', architecture: 'aarch64' }))
  const strandedBy = (lost: string): readonly string[] => {
    const ground = surveyed(view, context.now)
    const host = ground.rows.findIndex(row => row.host.name === lost)
    return planOf(ground, [host]).stranded.map(({ name }) => name)
  }
  t.deepEqual(strandedBy('h2'), ['web'])
  t.deepEqual(strandedBy('h1'), ['usual'])
})
