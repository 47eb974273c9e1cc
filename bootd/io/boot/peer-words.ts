/** What a host is told that serves its image to others, and what it tells bootd of that. */
import { lstat, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Type from 'typebox'
import type { Clock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import {
  HostImageManifest,
  HostImageVersion,
  type HostImageManifest as Manifest,
  manifestName
} from '#shared/model/host-image.ts'
import type { DeepReadonly } from '#shared/model/types.ts'
import { validator } from '#shared/model/validate.ts'
import type { StoredFile } from './images.ts'

const Text = () => Type.String({ minLength: 1, maxLength: 256 })

/** What it is told; what else stands there is not for it. */
export const PeerWords = Type.Object({
  /** What tickets for this host are known by. */
  key: Text(),
  port: Type.Integer({ minimum: 0, maximum: 65_535 }),
  /** Where bootd is, with no slash at the end; and the token of this boot. */
  url: Type.String({ pattern: '^http://[^/]+$', maxLength: 256 }),
  boot: Type.String({ pattern: '^[A-Za-z0-9_-]{1,128}$' }),
  version: HostImageVersion,
  /** Address by which this host has booted. */
  address: Text()
})
export type PeerWords = DeepReadonly<Type.Static<typeof PeerWords>>

const checkWords = validator(PeerWords)
const checkManifest = validator(HostImageManifest)

/** Reads what it is told; Fault `invalid`. */
export function readPeerWords(text: string): PeerWords {
  const value = parsed(text)
  const [problem] = checkWords(value)
  if (!problem) return value as PeerWords
  const why = `${problem.pointer} ${problem.detail}`
  throw new Fault('invalid', `cannot serve the image: what it is told is wrong: ${why}`)
}

/** The root of a version as it lies in a folder beside its manifest; Fault `corrupt`. */
export async function rootOf(folder: string, version: string): Promise<StoredFile> {
  const value = parsed(await readFile(join(folder, manifestName), 'utf8'))
  if (checkManifest(value).length > 0) throw broken(folder, 'its manifest is none')
  const manifest = value as Manifest
  if (manifest.version !== version) throw broken(folder, `it is version ${manifest.version}`)
  const path = join(folder, 'root.squashfs')
  const stat = await lstat(path)
  const { bytes, sha256 } = manifest.files['root.squashfs']
  if (!stat.isFile() || stat.size !== bytes) throw broken(folder, 'its root has another length')
  return { path, bytes, sha256 }
}

const broken = (folder: string, because: string): Fault =>
  new Fault('corrupt', `cannot serve the image in ${folder}: ${because}`)

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** So often bootd is told, at most; and how long is waited in between. */
const [triesMax, retryMs] = [60, 10_000] as const
const answerMsMax = 10_000

/** Tells bootd that this host serves; says whether it has heard that: it names no others. */
export async function announce(
  { url, boot, port }: Pick<PeerWords, 'url' | 'boot' | 'port'>,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal }
): Promise<boolean> {
  for (let tries = 1; tries <= triesMax && !signal.aborted; tries += 1) {
    const status = await tell(`${url}/v1/boots/${boot}/progress`, port, signal)
    if (status === 204) return true
    // Who tells the same again is answered the same.
    if (status === 400 || status === 403 || status === 404) return false
    await clock.sleep(retryMs, signal).catch(() => undefined)
  }
  return false
}

/** The status of the answer; undefined: there is none. */
async function tell(url: string, port: number, signal: AbortSignal): Promise<number | undefined> {
  const body = `stage=joined&serves=${port}`
  const both = AbortSignal.any([signal, AbortSignal.timeout(answerMsMax)])
  try {
    const response = await fetch(url, { method: 'POST', body, signal: both, redirect: 'error' })
    await response.body?.cancel()
    return response.status
  } catch {
    return undefined
  }
}
