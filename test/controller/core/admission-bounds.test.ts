/** What could bring two instances into each other's way, or an order that nobody can read. */

import { isIPv4 } from 'node:net'
import test from 'ava'
import type { Port } from '#shared/model/network.ts'
import { namePattern } from '#shared/model/resource.ts'
import { encodeBody } from '#shared/wire/frame.ts'
import type { Intent } from '../../../controller/core/admission/admit.ts'
import { createInstance } from '../../../controller/core/admission/instance-create.ts'
import { orderFor } from '../../../controller/core/orders.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import {
  instanceIntent,
  type SampleCloud,
  sampleCloud,
  sampleFacts,
  wishOf
} from '../../world/sample-cloud.ts'

type CreatedKind = 'network' | 'subnet' | 'pool' | 'tenant' | 'volume'
const create = (kind: CreatedKind, name: string, more: Partial<Intent> & { spec?: object } = {}) =>
  ({ verb: 'create', kind, name, ...more, spec: wishOf(kind, more.spec ?? {}) }) as Intent

const named = (cloud: SampleCloud, name: string) => cloud.view.named('instance', name, 'default')!
const said = (cloud: SampleCloud, intent: Intent): string =>
  JSON.stringify(cloud.judged(intent)).slice(0, 2_000)
const portsOf = (cloud: SampleCloud, name: string): readonly Port[] =>
  named(cloud, name).decided.ports.map(id => cloud.view.get('port', id)!)

test('instances with the longest names that differ only in the beginning are both made', t => {
  const cloud = sampleCloud()
  const end = `-${'x'.repeat(57)}`
  for (const name of [`alpha${end}`, `bravo${end}`]) {
    cloud.done(instanceIntent(name))
    const { volumes, ports } = named(cloud, name).decided
    const made = [cloud.view.get('volume', volumes[0]!), cloud.view.get('port', ports[0]!)]
    for (const one of made) t.regex(one?.name ?? '', new RegExp(namePattern))
  }
})

test('a host with a long name gets one that can be said', t => {
  const cloud = sampleCloud({})
  const hostname = `${'a'.repeat(57)}-${'b'.repeat(20)}`
  const wish = { uuid: 'u', hostname, publicKey: 'k', endpoint: 'tcp://x:1', trusted: true }
  const { resource } = cloud.done({ verb: 'join', wish })
  t.regex(resource.name, new RegExp(namePattern))
})

test('an address that is written in another way is the same address', t => {
  const cloud = sampleCloud()
  const at = (address: string) => ({ ports: [{ network: 'default', address }] })
  cloud.done(instanceIntent('a', at('10.66.0.7')))
  t.regex(said(cloud, instanceIntent('b', at('10.66.0.07'))), /instance a has it/)
  cloud.done(instanceIntent('c', at('10.66.0.08')))
  t.is(portsOf(cloud, 'c')[0]?.decided.address, '10.66.0.8')
  t.true(isIPv4(portsOf(cloud, 'c')[0]!.decided.address))
})

test('ports of one instance never share a hardware address', t => {
  const cloud = sampleCloud()
  const plugs = Array.from({ length: 4 }, () => ({ network: 'default' }))
  let count = 0
  const newId = (prefix: string): string => {
    count += 1
    return `${prefix}-${count}-abcdef`
  }
  const spec = wishOf('instance', { image: 'tiny', memoryMib: 64, ports: plugs })
  const verdict = createInstance(
    cloud.view,
    { name: 'web', spec: spec as never },
    { ...cloud.context, newId }
  )
  t.false(isRefusal(verdict))
  if (isRefusal(verdict)) return
  const macs = verdict.commit.changes.flatMap(change =>
    change.op === 'put' && change.resource.kind === 'port' ? change.resource.decided.mac : []
  )
  t.is(new Set(macs).size, 4, macs.join(' '))
})

test('a shared network lends plugs, not addresses: its subnets are its own', t => {
  const cloud = sampleCloud()
  cloud.done(create('tenant', 'shop'))
  const subnet = create('subnet', 'mine', {
    tenant: 'shop',
    spec: { network: 'default', cidr: '10.9.0.0/24' }
  })
  t.regex(said(cloud, subnet), /network default is shared by tenant default/)
})

test('of networks of one name that tenants share the default one is meant, then the eldest', t => {
  const cloud = sampleCloud()
  for (const [tenant, third] of [
    ['zoo', 1],
    ['bank', 2]
  ] as const) {
    cloud.done(create('tenant', tenant))
    for (const name of ['default', 'lan']) {
      cloud.done(create('network', name, { tenant, spec: { shared: true } }))
      const cidr = `10.${name === 'lan' ? 8 : 9}.${third}.0/24`
      cloud.done(create('subnet', name, { tenant, spec: { network: name, cidr } }))
    }
  }
  cloud.done(create('tenant', 'shop'))
  const image = cloud.view.named('image', 'tiny', 'default')!
  const spec = { ...image.spec, shared: true }
  cloud.done({ verb: 'change', kind: 'image', id: image.id, labels: {}, spec })
  const ports = [{ network: 'default' }, { network: 'lan' }]
  cloud.done({ ...instanceIntent('web', { ports }), tenant: 'shop' } as Intent)
  const instance = cloud.view.named('instance', 'web', 'shop')!
  const addresses = instance.decided.ports.map(id => cloud.view.get('port', id)?.decided.address)
  t.deepEqual(addresses, ['10.66.0.2', '10.8.1.2'])
})

test('no more pools and subnets are taken than an order can name', t => {
  const cloud = sampleCloud()
  for (let number = 1; number < 256; number += 1) cloud.done(create('pool', `p${number}`))
  t.regex(said(cloud, create('pool', 'more')), /there are 256 pools already/)
  const subnet = (number: number) =>
    create('subnet', `s${number}`, { spec: { network: 'default', cidr: `10.9.${number}.0/24` } })
  for (let number = 1; number < 16; number += 1) cloud.done(subnet(number))
  t.regex(said(cloud, subnet(16)), /it has 16 subnets, at most 16 are told to each host/)
})

test('an instance goes to no host whose order would be too long to be sent', t => {
  const cloud = sampleCloud({ h1: { memoryMib: 1_000_000 } })
  cloud.report('h1', { number: 2, facts: { ...sampleFacts('h1', 1_000_000), ...manyThreads } })
  const userData = '€'.repeat(20_000)
  let made = 0
  for (;;) {
    const intent = instanceIntent(`i${made}`, { memoryMib: 16, userData })
    const verdict = cloud.judged(intent)
    if (isRefusal(verdict)) {
      t.regex(JSON.stringify(verdict), /h1: its order would have \d+ bytes .* at most 3145728/)
      break
    }
    cloud.done(intent)
    made += 1
  }
  const order = () =>
    orderFor(cloud.view, cloud.host('h1'), { epoch: 1, imageUrl: ({ id }) => `http://c/${id}` })
  t.true(made > 50 && encodeBody(order()).length < 3_500_000)
  const grown = (name: string, userData: string): Intent => {
    const { id, spec } = named(cloud, name)
    return { verb: 'change', kind: 'instance', id, labels: {}, spec: { ...spec, userData } }
  }
  t.regex(said(cloud, grown('i0', '€'.repeat(65_000))), /cannot find room for instance i0 on h1/)
  cloud.done(grown('i0', 'short'))
  cloud.done(grown('i1', 'x'.repeat(65_000)))
})

const manyThreads = {
  cpu: { model: 'm', vendor: 'v', sockets: 1, cores: 64, threads: 1_000, features: [] }
}

test('volumes of a shared pool are in the order of the host that works on them', t => {
  const cloud = sampleCloud({ h1: { memoryMib: 4_608 }, h2: { memoryMib: 4_608 } })
  cloud.done(create('pool', 'nfs', { spec: { path: '/mnt/nfs', shared: true } }))
  cloud.done(create('volume', 'v', { spec: { pool: 'nfs', sizeMib: 64 } }))
  cloud.done(instanceIntent('web', { pool: 'nfs', volumes: ['v'], host: 'h2' }))
  const { volumes } = orderFor(cloud.view, cloud.host('h2'), { epoch: 1, imageUrl: () => 'u' })
  t.deepEqual(volumes.map(({ name }) => name).sort(), ['v', 'web-root'])
})

test('an instance has as much memory as its image needs, also later', t => {
  const cloud = sampleCloud()
  const { id } = cloud.view.named('image', 'tiny', 'default')!
  const spec = wishOf('image', { type: 'vm', format: 'qcow2', minMemoryMib: 100 })
  cloud.done({ verb: 'change', kind: 'image', id, labels: {}, spec })
  t.regex(said(cloud, instanceIntent('small', { memoryMib: 99 })), /needs 100 MiB of memory, 99/)
  cloud.done(instanceIntent('web'))
  const { id: webId } = named(cloud, 'web')
  const less = { verb: 'change', kind: 'instance', id: webId, labels: {} } as const
  const of = (memoryMib: number): object => ({ ...named(cloud, 'web').spec, memoryMib })
  t.regex(said(cloud, { ...less, spec: of(99) }), /needs 100 MiB of memory, 99/)
  cloud.done({ ...less, spec: of(100) })
  t.is(named(cloud, 'web').decided.memoryMib, 100)
})
