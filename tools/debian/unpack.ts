/**
 * Debian packages of another suite than the machine's, unpacked beside the system and never
 * installed. apt does it with a state folder of its own: it checks the signatures with Debian's own
 * keys, and neither the machine's sources nor what is installed takes notice.
 *
 * What was unpacked once is used again, without asking anybody, by all who share the cache folder.
 */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Fault } from '#shared/fault.ts'
import { run } from '../image/run.ts'

/** What is to be unpacked. */
export type UnpackWish = {
  /** As it is called to people, such as ZooKeeper. */
  readonly what: string
  /** Suite of Debian, such as sid. */
  readonly suite: string
  readonly packages: readonly string[]
  /** The package whose version is that of the whole. */
  readonly versionOf: string
  /** Why a version that was found is of no use; undefined: it is. */
  readonly refuse: (version: string) => string | undefined
  /** Folder that holds all that was ever unpacked. */
  readonly cache: string
  readonly signal?: AbortSignal | undefined
}

/** Packages that lie unpacked. */
export type Unpacked = {
  /** Upstream's, such as 3.9.4. */
  readonly version: string
  /** The root that they are unpacked below. */
  readonly folder: string
}

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
const mirrorDefault = 'http://deb.debian.org/debian'
const downloadDeadlineMs = 300_000
/** Written last: what has it is whole. */
const stampName = 'home.json'

/** Where a kind of packages is kept unless somebody says otherwise. */
export const cacheOf = (kind: string): string =>
  join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'remuda', kind)

/** All that was unpacked in a cache and is whole, by the name of its folder. */
export async function findUnpacked(cache: string): Promise<readonly Unpacked[]> {
  const names = await readdir(cache).catch(() => [])
  const found: Unpacked[] = []
  for (const name of names.filter(each => !each.startsWith('.')).toSorted()) {
    const folder = join(cache, name)
    const text = await readFile(join(folder, stampName), 'utf8').catch(() => undefined)
    if (text === undefined) continue
    const { version } = JSON.parse(text) as { readonly version: string }
    found.push({ version, folder })
  }
  return found
}

/** Downloads and unpacks. Faults: `unavailable`, `command`. */
export async function unpackPackages(wish: UnpackWish): Promise<Unpacked> {
  const { cache } = wish
  await mkdir(cache, { recursive: true })
  const draft = await mkdtemp(join(cache, '.unpacking-'))
  try {
    const version = await fetchInto(draft, wish)
    // Another may have been faster; then there are two of the same, and one is taken.
    const folder = join(cache, `${version}-${draft.slice(-6).toLowerCase()}`)
    await rename(draft, folder)
    return { version, folder }
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}

async function fetchInto(folder: string, wish: UnpackWish): Promise<string> {
  const { what, suite, packages, signal } = wish
  const apt = join(folder, '.apt')
  for (const each of ['lists/partial', 'archives/partial', 'packages']) {
    await mkdir(join(apt, each), { recursive: true })
  }
  const mirror = process.env['REMUDA_DEBIAN_MIRROR'] || mirrorDefault
  await writeFile(join(apt, 'sources.list'), `deb [signed-by=${keyring}] ${mirror} ${suite} main\n`)
  const settings = [
    `Dir::Etc::sourcelist=${apt}/sources.list`,
    'Dir::Etc::sourceparts=/dev/null',
    'Dir::Etc::preferencesparts=/dev/null',
    `Dir::State=${apt}`,
    'Dir::State::status=/dev/null',
    `Dir::Cache=${apt}`,
    'Acquire::Languages=none',
    'APT::Sandbox::User='
  ].flatMap(setting => ['-o', setting])
  const cwd = join(apt, 'packages')
  const options = { cwd, deadlineMs: downloadDeadlineMs, signal }
  try {
    await run('apt-get', [...settings, '--quiet', 'update', '--error-on=any'], options)
    await run('apt-get', [...settings, '--quiet', 'download', ...packages], options)
  } catch (cause) {
    throw new Fault('unavailable', `cannot download ${what} from ${mirror}`, {
      cause,
      next: [
        'apt must reach a mirror of Debian: REMUDA_DEBIAN_MIRROR names another',
        'apt-get install debian-archive-keyring'
      ]
    })
  }
  const archives = await readdir(cwd)
  for (const archive of archives) {
    await run('dpkg-deb', ['--extract', join(cwd, archive), folder], { signal })
  }
  await rm(apt, { recursive: true, force: true })
  const version = versionIn(archives, wish.versionOf)
  const why = wish.refuse(version)
  if (why !== undefined) {
    throw new Fault('unavailable', `cannot use the ${what} of ${mirror}: ${why}`)
  }
  await writeFile(join(folder, stampName), `${JSON.stringify({ version })}\n`)
  return version
}

/** Upstream's version in the name of an archive; an epoch stands before it. */
function versionIn(archives: readonly string[], name: string): string {
  const archive = archives.find(each => each.startsWith(`${name}_`)) ?? ''
  return /_(?:\d+(?:%3a|:))?([\d.]+)/.exec(archive)?.[1] ?? '0'
}
