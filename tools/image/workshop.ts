/** Where images are made: a folder for what is in between, gone when the work is done. */
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { constants, gzipSync } from 'node:zlib'
import { cpio } from './cpio.ts'
import { makeDisk } from './disk.ts'
import { type Image, type ImageKind, replaceImage } from './manifest.ts'
import { moduleFiles } from './modules.ts'
import { type ImagePackages, type Package, unpack } from './packages.ts'
import { tar } from './tar.ts'
import type { Entry } from './tree.ts'
import { initramfsTree, insideFile, sharedTree, virtualMachineTree } from './userland.ts'

/** What a workshop works with. */
export type WorkshopOptions = {
  readonly packages: ImagePackages
  /** Where downloaded packages are kept. */
  readonly cache: string
  /** Is told what goes on, a sentence each. */
  readonly progress: (line: string) => void
  readonly signal: AbortSignal | undefined
}

/** The packages that an image is made of: a container has its host's kernel and file system. */
export const packagesOf = (kind: ImageKind, packages: ImagePackages): readonly Package[] =>
  kind === 'vm'
    ? [packages.kernel, ...packages.userland]
    : packages.userland.filter(each => each.name === 'busybox-static')

/** Opens a workshop on the file system that the images will be on, so that they can be renamed. */
export const openWorkshop = async (out: string, options: WorkshopOptions): Promise<Workshop> =>
  new Workshop(await mkdtemp(join(out, '.build-')), options)

class Workshop implements AsyncDisposable {
  readonly #folder: string
  readonly #options: WorkshopOptions
  readonly #unpacked = new Set<string>()

  constructor(folder: string, options: WorkshopOptions) {
    this.#folder = folder
    this.#options = options
  }

  /** Makes an image under a temporary name and then puts it in its place. */
  async make(kind: ImageKind, path: string): Promise<Image> {
    const { packages, progress } = this.#options
    const name = basename(path)
    const draft = join(this.#folder, name)
    const parts = packagesOf(kind, packages)
    const root = await this.#unpack(parts)
    progress(`making ${name}`)
    const shared = await sharedTree(root)
    const kernel = kind === 'vm' ? await this.#makeVirtualMachine(draft, root, shared) : undefined
    if (kind === 'container') await writeFile(draft, packed(tar(shared)))
    const content = await readFile(draft)
    await replaceImage(draft, path)
    progress(`made ${join(dirname(path), name)}, ${(content.length / 2 ** 20).toFixed(1)} MiB`)
    return {
      kind,
      path,
      sha256: createHash('sha256').update(content).digest('hex'),
      bytes: content.length,
      ...(kernel === undefined ? {} : { kernel }),
      packages: parts.map(each => `${each.name} ${each.version}`)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** Unpacks those that are not yet, all into one tree. */
  async #unpack(parts: readonly Package[]): Promise<string> {
    const { cache, progress, signal } = this.#options
    const root = join(this.#folder, 'packages')
    for (const each of parts) {
      if (this.#unpacked.has(each.name)) continue
      progress(`unpacking ${each.name} ${each.version}`)
      await unpack(each, { cache, into: root, signal })
      this.#unpacked.add(each.name)
    }
    return root
  }

  async #makeVirtualMachine(into: string, root: string, shared: readonly Entry[]): Promise<string> {
    const { packages, signal } = this.#options
    const release = packages.kernel.name.replace('linux-image-', '')
    const modules = await moduleFiles(root, release)
    const parts = {
      kernel: await readFile(join(root, `boot/vmlinuz-${release}`)),
      initramfs: packed(cpio(await initramfsTree({ root, release, modules }))),
      bootConfig: await insideFile('syslinux.cfg'),
      root: await virtualMachineTree(shared, { root, release, modules })
    }
    await makeDisk(parts, { work: this.#folder, into, signal })
    return release
  }
}

// gzip for both: every tar unpacks it, and a kernel under emulation unpacks an initramfs of 2 MB as
// quickly (0.1 s) as with lz4 or not packed at all. zstd would save a tenth of one megabyte.
const packed = (archive: Buffer): Buffer =>
  gzipSync(archive, { level: constants.Z_BEST_COMPRESSION })
