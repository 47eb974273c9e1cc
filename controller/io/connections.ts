/** How a candidate comes to what all candidates share, as its configuration says. */
import type { Clock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { readPrivateFile } from '#shared/private-file.ts'
import { connectZooKeeper } from '#shared/zookeeper/connect.ts'
import type { ZooKeeperSession } from '#shared/zookeeper/session.ts'
import type { SharedJournal } from '../core/ports.ts'
import type { Connection } from './candidate-parts.ts'
import { type ControllerConfig, serversOf, tlsOf } from './config.ts'
import { type ZooKeeperElection, zooKeeperElection } from './election/zookeeper.ts'
import { TraceSeen } from './election/zookeeper-trace.ts'
import { leased } from './journal/leased.ts'
import { openPostgresJournal } from './journal/postgres.ts'
import { openZooKeeperJournal } from './journal/zookeeper.ts'

/** Opens a connection; each has a session of its own, and ends with it. */
export type Connect = (signal: AbortSignal) => Promise<Connection>

/** Makes the way to the ensemble and the journal. */
export function connectionsOf(
  config: ControllerConfig,
  parts: { readonly log: Log; readonly clock: Clock }
): Connect {
  const { log, clock } = parts
  const seen = new TraceSeen()
  return async () => {
    await using opened = new AsyncDisposableStack()
    const session = opened.use(await openSession(config, parts))
    let election: ZooKeeperElection | undefined
    const journal = opened.use(await openJournal(config, { ...parts, session }, () => election))
    const all = opened.move()
    return {
      journal,
      ended: session.ended,
      stand: async () => {
        election = zooKeeperElection(session, { name: config.name, log, clock, seen })
        return election
      },
      [Symbol.asyncDispose]: () => all.disposeAsync()
    }
  }
}

async function openSession(
  config: ControllerConfig,
  parts: { readonly log: Log; readonly clock: Clock; readonly but?: string | undefined }
): Promise<ZooKeeperSession> {
  const { log, clock, but } = parts
  const tls = tlsOf(config)
  return await connectZooKeeper({
    servers: serversOf(config.ensemble).filter(server => server !== but),
    sessionMs: config.sessionMs,
    secret: await secretOf('ensembleSecretFile', config.ensembleSecretFile),
    ...(tls && { tls }),
    log,
    clock
  })
}

async function openJournal(
  config: ControllerConfig,
  parts: { readonly log: Log; readonly clock: Clock; readonly session: ZooKeeperSession },
  election: () => ZooKeeperElection | undefined
): Promise<SharedJournal> {
  const { log, session } = parts
  const proof = () => election()?.proof()
  const elsewhere = (server: string | undefined) => openSession(config, { ...parts, but: server })
  const inEnsemble = () => openZooKeeperJournal(session, { log, proof, elsewhere })
  switch (config.journal) {
    case 'zookeeper':
      return await inEnsemble()
    case 'postgres':
      return leased(await openDatabaseJournal(config, log), await inEnsemble())
    case 'level':
      throw new Fault('invalid', `cannot share the journal ${config.journal} among candidates`)
    default:
      return config.journal satisfies never
  }
}

/** The journal in the database that the configuration names. */
export async function openDatabaseJournal(
  config: ControllerConfig,
  log: Log
): Promise<SharedJournal> {
  const { postgres: url = '', postgresPasswordFile: file, postgresAuthority: ca, cloud } = config
  const password = file === undefined ? undefined : await secretOf('postgresPasswordFile', file)
  return await openPostgresJournal({
    url,
    log,
    cloud,
    ...(password !== undefined && { password }),
    ...(ca !== undefined && { tls: { ca } })
  })
}

async function secretOf(field: string, path: string | undefined): Promise<string> {
  const secret = path === undefined ? undefined : (await readPrivateFile(path))?.trim()
  if (secret) return secret
  throw new Fault('invalid', `cannot use ${field}: ${path ?? 'no file'} holds no secret`)
}
