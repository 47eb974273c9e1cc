/** The controller daemon: wires its parts together and runs until it is told to stop. */
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { realClock } from '#shared/clock.ts'
import { isFault, sentence } from '#shared/fault.ts'
import type { HostId } from '#shared/ids.ts'
import { type Log, makeLog } from '#shared/log.ts'
import { version } from '#shared/version.ts'
import type { BootstrapCandidate } from '#shared/wire/bootstrap.ts'
import { loadKeys } from '#shared/wire/keys.ts'
import { type ControllerConfig, readConfig } from './io/config.ts'
import { type Running, startController } from './io/controller.ts'
import { Door } from './io/door.ts'
import { makeJoinToken } from './io/doorkeeper.ts'
import { soloElection } from './io/election/solo.ts'
import { sendHeartbeats } from './io/heartbeats.ts'
import { openLevelJournal } from './io/journal/level.ts'
import { ControllerMesh } from './io/mesh.ts'

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
  await serve(config, log, stop.signal)
  log.info('stopped')
}

async function serve(config: ControllerConfig, log: Log, stop: AbortSignal): Promise<void> {
  const own = join(config.state, 'controller')
  await mkdir(config.state, { recursive: true, mode: 0o711 })
  await mkdir(own, { recursive: true, mode: 0o700 })
  await makeJoinToken(join(config.state, 'join.token'))
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  const sender = { bootId, run: randomUUID() }
  const meshKeys = await loadKeys(join(own, 'mesh.key'))
  const doorKeys = await loadKeys(join(own, 'door.key'))
  await using journal = await openLevelJournal(join(own, 'journal'), { log })
  await using election = soloElection()
  let running: Running | undefined
  const epoch = (): number => running?.service.ledger.epoch ?? 0
  const clock = realClock
  await using mesh = ControllerMesh.open({ keys: meshKeys, sender, epoch, clock, log })
  const controllerKeys = [meshKeys.publicKey]
  let card: BootstrapCandidate | undefined
  const candidates = { ensemble: [], cards: async () => (card ? [card] : []) }
  const parts = { journal, election, mesh, clock, log, controllerKeys, candidates }
  await using started = await startController(config, parts, stop)
  running = started
  await using door = await Door.open({
    endpoint: `tcp://${config.doorAddress}:${config.doorPort}`,
    keys: doorKeys,
    sender,
    doorkeeper: started.doorkeeper,
    clock,
    log
  })
  card = {
    name: config.name,
    apiUrl: started.url,
    meshKey: meshKeys.publicKey,
    doorEndpoint: door.endpoint,
    doorKey: doorKeys.publicKey
  }
  const doorFile = join(config.state, 'run', 'door.json')
  const where = { endpoint: door.endpoint, publicKey: doorKeys.publicKey }
  await writeFile(doorFile, `${JSON.stringify(where)}\n`, { mode: 0o644 })
  const readyFile = join(config.state, 'run', 'controller.ready')
  await writeFile(readyFile, `${started.port}\n`)
  log.info('ready', { port: started.port, door: door.endpoint })
  const { view } = started.service.reign
  const hosts = function* () {
    for (const host of view.all('host').values()) {
      if (host.decided.approval !== 'approved') continue
      const generation = view.indexes.hostGeneration(host.name)
      yield { host: host.decided.uuid as HostId, generation }
    }
  }
  await sendHeartbeats({ mesh, clock, values: { epoch, hosts } }, stop)
  await rm(readyFile, { force: true })
}

try {
  await main()
} catch (thrown) {
  if (!isFault(thrown)) throw thrown
  const { code, reasons, next } = thrown
  makeLog('controller').error('cannot go on', { code, because: sentence(thrown), reasons, next })
  process.exitCode = 1
}
