/**
 * The program of a ZooKeeper server, as Debian has it.
 *
 * Debian's stable release has 3.8.0, which lost acknowledged writes on one server for good when
 * servers were killed; sid has a release that does not. So its package, and those of the Java
 * libraries that it needs, are downloaded from sid and unpacked beside the system, never installed.
 * apt does it with a state folder of its own: it checks the signatures with Debian's own keys, and
 * neither the machine's sources nor what is installed takes notice. What must be installed is Java.
 *
 * What was unpacked once is used again, without asking anybody, by all who share the cache folder.
 */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Fault } from '#shared/fault.ts'
import { exists } from '#shared/files.ts'
import { isInstalled } from '#shared/process.ts'
import { isAtLeast, versionMin } from '#shared/zookeeper/version.ts'
import { run } from '../image/run.ts'

/** An unpacked ZooKeeper. */
export type ZooKeeperHome = {
  readonly version: string
  /** Files of Java classes, for `java -cp`. */
  readonly classPath: readonly string[]
}

/** Packages of sid, and the Java libraries in them that a server needs. */
const packages: Readonly<Record<string, readonly string[]>> = {
  'libzookeeper-java': ['zookeeper', 'zookeeper-jute'],
  'libslf4j-java': ['slf4j-api', 'slf4j-simple'],
  'libdropwizard-metrics-java': ['metrics-core'],
  'libsnappy-java': ['snappy-java'],
  // These for TLS.
  'libnetty-java': [
    'netty-handler',
    'netty-transport',
    'netty-transport-native-epoll',
    'netty-transport-native-unix-common',
    'netty-codec',
    'netty-resolver'
  ],
  'libnetty-buffer-java': ['netty-buffer'],
  'libnetty-common-java': ['netty-common']
}

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'
const mirrorDefault = 'http://deb.debian.org/debian'
const downloadDeadlineMs = 300_000
const javaFolder = 'usr/share/java'
/** Written last: what has it is whole. */
const stampName = 'home.json'

/** Finds the unpacked ZooKeeper, or downloads and unpacks it. Faults: `unavailable`, `command`. */
export async function zooKeeperHome(
  options: {
    /** Where it is kept; a folder of the user's cache when left out. */
    readonly cache?: string
    readonly signal?: AbortSignal
    readonly progress?: (line: string) => void
  } = {}
): Promise<ZooKeeperHome> {
  if (!isInstalled('java')) {
    throw new Fault('command', 'cannot run ZooKeeper: Java is not installed', {
      next: ['apt-get install default-jre-headless']
    })
  }
  const cache = options.cache ?? join(cacheHome(), 'remuda/zookeeper')
  const present = await find(cache)
  if (present !== undefined) return present
  options.progress?.('downloading ZooKeeper')
  await mkdir(cache, { recursive: true })
  const folder = await mkdtemp(join(cache, '.unpacking-'))
  try {
    const home = await fetchInto(folder, options.signal)
    // Another may have been faster; then there are two of the same, and one is taken.
    await rename(folder, join(cache, `${home.version}-${folder.slice(-6).toLowerCase()}`))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return (await find(cache))!
}

const cacheHome = (): string => process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')

async function find(cache: string): Promise<ZooKeeperHome | undefined> {
  const names = await readdir(cache).catch(() => [])
  for (const name of names.filter(each => !each.startsWith('.')).toSorted()) {
    const text = await readFile(join(cache, name, stampName), 'utf8').catch(() => undefined)
    if (text === undefined) continue
    const { version } = JSON.parse(text) as { readonly version: string }
    const classPath = Object.values(packages)
      .flat()
      .map(library => join(cache, name, javaFolder, `${library}.jar`))
    const there = await Promise.all(classPath.map(file => exists(file)))
    if (isAtLeast(version, versionMin) && there.every(Boolean)) return { version, classPath }
  }
  return undefined
}

async function fetchInto(
  folder: string,
  signal: AbortSignal | undefined
): Promise<{ readonly version: string }> {
  const apt = join(folder, '.apt')
  for (const each of ['lists/partial', 'archives/partial', 'packages']) {
    await mkdir(join(apt, each), { recursive: true })
  }
  const mirror = process.env['REMUDA_DEBIAN_MIRROR'] || mirrorDefault
  await writeFile(join(apt, 'sources.list'), `deb [signed-by=${keyring}] ${mirror} sid main\n`)
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
  const names = Object.keys(packages)
  const options = { cwd, deadlineMs: downloadDeadlineMs, signal }
  try {
    await run('apt-get', [...settings, '--quiet', 'update', '--error-on=any'], options)
    await run('apt-get', [...settings, '--quiet', 'download', ...names], options)
  } catch (cause) {
    throw new Fault('unavailable', `cannot download ZooKeeper from ${mirror}`, {
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
  const version = versionIn(archives)
  if (!isAtLeast(version, versionMin)) {
    const what = `it has ${version}, ${versionMin} is wanted`
    throw new Fault('unavailable', `cannot use the ZooKeeper of ${mirror}: ${what}`)
  }
  await writeFile(join(folder, stampName), `${JSON.stringify({ version })}\n`)
  return { version }
}

function versionIn(archives: readonly string[]): string {
  const name = archives.find(each => each.startsWith('libzookeeper-java_')) ?? ''
  return /_(?:\d+(?:%3a|:))?([\d.]+)/.exec(name)?.[1] ?? '0'
}
