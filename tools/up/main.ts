/**
 * `npm run up`: brings a whole cloud up on this machine and shows that it works. Each step first
 * looks whether it is done already, so a second run is quick and changes nothing.
 */
import { mkdir, rename, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type DaemonSpec, findDaemon, startDaemon, stopDaemon } from '#shared/daemon.ts'
import { Fault, sentence } from '#shared/fault.ts'
import { stateDefault } from '#shared/state-folder.ts'
import { buildAll } from '../build.ts'
import { Api } from '../cli/api/client.ts'
import { demoInstance, ensureImages, ensureInstance, untilAnswering, untilHost } from './demo.ts'
import { home, type Layout, layoutOf } from './layout.ts'
import { ensureLibvirt } from './libvirt.ts'
import { makeSay, type Say } from './say.ts'

async function main(): Promise<void> {
  const say = makeSay(process.stdout)
  const layout = layoutOf(resolve(process.env['REMUDA_STATE'] || stateDefault))
  const startedAt = performance.now()
  say.line(`Remuda comes up on this machine; its state is in ${layout.state}`)
  const rebuilt = await say.step('build the programs', async tell => {
    const { built } = await buildAll()
    tell(built.length === 0 ? 'built already' : built.join(', '))
    return built.length > 0
  })
  await mkdir(layout.run, { recursive: true, mode: 0o755 })
  await mkdir(layout.logs, { recursive: true, mode: 0o755 })
  await say.step('libvirtd', async tell => tell(await ensureLibvirt(layout)))
  await ensureDaemon(say, layout.controller, rebuilt)
  await ensureDaemon(say, layout.agent, rebuilt)
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
  report(say, layout, { address, answer, startedAt, host: host.name })
}

/** Starts a daemon unless it runs; one of an older build is started anew. */
async function ensureDaemon(say: Say, spec: DaemonSpec, rebuilt: boolean): Promise<void> {
  await say.step(spec.name, async tell => {
    const running = await findDaemon(spec)
    const ready = await stat(spec.readyFile).catch(() => undefined)
    if (running && ready && !rebuilt) {
      tell(`runs already, process ${running.pid}`)
      return
    }
    if (running) await stopDaemon(spec)
    await rename(spec.logFile, `${spec.logFile}.1`).catch(() => undefined)
    const { pid } = await startDaemon(spec)
    tell(`started, process ${pid}`)
  })
}

function report(
  say: Say,
  layout: Layout,
  seen: {
    readonly address: string | undefined
    readonly answer: string | undefined
    readonly startedAt: number
    readonly host: string
  }
): void {
  const seconds = ((performance.now() - seen.startedAt) / 1000).toFixed(1)
  const said = seen.answer?.trim().split('\n').slice(0, 8) ?? []
  const cli = join(home, 'dist', 'remuda')
  const lines = [
    '',
    `The cloud is up after ${seconds} s: one host (${seen.host}), one instance (${demoInstance}).`,
    ...(seen.address === undefined ? [] : [`${demoInstance} says at http://${seen.address}/:`]),
    ...said.map(line => `    ${line}`),
    '',
    '  API           http://127.0.0.1:7410/v1 (description: /v1/openapi.json)',
    `  admin token   ${join(layout.state, 'admin.token')}`,
    '  dashboard     comes with a later release',
    `  logs          ${layout.logs}`,
    `  command       ${cli}`,
    '',
    'Try next:',
    `  ${cli} status`,
    `  ${cli} instance create web --image tiny --memory 128MiB --wait`,
    `  ${cli} why instance/${demoInstance}`,
    `  ${cli} console ${demoInstance}`,
    `  virsh -c qemu:///system list`,
    '',
    'npm run down stops it all again.'
  ]
  for (const line of lines) say.line(line)
}

try {
  await main()
} catch (thrown) {
  process.stderr.write(`error: ${sentence(thrown)}\n`)
  if (thrown instanceof Fault) {
    for (const reason of thrown.reasons) process.stderr.write(`  why   ${reason}\n`)
    for (const next of thrown.next) process.stderr.write(`  next  ${next}\n`)
  }
  process.exitCode = 1
}
