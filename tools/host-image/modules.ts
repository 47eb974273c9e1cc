/**
 * Which drivers go into which part of an image. What a driver needs comes with it, as the field
 * `depends` of its `.modinfo` says; so does the firmware that the field `firmware` names, where
 * Debian has it.
 */
import { copyFile, mkdir, readdir, readFile, readlink, stat, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { Fault } from '#shared/fault.ts'
import { codeOf } from '#shared/files.ts'
import { dependencies, type ModuleFiles } from '../image/modules.ts'
import { run } from '../image/run.ts'
import type { HostImageProfile } from './packages.ts'

/** What the first stage cannot do without, whatever the machine. */
const firstStageCore = [
  'loop',
  'squashfs',
  'overlay',
  'af_packet',
  '8021q',
  'virtio_rng',
  'netconsole'
]
/** Network interfaces of virtual machines. */
const virtualInterfaces = ['virtio_pci', 'virtio_net', 'e1000', 'e1000e', '8139cp', 'vmxnet3']
/** Folders of drivers of network interfaces of metal. */
const interfaceFolders = ['kernel/drivers/net/ethernet/', 'kernel/drivers/net/phy/']

/** What hosts that are virtual machines need in their root: what instances run on, and storage. */
const minimalRoot = [
  ...firstStageCore,
  ...virtualInterfaces,
  ...`
    virtio_blk virtio_scsi virtio_balloon virtio_console sd_mod sr_mod ahci nvme isofs ext4 xfs
    vfat fuse nls_ascii nls_cp437 autofs4 configfs efivarfs efi_pstore ramoops 9p 9pnet_virtio
    virtiofs nfs nfsv4 zram bridge br_netfilter vxlan bonding team veth tun tap macvlan macvtap
    dummy ifb wireguard vhost_net vhost_vsock vhost_scsi kvm_intel kvm_amd nf_tables nft_ct
    nft_nat nft_masq nft_chain_nat nft_compat nft_log nft_limit nft_numgen nft_redir
    nft_reject_inet nft_reject_bridge nft_fib_inet nft_meta_bridge nft_connlimit nft_hash
    nft_tproxy nft_socket nft_dup_netdev nft_fwd_netdev nft_quota nft_queue nft_objref
    nf_conntrack_bridge nf_conntrack nf_conntrack_tftp nf_nat_tftp nf_conntrack_ftp nf_nat_ftp
    nf_conntrack_netlink xt_conntrack xt_tcpudp xt_comment xt_mark sch_htb sch_ingress
    sch_fq_codel sch_tbf cls_u32 cls_bpf cls_flower cls_matchall act_police act_mirred act_gact
    em_meta ip_set psample dm_mod dm_thin_pool dm_snapshot dm_crypt dm_raid dm_multipath raid1
    nbd drbd iscsi_tcp libiscsi target_core_mod target_core_file target_core_iblock
    iscsi_target_mod tcm_loop scsi_transport_iscsi i6300esb softdog ipmi_si ipmi_devintf
    ipmi_watchdog i2c_i801 lpc_ich pvpanic_pci tpm_tis tpm_crb qemu_fw_cfg button xt_set sg
    crc32c_intel aesni_intel dm_bio_prison iTCO_wdt xt_MASQUERADE xt_CHECKSUM xt_LOG
    crc32c_generic crct10dif_generic xts essiv ctr gcm ghash_generic cmac ecb nf_log_syslog
    algif_skcipher algif_hash authenc seqiv echainiv
  `
    .trim()
    .split(/\s+/)
]

/** What the kernel for clouds lacks of these: drivers of metal, also where QEMU imitates it. */
const notInCloud = new Set([
  ...['ahci', '9p', '9pnet_virtio', 'i6300esb', 'iTCO_wdt', 'ipmi_si', 'ipmi_devintf'],
  ...['ipmi_watchdog', 'i2c_i801', 'lpc_ich', 'e1000', 'e1000e', '8139cp']
])
/** What it has instead: interfaces and disks that other hypervisors show. */
const cloudInterfaces = ['hv_netvsc', 'xen_netfront', 'ena', 'gve', 'mana', 'ixgbevf']
const cloudRoot = [...cloudInterfaces, 'hv_storvsc', 'hv_utils', 'xen_blkfront', 'vmw_pvscsi']

/** Folders of drivers that no host of a rack has a use for, by the folder that they are in. */
const excluded: Readonly<Record<string, string>> = {
  kernel: 'sound',
  'kernel/drivers':
    'gpu media iio staging comedi isdn bluetooth mtd video w1 hid ssb nfc atm xen pcmcia parport ' +
    'firewire memstick power platform rtc leds gnss rpmsg mmc thunderbolt accel counter hwmon',
  'kernel/drivers/input': 'joystick touchscreen tablet misc mouse',
  'kernel/drivers/net':
    'wireless can hamradio ieee802154 wwan arcnet fddi ppp usb slip plip wan hippi appletalk',
  // Cards with processors of their own, whose firmware is as large as that of all others.
  'kernel/drivers/net/ethernet': 'netronome cavium',
  'kernel/drivers/net/ethernet/qlogic': 'netxen',
  'kernel/drivers/infiniband/hw': 'hfi1 qib',
  'kernel/drivers/scsi': 'bfa',
  'kernel/drivers/usb': 'gadget misc serial atm image',
  'kernel/net':
    'bluetooth mac80211 wireless nfc can ax25 rose netrom ieee802154 mac802154 atm appletalk ' +
    'lapb x25 rxrpc tipc batman-adv hsr phonet rds 6lowpan',
  'kernel/fs':
    'ocfs2 gfs2 reiserfs jfs hfs hfsplus ufs nilfs2 afs coda ceph orangefs minix sysv affs adfs ' +
    'befs bfs efs freevxfs hpfs qnx4 qnx6 f2fs jffs2 ubifs ntfs ntfs3 smb ksmbd dlm btrfs'
}
const excludedFolders = Object.entries(excluded).flatMap(([parent, names]) =>
  names.split(' ').map(name => `${parent}/${name}/`)
)

/** An unpacked kernel. */
export type Kernel = {
  /** Folder into which its package was unpacked. */
  readonly root: string
  /** Such as 6.1.0-56-amd64. */
  readonly release: string
  readonly modules: ModuleFiles
  /** Folder into which firmware was unpacked; undefined: there is none. */
  readonly firmware?: string | undefined
}

/** Where the modules of a kernel lie below its root. */
const folderOf = ({ release }: Kernel): string => `lib/modules/${release}`

/** The modules of the first stage, with all that they need. */
export async function firstStageModules(
  kernel: Kernel,
  profile: HostImageProfile
): Promise<readonly string[]> {
  const always = [...firstStageCore, ...virtualInterfaces]
  if (profile === 'cloud') return await closure(kernel, inCloud([...always, ...cloudInterfaces]))
  if (profile === 'minimal') return await closure(kernel, always)
  const isInterface = (path: string): boolean =>
    interfaceFolders.some(each => path.startsWith(each)) && isKept(path)
  return await closure(kernel, [...always, ...below(kernel, isInterface)])
}

/** The modules of the root, with all that they need. */
export async function rootModules(
  kernel: Kernel,
  profile: HostImageProfile
): Promise<readonly string[]> {
  if (profile === 'cloud') return await closure(kernel, inCloud([...minimalRoot, ...cloudRoot]))
  if (profile === 'minimal') return await closure(kernel, minimalRoot)
  return await closure(kernel, below(kernel, isKept))
}

const inCloud = (names: readonly string[]): readonly string[] =>
  names.filter(name => !notInCloud.has(name))

const isKept = (path: string): boolean => !excludedFolders.some(each => path.startsWith(each))

/** Names of the modules whose path below the folder of modules is as wished. */
function below(kernel: Kernel, isWished: (path: string) => boolean): readonly string[] {
  const folder = join(kernel.root, folderOf(kernel))
  return [...kernel.modules]
    .filter(([, path]) => isWished(relative(folder, path)))
    .map(([name]) => name)
}

async function closure(kernel: Kernel, wanted: readonly string[]): Promise<readonly string[]> {
  const builtIn = await builtInNames(kernel)
  const found = new Set<string>()
  const queue = [...wanted]
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (found.has(name) || builtIn.has(name)) continue
    const path = kernel.modules.get(name)
    if (path === undefined) {
      throw new Fault('not-found', `cannot find the module ${name} in kernel ${kernel.release}`)
    }
    found.add(name)
    queue.push(...dependencies(await readFile(path)))
  }
  return [...found].sort()
}

async function builtInNames(kernel: Kernel): Promise<ReadonlySet<string>> {
  const text = await readFile(join(kernel.root, folderOf(kernel), 'modules.builtin'), 'utf8')
  const names = [...text.matchAll(/([^/\n]+)\.ko$/gm)].map(([, name]) => name!.replaceAll('-', '_'))
  return new Set(names)
}

/** Copies modules, and the firmware that they name, below a folder, and writes what finds them. */
export async function placeModules(
  kernel: Kernel,
  names: readonly string[],
  into: string
): Promise<{ readonly modules: number; readonly firmware: number }> {
  const source = join(kernel.root, folderOf(kernel))
  const target = join(into, folderOf(kernel))
  await mkdir(target, { recursive: true })
  for (const file of ['modules.builtin', 'modules.builtin.modinfo', 'modules.order']) {
    await copyFile(join(source, file), join(target, file))
  }
  const firmware = new Set<string>()
  for (const name of names) {
    const path = kernel.modules.get(name)!
    await copyInto(path, join(target, relative(source, path)))
    for (const each of fields(await readFile(path), 'firmware')) firmware.add(each)
  }
  await run('depmod', ['-b', into, kernel.release])
  let placed = 0
  for (const each of [...firmware].sort()) placed += await placeFirmware(kernel, each, into)
  return { modules: names.length, firmware: placed }
}

/** Copies a file of firmware, and what it links to; gives how many there were. */
async function placeFirmware(kernel: Kernel, name: string, into: string): Promise<number> {
  if (kernel.firmware === undefined || name.includes('..') || /[*?[]/.test(name)) return 0
  const path = join(kernel.firmware, 'lib/firmware', name)
  const target = join(into, 'lib/firmware', name)
  const link = await readlink(path).catch(thrown => notLink(thrown))
  if (link === undefined) {
    if (!(await stat(path).catch(() => undefined))?.isFile()) return 0
    await copyInto(path, target)
    return 1
  }
  await mkdir(dirname(target), { recursive: true })
  await symlink(link, target).catch(thrown => {
    if (codeOf(thrown) !== 'EEXIST') throw thrown
  })
  const next = relative(join(kernel.firmware, 'lib/firmware'), join(dirname(path), link))
  return (await placeFirmware(kernel, next, into)) + 1
}

function notLink(thrown: unknown): undefined {
  if (['EINVAL', 'ENOENT'].includes(codeOf(thrown) ?? '')) return undefined
  throw thrown
}

async function copyInto(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true })
  await copyFile(from, to)
}

/** All values of a field in the section `.modinfo` of a module. */
export function fields(module: Buffer, name: string): readonly string[] {
  const key = Buffer.from(`\0${name}=`)
  const found: string[] = []
  for (let at = module.indexOf(key); at >= 0; at = module.indexOf(key, at + 1)) {
    const begin = at + key.length
    found.push(module.toString('latin1', begin, module.indexOf(0, begin)))
  }
  return found
}

/** The release of an unpacked kernel. Fault `corrupt` when there is none, or more than one. */
export async function releaseOf(root: string): Promise<string> {
  const found = await readdir(join(root, 'lib/modules')).catch(() => [])
  if (found.length === 1) return found[0]!
  throw new Fault('corrupt', `cannot find the kernel in its package: ${found.length} releases`)
}
