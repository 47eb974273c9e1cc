/**
 * The program of a ZooKeeper server, as Debian has it.
 *
 * Debian's stable release has 3.8.0, which lost acknowledged writes on one server for good when
 * servers were killed; sid has a release that does not. So its package, and those of the Java
 * libraries that it needs, are unpacked from sid beside the system. What must be installed is Java.
 */
import { join } from 'node:path'
import { Fault } from '#shared/fault.ts'
import { exists } from '#shared/files.ts'
import { isInstalled } from '#shared/process.ts'
import { isAtLeast, versionMin } from '#shared/zookeeper/version.ts'
import { cacheOf, findUnpacked, type Unpacked, unpackPackages } from '../debian/unpack.ts'

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

const javaFolder = 'usr/share/java'

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
  const cache = options.cache ?? cacheOf('zookeeper')
  for (const unpacked of await findUnpacked(cache)) {
    if (await isOfUse(unpacked)) return homeIn(unpacked)
  }
  options.progress?.('downloading ZooKeeper')
  const unpacked = await unpackPackages({
    what: 'ZooKeeper',
    suite: 'sid',
    packages: Object.keys(packages),
    versionOf: 'libzookeeper-java',
    refuse: version =>
      isAtLeast(version, versionMin) ? undefined : `it has ${version}, ${versionMin} is wanted`,
    cache,
    signal: options.signal
  })
  if (await isOfUse(unpacked)) return homeIn(unpacked)
  throw new Fault('unavailable', `cannot use ZooKeeper ${unpacked.version}: libraries are missing`)
}

const homeIn = ({ version, folder }: Unpacked): ZooKeeperHome => ({
  version,
  classPath: Object.values(packages)
    .flat()
    .map(library => join(folder, javaFolder, `${library}.jar`))
})

async function isOfUse(unpacked: Unpacked): Promise<boolean> {
  const there = await Promise.all(homeIn(unpacked).classPath.map(file => exists(file)))
  return isAtLeast(unpacked.version, versionMin) && there.every(Boolean)
}
