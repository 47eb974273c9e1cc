import fs from 'node:fs/promises'
import path from 'node:path'
import test from 'ava'
import Value from 'typebox/value'
import { Fault } from '#shared/fault.ts'
import { type Log, silentLog } from '#shared/log.ts'
import { HostFacts } from '#shared/model/host-facts.ts'
import { run } from '#shared/process.ts'
import { type HardwareOptions, openHardware, readBootId } from '../../../agent/io/hardware.ts'
import { server } from './made-server.ts'
import { makeTree } from './made-tree.ts'

/** With a deadline that a busy machine keeps, unless the test is about the deadline. */
const open = (options: Omit<HardwareOptions, 'log'> & Partial<Pick<HardwareOptions, 'log'>>) =>
  openHardware({ log: silentLog, deadlineMs: 30_000, ...options })

const noting = () => {
  const lines: { readonly message: string; readonly fields: unknown }[] = []
  const log: Log = { ...silentLog, warn: (message, fields) => lines.push({ message, fields }) }
  return { lines, log }
}

test('a server is described by its own hardware and nothing that was made on it', async t => {
  await using tree = await makeTree(server)
  const { lines, log } = noting()
  const facts = await open({ ...tree, log }).facts()
  t.deepEqual(facts, {
    hostname: 'rack1-07',
    uuid: '4c4c4544-0039-4a10-8052-b4c04f4e4332',
    serial: '9JR4NC2',
    vendor: 'Dell Inc.',
    product: 'PowerEdge R740',
    kernel: '6.1.0-18-amd64',
    cpu: {
      model: 'Intel(R) Xeon(R) Silver 4210 CPU @ 2.20GHz',
      vendor: 'GenuineIntel',
      sockets: 2,
      cores: 4,
      threads: 8,
      features: ['fpu', 'vme', 'vmx', 'avx512f']
    },
    memoryMib: 128000,
    cellsChosen: true,
    hugepages: [
      { sizeKib: 2048, total: 1024, free: 1000 },
      { sizeKib: 1048576, total: 0, free: 0 }
    ],
    numa: [
      { index: 0, memoryMib: 64000, threads: [0, 2, 4, 6] },
      { index: 1, memoryMib: 64000, threads: [1, 3, 5, 7] }
    ],
    disks: [
      {
        name: 'nvme0n1',
        sizeMib: 1526185,
        rotational: false,
        model: 'SAMSUNG MZWLL1T6HAJQ-00005',
        serial: 'S4C9NX0M600123',
        wwn: 'eui.0025385b71b0b0aa'
      },
      {
        name: 'sda',
        sizeMib: 3815447,
        rotational: true,
        model: 'ST4000NM0295',
        serial: 'ZC19ABCD',
        wwn: 'naa.5000c500a1b2c3d4'
      }
    ],
    nics: [
      {
        name: 'enp59s0f0',
        mac: '0c:42:a1:00:00:01',
        driver: 'mlx5_core',
        speedMbit: 25000,
        pci: '0000:3b:00.0',
        up: true,
        virtualFunctionsMax: 8
      }
    ],
    devices: [
      {
        ...{ pci: '0000:3b:00.2', vendor: '15b3', device: '1016', class: 'virtual-function' },
        assignable: { works: true, because: 'it is set aside, in IOMMU group 88' }
      },
      {
        ...{ pci: '0000:5e:00.0', vendor: '10de', device: '1eb8', class: 'gpu' },
        driver: 'vfio-pci',
        assignable: { works: true, because: 'it is set aside, in IOMMU group 71' }
      },
      {
        ...{ pci: '0000:86:00.0', vendor: '144d', device: 'a822', class: 'nvme' },
        driver: 'nvme',
        assignable: { works: false, because: 'its driver is nvme, not vfio-pci' }
      },
      {
        pci: '0000:af:00.0',
        vendor: '1077',
        device: '2261',
        class: 'fibre-channel',
        driver: 'qla2xxx',
        assignable: { works: false, because: 'its driver is qla2xxx, not vfio-pci' }
      }
    ],
    tpm: '2.0',
    bmc: true,
    kvm: { works: false, because: 'nobody tried to run a guest under KVM' },
    drivers: []
  })
  t.deepEqual(lines, [])
})

test('the facts of a bare tree still fit the schema', async t => {
  await using tree = await makeTree({})
  const facts = await open(tree).facts()
  t.true(Value.Check(HostFacts, facts), JSON.stringify(facts))
})

test('the facts of this very machine fit the schema', async t => {
  await using tree = await makeTree({})
  const { log, lines } = noting()
  const facts = await open({ folder: tree.folder, log }).facts()
  t.true(Value.Check(HostFacts, facts), JSON.stringify(facts))
  t.true(facts.cpu.threads > 0 && facts.memoryMib > 0)
  t.deepEqual(lines, [])
})

for (const uuid of ['00000000-0000-0000-0000-000000000000', 'Not Settable', undefined]) {
  test(`a UUID made in place of ${uuid} is the same after a restart`, async t => {
    await using tree = await makeTree(uuid === undefined ? {} : { [dmiUuid]: `${uuid}\n` })
    const first = await open(tree).facts()
    const second = await open(tree).facts()
    t.regex(first.uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    t.is(second.uuid, first.uuid)
  })
}
const dmiUuid = 'sys/class/dmi/id/product_uuid'

test('a UUID that the agent was given comes before the one of the firmware', async t => {
  await using tree = await makeTree(server)
  const uuid = '7d0bb9a4-5f3b-4f51-9d4c-9a5a8a4f2a11'
  t.is((await open({ ...tree, uuid }).facts()).uuid, uuid)
})

test('a kept UUID that is torn is reported, not replaced', async t => {
  await using tree = await makeTree({ '../agent/host-uuid': '7d0bb9a4-5f' })
  const { lines, log } = noting()
  const hardware = open({ ...tree, log })
  const fault = await t.throwsAsync(hardware.facts(), { instanceOf: Fault })
  t.is(fault.code, 'unavailable')
  t.regex(String(JSON.stringify(lines)), /host-uuid holds no UUID/)
})

test('a source that fails leaves its facts out and is logged once', async t => {
  await using tree = await makeTree(server)
  const { lines, log } = noting()
  const hardware = open({
    ...tree,
    log,
    hypervisor: () => Promise.reject(new Fault('closed', 'cannot reach libvirt: closed'))
  })
  const facts = await hardware.facts()
  await hardware.facts()
  t.deepEqual([facts.libvirt, facts.drivers], [undefined, []])
  t.deepEqual(lines, [
    {
      message: 'facts left out',
      fields: { source: 'libvirt', because: 'cannot reach libvirt: closed' }
    }
  ])
})

test('a source that hangs is left out at the deadline, and nobody goes after it', async t => {
  await using tree = await makeTree(server)
  const { lines, log } = noting()
  let sent = 0
  const kvm = () => {
    sent += 1
    return new Promise<never>(() => {})
  }
  const hardware = open({ ...tree, log, kvm, deadlineMs: 2_000 })
  const [facts] = [await hardware.facts(), await hardware.facts()]
  t.deepEqual(facts.kvm, { works: false, because: 'the trial of KVM failed or has not ended' })
  t.is(sent, 1)
  t.regex(JSON.stringify(lines), /cannot read kvm: no answer within 2000 ms/)
})

test('a machine that is too busy to be asked has the processors that it had', async t => {
  await using tree = await makeTree(server)
  const hardware = open({ ...tree, deadlineMs: 3_000 })
  let facts = await hardware.facts()
  while (facts.cpu.threads === 0) facts = await hardware.facts()
  const file = path.join(tree.root, 'proc/cpuinfo')
  await fs.rm(file)
  // Nobody writes to it, so whoever reads it waits.
  await run('mkfifo', [file], { deadlineMs: 30_000 })
  try {
    t.is((await hardware.facts()).cpu.threads, facts.cpu.threads)
  } finally {
    await fs.writeFile(file, '')
  }
})

test('what libvirt and the trial of KVM say is passed on', async t => {
  await using tree = await makeTree(server)
  const facts = await open({
    ...tree,
    kvm: async () => ({ works: true, because: 'a guest said so' }),
    hypervisor: async () => ({ libvirt: '9.0.0', drivers: ['qemu', 'lxc'] })
  }).facts()
  t.deepEqual(
    [facts.kvm, facts.libvirt, facts.drivers],
    [{ works: true, because: 'a guest said so' }, '9.0.0', ['qemu', 'lxc']]
  )
})

test('gaps in the names of disks and processors are filled by a second opinion', async t => {
  await using tree = await makeTree({
    'proc/cpuinfo': 'processor\t: 0\nCPU implementer\t: 0x41\nFeatures\t: fp asimd\n',
    'sys/block/vda': '->sys/devices/pci0000:00/0000:00:02.0/virtio1/block/vda',
    'sys/devices/pci0000:00/0000:00:02.0/virtio1/block/vda/size': '2097152\n'
  })
  const facts = await open({
    ...tree,
    secondOpinion: {
      cpu: async () => ({ vendor: 'ARM', model: 'Neoverse-N1' }),
      disks: async () => new Map([['vda', { model: undefined, serial: 'abc' }]])
    }
  }).facts()
  t.deepEqual([facts.cpu.vendor, facts.cpu.model], ['ARM', 'Neoverse-N1'])
  t.deepEqual(facts.cpu.features, ['fp', 'asimd'])
  t.deepEqual(facts.disks, [{ name: 'vda', sizeMib: 1024, rotational: false, serial: 'abc' }])
})

test('free memory is what the kernel calls available', async t => {
  await using tree = await makeTree(server)
  t.is(await open(tree).memoryFreeMib(), 62500)
})

test('free memory that cannot be told is a fault, not a number', async t => {
  await using tree = await makeTree({})
  const fault = await t.throwsAsync(open(tree).memoryFreeMib(), {
    instanceOf: Fault
  })
  t.is(fault.code, 'unavailable')
})

test('the boot id is read from the kernel', async t => {
  await using tree = await makeTree(server)
  t.is(await readBootId(tree.root), '0f7ad4a8-9a0b-4a5c-8a50-6f6e1c1d2e3f')
})
