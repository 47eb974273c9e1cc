/**
 * The bootd daemon: executes fences for whichever controller leads, and has machines boot over the
 * network. Wires its parts together and runs until it is told to stop.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { realClock } from '#shared/clock.ts'
import { isFault, sentence } from '#shared/fault.ts'
import { makeLog } from '#shared/log.ts'
import { makeStateFolder } from '#shared/make-state-folder.ts'
import { version } from '#shared/version.ts'
import { AnsweringEnd } from '#shared/wire/answering-end.ts'
import { loadKeys } from '#shared/wire/keys.ts'
import { leaveWord } from '#shared/wire/neighbours.ts'
import { BmcScans } from './io/bmc/scans.ts'
import { macOfNeighbour } from './io/boot/dhcp-probe.ts'
import { BootService } from './io/boot/service.ts'
import { type BootdConfig, readConfig } from './io/config.ts'
import { keepAdmitted, readAdmitted, sendHeartbeats, serveControllers } from './io/controllers.ts'
import { Fencer } from './io/fencer.ts'
import { leaveWordUntilLeft } from './io/left-word.ts'
import { MachineConsoles } from './io/sol/consoles.ts'

async function main(): Promise<void> {
  const config = await readConfig(process.argv.slice(2), process.env)
  const log = makeLog('bootd', { level: config.logLevel })
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      log.info('stopping', { because: signal })
      stop.abort()
    })
  }
  log.info('starting', { version, state: config.state, pid: process.pid })
  const { own, sender, keys } = await prepare(config)
  const clock = realClock
  const { signal } = stop
  let told: Pick<Served, 'fencesChanged' | 'bootsChanged'> | undefined
  await using fencer = await Fencer.open({
    epochFile: join(own, 'epoch.json'),
    clock,
    log,
    lookEveryMs: config.lookEveryMs,
    onChanged: () => told?.fencesChanged()
  })
  await using boots = await BootService.open({
    ...{ words: config, state: config.state, own, clock, log },
    onChanged: () => told?.bootsChanged()
  })
  await using consoles = new MachineConsoles({ orderOf: host => fencer.orderOf(host), log })
  await using bmcs = new BmcScans({ clock, log, macOf: macOfNeighbour })
  await using end = await AnsweringEnd.open({
    endpoint: `tcp://${config.address}:${config.port}`,
    keys,
    sender,
    admitted: await readAdmitted(config.state),
    seen: () => ({ epoch: fencer.epoch, generation: 0 }),
    clock,
    log
  })
  const readyFile = join(config.state, 'run', 'bootd.ready')
  const leave = async (): Promise<void> => {
    await leaveWord(config.state, 'bootd', { endpoint: end.endpoint, publicKey: keys.publicKey })
    await writeFile(readyFile, `${process.pid}\n`)
  }
  const onProblem = (problem: string | undefined): void => boots.tellProblem('word', problem)
  const left = await leaveWordUntilLeft(leave, { clock, onProblem }, signal)
  log.info('ready', { endpoint: end.endpoint })
  const knowing = { logs: boots.logs, bmcs, fences: fencer }
  const served = serveControllers({ end, fencer, boots, consoles, knowing, clock, log }, signal)
  told = served
  await Promise.all([
    served.over,
    left.over,
    sendHeartbeats({ end, fencer, clock }, signal),
    keepAdmitted(config.state, { end, clock, log }, signal)
  ]).finally(() => rm(readyFile, { force: true }).catch(() => undefined))
  log.info('stopped')
}

type Served = ReturnType<typeof serveControllers>

async function prepare({ state }: BootdConfig) {
  const own = join(state, 'bootd')
  await makeStateFolder(state)
  await mkdir(own, { recursive: true, mode: 0o700 })
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  return {
    own,
    sender: { bootId, run: randomUUID() },
    keys: await loadKeys(join(own, 'mesh.key'))
  }
}

try {
  await main()
} catch (thrown) {
  if (!isFault(thrown)) throw thrown
  const { code, reasons, next } = thrown
  makeLog('bootd').error('cannot go on', { code, because: sentence(thrown), reasons, next })
  process.exitCode = 1
}
