import test from 'ava'
import type { HostSpec } from '#shared/model/host.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Intent } from '../../../controller/core/admission/admit.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { instanceIntent, type SampleCloud, sampleCloud, wishOf } from '../../world/sample-cloud.ts'

const create = (
  kind: 'subnet' | 'volume' | 'network' | 'pool',
  name: string,
  spec: object
): Intent => ({
  verb: 'create',
  kind,
  name,
  spec: wishOf(kind, spec)
})

type Refused = {
  readonly title: string
  readonly before?: (cloud: SampleCloud) => void
  readonly intent: (cloud: SampleCloud) => Intent
  readonly code: string
  readonly says: RegExp
}

const idOf = (
  cloud: SampleCloud,
  kind: 'instance' | 'image' | 'network' | 'volume',
  name: string
) => cloud.view.named(kind, name, 'default')!.id

const web = (cloud: SampleCloud): Instance => cloud.view.named('instance', 'web', 'default')!

const changed = (cloud: SampleCloud, spec: object): Intent => ({
  verb: 'change',
  kind: 'instance',
  id: web(cloud).id,
  labels: {},
  spec: { ...web(cloud).spec, ...spec }
})

const withWeb = (cloud: SampleCloud): void => void cloud.done(instanceIntent('web'))

const withLocks = (cloud: SampleCloud): void =>
  void cloud.done(create('pool', 'all', { path: '/all', shared: true, locks: 'virtlockd' }))

const refused: readonly Refused[] = [
  {
    title: 'a name that is taken',
    before: withWeb,
    intent: () => instanceIntent('web'),
    code: 'conflict',
    says: /cannot create instance web: the name is taken/
  },
  {
    title: 'an image that is not there',
    intent: () => instanceIntent('web', { image: 'none' }),
    code: 'not-found',
    says: /there is no image "none"/
  },
  {
    title: 'locks in a pool that no other host sees',
    intent: () => create('pool', 'own', { path: '/own', locks: 'virtlockd' }),
    code: 'invalid',
    says: /cannot create pool own: its volumes need no locks/
  },
  {
    title: 'a folder for locks, and no locks',
    intent: () => create('pool', 'all', { path: '/all', shared: true, lockFolder: '/locks' }),
    code: 'invalid',
    says: /cannot create pool all: a folder for locks, and no locks/
  },
  {
    title: 'a tree where volumes are locked',
    before: withLocks,
    intent: () => create('volume', 'tree', { pool: 'all', format: 'tree', sizeMib: 64 }),
    code: 'invalid',
    says: /cannot create volume tree: a tree cannot be locked/
  },
  {
    title: 'a container where volumes are locked',
    before: withLocks,
    intent: () =>
      instanceIntent('box', { type: 'container', image: 'tiny-container', pool: 'all' }),
    code: 'invalid',
    says: /cannot create volume box-root: a tree cannot be locked/
  },
  {
    title: 'an image of the other type',
    intent: () => instanceIntent('web', { image: 'tiny-container' }),
    code: 'invalid',
    says: /image tiny-container is for a container/
  },
  {
    title: 'an image without content',
    before: cloud =>
      void cloud.done({ verb: 'create', kind: 'image', name: 'new', spec: wishOf('image', {}) }),
    intent: () => instanceIntent('web', { image: 'new' }),
    code: 'conflict',
    says: /image new has no content yet/
  },
  {
    title: 'a root volume smaller than the image',
    intent: () => instanceIntent('web', { rootMib: 3 }),
    code: 'invalid',
    says: /would be too small.*image tiny needs 64 MiB, 3 MiB are asked for/
  },
  {
    title: 'more memory than any host has',
    intent: () => instanceIntent('web', { memoryMib: 9_999 }),
    code: 'capacity',
    says: /h1: needs 9999 MiB, has 4096 MiB unpromised \(of 4096 MiB, 0 MiB promised\)/
  },
  {
    title: 'more processors than any host may carry',
    intent: () => instanceIntent('web', { vcpus: 17 }),
    code: 'capacity',
    says: /h1: needs 17 vcpus, has 16 of 16 unpromised \(4 per thread\)/
  },
  {
    title: 'a host that is not the one it is bound to',
    intent: () => instanceIntent('web', { host: 'h9' }),
    code: 'capacity',
    says: /h1: the instance is bound to h9/
  },
  {
    title: 'an unknown network',
    intent: () => instanceIntent('web', { ports: [{ network: 'none' }] }),
    code: 'not-found',
    says: /there is no network "none".*default/
  },
  {
    title: 'an address outside every subnet',
    intent: () => instanceIntent('web', { ports: [{ network: 'default', address: '10.1.1.1' }] }),
    code: 'invalid',
    says: /address 10\.1\.1\.1 is in no subnet.*10\.66\.0\.0\/24/
  },
  {
    title: 'the address of the gateway',
    intent: () => instanceIntent('web', { ports: [{ network: 'default', address: '10.66.0.1' }] }),
    code: 'conflict',
    says: /it is the gateway of subnet default/
  },
  {
    title: 'an address that another instance has',
    before: withWeb,
    intent: () => instanceIntent('b', { ports: [{ network: 'default', address: '10.66.0.2' }] }),
    code: 'conflict',
    says: /address 10\.66\.0\.2 is taken.*instance web has it/
  },
  {
    title: 'an instance with nothing to start from',
    intent: () =>
      ({ ...instanceIntent('web'), spec: wishOf('instance', { memoryMib: 128 }) }) as Intent,
    code: 'invalid',
    says: /neither an image nor a volume/
  },
  {
    title: 'an unknown size',
    intent: () => instanceIntent('web', { size: 'giant' }),
    code: 'not-found',
    says: /there is no size "giant"/
  },
  {
    title: 'a volume in use',
    before: cloud => {
      cloud.done(create('volume', 'data', { sizeMib: 10 }))
      cloud.done(instanceIntent('web', { volumes: ['data'] }))
    },
    intent: () => instanceIntent('b', { volumes: ['data'] }),
    code: 'conflict',
    says: /volume data is in use.*instance web uses it/
  },
  {
    title: 'a change of the image',
    before: withWeb,
    intent: cloud => changed(cloud, { image: 'other' }),
    code: 'invalid',
    says: /cannot change image of instance web/
  },
  {
    title: 'a smaller root volume',
    before: withWeb,
    intent: cloud => changed(cloud, { rootMib: 3 }),
    code: 'invalid',
    says: /cannot make the root volume of web smaller/
  },
  {
    title: 'more memory than its host has left',
    before: withWeb,
    intent: cloud => changed(cloud, { memoryMib: 5_000 }),
    code: 'capacity',
    says: /needs 4872 MiB, has 3968 MiB unpromised/
  },
  {
    title: 'a change that was read at another generation',
    before: withWeb,
    intent: cloud => ({ ...changed(cloud, { priority: 1 }), ifGeneration: 7 }) as Intent,
    code: 'stale',
    says: /you read generation 7, it is at 1/
  },
  {
    title: 'a pause of a stopped instance',
    before: cloud => void cloud.done(instanceIntent('web', { desiredPower: 'stopped' })),
    intent: cloud => ({ verb: 'power', id: web(cloud).id, power: 'paused' }),
    code: 'conflict',
    says: /cannot pause instance web: it is stopped/
  },
  {
    title: 'a subnet that overlaps another',
    intent: () => create('subnet', 'two', { network: 'default', cidr: '10.66.0.128/25' }),
    code: 'conflict',
    says: /its range overlaps another.*subnet default has 10\.66\.0\.0\/24/
  },
  {
    title: 'a subnet with bits outside its prefix',
    intent: () => create('subnet', 'two', { network: 'default', cidr: '10.67.0.1/24' }),
    code: 'invalid',
    says: /has bits outside its prefix/
  },
  {
    title: 'the deletion of an image in use',
    before: withWeb,
    intent: cloud => ({ verb: 'delete', kind: 'image', id: idOf(cloud, 'image', 'tiny') }),
    code: 'conflict',
    says: /cannot delete image tiny: it is in use.*volume web-root/
  },
  {
    title: 'the deletion of a network with ports',
    before: withWeb,
    intent: cloud => ({ verb: 'delete', kind: 'network', id: idOf(cloud, 'network', 'default') }),
    code: 'conflict',
    says: /cannot delete network default: it is in use.*instance web/
  },
  {
    title: 'the deletion of a size in use',
    before: cloud => void cloud.done(instanceIntent('web', { size: 'tiny' })),
    intent: cloud => ({ verb: 'delete', kind: 'size', id: cloud.view.named('size', 'tiny')!.id }),
    code: 'conflict',
    says: /cannot delete size tiny: it is in use.*instance web/
  },
  {
    title: 'the deletion of the default tenant',
    intent: cloud => ({
      verb: 'delete',
      kind: 'tenant',
      id: cloud.view.named('tenant', 'default')!.id
    }),
    code: 'conflict',
    says: /whoever names no tenant is it/
  },
  {
    title: 'a count of restarts that goes back',
    before: cloud => {
      withWeb(cloud)
      cloud.done({ verb: 'restart', id: web(cloud).id })
    },
    intent: cloud => changed(cloud, { restarts: 0 }),
    code: 'invalid',
    says: /cannot set restarts of instance web back.*it is 1, 0 is asked for/
  },
  {
    title: 'the deletion of the root volume of an instance',
    before: withWeb,
    intent: cloud => ({ verb: 'delete', kind: 'volume', id: idOf(cloud, 'volume', 'web-root') }),
    code: 'conflict',
    says: /cannot delete volume web-root.*instance web/
  },
  {
    title: 'a tenant that does not exist',
    intent: () => ({ ...instanceIntent('web'), tenant: 'acme' }) as Intent,
    code: 'not-found',
    says: /there is no tenant "acme"/
  },
  {
    title: 'a host from hand',
    intent: () => ({ verb: 'create', kind: 'host', name: 'h2', spec: {} }),
    code: 'invalid',
    says: /hosts join by themselves/
  },
  {
    title: 'something that is gone',
    intent: () => ({ verb: 'restart', id: 'i-gone' }),
    code: 'not-found',
    says: /there is no instance i-gone any more/
  }
]

test('all that can be wished of a host can be wished of one that has joined', t => {
  const cloud = sampleCloud()
  const { id, name } = [...cloud.view.all('host').values()][0]!
  const wishes: readonly HostSpec[] = [
    { schedulable: true, reservedMib: 512, vcpusPerThread: 1, afterFence: 'off' },
    { schedulable: true, reservedMib: 512, vcpusPerThread: 1, boot: 'disk' },
    { schedulable: false, reservedMib: 256, vcpusPerThread: 2 }
  ]
  for (const spec of wishes) {
    cloud.done({ verb: 'change', kind: 'host', id, labels: {}, spec })
    t.deepEqual(cloud.view.named('host', name)?.spec, spec)
  }
})

for (const { title, before, intent, code, says } of refused) {
  test(`${title} is refused, with the reason`, t => {
    const cloud = sampleCloud()
    before?.(cloud)
    const verdict = cloud.judged(intent(cloud))
    if (!isRefusal(verdict)) return t.fail('it was admitted')
    const { message, reasons, next } = verdict.refused
    t.is(verdict.refused.code, code as never)
    t.regex([message, ...reasons].join(' '), says)
    t.true(next.length > 0 || reasons.length > 0, 'it says what to do or why')
  })
}
