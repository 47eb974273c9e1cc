/**
 * A server as its kernel would describe it: two packages of two cores with two threads, two NUMA
 * cells, a NIC with SR-IOV in a bond, a disk that spins, an NVMe disk with native multipath, a GPU,
 * a fibre channel HBA, a BMC with its screen, and what Remuda itself makes on a host.
 */
import { below } from './made-tree.ts'

const system = {
  'proc/sys/kernel/hostname': 'rack1-07\n',
  'proc/sys/kernel/osrelease': '6.1.0-18-amd64\n',
  'proc/sys/kernel/random/boot_id': '0f7ad4a8-9a0b-4a5c-8a50-6f6e1c1d2e3f\n',
  'proc/meminfo':
    'MemTotal:       131072000 kB\nMemFree:         9000000 kB\nMemAvailable:   64000000 kB\n',
  'dev/ipmi0': '',
  'sys/firmware/dmi/entries/0-0/raw': '',
  'sys/firmware/dmi/entries/38-0/raw': '',
  'sys/class/tpm/tpm0/tpm_version_major': '2\n',
  ...below('sys/class/dmi/id', {
    product_uuid: '4C4C4544-0039-4A10-8052-B4C04F4E4332\n',
    product_serial: '9JR4NC2\n',
    sys_vendor: 'Dell Inc.\n',
    product_name: 'PowerEdge R740\n'
  })
}

const cpuBlock = (thread: number) => `processor\t: ${thread}
vendor_id\t: GenuineIntel
cpu family\t: 6
model name\t: Intel(R) Xeon(R) Silver 4210 CPU @ 2.20GHz
physical id\t: ${thread % 2}
core id\t\t: ${(thread >> 1) % 2}
flags\t\t: fpu vme vmx avx512f
power management:
`
const thread = (number: number, siblings: string, companions: string) =>
  below(`sys/devices/system/cpu/cpu${number}/topology`, {
    core_cpus_list: `${siblings}\n`,
    package_cpus_list: `${companions}\n`
  })
const cell = (number: number, cpulist: string) =>
  below(`sys/devices/system/node/node${number}`, {
    cpulist: `${cpulist}\n`,
    meminfo: `Node ${number} MemTotal:       65536000 kB\nNode ${number} MemFree:  4500000 kB\n`
  })
const processors = {
  'proc/cpuinfo': `${[0, 1, 2, 3, 4, 5, 6, 7].map(cpuBlock).join('\n')}\n`,
  ...thread(0, '0,4', '0,2,4,6'),
  ...thread(1, '1,5', '1,3,5,7'),
  ...thread(2, '2,6', '0,2,4,6'),
  ...thread(3, '3,7', '1,3,5,7'),
  ...thread(4, '0,4', '0,2,4,6'),
  ...thread(5, '1,5', '1,3,5,7'),
  ...thread(6, '2,6', '0,2,4,6'),
  ...thread(7, '3,7', '1,3,5,7'),
  'sys/devices/system/cpu/cpu8/online': '0\n',
  'sys/devices/system/cpu/cpufreq/boost': '1\n',
  ...cell(0, '0,2,4,6'),
  ...cell(1, '1,3,5,7'),
  ...below('sys/kernel/mm/hugepages', {
    'hugepages-2048kB/nr_hugepages': '1024\n',
    'hugepages-2048kB/free_hugepages': '1000\n',
    'hugepages-1048576kB/nr_hugepages': '0\n',
    'hugepages-1048576kB/free_hugepages': '0\n'
  })
}

const nicFolder = 'sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0'
const virtualFolder = 'sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.2'
const plug = (name: string, folder: string, texts: Readonly<Record<string, string>>) => ({
  [`sys/class/net/${name}`]: `->${folder}/net/${name}`,
  ...below(`${folder}/net/${name}`, texts)
})
const nics = {
  [`${nicFolder}/driver`]: '->sys/bus/pci/drivers/mlx5_core',
  [`${nicFolder}/sriov_totalvfs`]: '8\n',
  ...plug('enp59s0f0', nicFolder, {
    device: `->${nicFolder}`,
    address: '02:00:00:00:00:0b\n',
    'bonding_slave/perm_hwaddr': '0C:42:A1:00:00:01\n',
    speed: '25000\n',
    carrier: '1\n',
    operstate: 'up\n',
    phys_port_name: 'p0\n'
  }),
  ...plug('enp59s0f0_1', nicFolder, {
    device: `->${nicFolder}`,
    address: '2a:00:00:00:00:01\n',
    operstate: 'up\n',
    phys_port_name: 'pf0vf1\n'
  }),
  [`${virtualFolder}/physfn`]: `->${nicFolder}`,
  ...plug('enp59s0f0v0', virtualFolder, {
    device: `->${virtualFolder}`,
    address: '2a:00:00:00:00:02\n',
    operstate: 'up\n'
  }),
  ...plug('lo', 'sys/devices/virtual', { address: '00:00:00:00:00:00\n' }),
  ...plug('bond0', 'sys/devices/virtual', { address: '02:00:00:00:00:0b\n' }),
  ...plug('rmb0123456789ab', 'sys/devices/virtual', { address: '52:54:00:00:00:01\n' }),
  ...plug('rmt0123456789ab', 'sys/devices/virtual', { address: 'fe:54:00:00:00:02\n' }),
  'sys/class/net/bonding_masters': 'bond0\n'
}

const block = (name: string, folder: string, texts: Readonly<Record<string, string>>) => ({
  [`sys/block/${name}`]: `->${folder}/${name}`,
  ...below(`${folder}/${name}`, texts)
})
const disks = {
  ...block('sda', 'sys/devices/pci0000:17/0000:18:00.0/host0/target0:2:0/0:2:0:0/block', {
    size: '7814037168\n',
    'queue/rotational': '1\n',
    'device/model': 'ST4000NM0295    \n',
    'device/vpd_pg80': '\x00\x80\x00\x14            ZC19ABCD',
    'device/wwid': 'naa.5000c500a1b2c3d4\n'
  }),
  ...block('nvme0n1', 'sys/devices/virtual/nvme-subsystem/nvme-subsys0', {
    size: '3125627568\n',
    'queue/rotational': '0\n',
    hidden: '0\n',
    wwid: 'eui.0025385b71b0b0aa\n',
    'device/model': 'SAMSUNG MZWLL1T6HAJQ-00005              \n',
    'device/serial': 'S4C9NX0M600123      \n'
  }),
  ...block('nvme0c0n1', 'sys/devices/pci0000:85/0000:86:00.0/nvme/nvme0', {
    size: '3125627568\n',
    hidden: '1\n'
  }),
  ...block('loop0', 'sys/devices/virtual/block', { size: '204800\n' }),
  ...block('zram0', 'sys/devices/virtual/block', { size: '204800\n' }),
  ...block('dm-0', 'sys/devices/virtual/block', { size: '204800\n' }),
  ...block('sr0', 'sys/devices/pci0000:00/0000:00:11.5/ata1/host1/block', { size: '2097151\n' }),
  ...block('sdb', 'sys/devices/pci0000:00/0000:00:14.0/usb1/host7/block', { size: '0\n' })
}

const card = (
  address: string,
  ids: readonly [string, string, string],
  driver?: string,
  group?: number
) => ({
  ...below(`sys/bus/pci/devices/${address}`, {
    class: `${ids[0]}\n`,
    vendor: `${ids[1]}\n`,
    device: `${ids[2]}\n`
  }),
  ...(driver && {
    [`sys/bus/pci/devices/${address}/driver`]: `->sys/bus/pci/drivers/${driver}`
  }),
  ...(group !== undefined && {
    [`sys/bus/pci/devices/${address}/iommu_group`]: `->sys/kernel/iommu_groups/${group}`
  })
})
const cards = {
  ...card('0000:00:00.0', ['0x060000', '0x8086', '0x2020']),
  ...card('0000:03:00.0', ['0x030000', '0x102b', '0x0536'], 'mgag200'),
  ...card('0000:3b:00.0', ['0x020000', '0x15b3', '0x1015'], 'mlx5_core', 70),
  ...card('0000:3b:00.2', ['0x020000', '0x15b3', '0x1016'], undefined, 88),
  'sys/bus/pci/devices/0000:3b:00.2/physfn': `->${nicFolder}`,
  ...card('0000:5e:00.0', ['0x030200', '0x10de', '0x1eb8'], 'vfio-pci', 71),
  ...card('0000:86:00.0', ['0x010802', '0x144d', '0xa822'], 'nvme'),
  ...card('0000:af:00.0', ['0x0c0400', '0x1077', '0x2261'], 'qla2xxx')
}

/** All files of the server, by path below the root. */
export const server: Readonly<Record<string, string>> = {
  ...system,
  ...processors,
  ...nics,
  ...disks,
  ...cards
}
