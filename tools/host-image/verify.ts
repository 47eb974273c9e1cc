/** Whether a version of the host image is what was signed, and what its sources make. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Fault } from '#shared/fault.ts'
import { versionOfHostImage } from '#shared/host-image-version.ts'
import {
  HostImageManifest,
  hostImageFiles,
  manifestName,
  signatureName
} from '#shared/model/host-image.ts'
import { validator } from '#shared/model/validate.ts'
import { signatureProblem } from '#shared/signify.ts'
import { buildHostImage, describeFile, type HostImageOptions } from './build.ts'

/** What was found: its manifest, where it could be read, and everything that is wrong. */
export type HostImageCheck = {
  readonly manifest?: HostImageManifest
  readonly problems: readonly string[]
}

/** Checks a version. `publicKey` is the content of the file of a public key. */
export async function checkHostImage(folder: string, publicKey: string): Promise<HostImageCheck> {
  const [text, signature] = await Promise.all(
    [manifestName, signatureName].map(name => read(join(folder, name)))
  )
  if (text === undefined || signature === undefined) {
    return { problems: [`it has no ${text === undefined ? manifestName : signatureName}`] }
  }
  const forged = signatureProblem({
    ...{ signed: text, signature: signature.toString(), publicKey }
  })
  const manifest = parse(text)
  if (!manifest) return { problems: [...(forged ? [forged] : []), 'its manifest is none of ours'] }
  const problems = forged ? [forged] : []
  const { version, ...content } = manifest
  const right = versionOfHostImage(content)
  if (version !== right) problems.push(`it calls itself ${version}, and is ${right}`)
  for (const name of hostImageFiles) {
    const wanted = manifest.files[name]
    if (!wanted) continue
    const found = await describeFile(join(folder, name)).catch(() => undefined)
    if (!found) problems.push(`${name} is missing`)
    else if (found.bytes !== wanted.bytes) {
      problems.push(`${name} has ${found.bytes} bytes, not ${wanted.bytes}`)
    } else if (found.sha256 !== wanted.sha256) {
      problems.push(`${name} has SHA-256 ${found.sha256}, not ${wanted.sha256}`)
    }
  }
  return { manifest, problems }
}

/**
 * Builds a version once more, from packages that are installed anew, and says which files became
 * others. Takes minutes; what was built is removed.
 */
export async function rebuildHostImage(
  manifest: HostImageManifest,
  options: Omit<HostImageOptions, 'out' | 'profile' | 'architecture'>
): Promise<readonly string[]> {
  const { profile, architecture } = manifest
  const out = await mkdtemp(join(tmpdir(), 'remuda-host-image-'))
  try {
    const again = await buildHostImage({ ...options, out, profile, architecture, fresh: true })
    return differences(manifest, again.manifest)
  } finally {
    await rm(out, { recursive: true, force: true })
  }
}

/** Says which files of a version are others than those of another. */
export function differences(
  manifest: HostImageManifest,
  again: HostImageManifest
): readonly string[] {
  const problems: string[] = []
  if (again.kernel !== manifest.kernel) {
    problems.push(`its kernel is ${manifest.kernel}; Debian's is ${again.kernel} now`)
  }
  for (const name of hostImageFiles) {
    const [before, now] = [manifest.files[name]?.sha256, again.files[name]?.sha256]
    if (before !== now) problems.push(`${name} was ${before}, and becomes ${now} now`)
  }
  return problems
}

const check = validator(HostImageManifest)

function parse(text: Buffer): HostImageManifest | undefined {
  try {
    const value: unknown = JSON.parse(text.toString())
    return check(value).length === 0 ? (value as HostImageManifest) : undefined
  } catch {
    return undefined
  }
}

async function read(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Fault('unavailable', `cannot read ${path}`, { cause: thrown })
  }
}
