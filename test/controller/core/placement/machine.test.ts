/** What machines are able to do, and what instances ask of them. */
import test from 'ava'
import type { HostFacts } from '#shared/model/host-facts.ts'
import type { Report } from '#shared/wire/order.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import { instanceIntent, sampleCloud, sampleFacts } from '../../../world/sample-cloud.ts'

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
    title: 'a host of another architecture takes nobody',
    facts: { ...able, architecture: 'aarch64' },
    refused: 'its processors are aarch64, instances are for x86_64'
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
