/**
 * Builds the demonstration image `tiny`: one userland of Debian's busybox, as a bootable disk image
 * for virtual machines and as a root file system for containers.
 *
 * An image is keyed by everything that it is made of: our own files and the checksums of Debian's
 * packages. The key, with the image's checksum, lies beside it in a manifest that is written last,
 * so that an image counts as built only when it is whole, and building it again does nothing.
 */
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { constants, gzipSync } from 'node:zlib'
import { cpio } from './cpio.ts'
import { makeDisk } from './disk.ts'
import { moduleFiles } from './modules.ts'
import { type ImagePackages, imagePackages, unpack } from './packages.ts'
import { run } from './run.ts'
import { tar } from './tar.ts'
import { initramfsTree, insideFile, sharedTree, virtualMachineTree } from './userland.ts'

/** One of the two images; both hold the same userland. */
export type ImageKind = 'vm' | 'container'

/** Where the images go and what is made; nothing is told where `progress` is left out. */
export type ImageOptions = {
  /** The folder for the images; it is made if need be. */
  readonly out: string
  /** Builds this one alone. */
  readonly only?: ImageKind | undefined
  /** Where downloads are kept: `remuda/packages` in the user's cache folder by default. */
  readonly cache?: string | undefined
  /** Is told what goes on, a sentence each. */
  readonly progress?: (line: string) => void
  readonly signal?: AbortSignal | undefined
}

/** A finished image. */
export type Image = {
  readonly kind: ImageKind
  readonly path: string
  readonly sha256: string
  readonly bytes: number
  /** Such as 6.1.0-56-cloud-amd64; a container has none. */
  readonly kernel: string | undefined
  /** Names and versions of the packages in it. */
  readonly packages: readonly string[]
}

/** Paths of both images, and what is in those that were asked for. */
export type Images = {
  /** Where the images are; with `only`, the other one may not exist. */
  readonly vm: string
  readonly container: string
  /** Those that were asked for. */
  readonly images: readonly Image[]
}

const fileNames = { vm: 'tiny-vm.qcow2', container: 'tiny-container.tar.gz' } as const

/**
 * Builds what is not there yet. Faults: `command`, `unavailable`, `not-found`, `deadline`,
 * `aborted`.
 */
export async function buildImages(options: ImageOptions): Promise<Images> {
  const out = resolve(options.out)
  const progress = options.progress ?? (() => {})
  const kinds: readonly ImageKind[] = options.only ? [options.only] : ['vm', 'container']
  await mkdir(out, { recursive: true })
  const packages = await imagePackages(options.signal)
  const sources = await sourceHash()
  const found = await Promise.all(
    kinds.map(kind => present(join(out, fileNames[kind]), keyOf(kind, packages, sources)))
  )
  const missing = kinds.filter((_, index) => !found[index])
  const built: Image[] = []
  if (missing.length > 0) {
    const work = await mkdtemp(join(out, '.build-'))
    try {
      const workshop = { ...options, out, work, packages, progress }
      const materials = await prepare(missing, workshop)
      for (const kind of missing) {
        const key = keyOf(kind, packages, sources)
        built.push(await build(kind, { ...workshop, key, materials }))
      }
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  }
  const images = kinds.map((kind, index) => found[index] ?? built.find(one => one.kind === kind)!)
  return {
    vm: join(out, fileNames.vm),
    container: join(out, fileNames.container),
    images
  }
}

type Manifest = Image & { readonly key: string }

const manifestPath = (image: string): string => `${image}.json`

/** The image, if it is there and made of the same things; its size tells a truncated copy. */
async function present(path: string, key: string): Promise<Image | undefined> {
  const [text, file] = await Promise.all([
    readFile(manifestPath(path), 'utf8').catch(() => undefined),
    stat(path).catch(() => undefined)
  ])
  if (!text || !file) return undefined
  const { key: builtKey, ...image } = JSON.parse(text) as Manifest
  return builtKey === key && image.bytes === file.size ? { ...image, path } : undefined
}

/** The hash of all files of the builder, those inside the images and tools alike. */
async function sourceHash(): Promise<string> {
  const folder = import.meta.dirname
  const hash = createHash('sha256')
  for (const path of (await readdir(folder, { recursive: true })).sort()) {
    const content = await readFile(join(folder, path)).catch(() => undefined)
    if (content) hash.update(`${path} ${content.length}\n`).update(content)
  }
  return hash.digest('hex')
}

const keyOf = (kind: ImageKind, packages: ImagePackages, sources: string): string =>
  createHash('sha256')
    .update(JSON.stringify([kind, sources, partsOf(kind, packages)]))
    .digest('hex')

/** A container has its host's kernel and no file system of its own to grow. */
const partsOf = (kind: ImageKind, packages: ImagePackages): ImagePackages['userland'] =>
  kind === 'vm'
    ? [packages.kernel, ...packages.userland]
    : packages.userland.filter(each => each.name === 'busybox-static')

type Workshop = {
  readonly out: string
  readonly work: string
  readonly cache?: string | undefined
  readonly packages: ImagePackages
  readonly progress: (line: string) => void
  readonly signal?: AbortSignal | undefined
}

type Materials = {
  /** The unpacked packages. */
  readonly root: string
  readonly shared: Awaited<ReturnType<typeof sharedTree>>
}

async function prepare(kinds: readonly ImageKind[], workshop: Workshop): Promise<Materials> {
  const { work, packages, progress, signal } = workshop
  const cacheHome = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  const cache = workshop.cache ?? join(cacheHome, 'remuda/packages')
  const root = join(work, 'packages')
  for (const each of partsOf(kinds.includes('vm') ? 'vm' : 'container', packages)) {
    progress(`unpacking ${each.name} ${each.version}`)
    await unpack(each, { cache, into: root, signal })
  }
  return { root, shared: await sharedTree(root) }
}

type Job = Workshop & { readonly key: string; readonly materials: Materials }

/** Builds one image under a temporary name, then gives it its name, then writes its manifest. */
async function build(kind: ImageKind, job: Job): Promise<Image> {
  const path = join(job.out, fileNames[kind])
  const draft = join(job.work, basename(path))
  job.progress(`making ${basename(path)}`)
  const kernel = kind === 'vm' ? await makeVirtualMachine(draft, job) : undefined
  if (kind === 'container') await writeFile(draft, packed(tar(job.materials.shared)))
  const content = await readFile(draft)
  const sha256 = createHash('sha256').update(content).digest('hex')
  const packages = partsOf(kind, job.packages).map(each => `${each.name} ${each.version}`)
  const image = { kind, path, sha256, bytes: content.length, kernel, packages }
  const manifest = join(job.work, 'manifest.json')
  await writeFile(manifest, `${JSON.stringify({ key: job.key, ...image }, undefined, 2)}\n`)
  // A manifest of an older image must not vouch for the new one in between.
  await rm(manifestPath(path), { force: true })
  await rename(draft, path)
  await rename(manifest, manifestPath(path))
  job.progress(`made ${basename(path)}, ${(image.bytes / 2 ** 20).toFixed(1)} MiB`)
  return image
}

// gzip and not zstd: every tar unpacks it, and of one megabyte zstd would save a tenth.
const packed = (archive: Buffer): Buffer =>
  gzipSync(archive, { level: constants.Z_BEST_COMPRESSION })

async function makeVirtualMachine(into: string, job: Job): Promise<string> {
  const { work, materials, signal } = job
  const { root, shared } = materials
  const release = job.packages.kernel.name.replace('linux-image-', '')
  const modules = await moduleFiles(root, release)
  const archive = join(work, 'initramfs.cpio')
  await writeFile(archive, cpio(await initramfsTree({ root, release, modules })))
  // The old frame format (-l) is the one that the kernel reads. An emulated processor unpacks it
  // several times faster than gzip.
  await run('lz4', ['-l', '-9', '-q', '-f', archive, `${archive}.lz4`], { signal })
  await makeDisk(
    {
      kernel: await readFile(join(root, `boot/vmlinuz-${release}`)),
      initramfs: await readFile(`${archive}.lz4`),
      bootConfig: await insideFile('syslinux.cfg'),
      root: await virtualMachineTree(shared, { root, release, modules })
    },
    { work, into, signal }
  )
  return release
}
