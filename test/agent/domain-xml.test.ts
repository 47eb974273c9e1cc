import test from 'ava'
import { Fault } from '#shared/fault.ts'
import type { DomainPlan } from '../../agent/core/domain-plan.ts'
import { domainXml } from '../../agent/core/domain-xml.ts'
import { element, writeXml } from '../../agent/core/xml-writer.ts'
import { isGolden } from './golden-file.ts'
import { cloud, idOf, instance } from './samples.ts'

const plan = (given: Partial<DomainPlan> = {}): DomainPlan => ({
  cloud,
  instance: instance(),
  driver: 'qemu',
  acceleration: 'tcg',
  emulator: '/usr/bin/qemu-system-x86_64',
  machine: 'pc-q35-7.2',
  volumes: [{ id: idOf('v', 1), path: '/pool/volumes/root.qcow2', format: 'qcow2', shared: false }],
  ports: [{ ...instance().ports[0]!, mtu: 1500 }],
  consoleLog: '/state/console/i.log',
  hardware: '0123456789abcdef',
  startCount: 1,
  ...given
})
const written = (
  given: Partial<DomainPlan> = {},
  seedPath: string | undefined = '/state/seeds/i.iso'
): string =>
  domainXml(plan(given), {
    seedPath,
    startedAt: '2026-01-02T03:04:05.678Z',
    orderedBy: { epoch: 3, generation: 141 },
    links: [{ bridge: 'rb000000000001', interface: 'rp000000000001' }]
  })

const cases: readonly (readonly [string, Partial<DomainPlan>])[] = [
  ['a VM under TCG', {}],
  [
    'a VM under KVM with the features of its host and volumes that others see',
    {
      acceleration: 'kvm',
      instance: instance({ cpuBaseline: 'host' }),
      volumes: [
        { id: idOf('v', 1), path: '/shared/a.raw', format: 'raw', shared: true },
        { id: idOf('v', 2), path: '/shared/b & c.qcow2', format: 'qcow2', shared: true }
      ]
    }
  ],
  [
    'a VM under TCG with the features of its host and no plugs',
    {
      instance: instance({ cpuBaseline: 'host', ports: [] }),
      ports: [],
      emulator: undefined
    }
  ],
  [
    'a VM under KVM with features that it asks for',
    { acceleration: 'kvm', instance: instance({ cpuFeatures: ['avx2', 'sse4_2', 'pclmulqdq'] }) }
  ],
  [
    'a VM with its memory in huge pages',
    { acceleration: 'kvm', instance: instance({ hugePages: '2M', memoryMib: 128 }) }
  ],
  [
    'a VM with devices of its host',
    {
      acceleration: 'kvm',
      instance: instance({ devices: [{ kind: 'gpu', count: 2 }] }),
      devices: ['0000:5e:00.0', '10000:af:1f.7']
    }
  ],
  [
    'a VM in one NUMA cell',
    {
      acceleration: 'kvm',
      instance: instance({ fit: { memoryMib: 560 } }),
      cell: { index: 1, threads: [1, 3, 5, 7] }
    }
  ],
  [
    'a VM of a host with other processors',
    { acceleration: 'kvm', architecture: 'aarch64', machine: 'virt-7.2', emulator: undefined }
  ],
  [
    'a container',
    {
      driver: 'lxc',
      acceleration: 'none',
      instance: instance({ type: 'container' }),
      volumes: [{ id: idOf('v', 1), path: '/pool/trees/root', format: 'tree', shared: false }]
    }
  ]
]

for (const [name, given] of cases) {
  test(`${name} is described as in its golden file`, t => {
    isGolden(t, `domain-${name.replaceAll(' ', '-')}.golden.xml`, written(given))
  })
}

test('the 27th disk is called vdaa', t => {
  const volumes = Array.from({ length: 27 }, (_, index) => ({
    id: idOf('v', index),
    path: `/pool/${index}`,
    format: 'raw' as const,
    shared: false
  }))
  t.regex(written({ volumes }), /<source file='\/pool\/26'\/>\n\s*<target dev='vdaa'/)
})

test('text that would break out of XML is escaped', t => {
  t.is(
    writeXml(element('a', { b: `<'"&\n` }, '</a>"&')),
    "<a b='&lt;&apos;&quot;&amp;&#10;'>&lt;/a&gt;\"&amp;</a>\n"
  )
})

for (const text of ['\u0000', '\u001b', '\ufffe', '\ud800']) {
  test(`the character ${JSON.stringify(text)} is refused`, t => {
    const fault = t.throws(() => writeXml(element('a', {}, text)), { instanceOf: Fault })
    t.is(fault?.code, 'invalid')
  })
}
