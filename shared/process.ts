/**
 * The one module that runs programs.
 *
 * A program is given its arguments as a list, never through a shell, so that no name or path can
 * become a command. It gets a minimal environment and the C locale, so that its output does not
 * depend on who started us. It leads a process group of its own, so that when its time is up, or
 * nobody wants the answer any more, all that it started ends with it; and the kernel ends it when
 * we die, so that no orphan works on behind the back of our successor.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { Fault } from './fault.ts'

/** How long a program may run, what it reads, and what counts as its success. */
export type RunOptions = {
  /** What it reads on its standard input; nothing when left out. */
  readonly input?: string | Uint8Array
  /** Variables beside the few that each program gets; only root and its own user can see them. */
  readonly environment?: Readonly<Record<string, string>>
  /** When this long has passed, its process group is killed. */
  readonly deadlineMs: number
  readonly signal?: AbortSignal | undefined
  /** It is killed when it writes more than this. */
  readonly outputBytesMax?: number
  /** Exit codes that are no failure; 0 alone when left out. */
  readonly exitCodes?: readonly number[]
}

/** What a program wrote before it ended well. */
export type Output = { readonly stdout: string; readonly stderr: string }

/**
 * Runs a program to its end. Faults: `command` (not installed, exit code that is a failure, too
 * much output), `deadline`, `aborted`. Secrets belong into `input` or `environment`: arguments are
 * visible to all and stand in the Fault's sentence.
 */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions
): Promise<Output> {
  const what = describe(command, args)
  if (options.signal?.aborted) throw aborted(what, options.signal)
  const child = startBound(programPath(command), args, options.environment)
  const ended = new Promise<Ending>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  const cut = new Cut(child, what, options)
  try {
    child.stdin?.on('error', () => {})
    child.stdin?.end(options.input)
    const stdout = collect(child.stdout!, cut)
    const stderr = collect(child.stderr!, cut)
    const ending = await Promise.race([ended, cut.unreaped])
    if (cut.fault) throw cut.fault
    if (!(options.exitCodes ?? [0]).includes(ending.code ?? -1))
      throw failed(what, ending, stderr.text())
    return { stdout: stdout.text(), stderr: stderr.text() }
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown
    throw new Fault('command', `cannot run ${what}: it did not start`, { cause: thrown })
  } finally {
    cut[Symbol.dispose]()
  }
}

type Ending = { readonly code: number | null; readonly signal: NodeJS.Signals | null }

const outputBytesMaxDefault = 16 * 1024 * 1024
/** How long a killed program may take to go before we stop waiting for it. */
const reapMsMax = 2_000

/** Ends a program before its own end, once, for the first of several reasons. */
class Cut {
  /** Why it was cut; undefined: it was not. */
  fault: Fault | undefined
  /** Rejects when a killed program does not go. */
  readonly unreaped: Promise<never>
  readonly #child: ChildProcess
  readonly #what: string
  readonly #options: RunOptions
  readonly #timer: NodeJS.Timeout
  #reaper: NodeJS.Timeout | undefined
  #giveUp: (fault: Fault) => void = () => {}
  #bytes = 0

  constructor(child: ChildProcess, what: string, options: RunOptions) {
    this.#child = child
    this.#what = what
    this.#options = options
    this.unreaped = new Promise((_, reject) => {
      this.#giveUp = reject
    })
    this.#timer = setTimeout(this.#late, options.deadlineMs)
    options.signal?.addEventListener('abort', this.#abort)
  }

  /** Counts output and cuts where it is too much. */
  count(bytes: number): void {
    this.#bytes += bytes
    const limit = this.#options.outputBytesMax ?? outputBytesMaxDefault
    if (this.#bytes <= limit) return
    this.#end(new Fault('command', `cannot run ${this.#what}: it wrote more than ${limit} bytes`))
  }

  readonly #late = () =>
    this.#end(
      new Fault('deadline', `cannot run ${this.#what}: not done in ${this.#options.deadlineMs} ms`)
    )

  readonly #abort = () => this.#end(aborted(this.#what, this.#options.signal!))

  #end(fault: Fault): void {
    if (this.fault) return
    this.fault = fault
    this.#reaper = setTimeout(() => this.#giveUp(fault), reapMsMax)
    killGroup(this.#child.pid)
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#reaper)
    this.#options.signal?.removeEventListener('abort', this.#abort)
  }
}

function collect(stream: NodeJS.ReadableStream, cut: Cut): { readonly text: () => string } {
  const chunks: Buffer[] = []
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    cut.count(chunk.length)
  })
  return { text: () => Buffer.concat(chunks).toString('utf8') }
}

/**
 * Starts a program that outlives us: in a session of its own, with its output appended to an open
 * file. The caller watches over it; see daemon.ts. Gives its process id.
 */
export async function startDetached(
  command: string,
  args: readonly string[],
  outputDescriptor: number
): Promise<number> {
  const what = describe(command, args)
  const child = spawn(programPath(command), args, {
    cwd: '/',
    env: environment,
    detached: true,
    stdio: ['ignore', outputDescriptor, outputDescriptor]
  })
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', cause => {
      reject(new Fault('command', `cannot run ${what}: it did not start`, { cause }))
    })
  })
  child.on('error', () => {})
  child.unref()
  return child.pid!
}

/** A program that runs as long as we want it to. */
export type Watched = {
  readonly pid: number
  /** How it has ended, such as exit code 2, with its last words. */
  readonly ended: Promise<string>
  /** Ends it, and all that it started. */
  readonly end: (signal: 'SIGTERM' | 'SIGKILL') => void
}

/**
 * Starts a program that we watch and that ends with us; each line that it writes is told. Fault
 * `command`: it did not start.
 */
export async function startWatched(
  command: string,
  args: readonly string[],
  onLine: (line: string) => void
): Promise<Watched> {
  const child = await begun(command, args)
  child.stdin?.end()
  const last: string[] = []
  for (const stream of [child.stdout!, child.stderr!]) {
    eachLine(stream, line => {
      last.push(line)
      if (last.length > stderrLinesMax) last.shift()
      onLine(line)
    })
  }
  const ended = new Promise<string>(resolve => {
    child.once('close', (code, signal) => {
      const how = code === null ? `killed by ${signal}` : `exit code ${code}`
      resolve([how, ...last].join('; ').slice(0, stderrCharsMax))
    })
  })
  return { pid: child.pid!, ended, end: signal => killGroup(child.pid, signal) }
}

/** A program with which we talk for as long as we want to. */
export type Piped = Watched & {
  /** Passes input on; resolves once the program has room for more, or has ended. */
  readonly write: (bytes: Uint8Array) => Promise<void>
}

/**
 * Starts a program that ends with us, and tells what it writes as it comes, on either stream.
 * Secrets belong into `environment`. Fault `command`: it did not start.
 */
export async function startPiped(
  command: string,
  args: readonly string[],
  given: {
    readonly environment?: Readonly<Record<string, string>>
    readonly onBytes: (bytes: Uint8Array) => void
  }
): Promise<Piped> {
  const child = await begun(command, args, given.environment)
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', given.onBytes)
  const ended = new Promise<string>(resolve => {
    child.once('close', (code, signal) => {
      resolve(code === null ? `killed by ${signal}` : `exit code ${code}`)
    })
  })
  return {
    ...{ pid: child.pid!, ended, end: signal => killGroup(child.pid, signal) },
    write: bytes => new Promise(resolve => child.stdin!.write(bytes, () => resolve()))
  }
}

async function begun(
  command: string,
  args: readonly string[],
  added?: Readonly<Record<string, string>>
): Promise<ChildProcess> {
  const child = startBound(programPath(command), args, added)
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', cause => {
      const what = describe(command, args)
      reject(new Fault('command', `cannot run ${what}: it did not start`, { cause }))
    })
  })
  child.on('error', () => {})
  child.stdin?.on('error', () => {})
  return child
}

/** No line is longer; the rest of one that is counts as the next. */
const lineCharsMax = 4_096

function eachLine(stream: NodeJS.ReadableStream, tell: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = (lines.pop() ?? '').slice(-lineCharsMax)
    for (const line of lines) tell(line.slice(0, lineCharsMax))
  })
  stream.on('end', () => {
    if (rest !== '') tell(rest)
  })
}

/** Says whether a program is installed. */
export function isInstalled(command: string): boolean {
  return findProgram(command) !== undefined
}

const directories = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
const environment = { PATH: directories.join(':'), LC_ALL: 'C' } as const

/** Has the kernel kill the program when the thread that started it ends. */
const binder = '/usr/bin/setpriv'

function startBound(
  path: string,
  args: readonly string[],
  added: Readonly<Record<string, string>> = {}
): ChildProcess {
  const bound = existsSync(binder)
  return spawn(bound ? binder : path, bound ? ['--pdeathsig', 'KILL', path, ...args] : args, {
    cwd: '/',
    env: { ...environment, ...added },
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe']
  })
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals = 'SIGKILL'): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ESRCH') throw thrown
  }
}

const found = new Map<string, string>()

function findProgram(command: string): string | undefined {
  const known = found.get(command)
  if (known !== undefined) return known
  const candidates = command.includes('/')
    ? [command]
    : directories.map(directory => `${directory}/${command}`)
  const path = candidates.find(isExecutable)
  if (path !== undefined) found.set(command, path)
  return path
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Debian's package of each program that we run. */
const packageOf: Readonly<Record<string, string>> = {
  bridge: 'iproute2',
  busybox: 'busybox-static',
  cp: 'coreutils',
  dnsmasq: 'dnsmasq-base',
  ip: 'iproute2',
  ipmitool: 'ipmitool',
  lvm: 'lvm2',
  nft: 'nftables',
  nsenter: 'util-linux',
  'qemu-img': 'qemu-utils',
  rm: 'coreutils',
  script: 'bsdutils',
  sync: 'coreutils',
  tar: 'tar',
  xorriso: 'xorriso',
  zstd: 'zstd'
}

function programPath(command: string): string {
  const path = findProgram(command)
  if (path !== undefined) return path
  const next = packageOf[command]
  throw new Fault('command', `cannot run ${command}: it is not installed`, {
    reasons: [`it is in none of ${directories.join(', ')}`],
    next: next === undefined ? [] : [`apt-get install ${next}`]
  })
}

const describedCharsMax = 160

function describe(command: string, args: readonly string[]): string {
  const text = [command, ...args].join(' ').replaceAll(/\s+/g, ' ')
  return text.length <= describedCharsMax ? text : `${text.slice(0, describedCharsMax)}…`
}

const stderrLinesMax = 3
const stderrCharsMax = 600

function failed(what: string, ending: Ending, stderr: string): Fault {
  const how = ending.code === null ? `killed by ${ending.signal}` : `exit code ${ending.code}`
  const lines = stderr.trim().split('\n').slice(-stderrLinesMax).join('; ')
  const said = lines.slice(0, stderrCharsMax)
  return new Fault('command', `cannot run ${what}: ${how}${said === '' ? '' : `: ${said}`}`)
}

const aborted = (what: string, signal: AbortSignal): Fault =>
  new Fault('aborted', `cannot run ${what}: given up`, { cause: signal.reason })
