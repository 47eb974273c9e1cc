import test from 'ava'
import { parseCpu } from '../../../agent/core/hardware-cpu.ts'
import { type DiskText, parseDisk } from '../../../agent/core/hardware-disk.ts'
import { meaningful, parseTpm } from '../../../agent/core/hardware-identity.ts'
import {
  parseHugepages,
  parseMemoryFree,
  parseMemoryTotal,
  parseNuma
} from '../../../agent/core/hardware-memory.ts'
import { type NicText, parseNic, pciAddress } from '../../../agent/core/hardware-nic.ts'
import { parsePci, parsePciDevices } from '../../../agent/core/hardware-pci.ts'
import { parseCount, parseList, parseTable, plain } from '../../../agent/core/hardware-text.ts'

test('lists of the kernel are read, and what is none is undefined', t => {
  for (const [text, list] of [
    ['0-3,8,10-11\n', [0, 1, 2, 3, 8, 10, 11]],
    ['5', [5]],
    ['\n', []],
    ['0-', undefined],
    ['ff', undefined],
    [undefined, undefined]
  ] as const) {
    t.deepEqual(parseList(text), list as number[] | undefined, String(text))
  }
})

test('counts are decimal and not negative', t => {
  for (const [text, count] of [
    ['25000\n', 25000],
    ['0', 0],
    ['-1\n', undefined],
    ['0x10', undefined],
    ['', undefined]
  ] as const) {
    t.is(parseCount(text), count, text)
  }
})

test('of a key that comes twice in a table, the first value counts', t => {
  t.deepEqual(
    [...parseTable('a : 1\nno colon\nb:2:3\na : 4')],
    [
      ['a', '1'],
      ['b', '2:3']
    ]
  )
})

test('a text is made one printable line', t => {
  t.is(plain('  ST4000  NM\u0000\n'), 'ST4000 NM')
  t.is(plain('\u0000\n'), undefined)
})

test('placeholders of makers are no names', t => {
  for (const text of [
    'To Be Filled By O.E.M.',
    'Default string',
    'System Serial Number',
    'System manufacturer',
    'System Product Name',
    'Not Specified',
    'None',
    'N/A',
    '0123456789',
    '123456789',
    '0000000',
    '........',
    '  \n'
  ]) {
    t.is(meaningful(text), undefined, text)
  }
  for (const text of [
    '9JR4NC2',
    'Dell Inc.',
    'PowerEdge R740',
    'Default 3000',
    'System x3650 M4'
  ]) {
    t.is(meaningful(`${text}\n`), text)
  }
})

test('the version of the trusted platform module comes from its driver, new or old', t => {
  t.is(parseTpm({ major: '2\n' }), '2.0')
  t.is(parseTpm({ major: '1\n' }), '1.2')
  const caps = 'Manufacturer: 0x49465800\nTCG version: 1.2\nFirmware version: 6.40\n'
  t.is(parseTpm({ caps }), '1.2')
  t.is(parseTpm({}), undefined)
})

const blocks = (...ids: readonly (readonly [number, number])[]) =>
  ids
    .map(([socket, core], index) =>
      [
        `processor : ${index}`,
        'model name : Any',
        `physical id : ${socket}`,
        `core id : ${core}`
      ].join('\n')
    )
    .join('\n\n')

test('core ids that repeat in each package are different cores', t => {
  const { sockets, cores, threads } = parseCpu(blocks([0, 0], [0, 1], [1, 0], [1, 1]), [])
  t.deepEqual({ sockets, cores, threads }, { sockets: 2, cores: 4, threads: 4 })
})

test('core ids that repeat in each die are told apart by their siblings', t => {
  const { sockets, cores } = parseCpu(blocks([0, 0], [0, 0]), [
    { core: '0\n', package: '0-1\n' },
    { core: '1\n', package: '0-1\n' }
  ])
  t.deepEqual({ sockets, cores }, { sockets: 1, cores: 2 })
})

test('an ARM server without names or topology is one socket of unknown model', t => {
  const block = (thread: number) =>
    `processor\t: ${thread}\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n`
  const cpuinfo = `${block(0)}\n${block(1)}`
  t.deepEqual(parseCpu(cpuinfo, []), {
    model: 'unknown',
    vendor: 'unknown',
    sockets: 1,
    cores: 2,
    threads: 2,
    features: ['fp', 'asimd']
  })
})

test('free memory is the available, and on old kernels the free', t => {
  const old = 'MemTotal:        2048 kB\nMemFree:         1024 kB\n'
  t.is(parseMemoryTotal(old), 2)
  t.is(parseMemoryFree(old), 1)
  t.is(parseMemoryFree(`${old}MemAvailable:    2047 kB\n`), 1)
  t.is(parseMemoryFree(`${old}MemAvailable:    2048 kB\n`), 2)
  t.is(parseMemoryFree('no colon'), undefined)
})

test('cells are in order of their numbers, and one without memory or threads is a cell', t => {
  const cells = [
    { name: 'node10', cpulist: '\n', meminfo: 'Node 10 MemTotal:       4096 kB\n' },
    { name: 'node2', cpulist: '0-1\n', meminfo: undefined },
    { name: 'power', cpulist: '0\n', meminfo: undefined }
  ]
  t.deepEqual(parseNuma(cells), [
    { index: 2, memoryMib: 0, threads: [0, 1] },
    { index: 10, memoryMib: 4, threads: [] }
  ])
})

test('huge pages are listed by size, and a size that cannot be read is left out', t => {
  const sizes = [
    { name: 'hugepages-1048576kB', total: '2\n', free: '1\n' },
    { name: 'hugepages-2048kB', total: '0\n', free: '0\n' },
    { name: 'hugepages-64kB', total: undefined, free: '0\n' }
  ]
  t.deepEqual(parseHugepages(sizes), [
    { sizeKib: 2048, total: 0, free: 0 },
    { sizeKib: 1048576, total: 2, free: 1 }
  ])
})

const disk = (text: Partial<DiskText>): DiskText => ({
  name: 'sda',
  path: '/sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda',
  size: '2097152\n',
  rotational: '0\n',
  model: undefined,
  serial: undefined,
  serialPage: undefined,
  wwid: undefined,
  hidden: undefined,
  ...text
})

for (const [why, text] of [
  ['a loop device', { name: 'loop3', path: '/sys/devices/virtual/block/loop3' }],
  ['compressed memory', { name: 'zram0', path: '/sys/devices/virtual/block/zram0' }],
  ['a volume of device mapper', { name: 'dm-0', path: '/sys/devices/virtual/block/dm-0' }],
  ['an image on Ceph', { name: 'rbd0', path: '/sys/devices/rbd/0/block/rbd0' }],
  ['one path of a disk with several', { name: 'nvme0c0n1', hidden: '1\n' }],
  ['a card reader without a card', { size: '0\n' }],
  ['a DVD drive', { name: 'sr0' }]
] as const) {
  test(`${why} is no disk`, t => t.is(parseDisk(disk(text)), undefined))
}

test('a name that holds the text of the maker is no world wide name', t => {
  t.is(parseDisk(disk({ wwid: 't10.ATA     QEMU HARDDISK   QM00001\n' }))?.wwn, undefined)
})

const nic = (text: Partial<NicText>): NicText => ({
  name: 'eth0',
  devicePath: '/sys/devices/pci0000:00/0000:00:03.0/virtio2',
  address: '52:54:00:12:34:56\n',
  ownAddress: undefined,
  driver: 'virtio_net',
  speed: '-1\n',
  carrier: '1\n',
  operstate: 'up\n',
  virtualFunctionsMax: undefined,
  virtualFunction: false,
  portName: undefined,
  ...text
})

test('a virtio NIC is a NIC, at the address of its PCI device', t => {
  t.deepEqual(parseNic(nic({})), {
    name: 'eth0',
    mac: '52:54:00:12:34:56',
    driver: 'virtio_net',
    pci: '0000:00:03.0',
    up: true,
    virtualFunctionsMax: 0
  })
})

for (const [why, text] of [
  ['a bridge', { devicePath: undefined }],
  ['a simulated device', { devicePath: '/sys/devices/virtual/netdevsim0' }],
  ['a virtual function', { virtualFunction: true }],
  ["a virtual function's representor", { portName: 'c1pf0vf12\n' }],
  ['an interface without an address', { address: '\n' }]
] as const) {
  test(`${why} is no NIC`, t => t.is(parseNic(nic(text)), undefined))
}

for (const [operstate, carrier, up] of [
  ['up\n', '1\n', true],
  ['down\n', '0\n', false],
  ['lowerlayerdown\n', '1\n', false],
  ['unknown\n', '1\n', true],
  ['unknown\n', undefined, false]
] as const) {
  test(`a link that is ${operstate.trim()} with carrier ${carrier?.trim()} is up: ${up}`, t => {
    t.is(parseNic(nic({ operstate, carrier }))?.up, up)
  })
}

test('the PCI address is the one nearest to the device', t => {
  t.is(pciAddress('/sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.1'), '0000:3b:00.1')
  t.is(pciAddress('/sys/devices/platform/soc/fd580000.ethernet'), undefined)
})

for (const [word, ids] of [
  ['gpu', ['0x030000', '0x1002', '0x740f']],
  ['gpu', ['0x030200', '0x10de', '0x20b2']],
  ['gpu', ['0x038000', '0x8086', '0x56c0']],
  ['fibre-channel', ['0x0c0400', '0x10df', '0xf400']],
  ['infiniband', ['0x020700', '0x15b3', '0x101b']],
  ['infiniband', ['0x0c0600', '0x15b3', '0x6282']],
  ['accelerator', ['0x120000', '0x10ee', '0x5005']],
  ['accelerator', ['0x0b4000', '0x1da3', '0x1000']],
  ['crypto', ['0x0b4000', '0x8086', '0x37c8']],
  ['crypto', ['0x100000', '0x177d', '0x0010']],
  ['nvme', ['0x010802', '0x144d', '0xa822']],
  [undefined, ['0x030000', '0x1a03', '0x2000']],
  [undefined, ['0x030000', '0x1234', '0x1111']],
  [undefined, ['0x108000', '0x1022', '0x1486']],
  [undefined, ['0x020000', '0x15b3', '0x1015']],
  [undefined, ['0x018000', '0x1af4', '0x1042']],
  [undefined, ['garbage', '0x1af4', '0x1042']]
] as const) {
  test(`PCI ${ids.join(' ')} is ${word ?? 'not scarce'}`, t => {
    const text = { address: '0000:01:00.0', driver: undefined, virtualFunction: false }
    const [code, vendor, device] = ids
    t.is(parsePci({ ...text, class: `${code}\n`, vendor, device })?.class, word)
    const virtual = { ...text, class: code, vendor, device, virtualFunction: true }
    const ofNic = code.startsWith('0x02') ? 'virtual-function' : undefined
    t.is(parsePci(virtual)?.class, ofNic, 'of virtual functions those of NICs are listed')
  })
}

/** As `/sys/bus/pci/devices` has it: address, class, vendor, driver and IOMMU group. */
type Slot = readonly [
  address: string,
  code: string,
  vendor: string,
  driver: string | undefined,
  group: string | undefined,
  virtual?: 'virtual'
]
const slots: readonly Slot[] = [
  ['0000:00:01.0', '0x060400', '0x8086', 'pcieport', '1'],
  ['0000:01:00.0', '0x030000', '0x10de', 'vfio-pci', '1'],
  ['0000:02:00.0', '0x030000', '0x10de', 'vfio-pci', '2'],
  ['0000:02:00.1', '0x040300', '0x10de', 'snd_hda_intel', '2'],
  ['0000:03:00.0', '0x0c0400', '0x1077', 'qla2xxx', '3'],
  ['0000:04:00.0', '0x0c0400', '0x1077', undefined, '4'],
  ['0000:05:00.1', '0x0c0400', '0x1077', 'vfio-pci', '5'],
  ['0000:05:00.0', '0x0c0400', '0x1077', 'vfio-pci', '5'],
  ['0000:06:00.0', '0x030000', '0x10de', 'vfio-pci', undefined],
  ['0000:07:00.0', '0x020000', '0x15b3', 'mlx5_core', '7'],
  ['0000:07:00.2', '0x020000', '0x15b3', undefined, '8', 'virtual'],
  ['0000:07:00.3', '0x020000', '0x15b3', 'mlx5_core', '9', 'virtual'],
  ['0000:07:00.4', '0x020000', '0x15b3', 'vfio-pci', '10', 'virtual']
]
const assignable = [
  '0000:01:00.0 gpu yes: it is set aside, in IOMMU group 1',
  '0000:02:00.0 gpu no: 0000:02:00.1 is in its IOMMU group 2, for snd_hda_intel',
  '0000:03:00.0 fibre-channel no: its driver is qla2xxx, not vfio-pci',
  '0000:04:00.0 fibre-channel no: it has no driver, vfio-pci sets it aside',
  '0000:05:00.0 fibre-channel yes: it is set aside, in IOMMU group 5',
  '0000:05:00.1 fibre-channel no: it goes with 0000:05:00.0, which is in its IOMMU group 5',
  '0000:06:00.0 gpu no: it is in no IOMMU group: the IOMMU is off',
  '0000:07:00.2 virtual-function yes: it is set aside, in IOMMU group 8',
  '0000:07:00.3 virtual-function no: its driver is mlx5_core, not vfio-pci',
  '0000:07:00.4 virtual-function yes: it is set aside, in IOMMU group 10'
]

test('an instance can have what is set aside, and never a part of an IOMMU group', t => {
  const texts = slots.map(([address, code, vendor, driver, iommuGroup, virtual]) => ({
    ...{ address, class: `${code}\n`, vendor: `${vendor}\n`, device: '0x0001\n', driver },
    ...{ iommuGroup, virtualFunction: virtual !== undefined }
  }))
  const said = parsePciDevices(texts).map(one => {
    const { works, because } = one.assignable!
    return `${one.pci} ${one.class} ${works ? 'yes' : 'no'}: ${because}`
  })
  t.deepEqual(said, assignable)
})
