/** A lab in use: its switches, its cables and its cloud. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { Fault } from '#shared/fault.ts'
import type { ResourceDocument } from '#shared/model/index.ts'
import { Api } from '../cli/api/client.ts'
import { canRun } from '../cli/api/host-abilities.ts'
import { listResources } from '../cli/api/resources.ts'
import { askKeeper, statusOf } from './client.ts'
import { adminSocketOf, hostFolderOf } from './folder.ts'
import { enter, environmentOf } from './place.ts'
import type { LabPlan } from './plan.ts'
import type { BmcManner, Cut, DaemonName, LabStatus, Service } from './protocol.ts'
import { sweep } from './sweep.ts'

/** What a program wrote and how it ended. */
export type Ended = {
  /** Null: a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** No program that is run on a host takes nearly as long, unless it is told otherwise. Unit: ms. */
const runMsMax = 120_000

/** A lab that runs. Disposing of it takes it away when it was opened as bound. */
export class Lab implements AsyncDisposable {
  readonly plan: LabPlan
  /** Asks the cloud as its administrator, through whichever candidate answers. */
  readonly api: Api
  readonly #keeper: ChildProcess | undefined

  constructor(plan: LabPlan, keeper?: ChildProcess) {
    this.plan = plan
    this.#keeper = keeper
    const candidates = plan.hosts.filter(({ isCandidate }) => isCandidate)
    this.api = new Api(
      candidates.map(({ name }) => ({ via: 'socket' as const, path: this.adminSocket(name) }))
    )
  }

  get folder(): string {
    return this.plan.folder
  }

  /** Asks the cloud as its administrator, through the controller or candidate on one host. */
  apiOf(host: string): Api {
    return new Api({ via: 'socket', path: this.adminSocket(host) })
  }

  /** The administrator's socket of the controller on a host, as the machine sees it. */
  adminSocket(host: string): string {
    return adminSocketOf(this.folder, host)
  }

  /** A host's state folder, as the machine sees it. */
  stateOf(host: string): string {
    return hostFolderOf(this.folder, host).state
  }

  /** A host's libvirt socket, as the machine and all other hosts see it. */
  libvirtSocket(host: string): string {
    return join(hostFolderOf(this.folder, host).run, 'libvirt/libvirt-sock')
  }

  /** The log of a daemon of a host; it goes on over power cuts. */
  logOf(host: string, daemon: DaemonName): string {
    return join(hostFolderOf(this.folder, host).log, `${daemon}.log`)
  }

  async status(): Promise<LabStatus> {
    return await statusOf(this.folder)
  }

  /** Turns a host's power switch, and waits until it is so. */
  async power(
    host: string,
    to: 'on' | 'off' | 'cycle',
    options: {
      /** Its baseboard controller loses its power as well, until the host has it again. */
      readonly withBmc?: boolean
    } = {}
  ): Promise<void> {
    await askKeeper(this.folder, { verb: 'power', host, to, ...options })
  }

  /** Gives the baseboard controller of a host other manners. */
  async bmc(host: string, manner: BmcManner): Promise<void> {
    await askKeeper(this.folder, { verb: 'bmc', host, manner })
  }

  /** Stops a host, or one of its daemons, where it stands (SIGSTOP). */
  async pause(host: string, daemon?: DaemonName): Promise<void> {
    await askKeeper(this.folder, { verb: 'pause', host, ...(daemon && { daemon }) })
  }

  /** Lets it go on. */
  async resume(host: string, daemon?: DaemonName): Promise<void> {
    await askKeeper(this.folder, { verb: 'resume', host, ...(daemon && { daemon }) })
  }

  /** Kills a daemon, which is started again. */
  async kill(host: string, daemon: DaemonName): Promise<void> {
    await askKeeper(this.folder, { verb: 'kill', host, daemon })
  }

  /** Ends a daemon, which stays ended until it is started. */
  async stop(host: string, daemon: DaemonName): Promise<void> {
    await askKeeper(this.folder, { verb: 'stop', host, daemon })
  }

  /** Starts a daemon that was stopped. */
  async start(host: string, daemon: DaemonName): Promise<void> {
    await askKeeper(this.folder, { verb: 'start', host, daemon })
  }

  /** Cuts groups off each other; one way: only what earlier ones send to later ones is lost. */
  async partition(groups: readonly (readonly string[])[], oneWay = false): Promise<void> {
    await this.cut({ groups, oneWay })
  }

  /** Keeps programs on these hosts from a service, wherever it is, their own host included. */
  async cutFrom(hosts: readonly string[], from: Service, oneWay = false): Promise<void> {
    await this.cut({ hosts, from, oneWay })
  }

  async cut(cut: Cut): Promise<void> {
    await askKeeper(this.folder, { verb: 'cut', cut })
  }

  /** Takes all cuts back, and makes slow links fast. */
  async heal(): Promise<void> {
    await askKeeper(this.folder, { verb: 'heal' })
  }

  /** Makes a host's links slow and lossy, in both directions; loss is a share from 0 to 1. */
  async slow(host: string, { delayMs = 0, loss = 0 }): Promise<void> {
    await askKeeper(this.folder, { verb: 'slow', host, delayMs, loss })
  }

  /** Moves the wall clock of a host's daemons. */
  async moveClock(host: string, byMs: number): Promise<void> {
    await askKeeper(this.folder, { verb: 'clock', host, byMs })
  }

  /** Runs a program on a host, or at the switch, to its end. Fault `deadline`. */
  async run(
    host: string | 'switch',
    line: readonly string[],
    options: { readonly input?: string; readonly deadlineMs?: number } = {}
  ): Promise<Ended> {
    const prefix = enter(await this.status(), host)
    const [command = '', ...args] = [...prefix, ...line]
    const deadlineMs = options.deadlineMs ?? runMsMax
    const child = spawn(command, args, {
      cwd: '/',
      env: environmentOf(host),
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: deadlineMs,
      killSignal: 'SIGKILL'
    })
    child.stdin.on('error', () => {})
    child.stdin.end(options.input)
    const texts = Promise.all([textOf(child.stdout), textOf(child.stderr)])
    const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
    const [stdout, stderr] = await texts
    if (signal !== 'SIGKILL' || !child.killed) return { code, stdout, stderr }
    throw new Fault('deadline', `cannot run ${line.join(' ')} on ${host} in ${deadlineMs} ms`)
  }

  /** What an instance answers over HTTP, asked from the switch; undefined: nothing in time. */
  async http(
    address: string,
    { path = '', seconds = 2 }: { readonly path?: string; readonly seconds?: number } = {}
  ): Promise<string | undefined> {
    const line = ['timeout', '-s', 'KILL', String(seconds), 'busybox', 'wget', '-q', '-O', '-']
    const { code, stdout } = await this.run('switch', [...line, `http://${address}/${path}`])
    return code === 0 ? stdout : undefined
  }

  /** Phase of each host as the cloud says it, by name; one whose libvirt is silent says so. */
  async hostPhases(): Promise<ReadonlyMap<string, string>> {
    const { items } = await listResources(this.api, 'host')
    const phaseOf = (host: ResourceDocument): string => {
      const phase = String(host.status['phase'])
      return phase === 'online' && !canRun(host) ? 'without libvirt' : phase
    }
    return new Map(items.map(host => [host.name, phaseOf(host)]))
  }

  /** Takes the lab away, however it was opened. */
  async down(): Promise<void> {
    await this.api[Symbol.asyncDispose]()
    await sweep(this.folder)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.api[Symbol.asyncDispose]()
    const keeper = this.#keeper
    if (keeper === undefined) return
    if (keeper.exitCode === null && keeper.signalCode === null) {
      const exit = once(keeper, 'exit')
      keeper.stdin!.end()
      const timer = setTimeout(() => keeper.kill('SIGKILL'), 30_000)
      await exit
      clearTimeout(timer)
    }
    await sweep(this.folder)
  }
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}
