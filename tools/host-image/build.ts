/**
 * Builds a version of the host image: what hosts boot over the network. Four steps, of which the
 * first is kept between builds: Debian's packages as a root; our programs, drivers and files in it;
 * the initial file system; and the manifest, signed.
 *
 * Equal inputs give equal bytes, so that anybody can check that an image is what its sources say.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import {
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile
} from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { Fault } from '#shared/fault.ts'
import { exists } from '#shared/files.ts'
import { makeImageDraft, sweepImageDrafts } from '#shared/host-image-draft.ts'
import { hostImageManifestText, versionOfHostImage } from '#shared/host-image-version.ts'
import { type HostImageManifest, manifestName, signatureName } from '#shared/model/host-image.ts'
import { publicKeyText, type SigningKeys, signatureText } from '#shared/signify.ts'
import { version as remuda } from '#shared/version.ts'
import { cacheOf } from '../debian/unpack.ts'
import { moduleFiles } from '../image/modules.ts'
import { run } from '../image/run.ts'
import { Archive } from './archive.ts'
import { makeBase } from './base.ts'
import { makeInitrd } from './initrd.ts'
import { firstStageModules, type Kernel, placeModules, releaseOf, rootModules } from './modules.ts'
import { firmwarePackages, type HostImageProfile, kernelPackages } from './packages.ts'
import { makeRoot } from './root.ts'
import { makeSquashfs } from './squashfs.ts'

/** What to build, and where. */
export type HostImageOptions = {
  /** Folder that holds versions: the new one becomes a folder in it, named by its version. */
  readonly out: string
  readonly keys: SigningKeys
  readonly profile: HostImageProfile
  /** Of Debian, such as bookworm. */
  readonly release: string
  readonly architecture: HostImageManifest['architecture']
  /** Of zstd, from 1 to 22; of the profile when left out. */
  readonly level?: number | undefined
  /** Installs Debian's packages anew, whatever is kept. */
  readonly fresh?: boolean | undefined
  /** Where downloads and roots are kept. */
  readonly cache?: string | undefined
  readonly progress: (line: string) => void
  readonly signal?: AbortSignal | undefined
}

/** A version that was built. */
export type HostImage = { readonly folder: string; readonly manifest: HostImageManifest }

/** A fast build for tests, and a small image where it is fetched by whole racks. */
const levels: Readonly<Record<HostImageProfile, number>> = { cloud: 3, minimal: 3, full: 15 }
const unpackMsMax = 300_000

/** Builds a version. Faults: `forbidden`, `invalid`, `unavailable`, `command`, `aborted`. */
export async function buildHostImage(options: HostImageOptions): Promise<HostImage> {
  requireBuilder(options)
  const cache = options.cache ?? cacheOf('host-image')
  const out = resolve(options.out)
  await mkdir(cache, { recursive: true })
  await mkdir(out, { recursive: true })
  await sweep(cache)
  await sweepImageDrafts(out, { untouchedMs: 0, wall: Date.now() })
  const work = await mkdtemp(join(cache, `${workPrefix}${process.pid}-`))
  const draft = await makeImageDraft(out)
  try {
    const kernel = await makeFiles(options, { cache, work, draft })
    const manifest = await describe(draft, options, kernel.release)
    const folder = join(out, manifest.version)
    // It may be served at this moment, and is the same.
    if (await isWhole(folder, manifest)) return { folder, manifest }
    await rm(folder, { recursive: true, force: true })
    await run('chmod', ['-R', 'u=rwX,go=rX', draft])
    await rename(draft, folder)
    return { folder, manifest }
  } finally {
    await rm(work, { recursive: true, force: true })
    await rm(draft, { recursive: true, force: true })
  }
}

const workPrefix = '.work-'

/** Removes what builds have left behind that were ended in the middle: hundreds of MiB each. */
async function sweep(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    const [, pid] = /^\.work-(\d+)-/.exec(name) ?? []
    if (pid === undefined || (await exists(`/proc/${pid}`))) continue
    await rm(join(cache, name), { recursive: true, force: true })
  }
}

function requireBuilder({ architecture, release }: HostImageOptions): void {
  if (architecture !== 'x86_64') {
    throw new Fault('invalid', `cannot build a host image for ${architecture} yet`, {
      reasons: ['its kernel, firmware and first stage were never tried: x86_64 alone is built']
    })
  }
  if (process.arch !== 'x64') {
    throw new Fault('invalid', `cannot build a host image for x86_64 on ${process.arch}`, {
      reasons: ["Debian's packages run programs of their own while they are installed"]
    })
  }
  if (!/^[a-z]{3,20}$/.test(release)) {
    throw new Fault('invalid', `cannot build a host image of Debian ${release}`, {
      next: ['name a release, such as bookworm']
    })
  }
  if (process.getuid?.() !== 0) {
    throw new Fault('forbidden', 'cannot build a host image: only root can install packages', {
      next: ['sudo remuda host-image build']
    })
  }
}

type Places = { readonly cache: string; readonly work: string; readonly draft: string }

async function makeFiles(
  options: HostImageOptions,
  { cache, work, draft }: Places
): Promise<Kernel> {
  const { profile, release, keys, progress, signal, fresh } = options
  const level = options.level ?? levels[profile]
  const common = { release, architecture: 'amd64', cache, progress, signal }
  const archive = await Archive.open({ ...common, refresh: fresh })
  // The kernel is there long before all that it is to run.
  const [base, kernel] = await together(
    makeBase({ ...common, archive, fresh }),
    unpackKernel(archive, work, options)
  )
  const root = join(work, 'root')
  await mkdir(root, { mode: 0o755 })
  const modules = await rootModules(kernel, profile)
  await makeRoot(root, { base: base.tar, kernel, modules, progress, signal })
  progress(`packing the root with zstd at level ${level}`)
  await makeSquashfs({ folder: root, into: join(draft, 'root.squashfs'), level, signal })
  progress('making the initial file system')
  const first = join(work, 'first')
  const placed = await placeModules(kernel, await firstStageModules(kernel, profile), first)
  progress(`${placed.modules} drivers and ${placed.firmware} files of firmware in the first stage`)
  const publicKey = publicKeyText(keys)
  const initrd = await makeInitrd({ root, modules: first, publicKey, level })
  await writeFile(join(draft, 'initrd'), initrd)
  await copyFile(join(kernel.root, `boot/vmlinuz-${kernel.release}`), join(draft, 'vmlinuz'))
  return kernel
}

/** Waits for both, also where one fails: what the other does must not go on after us. */
async function together<One, Other>(
  one: Promise<One>,
  other: Promise<Other>
): Promise<readonly [One, Other]> {
  await Promise.allSettled([one, other])
  return [await one, await other]
}

async function unpackKernel(
  archive: Archive,
  work: string,
  { profile, progress, signal }: HostImageOptions
): Promise<Kernel> {
  const wanted = kernelPackages[profile]
  const all = await archive.resolve([wanted])
  const found = all.find(({ name }) => /^linux-image-\d/.test(name))
  if (!found) throw new Fault('not-found', `cannot find the kernel that ${wanted} means`)
  const root = join(work, 'kernel')
  const extract = async (file: string, into: string): Promise<void> => {
    await run('dpkg-deb', ['--extract', file, into], { deadlineMs: unpackMsMax, signal })
  }
  progress(`unpacking ${found.name} ${found.version}`)
  await extract(await archive.download(found), root)
  const release = await releaseOf(root)
  const modules = await moduleFiles(root, release)
  if (profile !== 'full') return { root, release, modules }
  const firmware = join(work, 'firmware')
  await mkdir(firmware)
  const names = await archive.known(firmwarePackages)
  const missing = firmwarePackages.filter(name => !names.includes(name))
  if (missing.length > 0) progress(`without firmware that Debian has not: ${missing.join(', ')}`)
  const needed = (await archive.resolve(names)).filter(({ name }) => names.includes(name))
  for (const each of needed) await extract(await archive.download(each), firmware)
  return { root, release, modules, firmware }
}

/** Writes the manifest of what lies in a folder, and its signature. */
async function describe(
  folder: string,
  { architecture, profile, keys }: HostImageOptions,
  kernel: string
): Promise<HostImageManifest> {
  const content = {
    ...{ format: 1 as const, architecture, profile, kernel, remuda },
    files: {
      vmlinuz: await describeFile(join(folder, 'vmlinuz')),
      initrd: await describeFile(join(folder, 'initrd')),
      'root.squashfs': await describeFile(join(folder, 'root.squashfs'))
    }
  }
  const manifest = { ...content, version: versionOfHostImage(content) }
  const text = hostImageManifestText(manifest)
  await writeFile(join(folder, manifestName), text)
  await writeFile(join(folder, signatureName), signatureText(keys, Buffer.from(text)))
  return manifest
}

/** Length and SHA-256 of a file. */
export async function describeFile(
  path: string
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk)
  return { bytes: (await stat(path)).size, sha256: hash.digest('hex') }
}

/** Writes the public key beside a store, for those who check what is in it. */
export async function writePublicKey(path: string, keys: SigningKeys): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}.${process.pid}`)
  await writeFile(draft, publicKeyText(keys), { mode: 0o644 })
  await rename(draft, path)
}

/** Says whether a folder holds exactly this version. */
async function isWhole(folder: string, manifest: HostImageManifest): Promise<boolean> {
  const text = await readFile(join(folder, manifestName), 'utf8').catch(() => undefined)
  if (text !== hostImageManifestText(manifest)) return false
  if (!(await exists(join(folder, signatureName)))) return false
  for (const name of ['vmlinuz', 'initrd', 'root.squashfs'] as const) {
    const found = await describeFile(join(folder, name)).catch(() => undefined)
    if (found?.sha256 !== manifest.files[name].sha256) return false
  }
  return true
}
