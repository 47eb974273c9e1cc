/** What is in the images: three trees, made of our files in `inside` and of Debian's. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ModuleFiles, moduleEntries } from './modules.ts'
import { run } from './run.ts'
import { complete, directory, type Entry, file, symlink } from './tree.ts'

const insideFolder = new URL('./inside/', import.meta.url)

/** What the initramfs loads to reach the root disk. */
const rootDiskModules = ['virtio_pci', 'virtio_blk']
/** What init loads once it is there, on need. */
const otherModules = [
  'virtio_net',
  'virtio_rng',
  'virtio_balloon',
  'virtio_console',
  'button',
  'evdev',
  'pvpanic_mmio',
  'isofs',
  'sr_mod',
  'ata_piix',
  'virtio_scsi'
]

/** resize2fs and what it is linked with, as Debian's usrmerge-less packages place them. */
const resizeFiles: readonly (readonly [path: string, from: string])[] = [
  ['sbin/resize2fs', 'sbin/resize2fs'],
  ['lib64/ld-linux-x86-64.so.2', 'lib/x86_64-linux-gnu/ld-linux-x86-64.so.2'],
  ['lib/x86_64-linux-gnu/libc.so.6', 'lib/x86_64-linux-gnu/libc.so.6'],
  ['lib/x86_64-linux-gnu/libcom_err.so.2', 'lib/x86_64-linux-gnu/libcom_err.so.2'],
  ['lib/x86_64-linux-gnu/libe2p.so.2', 'lib/x86_64-linux-gnu/libe2p.so.2'],
  ['lib/x86_64-linux-gnu/libext2fs.so.2', 'lib/x86_64-linux-gnu/libext2fs.so.2']
]

/** qemu's guest agent and what it is linked with beside libc. */
const guestAgentFiles: readonly (readonly [path: string, from: string])[] = [
  ['usr/sbin/qemu-ga', 'usr/sbin/qemu-ga'],
  ['lib/x86_64-linux-gnu/libm.so.6', 'lib/x86_64-linux-gnu/libm.so.6'],
  ...[
    'libglib-2.0.so.0',
    'libgmodule-2.0.so.0',
    'liburing.so.2',
    'libpcre2-8.so.0',
    'libudev.so.1',
    'libnuma.so.1'
  ].map(name => [`lib/x86_64-linux-gnu/${name}`, `usr/lib/x86_64-linux-gnu/${name}`] as const)
]

/** Reads one of our own files in the images. */
export const insideFile = (name: string): Promise<Buffer> => readFile(new URL(name, insideFolder))

/** The userland that virtual machine and container share. `root` holds the unpacked packages. */
export async function sharedTree(root: string): Promise<readonly Entry[]> {
  const busybox = join(root, 'bin/busybox')
  const applets = (await run(busybox, ['--list-full'])).trim().split('\n')
  return complete([
    ...applets.map(path => symlink(path, '/bin/busybox')),
    file('bin/busybox', await readFile(busybox), 0o755),
    file('sbin/init', await insideFile('init'), 0o755),
    file('usr/lib/tiny/dhcp', await insideFile('dhcp'), 0o755),
    file('usr/lib/tiny/console', await insideFile('console'), 0o755),
    file('usr/lib/tiny/seed.awk', await insideFile('seed.awk')),
    file('srv/www/cgi-bin/index.cgi', await insideFile('index.cgi'), 0o755),
    file('etc/profile', await insideFile('profile')),
    file('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n'),
    file('etc/group', 'root:x:0:\nnogroup:x:65534:\n'),
    file('etc/os-release', 'NAME=tiny\nID=tiny\nPRETTY_NAME="tiny, a demonstration image"\n'),
    symlink('etc/resolv.conf', '/run/resolv.conf'),
    symlink('etc/mtab', '/proc/self/mounts'),
    ...['dev', 'mnt', 'proc', 'run', 'sys', 'var/log', 'var/lib/tiny'].map(path => directory(path)),
    directory('var/lib/cloud/seed/nocloud'),
    directory('root', 0o700),
    directory('tmp', 0o1777)
  ])
}

/** The root of the virtual machine: the userland, more modules, resize2fs, qemu's guest agent. */
export async function virtualMachineTree(
  shared: readonly Entry[],
  options: { readonly root: string; readonly release: string; readonly modules: ModuleFiles }
): Promise<readonly Entry[]> {
  const { root, release, modules } = options
  const programs = [...resizeFiles, ...guestAgentFiles].map(async ([path, from]) =>
    file(path, await readFile(join(root, from)), 0o755)
  )
  return complete([
    ...shared,
    file('etc/fstab', await insideFile('fstab')),
    ...(await Promise.all(programs)),
    ...(await moduleEntries(modules, release, [...rootDiskModules, ...otherModules]))
  ])
}

/** The initramfs: busybox, the modules of the root disk, and stage1 as its /init. */
export async function initramfsTree(options: {
  readonly root: string
  readonly release: string
  readonly modules: ModuleFiles
}): Promise<readonly Entry[]> {
  const { root, release, modules } = options
  return complete([
    file('bin/busybox', await readFile(join(root, 'bin/busybox')), 0o755),
    file('init', await insideFile('stage1'), 0o755),
    file('etc/fstab', kernelMounts(await insideFile('fstab'))),
    ...['dev', 'proc', 'root', 'sys'].map(path => directory(path)),
    ...(await moduleEntries(modules, release, rootDiskModules))
  ])
}

/** The first lines of fstab, without what is only for the root: its tmpfs. */
const kernelMounts = (fstab: Buffer): string =>
  fstab
    .toString()
    .split('\n')
    .filter(line => !line.includes(' tmpfs '))
    .join('\n')
