/**
 * A version for labs and tests: built when there is none of these sources yet, signed by a key of
 * its own, kept in the cache. Whoever needs one a second time has it at once.
 */
import { createHash } from 'node:crypto'
import { glob, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { HostImageManifest, manifestName } from '#shared/model/host-image.ts'
import { validator } from '#shared/model/validate.ts'
import { loadSigningKeys, publicKeyText, type SigningKeys } from '#shared/signify.ts'
import { cacheOf } from '../debian/unpack.ts'
import { buildHostImage, type HostImage, writePublicKey } from './build.ts'
import type { HostImageProfile } from './packages.ts'

/** A version, and what it is checked by. */
export type ReadyHostImage = HostImage & {
  /** Folder of all such versions. */
  readonly store: string
  readonly keys: SigningKeys
  /** Content of the file of the public key. */
  readonly publicKey: string
}

const top = dirname(dirname(import.meta.dirname))
/** What versions are made of, beside packages of Debian. */
const sources = ['package-lock.json', '{agent,shared,tools}/**/*']

/** Gives a version of these sources. Faults: those of the builder. */
export async function readyHostImage(options: {
  readonly profile?: HostImageProfile
  readonly progress: (line: string) => void
  readonly signal?: AbortSignal | undefined
}): Promise<ReadyHostImage> {
  const { profile = 'minimal', progress, signal } = options
  const store = join(cacheOf('host-image'), 'store')
  const keys = await loadSigningKeys(join(store, 'image.key'))
  const common = { store, keys, publicKey: publicKeyText(keys) }
  const stamp = join(store, `${profile}-${await sourcesHash()}`)
  const known = await readVersion(store, stamp)
  if (known) return { ...known, ...common }
  const made = await buildHostImage({
    ...{ out: store, keys, profile, progress, signal },
    ...{ release: 'bookworm', architecture: 'x86_64' }
  })
  await writePublicKey(join(store, 'image.pub'), keys)
  await removeOthers(store, profile)
  await writeFile(`${stamp}.draft`, made.manifest.version)
  await rename(`${stamp}.draft`, stamp)
  return { ...made, ...common }
}

const check = validator(HostImageManifest)

async function readVersion(store: string, stamp: string): Promise<HostImage | undefined> {
  try {
    const folder = join(store, await readFile(stamp, 'utf8'))
    const manifest: unknown = JSON.parse(await readFile(join(folder, manifestName), 'utf8'))
    if (check(manifest).length > 0) return undefined
    return { folder, manifest: manifest as HostImageManifest }
  } catch {
    return undefined
  }
}

async function sourcesHash(): Promise<string> {
  const hash = createHash('sha256')
  const found = await Array.fromAsync(glob(sources, { cwd: top, withFileTypes: true }))
  const paths = found.filter(each => each.isFile()).map(each => join(each.parentPath, each.name))
  for (const path of paths.sort()) {
    const content = await readFile(path)
    hash.update(`${path.slice(top.length)} ${content.length}\n`).update(content)
  }
  return hash.digest('hex').slice(0, 16)
}

/** Somebody may still boot the versions of sources that were changed since. */
const versionsMax = 4

/** Removes stamps of earlier sources, and all but the newest versions. */
async function removeOthers(store: string, profile: HostImageProfile): Promise<void> {
  for await (const each of glob(`${profile}-*`, { cwd: store })) {
    await rm(join(store, each), { force: true })
  }
  const names = (await readdir(store)).filter(name => /^[0-9a-f]{16}$/.test(name))
  const aged = await Promise.all(
    names.map(async name => ({ name, at: (await stat(join(store, name))).mtimeMs }))
  )
  const surplus = aged.toSorted((one, other) => other.at - one.at).slice(versionsMax)
  for (const { name } of surplus) await rm(join(store, name), { recursive: true, force: true })
}
