/**
 * One host of a lab: its power, and its daemons while the power is on. A power cut is a SIGKILL to
 * the first process of its pid namespace: the kernel ends every process in there at once, daemons,
 * emulators and containers alike, and with the last of them go its links, mounts and names.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from '#shared/fault.ts'
import { codeOf, exists } from '#shared/files.ts'
import { writeServerFiles } from '../../zookeeper/server.ts'
import { issueCertificate } from '../certificates.ts'
import { folderOf, type HostFolder, hostFolderOf } from '../folder.ts'
import type { HostPlan, LabPlan } from '../plan.ts'
import type { DaemonName, HostStatus } from '../protocol.ts'
import { Cgroup } from './cgroups.ts'
import { KeptDaemon } from './daemon.ts'
import { daemonsOf, serverOf } from './daemons.ts'
import { libvirtdConf, lockConf, qemuConf, rebootProgram } from './host-files.ts'
import { inside } from './inside.ts'
import { LabWatchdog } from './watchdog.ts'

/** The first process says that it is up within so long. Unit: ms. */
const upMsMax = 30_000

/** What the kernel made for a host when its power came on. */
type Power = {
  readonly child: ChildProcess
  /** First process of the host, as the machine sees it. */
  readonly pid: number
  readonly bootId: string
  readonly daemons: ReadonlyMap<DaemonName, KeptDaemon>
  readonly gone: Promise<void>
  readonly cut: AbortController
  readonly watchdog: LabWatchdog | undefined
}

/** A host with its switch. One call at a time, which the keeper sees to. */
export class LabHost {
  readonly plan: HostPlan
  readonly #lab: LabPlan
  readonly #folder: HostFolder
  readonly #controllers: readonly string[]
  readonly #cgroup: Cgroup
  readonly #plug: (host: HostPlan, pid: number) => Promise<void>
  readonly #onBite: (host: string, turn: number) => void
  #power: Power | undefined
  #removing: Promise<void> = Promise.resolve()
  #isPaused = false
  #clockMs = 0
  /** Counts what was done to the power, so that a reset that comes too late is none. */
  #turn = 0
  #bites: { readonly count: number; readonly at?: number } = { count: 0 }

  constructor(
    plan: HostPlan,
    options: {
      readonly lab: LabPlan
      readonly controllers: readonly string[]
      /** Gives the host its links. */
      readonly plug: (host: HostPlan, pid: number) => Promise<void>
      /** Its watchdog has ended it: it is to be reset, unless its power is turned before. */
      readonly onBite: (host: string, turn: number) => void
    }
  ) {
    this.plan = plan
    this.#lab = options.lab
    this.#folder = hostFolderOf(options.lab.folder, plan.name)
    this.#controllers = options.controllers
    this.#cgroup = new Cgroup(`remuda-${options.lab.tag}-${plan.name}`, options.controllers)
    this.#plug = options.plug
    this.#onBite = options.onBite
  }

  /** First process of the host, as the machine sees it; undefined: the power is off. */
  get pid(): number | undefined {
    return this.#power?.pid
  }

  get status(): HostStatus {
    const { name, address, isCandidate } = this.plan
    const power = this.#power
    return {
      name,
      address,
      power: power ? 'on' : 'off',
      isPaused: this.#isPaused,
      isCandidate,
      ...(power && { pid: power.pid, bootId: power.bootId }),
      clockMs: this.#clockMs,
      ...this.#watchdogStatus,
      daemons: power ? [...power.daemons.values()].map(daemon => daemon.status) : []
    }
  }

  /** Makes what a host has on its disk before its power comes on for the first time. */
  async prepare(): Promise<void> {
    const { own, etc, libvirtEtc, ...folders } = this.#folder
    for (const path of [own, etc, join(own, 'dev')]) await mkdir(path, { recursive: true })
    const { run, libvirt, libvirtLog, libvirtCache, log, zookeeper, state } = folders
    for (const path of [run, libvirt, libvirtLog, libvirtCache, log, zookeeper]) {
      await mkdir(path, { recursive: true })
    }
    await mkdir(state, { recursive: true, mode: 0o711 })
    if (!(await exists(libvirtEtc))) {
      await cp('/etc/libvirt', libvirtEtc, { recursive: true, verbatimSymlinks: true })
      await rm(join(libvirtEtc, 'qemu/networks/autostart'), { recursive: true, force: true })
    }
    await writeFile(join(libvirtEtc, 'libvirtd.conf'), libvirtdConf(this.plan))
    await writeFile(join(libvirtEtc, 'qemu.conf'), qemuConf(this.#lab))
    await writeFile(join(libvirtEtc, 'qemu-lockd.conf'), lockConf(this.#lab))
    const authority = folderOf(this.#lab.folder).authority
    await issueCertificate(authority, { ...this.plan, folder: join(libvirtEtc, 'pki') })
    const names = this.#lab.hosts.map(({ name, address }) => `${address} ${name}`)
    const lines = ['127.0.0.1 localhost', '::1 localhost', ...names]
    await writeFile(join(etc, 'hosts'), `${lines.join('\n')}\n`)
    await writeFile(join(etc, 'resolv.conf'), '') // there is no outside
    await writeFile(join(etc, 'hostname'), `${this.plan.name}\n`)
    await writeFile(folders.clock, '+0s\n')
    const program = rebootProgram(folderOf(this.#lab.folder).socket, this.plan.name)
    await writeFile(folders.reboot, program, { mode: 0o755 })
    const server = serverOf(this.#lab, this.plan)
    if (server) await writeServerFiles(server)
  }

  /** Switches the power on and starts the daemons; does nothing where it is on. */
  async on(): Promise<void> {
    if (this.#power) return
    this.#turn += 1
    const { run, state, bootId: bootIdFile, log } = this.#folder
    await rm(run, { recursive: true, force: true })
    await mkdir(join(run, 'lock'), { recursive: true })
    for (const name of ['bootd', 'controller', 'agent']) {
      await rm(join(state, 'run', `${name}.ready`), { force: true })
    }
    const bootId = randomUUID()
    await writeFile(bootIdFile, `${bootId}\n`)
    await this.#cgroup.make(this.#lab.share)
    const watchdog = await this.#makeWatchdog()
    const console = openSync(join(log, 'console.log'), 'a')
    const child = this.#spawn(console)
    closeSync(console)
    const cut = new AbortController()
    const gone = new Promise<void>(resolve => {
      child.once('error', () => resolve())
      child.once('exit', () => resolve())
    })
    void gone.then(() => cut.abort())
    const daemons = this.#daemons(child, cut.signal)
    try {
      await said(child, daemons, gone)
      const pid = await childOf(child.pid!)
      this.#power = { child, pid, bootId, daemons, gone, cut, watchdog }
      await this.#plug(this.plan, pid)
    } catch (cause) {
      child.kill('SIGKILL')
      watchdog?.[Symbol.dispose]()
      await this.off()
      const text = await readFile(join(log, 'console.log'), 'utf8').catch(() => '')
      const last = text.trim().split('\n').slice(-3)
      throw new Fault('command', `cannot switch ${this.plan.name} on`, { cause, reasons: last })
    }
    void gone.then(() => this.#lost(child))
    for (const daemon of daemons.values()) daemon.start()
  }

  /** Cuts the power; returns when no process of the host is left. Does nothing where it is off. */
  async off(): Promise<void> {
    this.#turn += 1
    const power = this.#power
    if (power) {
      power.watchdog?.[Symbol.dispose]()
      kill(power.pid)
      // What is frozen dies only once it is thawed, and does nothing else then.
      if (this.#isPaused) await this.#cgroup.freeze(false)
      await power.gone
    }
    this.#power = undefined
    this.#isPaused = false
    await this.#removing
    await this.#cgroup.remove()
  }

  /** Boots anew after its watchdog has bitten, if nobody has turned its power since. */
  async reset(turn: number): Promise<void> {
    if (turn !== this.#turn) return
    await this.off()
    await this.on()
  }

  /** Stops every process of the host where it stands, or lets them go on. */
  async pause(isPaused: boolean): Promise<void> {
    if (!this.#power) throw this.#refusal(isPaused ? 'pause' : 'resume', 'its power is off')
    await this.#cgroup.freeze(isPaused)
    this.#isPaused = isPaused
  }

  /** A daemon of the host. Fault `not-found`, or `unavailable` while the power is off. */
  daemon(name: DaemonName): KeptDaemon {
    if (!this.#power) throw this.#refusal(`reach ${name} of`, 'its power is off')
    const daemon = this.#power.daemons.get(name)
    if (daemon) return daemon
    const names = [...this.#power.daemons.keys()].join(', ')
    throw new Fault('not-found', `cannot find ${name} on ${this.plan.name}: it has ${names}`)
  }

  /** Sets how far the wall clock of its daemons is off. Unit: ms. */
  async moveClock(byMs: number): Promise<void> {
    this.#clockMs += byMs
    const seconds = this.#clockMs / 1000
    await writeFile(this.#folder.clock, `${seconds < 0 ? '' : '+'}${seconds}s\n`)
  }

  #refusal(verb: string, because: string): Fault {
    return new Fault('unavailable', `cannot ${verb} ${this.plan.name}: ${because}`, {
      next: [`remuda lab power on ${this.plan.name}`]
    })
  }

  #spawn(console: number): ChildProcess {
    const enter = this.#cgroup.entrances.map(file => `echo $$ >'${file}'`).join('\n')
    const namespaces = ['mount', 'uts', 'ipc', 'net', 'pid', 'cgroup'].map(name => `--${name}`)
    const first = ['bash', '--norc', '-c', inside, this.plan.name, this.#folder.own, this.plan.name]
    const rest = [this.#controllers.join(' '), this.#lab.kvm ? 'yes' : 'no', this.#lab.qemu ?? '']
    const line = ['unshare', ...namespaces, '--fork', '--kill-child', '--', ...first, ...rest]
    return spawn('sh', ['-c', `set -e\n${enter}\nexec "$@"`, 'power', ...line], {
      cwd: '/',
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      stdio: ['pipe', console, console, 'pipe']
    })
  }

  #daemons(child: ChildProcess, powered: AbortSignal): ReadonlyMap<DaemonName, KeptDaemon> {
    child.stdin!.on('error', () => {}) // it has ended: whoever waits for it says so
    const order = (line: string): void => void child.stdin!.write(`${line}\n`)
    const { log, run } = this.#folder
    return new Map(
      daemonsOf(this.#lab, this.plan).map(line => {
        const after = line.after === undefined ? undefined : join(run, line.after)
        const place = { order, powered, after, logFile: join(log, `${line.name}.log`) }
        return [line.name, new KeptDaemon(line, place)]
      })
    )
  }

  /** The first process ended though nobody cut the power: then it is off all the same. */
  #lost(child: ChildProcess): void {
    if (this.#power?.child !== child) return
    this.#power.watchdog?.[Symbol.dispose]()
    this.#power = undefined
    this.#isPaused = false
    this.#removing = this.#cgroup.remove()
  }

  async #makeWatchdog(): Promise<LabWatchdog | undefined> {
    const { watchdogMs: timeoutMs } = this.#lab
    if (timeoutMs === undefined) return undefined
    const bite = (): void => this.#bitten()
    return await LabWatchdog.open({ folder: this.#folder.watchdog, timeoutMs, bite })
  }

  /** All that runs ends at once, whatever else is being done to the host. */
  #bitten(): void {
    const power = this.#power
    if (!power) return
    this.#bites = { count: this.#bites.count + 1, at: Date.now() }
    kill(power.pid)
    if (this.#isPaused) void this.#cgroup.freeze(false).catch(() => {})
    this.#onBite(this.plan.name, this.#turn)
  }

  get #watchdogStatus(): Pick<HostStatus, 'watchdog'> {
    const { watchdogMs: timeoutMs } = this.#lab
    if (timeoutMs === undefined) return {}
    const { count: bites, at: bittenAt } = this.#bites
    const isActive = this.#power?.watchdog?.isActive ?? false
    return { watchdog: { timeoutMs, isActive, bites, ...(bittenAt && { bittenAt }) } }
  }
}

/** Hears what the first process says, from now on; resolves when it is up. */
async function said(
  child: ChildProcess,
  daemons: ReadonlyMap<DaemonName, KeptDaemon>,
  gone: Promise<void>
): Promise<void> {
  const up = Promise.withResolvers<void>()
  const lines = createInterface({ input: child.stdio[3] as Readable })
  lines.on('line', line => {
    const [word, name, number] = line.split(' ')
    if (word === 'up') up.resolve()
    if (word === 'began') daemons.get(name as DaemonName)?.began(Number(number))
    if (word === 'ended') daemons.get(name as DaemonName)?.gone(Number(number))
  })
  const late = sleep(upMsMax, `it was not up after ${upMsMax} ms`, { ref: false })
  const because = await Promise.race([up.promise, gone.then(() => 'it ended at once'), late])
  if (because !== undefined) throw new Fault('command', because)
}

/** The one process that another has started. */
async function childOf(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return Number(text.trim().split(' ')[0])
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (thrown) {
    if (codeOf(thrown) !== 'ESRCH') throw thrown
  }
}
