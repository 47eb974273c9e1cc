/**
 * Other versions of a host image, made of one that is good within seconds: another content, such as
 * a file that says so, or something that is wrong with it. What the kernel unpacks first can be
 * followed by more of the same, which goes over it; so nothing is built anew.
 */
import { createHash } from 'node:crypto'
import { copyFile, link, mkdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { hostImageManifestText, versionOfHostImage } from '#shared/host-image-version.ts'
import { type HostImageManifest, manifestName, signatureName } from '#shared/model/host-image.ts'
import { makeSigningKeys, type SigningKeys, signatureText } from '#shared/signify.ts'
import { cpio } from '../../tools/image/cpio.ts'
import { complete, file } from '../../tools/image/tree.ts'

/** A version in a folder that is named by it. */
export type Version = { readonly folder: string; readonly version: string }

/** A good version, and the keys that it is signed with. */
export type Good = {
  readonly folder: string
  readonly manifest: HostImageManifest
  readonly keys: SigningKeys
}

/** What its first stage does before it hands over to the system; the root is at /root. */
const before = {
  /** Dies before its first stage has said a word to bootd. */
  stillborn: '',
  /** Runs as well as the good one. */
  marked: "echo 'another version' >/root/etc/remuda-marker",
  /** Fetches its image, and dies. */
  panicking: 'sync; echo c >/proc/sysrq-trigger',
  /** Comes up in full, but for its agent. */
  agentless: 'ln -sf /dev/null /root/etc/systemd/system/remuda-agent.service'
} as const
/** One of them. */
export type Manner = keyof typeof before

const init = join(import.meta.dirname, '../../tools/host-image/inside/stage1/init')
const place = "  say 'handing over to the system'\n"

/** Makes a version that is rightly signed, of this manner, below a folder. */
export async function versionOf(good: Good, manner: Manner, into: string): Promise<Version> {
  const text = await readFile(init, 'utf8')
  if (!text.includes(place)) throw new Error(`cannot change the first stage: it has no ${place}`)
  const changed =
    manner === 'stillborn'
      ? '#!/bin/sh\nexit 1\n'
      : text.replace(place, `${place}  ${before[manner]}\n`)
  const first = await readFile(join(good.folder, 'initrd'))
  // Each archive begins at a multiple of four bytes.
  const gap = Buffer.alloc((4 - (first.length % 4)) % 4)
  const initrd = Buffer.concat([first, gap, cpio(complete([file('init', changed, 0o755)]))])
  const { version: _, files, ...rest } = good.manifest
  const sha256 = createHash('sha256').update(initrd).digest('hex')
  const content = { ...rest, files: { ...files, initrd: { bytes: initrd.length, sha256 } } }
  const manifest = { ...content, version: versionOfHostImage(content) }
  const folder = join(into, manifest.version)
  await mkdir(folder, { recursive: true })
  for (const name of ['vmlinuz', 'root.squashfs']) await share(join(good.folder, name), folder)
  await writeFile(join(folder, 'initrd'), initrd)
  await sign(folder, manifest, good.keys)
  return { folder, version: manifest.version }
}

/** Makes one that a key has signed which nobody trusts. */
export async function strangeVersion(good: Good, into: string): Promise<Version> {
  const made = await versionOf(good, 'marked', join(into, 'strange'))
  const manifest = JSON.parse(await readFile(join(made.folder, manifestName), 'utf8'))
  const { version: _, ...content } = { ...manifest, remuda: '0.0.0-strange' } as HostImageManifest
  const version = versionOfHostImage(content)
  await sign(made.folder, { ...content, version }, makeSigningKeys())
  return await renamed(made.folder, version)
}

/** Makes one whose root is cut short. */
export async function shortVersion(good: Good, into: string): Promise<Version> {
  const made = await versionOf(good, 'marked', join(into, 'short'))
  const manifest = JSON.parse(await readFile(join(made.folder, manifestName), 'utf8'))
  const { version: _, ...content } = { ...manifest, remuda: '0.0.0-short' } as HostImageManifest
  const version = versionOfHostImage(content)
  await sign(made.folder, { ...content, version }, good.keys)
  const root = join(made.folder, 'root.squashfs')
  const whole = await readFile(root)
  // The file of the good version is the same one: it must not be touched.
  await rm(root)
  await writeFile(root, whole)
  await truncate(root, whole.length - 100_000)
  return await renamed(made.folder, version)
}

async function sign(folder: string, manifest: HostImageManifest, keys: SigningKeys): Promise<void> {
  const text = hostImageManifestText(manifest)
  await writeFile(join(folder, manifestName), text)
  await writeFile(join(folder, signatureName), signatureText(keys, Buffer.from(text)))
}

async function renamed(folder: string, version: string): Promise<Version> {
  const to = join(dirname(folder), version)
  await rename(folder, to)
  return { folder: to, version }
}

/** Has a file in a folder too: as the same one, unless that is on another file system. */
async function share(path: string, folder: string): Promise<void> {
  const to = join(folder, basename(path))
  await rm(to, { force: true })
  await link(path, to).catch(async thrown => {
    if ((thrown as NodeJS.ErrnoException).code !== 'EXDEV') throw thrown
    await copyFile(path, to)
  })
}
