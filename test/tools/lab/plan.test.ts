import test from 'ava'
import { isFault } from '#shared/fault.ts'
import { labDefault } from '../../../tools/lab/folder.ts'
import { daemonsOf } from '../../../tools/lab/keeper/daemons.ts'
import { qemuConf } from '../../../tools/lab/keeper/host-files.ts'
import {
  bmcsOf,
  fencedBy,
  isAlike,
  type LabWish,
  membersOf,
  planLab
} from '../../../tools/lab/plan.ts'

const folder = '/somewhere/lab'

test('three hosts are three candidates with an ensemble; the others are hosts alone', t => {
  const plan = planLab({ folder, hosts: 4 })
  t.deepEqual(
    plan.hosts.map(({ name, address, isCandidate, server }) => [
      name,
      address,
      isCandidate,
      server
    ]),
    [
      ['h1', '10.77.0.1', true, 1],
      ['h2', '10.77.0.2', true, 2],
      ['h3', '10.77.0.3', true, 3],
      ['h4', '10.77.0.4', false, undefined]
    ]
  )
  t.is(new Set(plan.hosts.map(({ uuid }) => uuid)).size, 4)
  for (const { uuid } of plan.hosts) {
    t.regex(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/)
  }
})

for (const wish of [{ hosts: 1 }, { hosts: 2 }, { hosts: 3, solo: true }]) {
  test(`a lab of ${JSON.stringify(wish)} has one controller and no ensemble`, t => {
    const plan = planLab({ folder, ...wish })
    t.is(plan.hosts.filter(({ isCandidate }) => isCandidate).length, 1)
    t.deepEqual(membersOf(plan), [])
  })
}

test('with baseboard controllers each host has one, in a network of its own', t => {
  const plan = planLab({ folder, hosts: 4, bmc: 'mixed' })
  t.deepEqual(
    bmcsOf(plan).map(({ host, address }) => [host, address, fencedBy(plan, host)]),
    [
      ['h1', '10.79.0.1', 'lab'],
      ['h2', '10.79.0.2', 'ipmi'],
      ['h3', '10.79.0.3', 'redfish'],
      ['h4', '10.79.0.4', 'lab']
    ]
  )
  t.is(plan.management?.router, '10.79.0.254')
  const plain = planLab({ folder, hosts: 4 })
  t.deepEqual(bmcsOf(plain), [])
  t.is(fencedBy(plain, 'h4'), 'lab')
  t.is(plain.management, undefined)
})

const refusals: readonly (readonly [Partial<LabWish>, RegExp])[] = [
  [{ hosts: 0 }, /a lab of 0 hosts: it takes 1 to 32/],
  [{ hosts: 33 }, /a lab of 33 hosts/],
  [{ hosts: 1.5 }, /a lab of 1.5 hosts/],
  [{ subnet: '10.77.0.0/16' }, /cannot use 10.77.0.0\/16/],
  [{ subnet: '10.77.0.1/24' }, /cannot use 10.77.0.1\/24/],
  [{ subnet: 'here' }, /cannot use here/],
  [{ instances: '10.0.0.0/8' }, /whose hosts and instances share addresses/],
  [{ bmc: 'ipmi', subnet: '10.79.0.0/24' }, /share addresses/]
]

for (const [wish, message] of refusals) {
  test(`a lab of ${JSON.stringify(wish)} is refused`, t => {
    const thrown = t.throws(() => planLab({ folder, hosts: 2, ...wish }))
    t.true(isFault(thrown, 'invalid'))
    t.regex(thrown?.message ?? '', message)
  })
}

test('in a lab with locks libvirt waits for the one that holds them', t => {
  const plan = planLab({ folder, hosts: 1, locks: true })
  const lines = daemonsOf(plan, plan.hosts[0]!)
  t.deepEqual(
    lines.slice(0, 3).map(({ name, after }) => [name, after]),
    [
      ['virtlogd', undefined],
      ['virtlockd', 'libvirt/virtlogd-sock'],
      ['libvirtd', 'libvirt/virtlockd-sock']
    ]
  )
  t.regex(qemuConf(plan), /^lock_manager = "lockd"$/m)
  t.notRegex(qemuConf({ ...plan, locks: false }), /lock_manager/)
})

test('labs in different folders have different names on the machine, which fit into a link', t => {
  const tags = [labDefault, folder, '/elsewhere'].map(where => {
    return planLab({ folder: where, hosts: 1 }).tag
  })
  t.is(tags[0], 'lab0')
  t.is(new Set(tags).size, 3)
  for (const tag of tags) t.true(tag.length <= 15)
})

test('the same wish is the same lab, wherever ZooKeeper is; another one is not', t => {
  const plan = planLab({ folder, hosts: 3 })
  t.true(isAlike(plan, { ...planLab({ folder, hosts: 3 }), classPath: ['zookeeper.jar'] }))
  t.false(isAlike(plan, planLab({ folder, hosts: 4 })))
})

test('a candidate with an ensemble runs six daemons, and a mere host three', t => {
  const plan = planLab({ folder, hosts: 4 })
  const names = plan.hosts.map(host => daemonsOf(plan, host).map(({ name }) => name))
  t.deepEqual(names[0], ['virtlogd', 'libvirtd', 'zookeeper', 'bootd', 'controller', 'agent'])
  t.deepEqual(names[3], ['virtlogd', 'libvirtd', 'agent'])
})

test('a candidate is told who it is, where its ensemble is, and how long its sessions are', t => {
  const plan = planLab({ folder, hosts: 3, sessionMs: 4_000 })
  const line = daemonsOf(plan, plan.hosts[1]!).find(({ name }) => name === 'controller')
  for (const word of [
    '--name=h2',
    '--journal=zookeeper',
    '--ensemble=10.77.0.1:2181,10.77.0.2:2181,10.77.0.3:2181',
    '--session-ms=4000',
    '--api-url=http://10.77.0.2:7410'
  ]) {
    t.true(line?.command.includes(word), word)
  }
})

test('a lab whose hosts have another QEMU is not alike to one with that of the machine', t => {
  const qemu = '/opt/qemu-10'
  t.is(planLab({ folder, hosts: 2, qemu }).qemu, qemu)
  t.false(isAlike(planLab({ folder, hosts: 2, qemu }), planLab({ folder, hosts: 2 })))
})
