/**
 * A PostgreSQL server of a test's own, which the test may kill and start again: Debian's, in a
 * temporary folder, on a Unix socket there, as the user `postgres` since it refuses to run as root.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { runProgram } from '../../tools/check/program.ts'

const releases = '/usr/lib/postgresql'
const startMsMax = 90_000
/** As whom it runs where we are root. */
const unprivileged = ['--reuid=postgres', '--regid=postgres', '--init-groups']

/** The password of the user `remuda`. */
export const postgresPassword = 'correct horse'

/** A server; it ends with the test. */
export class PostgresServer implements AsyncDisposable {
  readonly folder: string
  readonly #programs: string
  /** Its address when it speaks TLS. */
  readonly #address: string | undefined
  #child: ChildProcess | undefined

  private constructor(folder: string, programs: string, address: string | undefined) {
    this.folder = folder
    this.#programs = programs
    this.#address = address
  }

  /** Makes a server with a user `remuda` who may make databases, and starts it. */
  static async start(tls?: {
    readonly address: string
    readonly certificate: string
    readonly key: string
  }): Promise<PostgresServer> {
    const [release] = (await readdir(releases)).toSorted((a, b) => Number(b) - Number(a))
    const folder = await mkdtemp(join(tmpdir(), 'remuda-postgres-'))
    const server = new PostgresServer(folder, join(releases, release!, 'bin'), tls?.address)
    try {
      const password = join(folder, 'password')
      await writeFile(password, postgresPassword)
      const files = [password]
      for (const name of tls ? (['certificate', 'key'] as const) : []) {
        files.push(join(folder, name))
        await writeFile(join(folder, name), await readFile(tls![name]), { mode: 0o600 })
      }
      if (process.getuid?.() === 0) await server.#give(folder, ...files)
      await server.#run('initdb', [
        ...['--pgdata', join(folder, 'db'), '--username', 'remuda', '--pwfile', password],
        ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--locale', 'C', '--no-sync']
      ])
      await server.restart()
      return server
    } catch (thrown) {
      await server[Symbol.asyncDispose]()
      throw thrown
    }
  }

  /** Where a database is, without the password. */
  url(database = 'postgres'): string {
    if (this.#address) return `postgres://remuda@${this.#address}/${database}`
    return `postgres:///${database}?host=${encodeURIComponent(this.folder)}&user=remuda`
  }

  /** Ends all its processes at once, as a power cut would. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (!child?.pid || !isRunning(child)) return
    const exited = once(child, 'exit')
    // Those who serve a connection have groups of their own, and would finish what they do.
    const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
    child.kill('SIGKILL')
    for (const pid of children.split(' ').filter(Boolean)) kill(Number(pid))
    await exited
  }

  /** Starts it, again if need be, and waits until it takes connections. */
  async restart(): Promise<void> {
    await this.kill()
    const settings = [
      ...[
        '-c',
        `listen_addresses=${this.#address ?? ''}`,
        '-c',
        `unix_socket_directories=${this.folder}`
      ],
      ...['-c', 'shared_buffers=16MB', '-c', 'max_connections=200', '-c', 'log_min_messages=fatal']
    ]
    const [certificate, key] = [join(this.folder, 'certificate'), join(this.folder, 'key')]
    const tls = ['-c', 'ssl=on', '-c', `ssl_cert_file=${certificate}`, '-c', `ssl_key_file=${key}`]
    const words = ['-D', join(this.folder, 'db'), ...settings, ...(this.#address ? tls : [])]
    const [program, ...given] = this.#command('postgres', words)
    const until = performance.now() + startMsMax
    do {
      if (performance.now() > until) throw new Error(`PostgreSQL is not up after ${startMsMax} ms`)
      // It gives up while one of those that were killed is not quite gone.
      if (!this.#child || !isRunning(this.#child)) {
        this.#child = spawn(program!, given, { stdio: 'ignore' })
      }
      await sleep(50)
    } while (!(await this.#isReady()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    await rm(this.folder, { recursive: true, force: true })
  }

  async #isReady(): Promise<boolean> {
    const words = ['--quiet', '--host', this.folder, '--timeout', '2']
    const silent = { deadlineMs: 120_000, stdout: () => {}, stderr: () => {} }
    return (await runProgram(join(this.#programs, 'pg_isready'), words, silent)) === 0
  }

  async #run(name: string, given: readonly string[]): Promise<void> {
    const said: string[] = []
    const [program, ...words] = this.#command(name, given)
    const code = await runProgram(program!, words, {
      deadlineMs: startMsMax,
      stdout: line => said.push(line),
      stderr: line => said.push(line)
    })
    if (code !== 0) throw new Error(`${name} has failed: ${said.join('\n')}`)
  }

  #command(name: string, words: readonly string[]): readonly string[] {
    const command = [join(this.#programs, name), ...words]
    // Should the test be killed, the server ends as well.
    const options = ['--pdeathsig=KILL', ...(process.getuid?.() === 0 ? unprivileged : [])]
    return ['setpriv', ...options, ...command]
  }

  async #give(...paths: readonly string[]): Promise<void> {
    const id = async (option: string) => {
      let said = ''
      await runProgram('id', [option, 'postgres'], {
        deadlineMs: 120_000,
        stdout: line => {
          said += line
        },
        stderr: () => {}
      })
      return Number(said)
    }
    const [user, group] = [await id('-u'), await id('-g')]
    for (const path of paths) await chown(path, user, group)
  }
}

const isRunning = (child: ChildProcess): boolean =>
  child.exitCode === null && child.signalCode === null

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended by itself.
  }
}
