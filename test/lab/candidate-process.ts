/** A candidate as a program of its own, started again when it ends as its supervisor would do. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Answered, type Asked, ask } from '../world/world-controller.ts'

const mainFile = join(import.meta.dirname, '../../controller/main.ts')

/** One candidate with its state folder and all that it has logged. */
export class CandidateProcess implements AsyncDisposable {
  readonly name: string
  readonly state: string
  /** Exit codes of all its runs so far; a signal's name where that has ended it. */
  readonly ends: (number | string)[] = []
  readonly log: string[] = []
  readonly #args: readonly string[]
  #child: ChildProcess | undefined
  #isKept = true

  private constructor(name: string, state: string, args: readonly string[]) {
    this.name = name
    this.state = state
    this.#args = args
  }

  static async start(given: {
    readonly name: string
    /** Where it stands for election; left out, it is alone. */
    readonly ensemble?: {
      readonly servers: readonly string[]
      readonly secret: string
      readonly sessionMs: number
    }
    /** Where its journal is; in the ensemble if left out. */
    readonly postgres?: { readonly url: string; readonly password: string }
    /** What is run; from the sources if left out. */
    readonly program?: string
    /** All that its own values may take; left out: as much as Node.js gives it. */
    readonly heapMib?: number
  }): Promise<CandidateProcess> {
    const state = await mkdtemp(join(tmpdir(), `remuda-${given.name}-`))
    const { name, ensemble, postgres, program = mainFile } = given
    const limits = given.heapMib === undefined ? [] : [`--max-old-space-size=${given.heapMib}`]
    const args = [
      ...limits,
      program,
      '--state',
      state,
      '--name',
      name,
      '--api-port',
      '0',
      '--door-port',
      '0'
    ]
    args.push('--journal', postgres ? 'postgres' : 'zookeeper')
    const keep = async (file: string, secret: string): Promise<string> => {
      const path = join(state, file)
      await writeFile(path, `${secret}\n`, { mode: 0o600 })
      return path
    }
    if (ensemble) {
      const { servers, sessionMs } = ensemble
      const path = await keep('ensemble.secret', ensemble.secret)
      args.push('--ensemble', servers.join(','), '--ensemble-secret-file', path)
      args.push('--session-ms', String(sessionMs))
    }
    if (postgres) {
      const path = await keep('postgres.password', postgres.password)
      args.push('--postgres', postgres.url, '--postgres-password-file', path)
    }
    const candidate = new CandidateProcess(name, state, args)
    candidate.#run()
    return candidate
  }

  #run(): void {
    const child = spawn(process.execPath, this.#args, {
      stdio: ['ignore', 'pipe', 'pipe']
    })
    this.#child = child
    const file = createWriteStream(join(this.state, 'log'), { flags: 'a' })
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (bytes: Buffer) => {
        file.write(bytes)
        this.log.push(...bytes.toString().split('\n').filter(Boolean))
      })
    }
    child.once('exit', (code, signal) => {
      file.end()
      this.ends.push(code ?? signal ?? '')
      if (code === rivalCode) return
      if (this.#isKept) setTimeout(() => this.#isKept && this.#run(), 200)
    })
  }

  /** Number of the running process. */
  get pid(): number | undefined {
    return this.#child?.pid
  }
  /** Sends the running program a signal. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal)
  }

  /** Asks as admin through its control socket; undefined: it does not answer. */
  async ask(asked: Asked): Promise<Answered | undefined> {
    const socketPath = join(this.state, 'run', 'admin.sock')
    return await ask({ socketPath }, asked).catch(() => undefined)
  }

  /** What it says of the cluster. */
  async cluster(): Promise<ClusterSaid | undefined> {
    const answer = await this.ask({ path: '/v1/cluster' })
    return answer?.status === 200 ? (JSON.parse(answer.text) as ClusterSaid) : undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isKept = false
    const child = this.#child
    if (child && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise(resolve => child.once('exit', resolve))
      child.kill('SIGCONT')
      child.kill('SIGKILL')
      await ended
    }
    await rm(this.state, { recursive: true, force: true })
  }
}

/** Of one that must not be started again; see docs/operations.md. */
export const rivalCode = 78

export type ClusterSaid = {
  readonly name: string
  readonly state: string
  readonly because: string
  readonly epoch: number
  readonly position: number
  readonly leader?: { readonly name: string }
  readonly session?: { readonly server?: string; readonly leaseLeftMs?: number }
  readonly candidates: readonly {
    readonly name: string
    readonly leads: boolean
    readonly lag: number
    readonly position: number
  }[]
}
