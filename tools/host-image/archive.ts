/**
 * Debian's archive of one release and architecture, through apt with a state folder of its own: it
 * checks signatures with Debian's keys, says which versions packages have today and downloads them.
 * Neither the machine's own sources nor what is installed takes notice, so that hosts may have
 * another release than the machine that builds their image.
 */
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Fault } from '#shared/fault.ts'
import { run } from '../image/run.ts'

/** Which archive. */
export type ArchiveOptions = {
  /** Of Debian, such as bookworm. */
  readonly release: string
  /** As Debian calls it, such as amd64. */
  readonly architecture: string
  /** Folder that holds lists and packages between builds. */
  readonly cache: string
  /** Asks the archive anew, however lately it was asked. */
  readonly refresh?: boolean | undefined
  readonly progress: (line: string) => void
  readonly signal?: AbortSignal | undefined
}

/** A package as it would be installed today. */
export type DebianPackage = { readonly name: string; readonly version: string }

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
/** The mirror, unless REMUDA_DEBIAN_MIRROR names another; security updates lie beside it. */
const mirrorDefault = 'http://deb.debian.org/debian'
/** What was asked so lately is not asked again. Unit: ms. */
const listsFreshMs = 12 * 3600 * 1000
const updateMsMax = 300_000
const downloadMsMax = 1_200_000

/** The lines of a `sources.list` for a release and its updates. */
export function sourceLines(release: string, components: string): readonly string[] {
  const mirror = process.env['REMUDA_DEBIAN_MIRROR'] || mirrorDefault
  const security = process.env['REMUDA_DEBIAN_SECURITY_MIRROR'] || `${mirror}-security`
  const line = (from: string, suite: string): string =>
    `deb [signed-by=${keyring}] ${from} ${suite} ${components}`
  return [
    line(mirror, release),
    line(mirror, `${release}-updates`),
    line(security, `${release}-security`)
  ]
}

/** One archive that has been asked what it has. */
export class Archive {
  readonly #options: ArchiveOptions
  readonly #state: string
  readonly #settings: readonly string[]

  private constructor(options: ArchiveOptions, state: string) {
    this.#options = options
    this.#state = state
    this.#settings = [
      `Dir::Etc::sourcelist=${state}/sources.list`,
      'Dir::Etc::sourceparts=/dev/null',
      'Dir::Etc::preferencesparts=/dev/null',
      `Dir::State=${state}`,
      'Dir::State::status=/dev/null',
      `Dir::Cache=${state}`,
      // A machine may do without; asking then takes ten times as long.
      'Dir::Cache::pkgcache=pkgcache.bin',
      'Dir::Cache::srcpkgcache=srcpkgcache.bin',
      'Acquire::GzipIndexes=false',
      `APT::Architecture=${options.architecture}`,
      `APT::Architectures=${options.architecture}`,
      'APT::Install-Recommends=false',
      'APT::Sandbox::User=',
      'Acquire::Languages=none'
    ].flatMap(setting => ['-o', setting])
  }

  /** Asks the archive what it has, unless that was done lately. Fault `unavailable`. */
  static async open(options: ArchiveOptions): Promise<Archive> {
    const { release, architecture, cache, refresh, progress, signal } = options
    const lines = sourceLines(release, 'main non-free-firmware')
    const tag = createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 8)
    const state = join(cache, `apt-${release}-${architecture}-${tag}`)
    const archive = new Archive(options, state)
    const stamp = join(state, 'asked')
    const asked = await stat(stamp).catch(() => undefined)
    if (asked && !refresh && Date.now() - asked.mtimeMs < listsFreshMs) return archive
    for (const each of ['lists/partial', 'archives/partial']) {
      await mkdir(join(state, each), { recursive: true })
    }
    await writeFile(join(state, 'sources.list'), `${lines.join('\n')}\n`)
    progress(`asking Debian which packages ${release} has`)
    await archive.#apt('ask for packages', ['--quiet', 'update', '--error-on=any'], {
      deadlineMs: updateMsMax,
      signal
    })
    await rm(join(state, 'resolved'), { recursive: true, force: true })
    await writeFile(stamp, '')
    return archive
  }

  /** Folder of the lists, as apt keeps them. */
  get lists(): string {
    return join(this.#state, 'lists')
  }

  /** The packages and all that they need, as they would be installed today. */
  async resolve(names: readonly string[]): Promise<readonly DebianPackage[]> {
    // It takes apt seconds, and the answer stands as long as its lists do.
    const key = createHash('sha256').update(JSON.stringify(names)).digest('hex').slice(0, 16)
    const kept = join(this.#state, 'resolved', key)
    const text = await readFile(kept, 'utf8').catch(() => undefined)
    if (text !== undefined) return JSON.parse(text) as readonly DebianPackage[]
    const found = await this.#resolve(names)
    await mkdir(dirname(kept), { recursive: true })
    await writeFile(`${kept}.${process.pid}`, JSON.stringify(found))
    await rename(`${kept}.${process.pid}`, kept)
    return found
  }

  async #resolve(names: readonly string[]): Promise<readonly DebianPackage[]> {
    const output = await this.#apt('find packages', ['--simulate', 'install', ...names], {
      deadlineMs: updateMsMax,
      signal: this.#options.signal
    })
    return [...output.matchAll(/^Inst (\S+) \((\S+) /gm)]
      .map(([, name, version]) => ({ name: name!, version: version! }))
      .toSorted((one, other) => (one.name < other.name ? -1 : 1))
  }

  /** Those of the packages that the archive has at all. */
  async known(names: readonly string[]): Promise<readonly string[]> {
    const args = [...this.#settings, 'show', '--no-all-versions', ...names]
    // It fails when it lacks one of them, and shows the others.
    const output = await run(
      'sh',
      ['-c', 'apt-cache "$@" 2>/dev/null || :', 'apt-cache', ...args],
      {
        signal: this.#options.signal
      }
    )
    const found = new Set([...output.matchAll(/^Package: (\S+)$/gm)].map(([, name]) => name))
    return names.filter(name => found.has(name))
  }

  /** Gives the file of a package, downloading it unless an earlier build has. */
  async download({ name, version }: DebianPackage): Promise<string> {
    const folder = join(this.#state, 'packages')
    const suffix = `_${this.#options.architecture}.deb`
    const start = `${name}_${version.replaceAll(':', '%3a')}_`
    await mkdir(folder, { recursive: true })
    const present = (await readdir(folder)).find(
      file => file.startsWith(start) && (file.endsWith(suffix) || file.endsWith('_all.deb'))
    )
    if (present) return join(folder, present)
    this.#options.progress(`downloading ${name} ${version}`)
    const draft = await mkdtemp(join(folder, '.download-'))
    try {
      await this.#apt('download', ['--quiet', 'download', `${name}=${version}`], {
        cwd: draft,
        deadlineMs: downloadMsMax,
        signal: this.#options.signal
      })
      const [file] = await readdir(draft)
      if (!file) throw new Fault('command', `cannot find what apt downloaded for ${name}`)
      await rename(join(draft, file), join(folder, file))
      return join(folder, file)
    } finally {
      await rm(draft, { recursive: true, force: true })
    }
  }

  async #apt(
    task: string,
    args: readonly string[],
    options: Parameters<typeof run>[2]
  ): Promise<string> {
    try {
      return await run('apt-get', [...this.#settings, ...args], options)
    } catch (cause) {
      throw new Fault('unavailable', `cannot ${task} of Debian ${this.#options.release}`, {
        cause,
        next: [
          'apt must reach a mirror of Debian: REMUDA_DEBIAN_MIRROR and',
          'REMUDA_DEBIAN_SECURITY_MIRROR name others',
          'apt-get install debian-archive-keyring'
        ]
      })
    }
  }
}
