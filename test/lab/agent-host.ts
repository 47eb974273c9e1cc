/**
 * A whole agent on a real host of its own: real libvirt, storage and networks, and the loop between
 * them; only the controller is the test itself. Nothing meets the machine's own libvirt or
 * networks.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { realClock } from '#shared/clock.ts'
import { type Log, makeLog, silentLog } from '#shared/log.ts'
import { run } from '#shared/process.ts'
import type { Order, OrderImage, Report } from '#shared/wire/order.ts'
import type { Hypervisor } from '../../agent/core/ports.ts'
import { ConsoleHub } from '../../agent/io/console/hub.ts'
import { KeptOrder } from '../../agent/io/kept-order.ts'
import { makeLibvirt } from '../../agent/io/libvirt/hypervisor.ts'
import { AgentLoop } from '../../agent/io/loop.ts'
import { FlatNetworks, removeAll } from '../../agent/io/network/flat.ts'
import { findRemains } from '../../agent/io/remains.ts'
import { DirectoryStorage } from '../../agent/io/storage/directory.ts'
import { FakeHardware } from '../world/fake-hardware.ts'
import { type GuestFiles, prepareGuests } from './guests.ts'
import { type PrivateLibvirtd, startLibvirtd } from './libvirtd.ts'

/** Nothing here may take longer; under load a real guest needs a few seconds. Unit: ms. */
const patienceMs = 60_000

/** A host that can be given orders. */
export class AgentHost implements AsyncDisposable {
  readonly state: string
  readonly reports: Report[] = []
  readonly logLines: string[] = []
  readonly hypervisor: Hypervisor
  readonly consoles: ConsoleHub
  readonly libvirtd: PrivateLibvirtd
  loop!: AgentLoop
  readonly #files: GuestFiles
  readonly #log: Log
  readonly #server: Server
  readonly #netns: string
  #networks!: FlatNetworks
  #end = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #served = new Map<string, string>()

  private constructor(libvirtd: PrivateLibvirtd, files: GuestFiles, netns: string) {
    this.libvirtd = libvirtd
    this.#files = files
    this.#netns = netns
    this.state = join(libvirtd.directory, 'state')
    this.#log = makeLog('agent', { level: 'debug', write: line => void this.logLines.push(line) })
    const paths = [libvirtd.socketPath]
    this.hypervisor = makeLibvirt({ socketPaths: { qemu: paths, lxc: paths }, log: this.#log })
    const { hypervisor } = this
    const folder = this.consoleFolder
    this.consoles = new ConsoleHub({ hypervisor, folder, clock: realClock, log: this.#log })
    this.#server = createServer(async (request, response) => {
      const path = this.#served.get(request.url ?? '')
      response.end(path === undefined ? '' : await readFile(path))
    })
  }

  static async start(): Promise<AgentHost> {
    const libvirtd = await startLibvirtd()
    const files = await prepareGuests(libvirtd.directory)
    const netns = `agent-${libvirtd.directory.slice(-6)}`
    const [pid] = await libvirtd.pidsOf('libvirtd')
    await run('ip', ['netns', 'attach', netns, String(pid)], { deadlineMs: 120_000 })
    const host = new AgentHost(libvirtd, files, netns)
    await mkdir(host.consoleFolder, { recursive: true })
    await new Promise<void>(resolve => {
      host.#server.listen(0, '127.0.0.1', resolve)
    })
    await host.startAgent()
    return host
  }

  get consoleFolder(): string {
    return join(this.state, 'agent/console')
  }

  get report(): Report | undefined {
    return this.reports.at(-1)
  }

  /** Starts the agent, again after `stopAgent`; on another boot of the host when so told. */
  async startAgent(bootId = 'boot-1'): Promise<void> {
    const { state, hypervisor } = this
    const log = this.#log
    const hardware = new FakeHardware()
    this.#networks = new FlatNetworks({ state, log, netns: this.#netns })
    this.loop = await AgentLoop.open({
      hands: {
        hypervisor,
        storage: await DirectoryStorage.open({ state, log }),
        networks: this.#networks,
        forgetConsole: ({ id }) => this.consoles.forget(id),
        findRemains: () => findRemains([join(state, 'agent/seeds'), this.consoleFolder]),
        clock: realClock
      },
      hardware,
      kept: new KeptOrder({ folder: join(state, 'agent'), bootId, log }),
      reporter: { host: 'h', hostname: 'h1', agentVersion: '0', bootId, agentRun: 'r' },
      facts: hardware.said,
      consoleFolder: this.consoleFolder,
      send: report => void this.reports.push(report),
      onDomains: own => this.consoles.watch(own),
      clock: realClock,
      log
    })
    this.#end = new AbortController()
    this.#running = this.loop.run(this.#end.signal)
  }

  /** Ends the agent; what runs goes on. */
  async stopAgent(): Promise<void> {
    this.#end.abort()
    await this.#running
    await this.#networks[Symbol.asyncDispose]()
    this.reports.length = 0
  }

  /** The image of a VM that says R at its console and gives back what it is sent. */
  async machineImage(id: string): Promise<OrderImage> {
    return await this.#image({ id, name: 'echo', format: 'raw' }, this.#files.disk)
  }

  /** The image of a container whose init says hello, and ends when it is told to. */
  async containerImage(id: string): Promise<OrderImage> {
    const root = join(this.libvirtd.directory, 'container')
    for (const name of ['bin', 'sbin', 'dev', 'proc', 'sys', 'var/lib']) {
      await mkdir(join(root, name), { recursive: true })
    }
    await writeFile(join(root, 'bin/busybox'), await readFile('/bin/busybox'), { mode: 0o755 })
    const init =
      '#!/bin/busybox sh\n' +
      "trap 'exit 0' TERM\n" +
      "echo \"hello of $(/bin/busybox sed -n 's/^local-hostname: //p' " +
      '/var/lib/cloud/seed/nocloud/meta-data)"\n' +
      'while :; do /bin/busybox sleep 60 & wait; done\n'
    await writeFile(join(root, 'sbin/init'), init, { mode: 0o755 })
    const tar = join(this.libvirtd.directory, 'container.tar')
    await run('tar', ['-C', root, '-cf', tar, '.'], { deadlineMs: 120_000 })
    return await this.#image({ id, name: 'box', format: 'tar' }, tar)
  }

  async #image(
    about: Pick<OrderImage, 'id' | 'name' | 'format'>,
    path: string
  ): Promise<OrderImage> {
    const content = await readFile(path)
    this.#served.set(`/${about.id}`, path)
    const { port } = this.#server.address() as AddressInfo
    return {
      ...about,
      sha256: createHash('sha256').update(content).digest('hex'),
      sizeBytes: content.length,
      url: `http://127.0.0.1:${port}/${about.id}`
    }
  }

  /** Gives an order and waits until it is brought about; says how long that took. Unit: ms. */
  async order(order: Order): Promise<number> {
    const begun = performance.now()
    const refusal = this.loop.takeOrder(order)
    if (refusal !== undefined) throw new Error(refusal.because)
    await this.until(() => this.report?.settledGeneration === order.generation)
    return performance.now() - begun
  }

  /** Waits until something is so. */
  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + patienceMs
    while (!(await condition())) {
      if (performance.now() > deadline) {
        const last = JSON.stringify(this.report, undefined, 2)
        throw new Error(`it did not come about:\n${last}\n${this.logLines.slice(-40).join('')}`)
      }
      await sleep(10)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopAgent()
    await this.consoles[Symbol.asyncDispose]()
    for (const domain of await this.hypervisor.domains().catch(() => [])) {
      await this.hypervisor.destroy(domain).catch(() => {})
    }
    await this.hypervisor[Symbol.asyncDispose]()
    this.#server.close()
    this.#server.closeAllConnections()
    // Its name servers are no processes of libvirtd's namespaces: they would go on for ever.
    await removeAll({ state: this.state, log: silentLog, netns: this.#netns })
    await run('ip', ['netns', 'del', this.#netns], { deadlineMs: 120_000 })
    await this.libvirtd[Symbol.asyncDispose]()
    await rm(this.libvirtd.directory, { recursive: true, force: true })
  }
}
