/**
 * Builds the demonstration image `tiny`: one userland of Debian's busybox, as a bootable disk image
 * for virtual machines and as a root file system for containers.
 *
 * An image is keyed by everything that it is made of: our own files and the checksums of Debian's
 * packages. While the key stands, building again does nothing.
 */
import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import {
  type Image,
  type ImageKind,
  type Manifest,
  readManifest,
  sourcesHash,
  writeManifest
} from './manifest.ts'
import { type ImagePackages, imagePackages, listsMoment } from './packages.ts'
import { openWorkshop, packagesOf } from './workshop.ts'

/** Where to build, and what. */
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

/** The outcome of a build. */
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
  const paths = { vm: join(out, fileNames.vm), container: join(out, fileNames.container) }
  const kinds: readonly ImageKind[] = options.only ? [options.only] : ['vm', 'container']
  await mkdir(out, { recursive: true })
  const sources = await sourcesHash()
  const seen = `${sources} ${await listsMoment()}`
  const found = await Promise.all(kinds.map(kind => readManifest(paths[kind])))
  if (found.every(manifest => manifest?.seen === seen)) {
    return { ...paths, images: found.map(manifest => imageOf(manifest!)) }
  }
  const packages = await imagePackages(options.signal)
  await using workshop = await openWorkshop(out, {
    packages,
    cache: options.cache ?? join(cacheHome(), 'remuda/packages'),
    progress: options.progress ?? (() => {}),
    signal: options.signal
  })
  const images: Image[] = []
  for (const [index, kind] of kinds.entries()) {
    const key = keyOf(kind, packages, sources)
    const old = found[index]
    const image = old?.key === key ? imageOf(old) : await workshop.make(kind, paths[kind])
    await writeManifest({ ...image, key, seen })
    images.push(image)
  }
  return { ...paths, images }
}

function imageOf({ key: _key, seen: _seen, ...image }: Manifest): Image {
  return image
}

const cacheHome = (): string => process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')

const keyOf = (kind: ImageKind, packages: ImagePackages, sources: string): string =>
  createHash('sha256')
    .update(JSON.stringify([kind, sources, packagesOf(kind, packages)]))
    .digest('hex')
