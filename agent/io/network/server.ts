/**
 * One dnsmasq process and the files that it reads.
 *
 * It keeps running while the agent restarts. So that the next run knows what the process has read,
 * a note beside the files says so by hash: it is written after the process was told, and where it
 * does not match, the process is told again. A process that has all its files as they should be is
 * not touched.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs/promises'
import { join } from 'node:path'
import {
  type Daemon,
  type DaemonSpec,
  daemonRuns,
  findDaemon,
  signalDaemon,
  startDaemon,
  stopDaemon
} from '#shared/daemon.ts'
import { Fault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'

/** What the process shall know. */
export type ServerFiles = {
  /** Read at the start alone. */
  readonly conf: string
  /** Read at the start and on SIGHUP, by file name. */
  readonly tables: Readonly<Record<string, string>>
}

/** Which of a network's two servers it is, and how it takes in changed files. */
export type ServerOptions = {
  /** For messages, such as: DNS of network default. */
  readonly name: string
  readonly folder: string
  /** First part of its files' names: dhcp, dns. */
  readonly role: string
  readonly prefix: readonly string[]
  /** Says whether the process may be told of a table's change by SIGHUP; if not, it starts anew. */
  readonly reloads: (before: string, after: string) => boolean
  readonly log: Log
}

/** Its log is cut when it is longer. */
const logBytesMax = 1024 * 1024
/** So many turns of revival pass at most between two attempts. */
const turnsToPassMax = 30

/** Holds no process of its own: one that runs when the agent ends is found again by the next. */
export class Server {
  readonly #options: ServerOptions
  readonly #spec: DaemonSpec
  #daemon: Daemon | undefined
  #files: ServerFiles | undefined
  #attempts = 0
  #turnsToPass = 0
  #isStopped = false

  constructor(options: ServerOptions) {
    const { folder, role, name, prefix } = options
    this.#options = options
    this.#spec = {
      name,
      prefix,
      command: 'dnsmasq',
      args: ['--keep-in-foreground', `--conf-file=${join(folder, `${role}.conf`)}`],
      recordFile: join(folder, `${role}.process`),
      logFile: join(folder, `${role}.log`),
      readyFile: join(folder, `${role}.ready`)
    }
  }

  /** Has a process run that knows these files. Fault `network`. */
  async serve(files: ServerFiles): Promise<void> {
    this.#files = files
    this.#isStopped = false
    try {
      this.#daemon ??= await findDaemon(this.#spec)
      if (this.#daemon && !(await daemonRuns(this.#daemon))) this.#daemon = undefined
      const known = await this.#readNote()
      if (this.#daemon && known === noteOf(files)) return
      if (this.#daemon && known !== undefined && (await this.#maySignal(files, known))) {
        await this.#write(files)
        if (await signalDaemon(this.#daemon, 'SIGHUP')) return await this.#note(files)
      }
      await this.#start(files)
    } catch (cause) {
      throw new Fault('network', `cannot run ${this.#options.name}`, { cause })
    }
  }

  /**
   * Starts it again if it has ended, and at each failure lets twice as many turns pass before the
   * next attempt. Never fails: what went wrong is logged.
   */
  async revive(): Promise<void> {
    if (!this.#files || (this.#daemon && (await daemonRuns(this.#daemon)))) return this.#cutLog()
    if (this.#turnsToPass > 0) {
      this.#turnsToPass -= 1
      return
    }
    const { name, log } = this.#options
    log.warn(`${name} has ended by itself: it is started again`, { pid: this.#daemon?.pid })
    try {
      await this.serve(this.#files)
      this.#attempts = 0
    } catch (thrown) {
      this.#attempts += 1
      this.#turnsToPass = Math.min(2 ** this.#attempts, turnsToPassMax)
      log.warn(`${name} does not start`, { because: sentence(thrown), attempts: this.#attempts })
    }
  }

  /** Ends it, unless it was ended already. */
  async stop(): Promise<void> {
    if (this.#isStopped) return
    this.#files = undefined
    this.#daemon = undefined
    await stopDaemon(this.#spec)
    this.#isStopped = true
  }

  async #start(files: ServerFiles): Promise<void> {
    await stopDaemon(this.#spec)
    await fs.rm(this.#path('known'), { force: true })
    await this.#write(files)
    this.#daemon = await startDaemon(this.#spec)
    await this.#note(files)
    this.#options.log.info(`${this.#options.name} runs`, { pid: this.#daemon.pid })
  }

  /** Whether the files on disk are what it knows, and the new ones need no new process. */
  async #maySignal(files: ServerFiles, known: string): Promise<boolean> {
    const before = await this.#read(files)
    if (noteOf(before) !== known || before.conf !== files.conf) return false
    return Object.entries(files.tables).every(([name, after]) =>
      this.#options.reloads(before.tables[name] ?? '', after)
    )
  }

  async #read(like: ServerFiles): Promise<ServerFiles> {
    const read = (name: string) => fs.readFile(this.#path(name), 'utf8').catch(() => '')
    const tables = Object.keys(like.tables).map(async name => [name, await read(name)] as const)
    return { conf: await read('conf'), tables: Object.fromEntries(await Promise.all(tables)) }
  }

  /** dnsmasq has dropped its privileges when it reads them again, so everybody may read them. */
  async #write(files: ServerFiles): Promise<void> {
    for (const [name, content] of Object.entries({ ...files.tables, conf: files.conf })) {
      const path = this.#path(name)
      if ((await fs.readFile(path, 'utf8').catch(() => undefined)) === content) continue
      await fs.writeFile(`${path}.new`, content, { mode: 0o644 })
      await fs.rename(`${path}.new`, path)
    }
  }

  async #readNote(): Promise<string | undefined> {
    return fs.readFile(this.#path('known'), 'utf8').catch(() => undefined)
  }

  async #note(files: ServerFiles): Promise<void> {
    await fs.writeFile(this.#path('known'), noteOf(files), { mode: 0o600 })
  }

  async #cutLog(): Promise<void> {
    const { size } = await fs.stat(this.#spec.logFile).catch(() => ({ size: 0 }))
    if (size > logBytesMax) await fs.truncate(this.#spec.logFile)
  }

  #path(name: string): string {
    return join(this.#options.folder, `${this.#options.role}.${name}`)
  }
}

const noteOf = ({ conf, tables }: ServerFiles): string => {
  const parts = [conf, ...Object.entries(tables).flat()]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}
