/**
 * The versions of the host image that are here: each in a folder of its name. A version is given to
 * machines only once it has been checked from end to end: its name is that of its content, its
 * manifest is signed by the key of the plan, and every file has the length and the SHA-256 that the
 * manifest says. That is done in the background, and again when a file or the key has changed.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '#shared/clock.ts'
import { Fault, sentence } from '#shared/fault.ts'
import { codeOf } from '#shared/files.ts'
import { versionOfHostImage } from '#shared/host-image-version.ts'
import type { Log } from '#shared/log.ts'
import {
  HostImageManifest,
  type HostImageManifest as Manifest,
  manifestName,
  signatureName
} from '#shared/model/host-image.ts'
import { validator } from '#shared/model/validate.ts'
import { signatureProblem } from '#shared/signify.ts'
import type { Ms } from '#shared/units.ts'
import type { BootPlan, BootReport } from '#shared/wire/boot.ts'
import { Bell } from '#shared/wire/queues.ts'
import type { VersionState } from '../../core/boot-choice.ts'

/** How often it is looked whether something has changed in the folder. Unit: ms. */
const lookEveryMs: Ms = 5_000
const manifestBytesMax = 64 * 1024
/** Of more, those that the plan names are known, and those that came last. */
const versionsMax = 64
const versionPattern = /^[0-9a-f]{16}$/

/** A file that can be sent. */
export type StoredFile = { readonly path: string; readonly bytes: number; readonly sha256: string }

/** What is known of one folder. */
type Checked = {
  readonly version: string
  /** Changes when a file does; what was found holds for this one. */
  readonly print: string
  readonly manifest?: Manifest
  readonly manifestSha256?: string
  readonly files: ReadonlyMap<string, StoredFile>
  readonly problem?: string
}

/** What a store works with. */
export type ImageStoreOptions = {
  readonly folder: string
  /** What it follows from the first look on. */
  readonly plan?: Pick<BootPlan, 'imageKey' | 'images'> | undefined
  readonly clock: Clock
  readonly log: Log
  readonly onChanged: () => void
}

/** Knows which versions are here and whole. Its loop ends when it is disposed of. */
export class ImageStore implements AsyncDisposable {
  readonly #options: ImageStoreOptions
  readonly #closing = new AbortController()
  readonly #bell = new Bell()
  readonly #loop: Promise<void>
  #versions: ReadonlyMap<string, Checked> = new Map()
  /** Versions that are here and were not looked at yet; undefined: nobody knows which are here. */
  #unchecked: Set<string> | undefined
  #key: string | undefined
  #named: ReadonlySet<string> = new Set()
  /** Whether it follows something else than when it began to look. */
  #isOtherwise = false
  #leftOut = 0

  private constructor(options: ImageStoreOptions) {
    this.#options = options
    if (options.plan) this.follow(options.plan)
    this.#loop = this.#keep()
  }

  /** Opens the folder, which is made if need be. */
  static async open(options: ImageStoreOptions): Promise<ImageStore> {
    await mkdir(options.folder, { recursive: true, mode: 0o755 })
    return new ImageStore(options)
  }

  get folder(): string {
    return this.#options.folder
  }

  /** Its versions come first from now on; all must be signed by its key, if it has one. */
  follow({ imageKey, images }: Pick<BootPlan, 'imageKey' | 'images'>): void {
    const named = new Set(images.map(({ version }) => version))
    const isSame = imageKey === this.#key && named.symmetricDifference(this.#named).size === 0
    this.#key = imageKey
    this.#named = named
    if (isSame) return
    this.#isOtherwise = true
    this.lookAgain()
  }

  /** Has the folder looked at now. */
  lookAgain(): void {
    this.#bell.ring()
  }

  /** How a version is here. */
  state(version: string): VersionState {
    const checked = this.#versions.get(version)
    if (checked === undefined) return { state: 'coming' }
    if (checked.problem !== undefined) return { state: 'broken', because: checked.problem }
    const { manifestSha256, manifest } = checked
    if (manifestSha256 === undefined || !manifest) return { state: 'coming' }
    return { state: 'whole', manifestSha256, architecture: manifest.architecture }
  }

  /** Whether a version lies here, or may, of which nobody knows yet whether it is whole. */
  isUnchecked(version: string): boolean {
    return this.#unchecked?.has(version) ?? true
  }

  /** A file of a whole version; undefined: there is none. */
  file(version: string, name: string): StoredFile | undefined {
    const checked = this.#versions.get(version)
    return checked?.problem === undefined ? checked?.files.get(name) : undefined
  }

  /** All versions whose manifest can be read. */
  reports(): BootReport['images'] {
    return [...this.#versions.values()].flatMap(({ manifest, problem }) =>
      manifest
        ? [{ manifest, ...(problem !== undefined && { problem: problem.slice(0, 512) }) }]
        : []
    )
  }

  async #keep(): Promise<void> {
    const { clock, log } = this.#options
    const { signal } = this.#closing
    const next = () => this.#bell.heard().then(() => 'rung' as const)
    let rung = next()
    while (!signal.aborted) {
      try {
        await this.#look()
      } catch (thrown) {
        log.warn('image versions cannot be looked at', { because: sentence(thrown) })
      }
      const over = new AbortController()
      const timer = clock.sleep(lookEveryMs, AbortSignal.any([over.signal, signal]))
      if ((await Promise.race([rung, timer.catch(() => undefined)])) === 'rung') rung = next()
      over.abort()
    }
  }

  async #look(): Promise<void> {
    const { folder } = this.#options
    this.#isOtherwise = false
    const found = new Set(await this.#here())
    const gone = [...this.#versions.keys()].filter(version => !found.has(version))
    if (gone.length > 0) this.#set(new Map([...this.#versions].filter(([one]) => found.has(one))))
    this.#unchecked = found.difference(new Set(this.#versions.keys()))
    for (const version of found) {
      if (this.#closing.signal.aborted) return
      const before = this.#versions.get(version)
      const print = await this.#printOf(version)
      if (before?.print === print) continue
      const after = await checkVersion({
        ...{ folder: join(folder, version), version, print, key: this.#key },
        signal: this.#closing.signal
      })
      // Another order is meant, or another key: it is looked anew at once.
      if (this.#closing.signal.aborted || this.#isOtherwise) return
      this.#unchecked.delete(version)
      this.#set(new Map([...this.#versions, [version, after]]))
      const { problem } = after
      if (problem === undefined) this.#options.log.info('image version is whole', { version })
      else this.#options.log.warn('image version cannot be given', { version, because: problem })
    }
  }

  /** Versions that are here: those that the plan names first, then those that came last. */
  async #here(): Promise<readonly string[]> {
    const { folder, log } = this.#options
    const names = (await readdir(folder)).filter(name => versionPattern.test(name))
    const dated = await Promise.all(
      names.toSorted().map(async name => {
        const at = (await stat(join(folder, name)).catch(() => undefined))?.mtimeMs ?? 0
        return { name, at: this.#named.has(name) ? Number.POSITIVE_INFINITY : at }
      })
    )
    const sorted = dated.toSorted((a, b) => (a.at === b.at ? 0 : b.at - a.at))
    const leftOut = Math.max(0, sorted.length - versionsMax)
    if (leftOut > this.#leftOut) {
      const because = `${sorted.length} are here: remove those that nobody needs`
      log.warn('image versions are not looked at', { count: leftOut, folder, because })
    }
    this.#leftOut = leftOut
    return sorted.slice(0, versionsMax).map(({ name }) => name)
  }

  #set(versions: ReadonlyMap<string, Checked>): void {
    this.#versions = versions
    this.#options.onChanged()
  }

  async #printOf(version: string): Promise<string> {
    const folder = join(this.#options.folder, version)
    const names = (await readdir(folder).catch(() => [])).toSorted().slice(0, 16)
    const prints = await Promise.all(
      names.map(async name => {
        const stat = await lstat(join(folder, name)).catch(() => undefined)
        return `${name} ${stat?.ino} ${stat?.size} ${stat?.mtimeMs} ${stat?.ctimeMs}`
      })
    )
    return [this.#key ?? 'any key', ...prints].join('\n')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#loop
  }
}

const check = validator(HostImageManifest)

/** Checks a version from end to end. */
export async function checkVersion(wish: {
  readonly folder: string
  readonly version: string
  readonly print: string
  readonly key: string | undefined
  readonly signal: AbortSignal
}): Promise<Checked> {
  const { folder, version, print, key, signal } = wish
  const broken = (problem: string, manifest?: Manifest): Checked => ({
    ...{ version, print, files: new Map(), problem },
    ...(manifest && { manifest })
  })
  try {
    const bytes = await shortFile(join(folder, manifestName))
    const manifest = readManifest(bytes, version)
    const signature = await shortFile(join(folder, signatureName)).catch(() => undefined)
    if (key !== undefined) {
      if (signature === undefined) return broken('it is not signed', manifest)
      const checked = { signed: bytes, signature: signature.toString(), publicKey: key }
      const problem = signatureProblem(checked)
      if (problem !== undefined) return broken(problem, manifest)
    }
    const manifestSha256 = sha256(bytes)
    const files = new Map<string, StoredFile>()
    for (const [name, file] of Object.entries(manifest.files)) {
      const path = join(folder, name)
      const problem = await fileProblem(path, file, signal)
      if (problem !== undefined) return broken(`its file ${name} ${problem}`, manifest)
      files.set(name, { path, ...file })
    }
    const small: (readonly [string, Buffer])[] = [[manifestName, bytes]]
    if (signature !== undefined) small.push([signatureName, signature])
    for (const [name, content] of small) {
      files.set(name, {
        ...{ path: join(folder, name), bytes: content.length, sha256: sha256(content) }
      })
    }
    return { version, print, manifest, manifestSha256, files }
  } catch (thrown) {
    return broken(sentence(thrown))
  }
}

/** Reads a manifest; Fault `corrupt`: it is none, or of another version. */
export function readManifest(bytes: Uint8Array, version: string): Manifest {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(bytes).toString())
  } catch {
    value = undefined
  }
  const [problem] = check(value)
  if (problem) {
    throw new Fault('corrupt', `cannot read its manifest: ${problem.pointer} ${problem.detail}`)
  }
  const manifest = value as Manifest
  const { version: said, ...content } = manifest
  const named = versionOfHostImage(content)
  if (said === version && named === version) return manifest
  throw new Fault('corrupt', `cannot use its manifest: it is that of version ${named}`)
}

/** Why a file is not the one that is meant; undefined: it is. */
export async function fileProblem(
  path: string,
  meant: { readonly bytes: number; readonly sha256: string },
  signal: AbortSignal
): Promise<string | undefined> {
  const stat = await lstat(path).catch(thrown => {
    if (codeOf(thrown) === 'ENOENT') return undefined
    throw thrown
  })
  if (!stat?.isFile()) return 'is missing'
  if (stat.size !== meant.bytes) return `has ${stat.size} bytes, not ${meant.bytes}`
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024, signal })) {
    hash.update(chunk as Buffer)
  }
  return hash.digest('hex') === meant.sha256
    ? undefined
    : 'has other content than its manifest says'
}

async function shortFile(path: string): Promise<Buffer> {
  const stat = await lstat(path)
  if (stat.isFile() && stat.size <= manifestBytesMax) return await readFile(path)
  throw new Fault('corrupt', `cannot use ${path}: it is no short file`)
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
