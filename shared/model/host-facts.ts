import Type from 'typebox'
import { Strict, Words } from './resource.ts'
import type { DeepReadonly } from './types.ts'

const Text = (description: string) => Type.String({ maxLength: 4096, description })
const Count = (description: string) =>
  Type.Integer({ minimum: 0, description: `${description} Unit: count.` })
const MibOf = (description: string) =>
  Type.Integer({ minimum: 0, description: `${description} Unit: MiB.` })

/** Sorts of devices that an instance may have for itself; few hosts have any. */
export const deviceKinds = [
  'gpu',
  'fibre-channel',
  'infiniband',
  'accelerator',
  'nvme',
  'crypto',
  'virtual-function'
] as const

/** Architectures that instances may be built for, as the kernel names them. */
export const architectures = ['x86_64', 'aarch64'] as const
/** One of them. */
export type Architecture = (typeof architectures)[number]
/** What instances are built for that do not say it, and hosts are. */
export const architectureElse: Architecture = 'x86_64'

/** What an agent finds out about its machine. */
export const HostFacts = Strict({
  hostname: Text('Name that the machine calls itself.'),
  uuid: Text('SMBIOS UUID, lower case; one made at first start where the firmware has none.'),
  serial: Type.Optional(Text('Serial number of the machine.')),
  vendor: Type.Optional(Text('Who made it.')),
  product: Type.Optional(Text('What they call it.')),
  kernel: Text('Kernel release.'),
  architecture: Type.Optional(Text('Architecture of the processors, as the kernel names it.')),
  cpu: Strict({
    model: Text('Name of the processor.'),
    vendor: Text('Who made it.'),
    sockets: Count('Processor packages.'),
    cores: Count('Cores in all.'),
    threads: Count('Hardware threads in all.'),
    features: Type.Array(Text('A flag as the kernel names it.'), { maxItems: 1024 })
  }),
  memoryMib: MibOf('Memory of the machine.'),
  hugepages: Type.Array(
    Strict({
      sizeKib: Type.Integer({ description: 'Size of one page. Unit: KiB.' }),
      total: Count('Pages set aside.'),
      free: Count('Pages not in use.')
    }),
    { maxItems: 16 }
  ),
  numa: Type.Array(
    Strict({
      index: Type.Integer({ description: 'Number of the NUMA cell.' }),
      memoryMib: MibOf('Memory of the cell.'),
      threads: Type.Array(Type.Integer(), { maxItems: 4096, description: 'Threads of the cell.' })
    }),
    { maxItems: 1024 }
  ),
  cellsChosen: Type.Optional(
    Type.Boolean({
      description: 'Whether its agent puts an instance into one NUMA cell where that is asked for.'
    })
  ),
  disks: Type.Array(
    Strict({
      name: Text('Name of the device.'),
      sizeMib: MibOf('Size.'),
      rotational: Type.Boolean({ description: 'Whether it spins.' }),
      model: Type.Optional(Text('What its maker calls it.')),
      serial: Type.Optional(Text('Its serial number.')),
      wwn: Type.Optional(Text('World wide name.'))
    }),
    { maxItems: 1024 }
  ),
  nics: Type.Array(
    Strict({
      name: Text('Name of the interface.'),
      mac: Text('Hardware address.'),
      driver: Type.Optional(Text('Driver in use.')),
      speedMbit: Type.Optional(Type.Integer({ description: 'Speed of the link. Unit: Mbit/s.' })),
      pci: Type.Optional(Text('PCI address.')),
      up: Type.Boolean({ description: 'Whether the link is up.' }),
      virtualFunctionsMax: Count('Virtual functions that it can make (SR-IOV).')
    }),
    { maxItems: 1024 }
  ),
  devices: Type.Array(
    Strict({
      pci: Text('PCI address.'),
      vendor: Text('Vendor id, 4 hexadecimal digits.'),
      device: Text('Device id, 4 hexadecimal digits.'),
      class: Words(deviceKinds, { description: 'Sort of scarce device.' }),
      driver: Type.Optional(Text('Driver in use.')),
      assignable: Type.Optional(
        Strict({
          works: Type.Boolean({ description: 'Whether an instance can have it for itself.' }),
          because: Text('How that is known.')
        })
      )
    }),
    { maxItems: 1024 }
  ),
  tpm: Type.Optional(Text('Version of the trusted platform module.')),
  bmc: Type.Boolean({ description: 'Whether a baseboard management controller answers.' }),
  kvm: Strict({
    works: Type.Boolean({ description: 'Whether a tiny guest was seen running under KVM.' }),
    because: Text('How that is known.')
  }),
  libvirt: Type.Optional(Text('Version of libvirt.')),
  drivers: Type.Array(Words(['qemu', 'lxc'], { description: 'A driver that can be used.' }), {
    maxItems: 2
  })
})
export type HostFacts = DeepReadonly<Type.Static<typeof HostFacts>>
