/**
 * One server of an ensemble: its configuration and its command line. Who runs it, and where, is the
 * caller's matter: a test starts three on one machine, the lab one in each of three hosts.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import { dirname, join } from 'node:path'
import type { ZooKeeperHome } from './home.ts'

/** One of the servers that make up an ensemble, as the others reach it. */
export type EnsembleMember = { readonly id: number; readonly address: string }

/** What a server is to be. */
export type ServerSpec = {
  /** Its number among the members, from 1. */
  readonly id: number
  /** All of them, itself too. */
  readonly members: readonly EnsembleMember[]
  /** Folder of its own, as it will see it: for its configuration, snapshots and log. */
  readonly folder: string
  /** Most memory for Java's heap: four times what is stored at least, or it dies at a restart. */
  readonly heapMib?: number
  /** False: what it acknowledges outlives its death, not the machine's; disks make nobody wait. */
  readonly forced?: boolean
  /** PEM files, as it will see them: clients and servers speak TLS and show a certificate. */
  readonly tls?: { readonly authority: string; readonly certificateAndKey: string }
}

/** What to write and what to run. */
export type ServerPlan = {
  /** Contents by path. */
  readonly files: Readonly<Record<string, string>>
  readonly command: string
  readonly args: readonly string[]
}

/** Ports of a server: clients, the other servers, elections among them. */
export const serverPorts = { client: 2181, quorum: 2888, election: 3888 } as const

const heapMibDefault = 256

/** Says how a server of this ZooKeeper is configured and started. */
export function zooKeeperServer(home: ZooKeeperHome, spec: ServerSpec): ServerPlan {
  const { id, folder, tls } = spec
  const configuration = join(folder, 'zoo.cfg')
  const noIpv6 = spec.members.every(({ address }) => !isIPv6(address))
  return {
    files: {
      [join(folder, 'snapshots/myid')]: `${id}\n`,
      [join(folder, 'log/.keep')]: '',
      [configuration]: configurationOf(spec)
    },
    command: 'java',
    args: [
      `-Xmx${spec.heapMib ?? heapMibDefault}m`,
      '-Xms32m',
      '-XX:+UseSerialGC',
      '-XX:-UsePerfData',
      // A server without memory serves nobody; it is better started anew.
      '-XX:+ExitOnOutOfMemoryError',
      ...(noIpv6 ? ['-Djava.net.preferIPv4Stack=true'] : []),
      ...(tls
        ? ['-Dzookeeper.serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory']
        : []),
      '-Dorg.slf4j.simpleLogger.showDateTime=true',
      '-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS',
      '-cp',
      home.classPath.join(':'),
      'org.apache.zookeeper.server.quorum.QuorumPeerMain',
      configuration
    ]
  }
}

/** Writes what a server reads; its folder must be visible here under the same path. */
export async function writeServerFiles(plan: ServerPlan): Promise<void> {
  for (const [path, text] of Object.entries(plan.files)) {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }
}

/**
 * A tick of half a second allows sessions of two seconds; a silent leader is left after eight
 * ticks, which is less than a session of six seconds, so that sessions outlive it.
 */
function configurationOf({ id, members, folder, tls, forced }: ServerSpec): string {
  const own = members.find(member => member.id === id)!.address
  const { client, quorum, election } = serverPorts
  const lines = [
    'tickTime=500',
    'initLimit=20',
    'syncLimit=8',
    'minSessionTimeout=1000',
    'maxSessionTimeout=60000',
    `dataDir=${join(folder, 'snapshots')}`,
    `dataLogDir=${join(folder, 'log')}`,
    ...(tls
      ? [
          `secureClientPort=${client}`,
          `secureClientPortAddress=${own}`,
          'ssl.clientAuth=need',
          'sslQuorum=true',
          ...storesOf(tls, 'ssl'),
          ...storesOf(tls, 'ssl.quorum')
        ]
      : [`clientPort=${client}`, `clientPortAddress=${own}`]),
    'maxClientCnxns=0',
    `forceSync=${forced === false ? 'no' : 'yes'}`,
    'preAllocSize=16384',
    'snapCount=100000',
    'autopurge.snapRetainCount=3',
    'autopurge.purgeInterval=1',
    'admin.enableServer=false',
    '4lw.commands.whitelist=srvr,mntr,ruok',
    'standaloneEnabled=false',
    'reconfigEnabled=false',
    'quorumListenOnAllIPs=false',
    ...members.map(
      member => `server.${member.id}=${bracketed(member.address)}:${quorum}:${election}`
    )
  ]
  return `${lines.join('\n')}\n`
}

/** Who is signed by the authority is let in; its address is not compared with its certificate. */
const storesOf = (tls: NonNullable<ServerSpec['tls']>, prefix: string): readonly string[] => [
  `${prefix}.keyStore.type=PEM`,
  `${prefix}.keyStore.location=${tls.certificateAndKey}`,
  `${prefix}.trustStore.type=PEM`,
  `${prefix}.trustStore.location=${tls.authority}`,
  `${prefix}.hostnameVerification=false`
]

const bracketed = (address: string): string => (isIPv6(address) ? `[${address}]` : address)
