/** Making and checking versions of the host image on this machine; no controller is asked. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { Fault } from '#shared/fault.ts'
import { loadSigningKeys, publicKeyText } from '#shared/signify.ts'
import type { HostImageOptions } from '../../host-image/build.ts'
import type { Invocation } from '../invocation.ts'
import { renderRaw } from '../output/results.ts'

const releaseDefault = 'bookworm'
const mib = 1024 * 1024

/** Builds a version, signs it, and says where it is. */
export async function buildVersion(invocation: Invocation): Promise<void> {
  const { given, settings } = invocation
  const { buildHostImage, writePublicKey } = await import('../../host-image/build.ts')
  const keyFile = given.text('key') ?? path.join(settings.state, 'bootd/image.key')
  const keys = await loadSigningKeys(path.resolve(keyFile))
  const { folder, manifest } = await buildHostImage({
    ...common(invocation),
    keys,
    out: given.text('out') ?? path.join(settings.state, 'bootd/images'),
    profile: (given.text('profile') ?? 'full') as HostImageOptions['profile'],
    architecture: (given.text('arch') ?? 'x86_64') as HostImageOptions['architecture'],
    fresh: given.flag('fresh')
  })
  const publicKey = publicKeyOf(path.resolve(keyFile))
  await writePublicKey(publicKey, keys)
  const raw = await renderRaw(invocation, { folder, publicKey, manifest })
  if (raw !== undefined) return invocation.write(raw)
  const bytes = Object.values(manifest.files).reduce((sum, each) => sum + (each?.bytes ?? 0), 0)
  invocation.write(`${manifest.version}\n`)
  invocation.note(
    `${folder}: ${(bytes / mib).toFixed(1)} MiB to fetch, kernel ${manifest.kernel}\n` +
      `signed by the key whose public half is ${publicKey}\n`
  )
}

/** Checks a version; the exit code is 1 where something is wrong. */
export async function verifyVersion(invocation: Invocation): Promise<number> {
  const { given, settings } = invocation
  const { checkHostImage, rebuildHostImage } = await import('../../host-image/verify.ts')
  const folder = path.resolve(given.positional('FOLDER')!)
  const keyFile = path.resolve(
    given.text('public-key') ?? path.join(settings.state, 'bootd/image.pub')
  )
  const publicKey = await readKey(keyFile)
  const { manifest, problems } = await checkHostImage(folder, publicKey)
  const found = [...problems]
  if (manifest && found.length === 0 && given.flag('rebuild')) {
    const keys = await loadSigningKeys(await secretKeyOf(keyFile, publicKey))
    found.push(...(await rebuildHostImage(manifest, { ...common(invocation), keys })))
  }
  const raw = await renderRaw(invocation, { folder, manifest, problems: found })
  if (raw !== undefined) invocation.write(raw)
  else if (found.length > 0) invocation.write(found.map(each => `fail  ${each}\n`).join(''))
  else {
    const also = given.flag('rebuild') ? ', and becomes the same when it is built again' : ''
    invocation.write(`ok    ${manifest!.version} is whole and rightly signed${also}\n`)
  }
  return found.length === 0 ? 0 : 1
}

/** What both commands give the builder. */
function common({ given, note, signal }: Invocation) {
  const level = given.number('level')
  const startedAt = performance.now()
  return {
    release: given.text('release') ?? releaseDefault,
    ...(level !== undefined && { level }),
    progress: (line: string) =>
      note(`${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s  ${line}\n`),
    signal
  }
}

const publicKeyOf = (keyFile: string): string => `${keyFile.replace(/\.(key|sec)$/, '')}.pub`

async function readKey(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new Fault('not-found', `cannot read the public key ${file}`, {
      cause,
      next: ['name it: --public-key FILE', 'make one: remuda host-image build']
    })
  }
}

/** The file of the secret key that belongs to a public one; it is never made here. */
async function secretKeyOf(file: string, publicKey: string): Promise<string> {
  const { exists } = await import('#shared/files.ts')
  for (const ending of ['.key', '.sec']) {
    const secret = file.replace(/\.pub$/, ending)
    if (secret === file || !(await exists(secret))) continue
    if (
      publicKeyText(await loadSigningKeys(secret))
        .trim()
        .endsWith(lastLine(publicKey))
    ) {
      return secret
    }
  }
  throw new Fault('not-found', `cannot build it once more: no secret key lies beside ${file}`, {
    reasons: ['the key is inside the initial file system, which another key would change']
  })
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? ''
