/** The controller daemon: wires its parts together and runs until it is told to stop. */
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { realClock } from '#shared/clock.ts'
import { isFault, sentence } from '#shared/fault.ts'
import { type Log, makeLog } from '#shared/log.ts'
import { makeStateFolder } from '#shared/make-state-folder.ts'
import { version } from '#shared/version.ts'
import type { BootstrapCandidate } from '#shared/wire/bootstrap.ts'
import { loadKeys } from '#shared/wire/keys.ts'
import type { Doorkeeper } from './core/ports.ts'
import type { View } from './core/view.ts'
import type { Service } from './io/api/service.ts'
import { type FenceLine, OwnBootd, tellOwnBootd } from './io/bootds.ts'
import { type Candidate, startCandidate } from './io/candidate.ts'
import { type ControllerConfig, readConfig } from './io/config.ts'
import { connectionsOf, openDatabaseJournal } from './io/connections.ts'
import { type Running, startController } from './io/controller.ts'
import { Door } from './io/door.ts'
import { makeJoinToken } from './io/doorkeeper.ts'
import { soloElection } from './io/election/solo.ts'
import { ensembleLook } from './io/ensemble-look.ts'
import { hostsToBeat, sendHeartbeats } from './io/heartbeats.ts'
import { openLevelJournal } from './io/journal/level.ts'
import type { Ending } from './io/leadership.ts'
import { ControllerMesh, type MeshOptions, silenceMsMax } from './io/mesh.ts'

/** Tells whoever supervises this program to start it again, as a candidate. */
const restartCode = 75
/** Tells them not to: it would take the journal back from whoever has taken it (EX_CONFIG). */
const rivalCode = 78
/** How long the end may take. Unit: ms. */
const lastMsMax = 1_000

async function main(): Promise<void> {
  const config = await readConfig(process.argv.slice(2), process.env)
  const log = makeLog('controller', { level: config.logLevel })
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info('stopping', { because: signal })
      stop.abort()
    })
  }
  log.info('starting', { version, state: config.state, pid: process.pid })
  const base = await openBase(config, log)
  if (config.ensemble === undefined) await serveAlone(base, stop.signal)
  else {
    const { restart, because } = await serveAmongOthers(base, stop.signal)
    log.info('ended', { because, restart })
    // At once: nothing that this program still has under way may outlive its reign.
    process.exit(restart ? restartCode : 0)
  }
  log.info('stopped')
}

/** What a controller is made of that is the same alone and among others. */
async function openBase(config: ControllerConfig, log: Log) {
  const own = join(config.state, 'controller')
  await makeStateFolder(config.state)
  await mkdir(own, { recursive: true, mode: 0o700 })
  await makeJoinToken(join(config.state, 'join.token'))
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  return {
    config,
    log,
    own,
    clock: realClock,
    sender: { bootId, run: randomUUID() },
    meshKeys: await loadKeys(join(own, 'mesh.key')),
    doorKeys: await loadKeys(join(own, 'door.key'))
  }
}

type Base = Awaited<ReturnType<typeof openBase>>

/** Opens the door, and leaves word where it is. */
async function openDoor(base: Base, doorkeeper: Doorkeeper): Promise<Door> {
  const { config, sender, clock, log, doorKeys } = base
  const endpoint = `tcp://${config.doorAddress}:${config.doorPort}`
  const door = await Door.open({ endpoint, keys: doorKeys, sender, doorkeeper, clock, log })
  const where = { endpoint: door.endpoint, publicKey: doorKeys.publicKey }
  const doorFile = join(config.state, 'run', 'door.json')
  await writeFile(doorFile, `${JSON.stringify(where)}\n`, { mode: 0o644 })
  return door
}

const readyFileOf = ({ config }: Base): string => join(config.state, 'run', 'controller.ready')

/** Leaves word that it answers. */
async function becomeReady(
  base: Base,
  given: { readonly port: number; readonly door: Door; readonly service: Service }
): Promise<void> {
  given.service.meters.watch({
    name: 'remuda_door_total',
    help: 'What happened at the door since the start.',
    label: 'what',
    counts: () => given.door.counters()
  })
  await writeFile(readyFileOf(base), `${given.port}\n`)
  base.log.info('ready', { port: given.port, door: given.door.endpoint })
}

/** The only controller: it leads from its start to its end. */
async function serveAlone(base: Base, stop: AbortSignal): Promise<void> {
  const { config, log, own, clock, meshKeys, doorKeys } = base
  await using journal =
    config.journal === 'postgres'
      ? await openDatabaseJournal(config, log)
      : await openLevelJournal(join(own, 'journal'), { log })
  await using election = soloElection()
  let running: Running | undefined
  const epoch = (): number => running?.service.ledger.epoch ?? 0
  await using mesh = openMesh(base, { epoch })
  const controllerKeys = [meshKeys.publicKey]
  let card: BootstrapCandidate | undefined
  const candidates = { ensemble: [], cards: async () => (card ? [card] : []) }
  await using line = openFenceLine(base, { epoch, view: () => running?.service.ledger.view }, stop)
  const { fences } = line
  const parts = { journal, election, mesh, clock, log, controllerKeys, candidates, fences }
  await using started = await startController(config, parts, stop)
  running = started
  await using door = await openDoor(base, started.doorkeeper)
  card = {
    name: config.name,
    apiUrl: started.url,
    meshKey: meshKeys.publicKey,
    doorEndpoint: door.endpoint,
    doorKey: doorKeys.publicKey
  }
  await becomeReady(base, { port: started.port, door, service: started.service })
  const { view } = started.service.reign
  const hosts = () => hostsToBeat(view, clock.monotonic())
  const beating = sendHeartbeats({ mesh, clock, values: { epoch, hosts } }, stop)
  const deposed = await Promise.race([beating, started.deposed])
  await rm(readyFileOf(base), { force: true })
  if (deposed) {
    log.error('ended', {
      because: `${sentence(deposed)}: another controller uses the same journal, and took it over`,
      next: ['let only one controller use a database', 'or run several with --ensemble']
    })
    process.exit(rivalCode)
  }
}

/** A mesh with those who speak twice a second, agents or bootds. */
const openMesh = (
  { meshKeys: keys, sender, clock, log }: Base,
  reign: Pick<MeshOptions, 'epoch' | 'mayAct'>
): ControllerMesh => ControllerMesh.open({ keys, sender, ...reign, silenceMsMax, clock, log })

/** The line to bootds, and what this machine's own is told and tells. */
function openFenceLine(
  base: Base,
  given: {
    readonly epoch: () => number
    readonly mayAct?: () => boolean
    readonly view: () => View | undefined
  },
  stop: AbortSignal
): AsyncDisposable & { readonly fences: FenceLine } {
  const ending = new AbortController()
  const signal = AbortSignal.any([stop, ending.signal])
  const { config, log, clock, meshKeys: keys } = base
  const { epoch, mayAct, view } = given
  const mesh = openMesh(base, { epoch, ...(mayAct && { mayAct }) })
  const own = new OwnBootd()
  const { state } = config
  const loops = Promise.all([
    own.watch(state, clock, signal),
    tellOwnBootd({ state, meshKey: keys.publicKey, view, clock, log }, signal)
  ])
  return {
    fences: { mesh, bootd: () => own.word },
    [Symbol.asyncDispose]: async () => {
      ending.abort()
      await mesh[Symbol.asyncDispose]()
      await loops
    }
  }
}

/** One of several candidates, until it is told to stop or has to start again. */
async function serveAmongOthers(base: Base, stop: AbortSignal): Promise<Ending> {
  const { config, log, clock, meshKeys, doorKeys } = base
  await using opened = new AsyncDisposableStack()
  let candidate: Candidate | undefined
  let door: Door | undefined
  const epoch = (): number => candidate?.service.ledger.epoch ?? 0
  const mayAct = (): boolean => candidate?.mayAct() ?? false
  const view = (): View | undefined => candidate?.service.ledger.view
  const mesh = opened.use(openMesh(base, { epoch, mayAct }))
  const { fences } = opened.use(openFenceLine(base, { epoch, mayAct, view }, stop))
  const parts = {
    connect: connectionsOf(config, { log, clock }),
    ensemble: ensembleLook(config, clock),
    mesh,
    fences,
    clock,
    log,
    meshKey: meshKeys.publicKey,
    door: () => door && { endpoint: door.endpoint, publicKey: doorKeys.publicKey }
  }
  candidate = opened.use(await startCandidate(config, parts, stop))
  door = opened.use(await openDoor(base, candidate.doorkeeper))
  await becomeReady(base, { port: candidate.port, door, service: candidate.service })
  const ending = await candidate.over
  await rm(readyFileOf(base), { force: true })
  // The session shall end now and not when it is missed; but nothing may hold up the end.
  await Promise.race([opened.disposeAsync(), clock.sleep(lastMsMax)])
  return ending
}

try {
  await main()
} catch (thrown) {
  if (!isFault(thrown)) throw thrown
  const { code, reasons, next } = thrown
  makeLog('controller').error('cannot go on', { code, because: sentence(thrown), reasons, next })
  process.exitCode = 1
}
