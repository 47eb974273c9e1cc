/**
 * `npm run up`: brings a whole cloud up on this machine and shows that it works. Each step first
 * looks whether it is done already, so a second run is quick and changes nothing.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type DaemonSpec, findDaemon, startDaemon, stopDaemon } from '#shared/daemon.ts'
import { exists } from '#shared/files.ts'
import { buildAll } from '../build.ts'
import { Api } from '../cli/api/client.ts'
import { refuseStrange } from './belongings.ts'
import { demoInstance, ensureImages, ensureInstance, untilAnswering, untilHost } from './demo.ts'
import { explainEnd } from './last-words.ts'
import { home, type Layout, layoutOf } from './layout.ts'
import { ensureLibvirt } from './libvirt.ts'
import { findNeighbours, refuseOthers, stopForeignBuild } from './neighbours.ts'
import { runProgram, stateFolder } from './program.ts'
import { lookAround, writeReport } from './report.ts'
import { refuseFullDisk, roomMib } from './room.ts'
import { makeSay, type Say } from './say.ts'
import { takeTurn } from './turn.ts'

async function up(): Promise<void> {
  const say = makeSay(process.stdout)
  const layout = layoutOf(stateFolder())
  const startedAt = performance.now()
  say.line(`Remuda comes up on this machine; its state is in ${layout.state}`)
  await using _turn = await takeTurn({
    state: layout.state,
    holder: 'npm run up',
    waiting: holder => say.line(`  … waits until ${holder}, is done`)
  })
  await refuseStrange(layout.state)
  refuseOthers(await findNeighbours(), layout.state)
  const isBuilt = await exists(join(layout.images, 'tiny-vm.qcow2'))
  await refuseFullDisk(layout.state, isBuilt ? roomMib.start : roomMib.build)
  await say.step('build the programs', async tell => {
    const { built } = await buildAll()
    tell(built.length === 0 ? 'built already' : built.join(', '))
  })
  await mkdir(layout.run, { recursive: true, mode: 0o755 })
  await mkdir(layout.logs, { recursive: true, mode: 0o755 })
  await say.step('libvirtd', async tell => tell(await ensureLibvirt(layout)))
  await ensureDaemon(say, layout, layout.controller)
  await ensureDaemon(say, layout, layout.agent)
  await show(say, layout, startedAt)
}

/** Starts a daemon unless it runs; one of another build is started anew. */
async function ensureDaemon(say: Say, layout: Layout, spec: DaemonSpec): Promise<void> {
  await say.step(spec.name, async tell => {
    const foreign = await stopForeignBuild(spec, layout.state)
    if (foreign !== undefined) tell(`stopped ${foreign}`)
    const build = await buildMark()
    const markFile = `${spec.recordFile}.build`
    const running = await findDaemon(spec)
    const isSame = (await readFile(markFile, 'utf8').catch(() => '')) === build
    if (running && isSame && (await exists(spec.readyFile))) {
      tell(`runs already, process ${running.pid}`)
      return
    }
    if (running) await stopDaemon(spec)
    await rename(spec.logFile, `${spec.logFile}.1`).catch(() => undefined)
    try {
      await writeFile(markFile, build)
      const { pid } = await startDaemon(spec)
      tell(`started, process ${pid}`)
    } catch (thrown) {
      throw await explainEnd(thrown, spec)
    }
  })
}

/** What tells one build of the programs from another. */
const buildMark = async (): Promise<string> =>
  await readFile(join(home, 'dist', '.stamp.json'), 'utf8')

/** Shows that the cloud works, with an instance in it. */
async function show(say: Say, layout: Layout, startedAt: number): Promise<void> {
  await using api = new Api({ via: 'socket', path: join(layout.run, 'admin.sock') })
  const host = await say.step('this machine as a host', async tell => {
    const online = await untilHost(api, tell)
    tell(`${online.name} is online`)
    return online
  })
  await say.step('demo image', async tell => await ensureImages(api, layout, tell))
  const instance = await say.step(`instance ${demoInstance}`, async tell =>
    ensureInstance(api, tell)
  )
  const [address] = instance.status['addresses'] as readonly string[]
  const answer =
    instance.status['phase'] === 'running' && address !== undefined
      ? await say.step('answers on the network', tell => untilAnswering(address, tell))
      : undefined
  const around = await lookAround(api, layout)
  const tookMs = performance.now() - startedAt
  const seen = { host: host.name, address, answer, tookMs, ...around }
  for (const line of writeReport(layout, seen)) say.line(line)
}

await runProgram({
  name: 'up',
  flags: [],
  interrupted: 'what has begun stays; npm run up goes on from here, npm run down stops it all',
  main: up
})
