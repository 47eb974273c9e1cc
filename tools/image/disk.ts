/**
 * The disk of the virtual machine, made without mounting anything and without being root:
 *
 *   sector 0     master boot record with syslinux's boot code
 *   1 MiB        partition 1, FAT16: syslinux, the kernel, the initramfs
 *   behind it    partition 2, ext4 "tiny-root": the root, which grows with the volume
 *
 * Each tool writes into a sparse file at the offset of its partition. Two such files are made, one
 * for each partition, because qemu-img compresses all of a file or nothing: the kernel is packed
 * already, and compressing it again would save 2 MB and cost each boot some 0.3 s, since firmware
 * reads in small pieces and qemu would unpack each cluster twice. So the boot partition goes into
 * the qcow2 file as it is, and the root compressed.
 */
import { chmod, mkdir, open, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bootRecord } from './boot-record.ts'
import { run } from './run.ts'
import type { Entry } from './tree.ts'

const mib = 2 ** 20
const sectorBytes = 512
const bootCodePath = '/usr/lib/SYSLINUX/mbr.bin'
const diskMib = 64
const bootStartMib = 1
/** FAT16 wants more than 4085 clusters, and ours are of 4 KiB. */
const bootMibMin = 18
const bootSpareMib = 2
/** The root's reserve of group descriptors lets it grow to this size while mounted. */
const rootGrowthGib = 1024
const blockBytes = 4096
/** Any fixed values serve: equal inputs must give equal bytes. */
const diskSignature = 0x74696e79
const rootUuid = '74696e79-0000-4000-8000-000000000001'
const hashSeed = '74696e79-0000-4000-8000-000000000002'
const buildTime = 1_700_000_000

/** What is put on the disk: three files of the boot partition, and the tree of the root. */
export type DiskParts = {
  readonly kernel: Buffer
  readonly initramfs: Buffer
  readonly bootConfig: Buffer
  readonly root: readonly Entry[]
}

/** Where the disk is made; equal parts give equal bytes wherever that is. */
export type DiskOptions = {
  /** A folder for files in between; the caller removes it. */
  readonly work: string
  /** The qcow2 file to write. */
  readonly into: string
  readonly signal?: AbortSignal | undefined
}

/** Makes the bootable disk image. */
export async function makeDisk(parts: DiskParts, options: DiskOptions): Promise<void> {
  const { work, into, signal } = options
  const contentMib = Math.ceil((parts.kernel.length + parts.initramfs.length) / mib)
  const bootMib = Math.max(contentMib + bootSpareMib, bootMibMin)
  const layout = { bootMib, rootStartMib: bootStartMib + bootMib }
  const boot = join(work, 'boot.raw')
  const root = join(work, 'root.raw')
  await makeBootPartition(parts, { boot, layout, work, signal })
  await makeRootPartition(parts.root, { root, layout, work, signal })
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', boot, into], { signal })
  // Without zero clusters, and into what exists: this adds the root to the boot partition.
  const adding = ['-n', '--target-is-zero', '-c']
  await run('qemu-img', ['convert', ...adding, '-f', 'raw', '-O', 'qcow2', root, into], { signal })
}

type Layout = { readonly bootMib: number; readonly rootStartMib: number }

const fixedTime = { SOURCE_DATE_EPOCH: String(buildTime), TZ: 'UTC', MTOOLS_SKIP_CHECK: '1' }

async function makeBootPartition(
  parts: DiskParts,
  options: {
    readonly boot: string
    readonly layout: Layout
    readonly work: string
    readonly signal: AbortSignal | undefined
  }
): Promise<void> {
  const { boot, layout, work, signal } = options
  const sectors = (layout.bootMib * mib) / sectorBytes
  const start = (bootStartMib * mib) / sectorBytes
  await writeRecord(boot, layout)
  const volume = `${boot}@@${bootStartMib}M`
  const geometry = ['-T', `${sectors}`, '-h', '255', '-s', '63', '-H', `${start}`]
  const form = ['-c', `${blockBytes / sectorBytes}`, '-N', diskSignature.toString(16)]
  await run('mformat', ['-i', volume, ...geometry, ...form, '::'], { env: fixedTime, signal })
  const files = [
    ['vmlinuz', parts.kernel],
    ['initramfs', parts.initramfs],
    ['syslinux.cfg', parts.bootConfig]
  ] as const
  for (const [name, content] of files) {
    const path = join(work, name)
    await writeFile(path, content)
    await utimes(path, buildTime, buildTime)
    await run('mcopy', ['-m', '-i', volume, path, `::${name}`], { env: fixedTime, signal })
  }
  const place = ['--install', '--offset', `${bootStartMib * mib}`]
  await run('syslinux', [...place, boot], { env: fixedTime, signal })
}

/** Begins the disk: an empty sparse file with the boot record. */
async function writeRecord(path: string, layout: Layout): Promise<void> {
  const sectorsOf = (sizeMib: number) => (sizeMib * mib) / sectorBytes
  const disk = await open(path, 'w')
  try {
    const source = await open(bootCodePath, 'r')
    const code = await source.readFile().finally(() => source.close())
    const start = sectorsOf(bootStartMib)
    const rootStart = sectorsOf(layout.rootStartMib)
    const record = bootRecord({
      code,
      signature: diskSignature,
      partitions: [
        { start, length: sectorsOf(layout.bootMib), kind: 0x06, active: true },
        { start: rootStart, length: sectorsOf(diskMib) - rootStart, kind: 0x83, active: false }
      ]
    })
    await disk.write(record, 0, record.length, 0)
    await disk.truncate(diskMib * mib)
  } finally {
    await disk.close()
  }
}

async function makeRootPartition(
  entries: readonly Entry[],
  options: {
    readonly root: string
    readonly layout: Layout
    readonly work: string
    readonly signal: AbortSignal | undefined
  }
): Promise<void> {
  const { root, layout, work, signal } = options
  const tree = join(work, 'tree')
  await writeTree(entries, tree)
  await writeFile(root, '')
  await truncate(root, diskMib * mib)
  const offset = layout.rootStartMib * mib
  const blocks = (diskMib * mib - offset) / blockBytes
  const extended = [
    `offset=${offset}`,
    `resize=${(rootGrowthGib * 2 ** 30) / blockBytes}`,
    `hash_seed=${hashSeed}`,
    'lazy_itable_init=1',
    'root_owner=0:0'
  ]
  // Few inodes: a volume of gigabytes would otherwise spend its first writes on empty tables.
  const form = ['-q', '-F', '-t', 'ext4', '-b', `${blockBytes}`, '-N', '1024']
  const identity = ['-L', 'tiny-root', '-U', rootUuid, '-m', '0', '-J', 'size=4']
  const time = { E2FSPROGS_FAKE_TIME: String(buildTime), ...fixedTime }
  await run(
    'mke2fs',
    [...form, ...identity, '-E', extended.join(','), '-d', tree, root, `${blocks}`],
    { env: time, signal }
  )
  // mke2fs takes owner and times from the tree in our folder: set what the image should say.
  const paths = ['/', ...entries.map(entry => `/${entry.path}`)]
  const commands = paths.flatMap(path => [
    `set_inode_field ${path} uid 0`,
    `set_inode_field ${path} gid 0`,
    ...['atime', 'ctime', 'mtime', 'crtime'].flatMap(field => [
      `set_inode_field ${path} ${field} @${buildTime}`,
      `set_inode_field ${path} ${field}_extra 0`
    ])
  ])
  await run('debugfs', ['-w', '-f', '-', `${root}?offset=${offset}`], {
    input: `${commands.join('\n')}\n`,
    env: time,
    signal
  })
}

async function writeTree(entries: readonly Entry[], folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder)
  for (const entry of entries) {
    const path = join(folder, entry.path)
    if (entry.type === 'symlink') await symlink(entry.target, path)
    else if (entry.type === 'file') await writeFile(path, entry.content)
    else await mkdir(path)
    // Set apart, since our umask would take from a mode given at creation.
    if (entry.type !== 'symlink') await chmod(path, entry.mode)
  }
}
