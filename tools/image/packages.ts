/**
 * Debian packages: those that the caller installs so that we can build, and those whose files go
 * into the image. The latter are downloaded by apt, which checks their signatures, and unpacked
 * beside the system, never installed.
 */
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '#shared/fault.ts'
import { run } from './run.ts'

/** What must be installed to build the images: `apt-get install` takes these names. */
export const buildPackages: readonly string[] = ['e2fsprogs', 'mtools', 'qemu-utils', 'syslinux']

/** One package of the system's apt sources. */
export type Package = {
  readonly name: string
  readonly version: string
  readonly sha256: string
  readonly depends: string
}

const kernelMetaPackage = 'linux-image-cloud-amd64'
/** busybox is the whole userland; the others are two programs and what they are linked with. */
const userlandPackages = [
  'busybox-static',
  ...['e2fsprogs', 'libc6', 'libcom-err2', 'libext2fs2'],
  ...['qemu-guest-agent', 'libglib2.0-0', 'liburing2', 'libpcre2-8-0', 'libudev1', 'libnuma1']
]

const downloadDeadlineMs = 300_000

/** Debian's packages whose files are in the images, in the versions that apt has now. */
export type ImagePackages = {
  readonly kernel: Package
  readonly userland: readonly Package[]
}

/** Asks apt which packages the images are made of today. Fault `unavailable`: it has no lists. */
export async function imagePackages(signal?: AbortSignal): Promise<ImagePackages> {
  const [meta] = await packagesNamed([kernelMetaPackage], signal)
  const kernelName = /\blinux-image-\S+/.exec(meta!.depends)?.[0]
  if (!kernelName) {
    throw new Fault('not-found', `cannot find the kernel that ${kernelMetaPackage} stands for`)
  }
  const [kernel, ...userland] = await packagesNamed([kernelName, ...userlandPackages], signal)
  return { kernel: kernel!, userland }
}

const listsFolder = '/var/lib/apt/lists'

/** When apt's lists last changed; undefined when it has none, and so can tell us nothing. */
export const listsMoment = async (): Promise<bigint | undefined> =>
  (await stat(listsFolder, { bigint: true }).catch(() => undefined))?.mtimeNs

/** Asks apt what it knows of packages. Fault `unavailable`: it has no lists. */
export async function packagesNamed(
  names: readonly string[],
  signal?: AbortSignal
): Promise<readonly Package[]> {
  const text = await run('apt-cache', ['show', '--no-all-versions', ...names], { signal }).catch(
    cause => {
      throw new Fault('unavailable', `cannot find ${names.join(', ')} in the sources of apt`, {
        cause,
        next: ['run `apt-get update`; the sources must be those of Debian']
      })
    }
  )
  const packages = text.split(/\n\n+/).map(paragraph => {
    const field = (key: string) => new RegExp(`^${key}: (.*)$`, 'm').exec(paragraph)?.[1] ?? ''
    return {
      name: field('Package'),
      version: field('Version'),
      sha256: field('SHA256'),
      depends: field('Depends')
    }
  })
  return names.map(name => {
    const found = packages.find(each => each.name === name)
    if (!found) throw new Fault('not-found', `cannot find the package ${name} in apt's sources`)
    return found
  })
}

/** Where packages are kept between builds, and where their files go. */
export type UnpackOptions = {
  /** Where downloaded packages are kept. */
  readonly cache: string
  /** Where the files go. */
  readonly into: string
  readonly signal?: AbortSignal | undefined
}

/** Downloads a package, unless an earlier call has, and unpacks its files into a folder. */
export async function unpack(
  wanted: Package,
  { cache, into, signal }: UnpackOptions
): Promise<void> {
  const archive = join(cache, `${wanted.name}_${wanted.sha256.slice(0, 16)}.deb`)
  const present = await stat(archive).catch(() => undefined)
  if (!present) await download(wanted, { cache, archive, signal })
  await run('dpkg-deb', ['--extract', archive, into], { signal })
}

type DownloadOptions = {
  readonly cache: string
  readonly archive: string
  readonly signal: AbortSignal | undefined
}

async function download(wanted: Package, options: DownloadOptions): Promise<void> {
  const { cache, archive, signal } = options
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, '.download-'))
  try {
    await run('apt-get', ['download', `${wanted.name}=${wanted.version}`], {
      cwd: folder,
      deadlineMs: downloadDeadlineMs,
      signal
    }).catch(cause => {
      throw new Fault('unavailable', `cannot download ${wanted.name} ${wanted.version}`, {
        cause,
        next: ['run `apt-get update`: the version that it knows may have been superseded']
      })
    })
    const [downloaded] = await readdir(folder)
    if (!downloaded) {
      throw new Fault('command', `cannot find what apt downloaded for ${wanted.name}`)
    }
    await rename(join(folder, downloaded), archive)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
