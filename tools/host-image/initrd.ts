/** The initial file system: the first stage, what it runs, drivers, and the key that it trusts. */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { constants, zstdCompressSync } from 'node:zlib'
import { sharedUuids } from '#shared/hardware-names.ts'
import { cpio } from '../image/cpio.ts'
import { run } from '../image/run.ts'
import { complete, directory, type Entry, file, symlink } from '../image/tree.ts'

/** What an initial file system is made of. */
export type InitrdOptions = {
  /** The root of a host, for programs and their libraries. */
  readonly root: string
  /** Folder with the modules of the first stage, and their firmware, below `lib`. */
  readonly modules: string
  /** Content of the public key that images must be signed by. */
  readonly publicKey: string
  /** Of zstd. */
  readonly level: number
}

const inside = join(import.meta.dirname, 'inside/stage1')
/** What signify is linked with. */
const libraries = ['libbsd.so.0', 'libmd.so.0', 'libc.so.6']
const triplet = 'x86_64-linux-gnu'

/** Makes it, and gives its bytes as the kernel reads them. */
export async function makeInitrd(options: InitrdOptions): Promise<Buffer> {
  const { root, modules, publicKey, level } = options
  const busybox = join(root, 'usr/bin/busybox')
  const applets = (await run(busybox, ['--list'])).trim().split('\n')
  const library = (name: string): Promise<Buffer> => readFile(join(root, 'usr/lib', triplet, name))
  const loader = 'ld-linux-x86-64.so.2'
  const tree: Entry[] = [
    ...['proc', 'sys', 'dev', 'run', 'root'].map(name => directory(name)),
    file('bin/busybox', await readFile(busybox), 0o755),
    ...applets.filter(name => name !== 'busybox').map(name => symlink(`bin/${name}`, 'busybox')),
    file('bin/signify', await readFile(join(root, 'usr/bin/signify-openbsd')), 0o755),
    file(`lib64/${loader}`, await library(loader), 0o755),
    file('init', await readFile(join(inside, 'init')), 0o755),
    file('etc/remuda/fetch', await readFile(join(inside, 'fetch'))),
    file('etc/remuda/netconsole', await readFile(join(inside, 'netconsole'))),
    file('etc/remuda/ask', await readFile(join(inside, 'ask'))),
    file('etc/remuda/own-uuid', await readFile(join(inside, 'own-uuid'))),
    file('etc/remuda/shared-uuids', sharedUuids.map(uuid => `${uuid}\n`).join('')),
    file('etc/remuda/lease', await readFile(join(inside, 'lease')), 0o755),
    file('etc/remuda/image.pub', publicKey),
    ...(await treeOf(modules))
  ]
  for (const name of libraries)
    tree.push(file(`lib/${triplet}/${name}`, await library(name), 0o755))
  return zstdCompressSync(cpio(complete(tree)), {
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 }
  })
}

/** All that is below a folder, as a tree. */
async function treeOf(folder: string): Promise<readonly Entry[]> {
  const found: Entry[] = []
  for (const each of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(each.parentPath, each.name)
    const name = path.slice(folder.length + 1)
    if (each.isSymbolicLink()) found.push(symlink(name, await readlink(path)))
    else if (each.isFile()) found.push(file(name, await readFile(path)))
  }
  return found
}
