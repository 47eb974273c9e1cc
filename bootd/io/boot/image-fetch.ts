/**
 * Fetches versions that the plan names and that are not here from other bootds, one after another.
 * A file that was cut is gone on with where it ended; a version is put in place only once it is
 * whole and rightly signed. Where space is short, versions that no plan names are removed.
 */
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Clock } from '#shared/clock.ts'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import { syncFile } from '#shared/files.ts'
import { sweepImageDrafts } from '#shared/host-image-draft.ts'
import type { Log } from '#shared/log.ts'
import { type HostImageManifest, manifestName, signatureName } from '#shared/model/host-image.ts'
import { signatureProblem } from '#shared/signify.ts'
import type { Ms } from '#shared/units.ts'
import type { BootPlan } from '#shared/wire/boot.ts'
import { fileProblem, type ImageStore, readManifest } from './images.ts'

/** Between two rounds; what could not be fetched is tried again then. Unit: ms. */
const roundMs: Ms = 15_000
/** A version that is here but broken is fetched anew no more often. Unit: ms. */
const mendEveryMs: Ms = 300_000
/** A transfer in which nothing comes is given up; the next round goes on with it. Unit: ms. */
const stillMsMax: Ms = 20_000
const smallBytesMax = 64 * 1024
/** What was put there so lately may be about to be named by a plan. Unit: ms. */
const youngMs: Ms = 3_600_000
const versionPattern = /^[0-9a-f]{16}$/
const mib = 1024 * 1024

/** What it works with. */
export type ImageFetchOptions = {
  readonly images: Pick<ImageStore, 'folder' | 'state' | 'lookAgain'>
  readonly plan: () => BootPlan | undefined
  /** So much space is to stay free. Unit: MiB. */
  readonly freeMibMin: number
  readonly clock: Clock
  readonly log: Log
  /** Told why a version cannot be had, and when all are here. */
  readonly onProblem: (problem: string | undefined) => void
}

/** Has the versions of the plan here, until the signal aborts. */
export async function keepVersions(options: ImageFetchOptions, signal: AbortSignal): Promise<void> {
  const { clock, onProblem } = options
  const mendedAt = new Map<string, Ms>()
  while (!signal.aborted) {
    const problems: string[] = []
    // Before it is looked how much space there is.
    await removeDrafts(options).catch(thrown => {
      options.log.warn('drafts of image versions', { because: sentence(thrown) })
    })
    for (const { version, from } of options.plan()?.images ?? []) {
      const { state } = options.images.state(version)
      const isMended = clock.monotonic() - (mendedAt.get(version) ?? -mendEveryMs) < mendEveryMs
      if (signal.aborted || from.length === 0 || state === 'whole') continue
      if (state === 'broken') {
        if (isMended) continue
        mendedAt.set(version, clock.monotonic())
      } else if (await isThere(join(options.images.folder, version))) continue
      const problem = await fetchFromAny(version, from, options, signal)
      if (problem !== undefined) problems.push(problem)
    }
    onProblem(problems.length === 0 ? undefined : problems.join('; ').slice(0, 256))
    await makeRoom(options, 0).catch(thrown => {
      options.log.warn('space of image versions', { because: sentence(thrown) })
    })
    await clock.sleep(roundMs, signal).catch(() => undefined)
  }
}

async function fetchFromAny(
  version: string,
  from: readonly string[],
  options: ImageFetchOptions,
  signal: AbortSignal
): Promise<string | undefined> {
  let problem: string | undefined
  for (const url of from) {
    try {
      await fetchVersion({ version, url, options, signal })
      options.log.info('image version fetched', { version, from: url })
      options.images.lookAgain()
      return undefined
    } catch (thrown) {
      if (signal.aborted) return undefined
      problem = `cannot fetch image version ${version} from ${url}: ${sentence(thrown)}`
      options.log.warn('image version not fetched', { version, from: url, because: problem })
    }
  }
  return problem
}

type Wish = {
  readonly version: string
  readonly url: string
  readonly options: ImageFetchOptions
  readonly signal: AbortSignal
}

async function fetchVersion({ version, url, options, signal }: Wish): Promise<void> {
  const { folder } = options.images
  const key = options.plan()?.imageKey
  const token = options.plan()?.peerToken ?? ''
  const draft = join(folder, `.${version}.part`)
  await mkdir(draft, { recursive: true, mode: 0o755 })
  const base = `${url.replace(/\/+$/, '')}/images/${version}`
  const text = await fetchSmall(`${base}/${manifestName}`, signal)
  const signature = await fetchSmall(`${base}/${signatureName}`, signal)
  const manifest = readManifest(text, version)
  if (key !== undefined) {
    const check = { signed: text, signature: signature.toString(), publicKey: key }
    const problem = signatureProblem(check)
    if (problem !== undefined) throw new Fault('corrupt', problem)
  }
  await makeRoom(options, bytesOf(manifest))
  for (const [name, file] of Object.entries(manifest.files)) {
    await fetchFile(`${base}/${name}?token=${token}`, join(draft, name), file, signal)
  }
  for (const [name, bytes] of [
    [manifestName, text] as const,
    [signatureName, signature] as const
  ]) {
    await writeFile(join(draft, name), bytes)
  }
  for (const name of await readdir(draft)) await syncFile(join(draft, name))
  // What was there is broken, or it would not be fetched.
  await rm(join(folder, version), { recursive: true, force: true })
  await rename(draft, join(folder, version))
  await syncFile(folder)
}

const bytesOf = ({ files }: HostImageManifest): number =>
  Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0)

/** Fetches a file, or the rest of one of which a part is here; Faults `network`, `corrupt`. */
async function fetchFile(
  url: string,
  path: string,
  file: { readonly bytes: number; readonly sha256: string },
  signal: AbortSignal
): Promise<void> {
  const here = (await stat(path).catch(() => undefined))?.size ?? 0
  if (here === file.bytes && (await fileProblem(path, file, signal)) === undefined) return
  const start = here < file.bytes ? here : 0
  const headers = { range: `bytes=${start}-`, 'if-range': `"${file.sha256}"` }
  const { still, body, status } = await ask(url, start === 0 ? {} : headers, signal)
  try {
    const isRest = status === 206
    let bytes = isRest ? start : 0
    const counted = new Transform({
      transform(chunk: Buffer, _, done) {
        still.moved()
        bytes += chunk.length
        done(bytes > file.bytes ? tooLong(url) : null, chunk)
      }
    })
    const target = createWriteStream(path, { flags: isRest ? 'a' : 'w', mode: 0o644 })
    await pipeline(body, counted, target, { signal: still.signal })
  } finally {
    still.over()
  }
  const problem = await fileProblem(path, file, signal)
  if (problem === undefined) return
  // Short: there is more to come. Of full length and wrong: it begins anew.
  if ((await stat(path)).size >= file.bytes) await rm(path, { force: true })
  throw new Fault('corrupt', `what ${plainUrl(url)} sends ${problem}`)
}

async function fetchSmall(url: string, signal: AbortSignal): Promise<Buffer> {
  const { still, body } = await ask(url, {}, signal)
  try {
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of body) {
      still.moved()
      bytes += chunk.length
      if (bytes > smallBytesMax) throw tooLong(url)
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } finally {
    still.over()
  }
}

type Still = {
  readonly signal: AbortSignal
  readonly moved: () => void
  readonly over: () => void
}

async function ask(
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal
): Promise<{
  readonly still: Still
  readonly body: AsyncIterable<Uint8Array>
  readonly status: number
}> {
  const late = new AbortController()
  const timer = setTimeout(() => {
    const why = `nothing comes from ${plainUrl(url)} for ${stillMsMax / 1_000} s`
    late.abort(new Fault('deadline', why))
  }, stillMsMax)
  const both = AbortSignal.any([late.signal, signal])
  const still = { signal: both, moved: () => timer.refresh(), over: () => clearTimeout(timer) }
  try {
    const response = await fetch(url, { headers, signal: both, redirect: 'error' })
    if (response.body && (response.status === 200 || response.status === 206)) {
      return { still, body: response.body, status: response.status }
    }
    await response.body?.cancel()
    throw new Fault('network', `${plainUrl(url)} answers ${response.status}`)
  } catch (thrown) {
    clearTimeout(timer)
    if (isFault(thrown)) throw thrown
    throw new Fault('network', `cannot fetch ${plainUrl(url)}`, { cause: thrown })
  }
}

/** Without its token. */
const plainUrl = (url: string): string => url.replace(/\?.*$/, '')

const tooLong = (url: string): Fault =>
  new Fault('corrupt', `what ${plainUrl(url)} sends is longer than it should be`)

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false
  )

/** What a build has left behind that was killed; `remuda host-image build` builds in here, too. */
async function removeDrafts({ images, clock, log }: ImageFetchOptions): Promise<void> {
  const given = { untouchedMs: youngMs, wall: clock.wall() }
  for (const draft of await sweepImageDrafts(images.folder, given)) {
    log.info('draft of an image version removed, since its build has ended', { draft })
  }
}

/**
 * Has so many bytes free beside those that are to stay free: removes versions that no plan names,
 * the oldest first. Fault `storage`: that is not enough.
 */
async function makeRoom(options: ImageFetchOptions, bytes: number): Promise<void> {
  const { images, freeMibMin, log } = options
  const plan = options.plan()
  if (!plan) return
  const named = new Set(plan.images.map(({ version }) => version))
  const spare: { readonly name: string; readonly at: Ms }[] = []
  for (const name of await readdir(images.folder)) {
    const version = /^\.([0-9a-f]{16})\.part$/.exec(name)?.[1] ?? name
    if (!versionPattern.test(version) || named.has(version)) continue
    const { mtimeMs } = await stat(join(images.folder, name))
    if (options.clock.wall() - mtimeMs > youngMs) spare.push({ name, at: mtimeMs })
  }
  for (const { name } of spare.toSorted((a, b) => a.at - b.at)) {
    if ((await freeBytes(images.folder)) >= bytes + freeMibMin * mib) return
    log.info('image version removed, since space is short', { version: name })
    await rm(join(images.folder, name), { recursive: true, force: true })
    images.lookAgain()
  }
  const free = await freeBytes(images.folder)
  if (bytes === 0 || free >= bytes + freeMibMin * mib) return
  const numbers = `${Math.ceil(bytes / mib)} MiB are needed beside ${freeMibMin} MiB`
  throw new Fault('storage', `only ${Math.floor(free / mib)} MiB are free, ${numbers}`)
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize
}
