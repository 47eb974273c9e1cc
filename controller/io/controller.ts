/**
 * A controller from its start to its end: opens the journal, reads it, is elected, takes the
 * epoch, and then serves until it is told to stop or loses the election.
 */
import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '#shared/clock.ts'
import { sentence } from '#shared/fault.ts'
import { newId } from '#shared/ids.ts'
import type { Log } from '#shared/log.ts'
import { createPrivateFile, readPrivateFile } from '#shared/private-file.ts'
import { version } from '#shared/version.ts'
import { firstCommit } from '../core/first-commit.ts'
import type { Doorkeeper, Election, Journal, Mesh } from '../core/ports.ts'
import { AgentLines } from './agents.ts'
import { Announcer } from './announcer.ts'
import { type App, makeApp } from './api/app.ts'
import { makeConsoles } from './api/console.ts'
import type { Caller } from './api/route.ts'
import type { Service } from './api/service.ts'
import { hashOf, makeToken } from './api/tokens.ts'
import { ticketFor } from './api/verbs.ts'
import type { ControllerConfig } from './config.ts'
import { doorkeeperOf } from './doorkeeper.ts'
import { Feed } from './feed.ts'
import { openImageStore } from './images.ts'
import { importImages } from './importer.ts'
import { Keeper } from './keeper.ts'
import { Ledger } from './ledger.ts'
import { Meters } from './metrics.ts'
import { newCloudId, Reign } from './reign.ts'
import { listenSocket, listenTcp } from './servers.ts'

/** What a controller stands on; each part has another one in tests. */
export type Parts = {
  readonly journal: Journal
  readonly election: Election
  readonly mesh: Mesh
  readonly clock: Clock
  readonly log: Log
  /** CURVE public keys that agents shall admit. */
  readonly controllerKeys: readonly string[]
}

/** A controller that leads and answers; disposing of it ends its loops and closes its sockets. */
export type Running = AsyncDisposable & {
  readonly service: Service
  readonly doorkeeper: Doorkeeper
  readonly port: number
}

const local: Readonly<Record<'admin' | 'reader', Caller>> = {
  admin: { name: 'admin', role: 'admin' },
  reader: { name: 'reader', role: 'reader' }
}

/** How often checkpoints are thought of. Unit: ms. */
const checkpointMs = 1_000

/** Starts a controller; resolves once it leads and answers. */
export async function startController(
  config: ControllerConfig,
  parts: Parts,
  stop: AbortSignal
): Promise<Running> {
  const { journal, election, mesh, clock, log } = parts
  const ending = new AbortController()
  const signal = AbortSignal.any([stop, ending.signal])
  const feed = new Feed()
  const ledger: Ledger = new Ledger({
    journal,
    clock,
    log,
    signal,
    onDurable: entry => announcer.recorded(entry),
    onLost: () => feed.reset()
  })
  const now = () => ({ monotonic: clock.monotonic(), wall: clock.wall() })
  const announcer = new Announcer({ view: ledger.view, feed, now })
  const keeper = new Keeper({ journal, view: ledger.view, log })
  await keeper.load(entry => announcer.recorded(entry))
  await election.lead(signal)
  const epoch = await journal.raiseEpoch()
  await ledger.open(epoch)
  feed.begin({ position: ledger.durablePosition, epoch })
  feed.start(epoch)
  await found(config, { ledger, clock, log })
  log.info('leading', { epoch, position: ledger.durablePosition, cloud: ledger.view.cloud?.id })

  const lines = new AgentLines(mesh)
  const ticketSecret = randomBytes(32).toString('hex')
  let contentUrl = config.contentUrl ?? ''
  const reign = new Reign({
    ledger,
    announcer,
    mesh,
    election,
    clock,
    log,
    imageUrl: ({ id }) => {
      const ticket = ticketFor(ticketSecret, id, clock.wall())
      return `${contentUrl}/v1/images/${id}/content?ticket=${ticket}`
    },
    onReply: (host, message) => lines.heard(host, message),
    onAway: (host, because) => lines.lost(host, because)
  })
  const service: Service = {
    reign,
    ledger,
    feed,
    clock,
    log,
    meters: new Meters(),
    images: await openImageStore(join(config.state, 'controller', 'images')),
    agents: {
      ask: (host, question, gone) => lines.ask(host, question, gone),
      console: (host, instance) => lines.console(host, instance)
    },
    version,
    startedAt: new Date(clock.wall()).toISOString(),
    ticketSecret
  }
  const app = await makeApp(service)
  const listening = await listen(config, service, app)
  contentUrl ||= `${config.certificate ? 'https' : 'http'}://${config.apiAddress}:${listening.port}`
  const running = reign.run(signal)
  const keeping = Promise.all([keep(service, keeper, signal), importImages(service, signal)])
  return {
    service,
    doorkeeper: doorkeeperOf(service, {
      tokenFile: join(config.state, 'join.token'),
      controllerKeys: parts.controllerKeys
    }),
    port: listening.port,
    [Symbol.asyncDispose]: async () => {
      await listening.close()
      ending.abort()
      await running
      await keeping
      await lastCheckpoint(service, keeper)
      service.meters[Symbol.dispose]()
    }
  }
}

/** Writes checkpoints as they become due, and forgets image content that no image has. */
async function keep(service: Service, keeper: Keeper, signal: AbortSignal): Promise<void> {
  const { ledger, clock, images, log } = service
  while (!signal.aborted) {
    const durable = (): Promise<void> => ledger.durable()
    keeper.writeIfDue(durable)
    await images
      .keepOnly(() => contentsOf(ledger), durable)
      .catch(thrown => {
        log.warn('cannot tidy the store of images', { because: sentence(thrown) })
      })
    await clock.sleep(checkpointMs, signal).catch(() => undefined)
  }
  await keeper.idle()
}

/** Contents that images have. While the journal fails there may be more than the view knows of. */
function contentsOf({ view, broken }: Ledger): ReadonlySet<string> | undefined {
  if (broken) return undefined
  const images = [...view.all('image').values()]
  return new Set(images.flatMap(({ decided }) => decided.content?.sha256 ?? []))
}

/** At a clean end the next start shall have little to read. */
async function lastCheckpoint(service: Service, keeper: Keeper): Promise<void> {
  if (keeper.behind === 0 || service.ledger.broken) return
  try {
    await keeper.write(() => service.ledger.durable())
  } catch (thrown) {
    service.log.warn('cannot write the last checkpoint', { because: sentence(thrown) })
  }
}

/** Founds the cloud where there is none, and keeps its admin token in a file. */
async function found(
  config: ControllerConfig,
  parts: { readonly ledger: Ledger; readonly clock: Clock; readonly log: Log }
): Promise<void> {
  const { ledger, clock, log } = parts
  if (ledger.view.cloud) return
  const moment = { monotonic: clock.monotonic(), wall: clock.wall() }
  const createdAt = new Date(moment.wall).toISOString()
  const { token, stored } = makeToken({ name: 'admin', role: 'admin', createdAt })
  const path = join(config.state, 'admin.token')
  await mkdir(config.state, { recursive: true, mode: 0o711 })
  const kept = (await createPrivateFile(path, `${token}\n`))
    ? stored
    : await keptToken(path, stored)
  const wish = {
    cloudId: newCloudId(),
    adminToken: kept,
    ...(config.cidr !== undefined && { cidr: config.cidr })
  }
  await ledger.commit(firstCommit(wish, { by: 'controller', now: moment, newId }))
  log.info('founded a new cloud', { cloud: wish.cloudId, tokenFile: path })
}

/** A start that was cut short has left the token's file: it is the token. */
async function keptToken(
  path: string,
  stored: ReturnType<typeof makeToken>['stored']
): Promise<ReturnType<typeof makeToken>['stored']> {
  const text = await readPrivateFile(path)
  return { ...stored, sha256: hashOf((text ?? '').trim()) }
}

/** Opens all that the API answers on, or nothing. */
async function listen(config: ControllerConfig, service: Service, app: App) {
  const run = join(config.state, 'run')
  await mkdir(run, { recursive: true, mode: 0o755 })
  await using opened = new AsyncDisposableStack()
  opened.defer(() => app.close())
  const { certificate, key } = config
  const tcp = opened.use(
    await listenTcp({
      address: config.apiAddress,
      port: config.apiPort,
      ...(certificate !== undefined && key !== undefined && { tls: { certificate, key } }),
      listener: app.listener(undefined)
    })
  )
  const socket = async (name: string, mode: number, trusted: Caller) =>
    opened.use(await listenSocket({ path: join(run, name), mode, listener: app.listener(trusted) }))
  const admin = await socket('admin.sock', 0o600, local.admin)
  await socket('read.sock', 0o660, local.reader)
  const consoles = makeConsoles(service)
  opened.defer(() => consoles.close())
  const upgrade = (trusted: Caller | undefined) =>
    consoles.upgrade(request => app.caller(request, trusted))
  tcp.server.on('upgrade', upgrade(undefined))
  admin.server.on('upgrade', upgrade(local.admin))
  const all = opened.move()
  return { port: tcp.port, close: () => all.disposeAsync() }
}
