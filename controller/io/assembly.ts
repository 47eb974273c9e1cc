/**
 * The parts of a controller that are the same whether it leads, follows, or is alone: the state
 * and who folds it, the feed, the API. Nothing leaves them before a reign is run.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Clock } from '#shared/clock.ts'
import type { Fault } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import { makeStateFolder } from '#shared/make-state-folder.ts'
import { version } from '#shared/version.ts'
import type { Mesh } from '../core/ports.ts'
import { AgentLines } from './agents.ts'
import { Announcer } from './announcer.ts'
import type { App } from './api/app.ts'
import { makeApp } from './api/app.ts'
import type { Cluster } from './api/cluster-status.ts'
import { makeConsoles } from './api/console.ts'
import type { Caller } from './api/route.ts'
import type { ImageStore, Service } from './api/service.ts'
import { ticketFor } from './api/verbs.ts'
import { BootdQuestions } from './bootd-questions.ts'
import { Briefings } from './briefings.ts'
import { type ControllerConfig, sessionMsOf } from './config.ts'
import { Feed } from './feed.ts'
import { type Front, plainFront } from './front.ts'
import { openImageStore } from './images.ts'
import type { OpenStore } from './journal/store.ts'
import { Ledger } from './ledger.ts'
import { MachineConsoles } from './machine-consoles.ts'
import { Meters } from './metrics.ts'
import { Reign, type ReignOptions } from './reign.ts'
import { listenSocket, listenTcp } from './servers.ts'

/** What an assembly stands on. */
export type AssemblyParts = {
  readonly mesh: Mesh
  readonly election: ReignOptions['election']
  readonly clock: Clock
  readonly log: Log
  readonly cluster: Cluster
  /** A reign that has just begun places nothing before it has heard all hosts, or so long. */
  readonly graceMs?: number
  readonly onDeposed?: (because: Fault) => void
  /** Instead of the machine's disks and sockets; for tests in virtual time. */
  readonly standIns?: StandIns
}

/** What a whole controller needs of its machine beside what it is given. */
export type StandIns = {
  readonly images: ImageStore
  readonly listen: (front: Front) => Promise<Listening>
  /** Keeps the replica. */
  readonly openStore: OpenStore
}

/** All of them, wired. */
export type Assembly = {
  readonly service: Service
  readonly announcer: Announcer
  readonly briefings: Briefings
  /** Opens all that the API answers on, or nothing. */
  readonly listen: (front?: Front) => Promise<Listening>
}

/** Where the API answers. */
export type Listening = {
  readonly port: number
  /** How others reach it. */
  readonly url: string
  readonly close: () => Promise<void>
}

const local: Readonly<Record<'admin' | 'reader', Caller>> = {
  admin: { name: 'admin', role: 'admin' },
  reader: { name: 'reader', role: 'reader' }
}

/** Makes them; `signal` ends what tries again and again. */
export async function assemble(
  config: ControllerConfig,
  parts: AssemblyParts,
  signal: AbortSignal
): Promise<Assembly> {
  const { mesh, clock, log, cluster, election, onDeposed, graceMs, standIns } = parts
  const feed = new Feed()
  const ledger: Ledger = new Ledger({
    clock,
    log,
    signal,
    onDurable: entry => announcer.recorded(entry),
    onLost: () => feed.reset(),
    ...(onDeposed && { onDeposed })
  })
  const { view } = ledger
  view.sessionMs = sessionMsOf(config)
  const now = () => ({ monotonic: clock.monotonic(), wall: clock.wall() })
  const announcer = new Announcer({ view, feed, now })
  const lines = new AgentLines(mesh)
  const briefings = new Briefings({ view, mesh, durable: () => ledger.durable(), clock, log })
  const ticketSecret = randomBytes(32).toString('hex')
  let url = config.contentUrl ?? config.apiUrl ?? ''
  const reign = new Reign({
    ledger,
    announcer,
    mesh,
    election,
    clock,
    log,
    ...(graceMs !== undefined && { graceMs }),
    imageUrl: ({ id }) => {
      const ticket = ticketFor(ticketSecret, id, clock.wall())
      return `${url}/v1/images/${id}/content?ticket=${ticket}`
    },
    onReply: (host, message) => lines.heard(host, message),
    onReport: (host, report) => briefings.heard(host, report),
    onAway: (host, because) => lines.lost(host, because)
  })
  const service: Service = {
    reign,
    ledger,
    feed,
    clock,
    log,
    meters: new Meters(),
    images: standIns?.images ?? (await openImageStore(join(config.state, 'controller', 'images'))),
    agents: {
      ask: (host, question, gone) => lines.ask(host, question, gone),
      console: (host, instance) => lines.console(host, instance)
    },
    machines: new MachineConsoles(),
    bootds: new BootdQuestions(),
    cluster,
    briefings,
    version,
    startedAt: new Date(clock.wall()).toISOString(),
    ticketSecret
  }
  service.meters.watch({
    name: 'remuda_mesh_total',
    help: 'What happened on the lines to hosts since the start.',
    label: 'what',
    counts: () => mesh.counters()
  })
  return {
    service,
    announcer,
    briefings,
    listen: async (front = plainFront) => {
      const listening = await (standIns?.listen(front) ?? listen(config, service, front))
      url ||= listening.url
      return listening
    }
  }
}

async function listen(
  config: ControllerConfig,
  service: Service,
  front: Front
): Promise<Listening> {
  await makeStateFolder(config.state)
  const run = join(config.state, 'run')
  const app = await makeApp(service)
  await using opened = new AsyncDisposableStack()
  opened.defer(() => app.close())
  const { certificate, key } = config
  const answering = (trusted: Caller | undefined) => front.listener(app, trusted)
  const tcp = opened.use(
    await listenTcp({
      address: config.apiAddress,
      port: config.apiPort,
      ...(certificate !== undefined && key !== undefined && { tls: { certificate, key } }),
      listener: answering(undefined)
    })
  )
  const socket = async (name: string, mode: number, trusted: Caller) =>
    opened.use(await listenSocket({ path: join(run, name), mode, listener: answering(trusted) }))
  const admin = await socket('admin.sock', 0o600, local.admin)
  await socket('read.sock', 0o660, local.reader)
  opened.defer(attachConsoles(service, { app, front, servers: [tcp, admin] }))
  const all = opened.move()
  const url =
    config.apiUrl ?? `${certificate ? 'https' : 'http'}://${config.apiAddress}:${tcp.port}`
  return { port: tcp.port, url, close: () => all.disposeAsync() }
}

type Server = Awaited<ReturnType<typeof listenTcp>>

/** Lets consoles be attached through TCP and through the admin's socket; gives what ends them. */
function attachConsoles(
  service: Service,
  given: {
    readonly app: App
    readonly front: Front
    readonly servers: readonly [tcp: Server, admin: Server]
  }
): () => void {
  const { app, front, servers } = given
  const consoles = makeConsoles(service)
  for (const [at, trusted] of [undefined, local.admin].entries()) {
    const own = consoles.upgrade(request => app.caller(request, front.callerOf(request) ?? trusted))
    servers[at]!.server.on('upgrade', front.upgrade(own, trusted))
  }
  return () => consoles.close()
}
