/**
 * What lies beside an image and says what it is made of. It is written last and taken away first,
 * so that an image has a manifest only while it is whole.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '#shared/fault.ts'

/** Which of the two outcomes: a disk for virtual machines or a root for containers. */
export type ImageKind = 'vm' | 'container'

/** A finished image. */
export type Image = {
  readonly kind: ImageKind
  readonly path: string
  readonly sha256: string
  readonly bytes: number
  /** Such as 6.1.0-56-cloud-amd64; a container has none. */
  readonly kernel?: string
  /** Names and versions of the packages in it. */
  readonly packages: readonly string[]
}

/** An image and what it was made of. */
export type Manifest = Image & {
  /** The hash of all its inputs: equal keys, equal images. */
  readonly key: string
  /**
   * The state of our files and of apt's lists when the key was last found right. While that is the
   * same, the key is too, and apt, which takes a second to answer, need not be asked.
   */
  readonly seen: string
}

const manifestPath = (image: string): string => `${image}.json`

/** Reads an image's manifest, if both are there and whole; a copy cut short has another length. */
export async function readManifest(path: string): Promise<Manifest | undefined> {
  const [text, image] = await Promise.all([
    readFile(manifestPath(path), 'utf8').catch(absent),
    stat(path).catch(absent)
  ])
  if (text === undefined || image === undefined) return undefined
  const manifest = JSON.parse(text) as Manifest
  // The folder may have been moved since.
  return manifest.bytes === image.size ? { ...manifest, path } : undefined
}

/** Writes an image's manifest, in one step. */
export async function writeManifest(manifest: Manifest): Promise<void> {
  const path = manifestPath(manifest.path)
  const draft = `${path}.${process.pid}`
  await writeFile(draft, `${JSON.stringify(manifest, undefined, 2)}\n`)
  await rename(draft, path)
}

/** Puts a new image in the place of an old one, whose manifest must not vouch for it. */
export async function replaceImage(draft: string, path: string): Promise<void> {
  await rm(manifestPath(path), { force: true })
  await rename(draft, path)
}

/** The hash of all files of the builder, those inside the images and tools alike. */
export async function sourcesHash(): Promise<string> {
  const folder = import.meta.dirname
  const hash = createHash('sha256')
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = found.filter(each => each.isFile()).map(each => join(each.parentPath, each.name))
  for (const path of paths.sort()) {
    const content = await readFile(path)
    hash.update(`${path.slice(folder.length)} ${content.length}\n`).update(content)
  }
  return hash.digest('hex')
}

function absent(thrown: NodeJS.ErrnoException): undefined {
  if (thrown.code === 'ENOENT') return undefined
  throw new Fault('unavailable', `cannot read what is known of an image: ${thrown.message}`)
}
