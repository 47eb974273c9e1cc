/** The agent daemon: wires its parts together and runs until it is told to stop. */
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type Clock, realClock } from '#shared/clock.ts'
import { isFault, sentence } from '#shared/fault.ts'
import { type Log, makeLog } from '#shared/log.ts'
import { makeStateFolder } from '#shared/make-state-folder.ts'
import { version } from '#shared/version.ts'
import { AnsweringEnd } from '#shared/wire/answering-end.ts'
import { type CurveKeys, loadKeys } from '#shared/wire/keys.ts'
import type { BootstrapMessage, Peers, Question } from '#shared/wire/messages.ts'
import type { Knock } from '#shared/wire/zap.ts'
import type { Hypervisor, Watchdog } from './core/ports.ts'
import { answer } from './io/answers.ts'
import { besideOf } from './io/beside.ts'
import { type AgentConfig, readConfig } from './io/config.ts'
import { ConsoleHub } from './io/console/hub.ts'
import { ConsoleRelay } from './io/console/relay.ts'
import { callTcp, callTcpIn, Gates } from './io/gates.ts'
import { openHardware, readBootId } from './io/hardware.ts'
import { hear } from './io/hearing.ts'
import { sendHeartbeats } from './io/heartbeats.ts'
import { joinAsTold, joinCloud, written } from './io/join.ts'
import { beginToJoin } from './io/joining.ts'
import { KeptOrder } from './io/kept-order.ts'
import { tryKvm } from './io/kvm.ts'
import { defaultSocketPaths, makeLibvirt } from './io/libvirt/hypervisor.ts'
import { LocalSocket } from './io/local-socket.ts'
import { LockWatch } from './io/lock-service.ts'
import { AgentLoop } from './io/loop.ts'
import { MigrationDoor } from './io/migration-door.ts'
import { FlatNetworks } from './io/network/flat.ts'
import { pagesOf } from './io/pages.ts'
import { phoneHomeOver } from './io/phone-home.ts'
import { type ProbeOptions, Probes } from './io/probes.ts'
import { rebooting } from './io/reboot.ts'
import { remainsIn } from './io/remains.ts'
import { SelfFence, type SelfFenceOptions } from './io/self-fence.ts'
import { DirectoryStorage } from './io/storage/directory.ts'
import { StorageHeartbeats } from './io/storage-heartbeats.ts'
import type { Trust } from './io/trust.ts'
import { UseWatch } from './io/use-watch.ts'
import { KernelWatchdog, noWatchdogHere } from './io/watchdog.ts'

/** Until then somebody may sit before it who has said `join`; a daemon writes for programs. */
let isJoining = process.argv[2] === 'join'

async function main(): Promise<void> {
  const [verb, ...words] = process.argv.slice(2)
  const flags = verb === 'join' ? await joinFirst(words) : process.argv.slice(2)
  if (flags === undefined) return
  isJoining = false
  const config = await readConfig(flags, process.env)
  const log = makeLog('agent', { level: config.logLevel })
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info('stopping', { because: signal })
      stop.abort()
    })
  }
  log.info('starting', { version, state: config.state, pid: process.pid })
  await serve(config, log, stop).finally(() => stop.abort())
  log.info('stopped')
}

/** Writes down how to join; gives the flags to go on with where it was told to: `join --ask`. */
async function joinFirst(words: readonly string[]): Promise<readonly string[] | undefined> {
  const environment = process.env
  if (words[0] === '--ask') {
    const [, program, ...args] = words
    const { said, flags } = await joinAsTold(program, { args, environment })
    process.stdout.write(said)
    return flags
  }
  const input = (): Promise<string> => text(process.stdin)
  process.stdout.write(await joinCloud({ args: words, environment, input }))
  return undefined
}

async function serve(config: AgentConfig, log: Log, stop: AbortController): Promise<void> {
  const [clock, { signal }] = [realClock, stop]
  const { state, netns } = config
  const ground = await prepare(config)
  const { own, consoleFolder, sender, keys } = ground

  await using hypervisor = makeLibvirt({ log, clock, ...socketsOf(config) })
  const hardware = hardwareOf(config, { hypervisor, folder: own, log, signal })
  const begun = await beginToJoin(config, { ...ground, hardware, clock, log }, signal)
  const { host, hostname, trust } = begun
  const facts = await hardware.facts()
  begun.looked(facts)
  const [locks, use] = [new LockWatch(), new UseWatch({ hardware, hypervisor, clock })]
  const storage = await DirectoryStorage.open({ state, log, clock, lockService: locks.look })
  await using networks = new FlatNetworks({ state, log, clock, ...(netns && { netns }) })
  await using consoles = new ConsoleHub({ hypervisor, folder: consoleFolder, clock, log })
  const { bootId, run: agentRun } = sender
  const onChanged = (): void => loop.ring()
  await using probes = await openProbes(config, { keys, clock, log, onChanged })
  const remains = remainsIn([join(own, 'seeds'), consoleFolder], consoles)
  const door = doorOf(config, { folder: own, emulatorUid: () => loop.emulatorUid, clock })
  await using watchdog = watchdogOf(config)
  const lease = leaseOf({ watchdog, run: agentRun, loop: () => loop, clock, log })
  const loop = await AgentLoop.open({
    hands: { hypervisor, storage, networks, ...remains, reboot: rebooting(config, bootId), clock },
    hardware,
    kept: new KeptOrder({ folder: own, bootId, log }),
    reporter: { host, hostname, agentVersion: version, bootId, agentRun },
    facts,
    consoleFolder,
    send: report => mesh.send(report),
    services: () => trust.services,
    beside: () => besideOf({ trust, probes, door, lease, locks, beats, use }),
    cutOff: found => lease.cutOff(found),
    onDomains: domains => consoles.watch(domains),
    clock,
    log
  })
  await using mesh = await AnsweringEnd.open({
    endpoint: `tcp://${config.address}:${config.port}`,
    keys,
    sender,
    admitted: trust.keys,
    seen: () => loop.seen,
    onRefused: strangers(loop),
    clock,
    log
  })
  await begun.listens(mesh)
  const beats = beatsOf({ loop, probes, lease, host, bootId, clock, log })
  const relay = new ConsoleRelay({ hub: consoles, send: message => mesh.send(message) })
  const pages = pagesOf({ loop, mesh, relay, facts, sender, clock })
  await using _socket = await LocalSocket.open(join(state, 'run', 'agent.sock'), pages)
  const readyFile = await writeReady(state)
  log.info('ready', { host, hostname, endpoint: mesh.endpoint })
  const answers = (asked: Question) => answer(asked, { hypervisor, consoles })
  const briefed = briefing({ trust, probes, beats, loop, log })
  const tasks = [
    loop.run(signal),
    door.keepTrying(signal),
    locks.keepLooking(clock, signal),
    use.run(signal),
    probes.run(signal),
    beats.run(signal),
    gatesOf(config, { loop, clock, log }).run(signal),
    begun.joining
  ]
  const lasting = (until: AbortSignal) => [
    hear({ mesh, loop, relay, answer: answers, briefed, lease, log }, until),
    sendHeartbeats({ mesh, clock, values: { seen: () => loop.seen, lease } }, until),
    lease.run(until)
  ]
  await untilLast(tasks, lasting, stop).finally(() => rm(readyFile, { force: true }))
}

/**
 * Some last until all others have ended, so that a host is heard, and pet by its lease, until the
 * last step is done: the next run is seconds away. One that fails takes all with it.
 */
async function untilLast(
  tasks: readonly Promise<void>[],
  begin: (until: AbortSignal) => readonly Promise<void>[],
  stop: AbortController
): Promise<void> {
  const over = new AbortController()
  const lasting = begin(over.signal)
  for (const task of lasting) task.catch(() => stop.abort())
  await untilOver(tasks, stop).finally(() => over.abort())
  await untilOver(lasting, over)
}

async function writeReady(state: string): Promise<string> {
  const file = join(state, 'run', 'agent.ready')
  await writeFile(file, `${process.pid}\n`)
  return file
}

async function untilOver(tasks: readonly Promise<void>[], stop: AbortController): Promise<void> {
  try {
    await Promise.all(tasks)
  } finally {
    // One that has failed takes the others with it: half an agent would be worse than none.
    stop.abort()
    await Promise.allSettled(tasks)
  }
}

/**
 * A key that is not let in is told the cloud. Until this host has been let in itself, a controller
 * may dial it that it does not know yet; and one that was taken out tries on, so few are told.
 */
const strangers =
  (loop: AgentLoop) =>
  ({ publicKey, address }: Knock): void => {
    if (loop.seen.epoch === 0) return
    const message = `a key that is not admitted came from ${address}: ${publicKey}`
    loop.note({ subject: 'mesh', reason: 'unknown-key', message, severity: 'warning' })
  }

/** Takes in what controllers tell beside orders; when that is over, a report says so. */
const briefing =
  (given: {
    readonly trust: Trust
    readonly probes: Probes
    readonly beats: StorageHeartbeats
    readonly loop: AgentLoop
    readonly log: Log
  }) =>
  (message: BootstrapMessage | Peers): void => {
    const { trust, probes, beats, loop, log } = given
    if (message.type === 'peers') {
      probes.setPeers(message)
      beats.setPeers(message)
      return
    }
    trust.take(message.signed, message.cloudKey).then(
      () => loop.ring(),
      thrown => log.error('list of candidates not kept', { because: sentence(thrown) })
    )
  }

type Ground = {
  readonly own: string
  readonly consoleFolder: string
  readonly admissionFile: string
  readonly bootstrapFile: string
  readonly sender: { readonly bootId: string; readonly run: string }
  readonly keys: CurveKeys
}

/** Makes the folders, and what tells this agent from all others. */
async function prepare(config: AgentConfig): Promise<Ground> {
  const { state } = config
  const own = join(state, 'agent')
  const consoleFolder = join(own, 'console')
  await makeStateFolder(state)
  await mkdir(own, { recursive: true, mode: 0o711 })
  await mkdir(consoleFolder, { recursive: true, mode: 0o700 })
  return {
    own,
    consoleFolder,
    admissionFile: join(own, 'admission.json'),
    bootstrapFile: join(own, 'bootstrap.json'),
    sender: { bootId: await bootIdOf(config), run: randomUUID() },
    keys: await loadKeys(join(own, 'mesh.key'))
  }
}

const bootIdOf = async ({ bootIdFile }: AgentConfig): Promise<string> =>
  bootIdFile === undefined ? await readBootId() : (await readFile(bootIdFile, 'utf8')).trim()

function socketsOf({
  libvirtSocket
}: AgentConfig): Pick<NonNullable<Parameters<typeof makeLibvirt>[0]>, 'socketPaths'> {
  if (libvirtSocket === undefined) return { socketPaths: defaultSocketPaths }
  return { socketPaths: { qemu: [libvirtSocket], lxc: [libvirtSocket] } }
}

const openProbes = (
  { address, port, probePort }: AgentConfig,
  given: Omit<ProbeOptions, 'endpoint'>
): Promise<Probes> =>
  Probes.open({ ...given, endpoint: `tcp://${address}:${port === 0 ? 0 : probePort}` })

/** Looks whether instances are ready; nobody can phone home out of a namespace. */
function gatesOf(
  { netns }: AgentConfig,
  { loop, clock, log }: { readonly loop: AgentLoop; readonly clock: Clock; readonly log: Log }
): Gates {
  return new Gates({
    order: () => loop.desired?.order,
    readiness: () => loop.readiness,
    found: news => loop.takeGate(news),
    call: netns === undefined ? callTcp : callTcpIn(netns),
    phoneHome: phoneHomeOver,
    clock,
    log
  })
}

const doorOf = (
  { address, migrationAddress = address, migrationUri: uri }: AgentConfig,
  given: Omit<ConstructorParameters<typeof MigrationDoor>[0], 'uri' | 'address'>
): MigrationDoor => new MigrationDoor({ ...given, uri, address: migrationAddress })

/** Heartbeats on the shared pools that the order names. */
const beatsOf = (given: {
  readonly loop: AgentLoop
  readonly probes: Probes
  readonly lease: SelfFence
  readonly host: string
  readonly bootId: string
  readonly clock: Clock
  readonly log: Log
}): StorageHeartbeats => {
  const { loop, probes, lease, ...rest } = given
  return new StorageHeartbeats({
    ...rest,
    order: () => loop.desired?.order,
    pools: () => loop.observed.pools,
    state: () => lease.state,
    isMissed: host => probes.results().some(one => one.host === host && !one.reached),
    onChanged: () => loop.ring()
  })
}

/** What ends this host when nobody hears it any more, where that is wished. */
function leaseOf(
  given: Pick<SelfFenceOptions, 'watchdog' | 'run' | 'clock' | 'log'> & {
    readonly loop: () => AgentLoop
  }
): SelfFence {
  const { loop, ...rest } = given
  return new SelfFence({
    ...rest,
    order: () => loop().desired?.order,
    onChanged: () => loop().ring(),
    note: text => loop().note(text)
  })
}

/** Who shares the machine with others must not reset them all: it has one of its own, or none. */
function watchdogOf({ hostUuid, watchdogFolder: own }: AgentConfig): Watchdog {
  if (hostUuid === undefined) return new KernelWatchdog()
  if (own === undefined) return noWatchdogHere('this host shares its machine with others')
  return new KernelWatchdog({ root: own })
}

function hardwareOf(
  { hostUuid }: AgentConfig,
  given: {
    readonly hypervisor: Hypervisor
    readonly folder: string
    readonly log: Log
    readonly signal: AbortSignal
  }
) {
  const { hypervisor, folder, log, signal } = given
  return openHardware({
    folder,
    log,
    ...(hostUuid === undefined ? {} : { uuid: hostUuid }),
    kvm: () => tryKvm({ folder, log, signal }),
    hypervisor: async () => {
      const { libvirtVersion, qemu, lxc } = await hypervisor.abilities()
      const drivers = [...(qemu ? ['qemu' as const] : []), ...(lxc ? ['lxc' as const] : [])]
      return { libvirt: libvirtVersion, drivers }
    }
  })
}

try {
  await main()
} catch (thrown) {
  if (!isFault(thrown)) throw thrown
  const { code, reasons, next } = thrown
  if (isJoining) process.stderr.write(written(thrown))
  else makeLog('agent').error('cannot go on', { code, because: sentence(thrown), reasons, next })
  process.exitCode = 1
}
