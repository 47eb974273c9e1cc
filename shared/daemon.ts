/**
 * Programs that outlive us: name servers must answer on while the agent restarts.
 *
 * The next run of the agent must find again what an earlier one started, and must never signal a
 * process that merely got the same number. So a record beside the configuration says which process
 * it was, when the kernel started it and in which boot; the process counts as ours only when all of
 * this still holds and its arguments are ours. Before the start the record says that one is about
 * to be: should we die before the process id is in it, the process is looked for by its arguments,
 * which name files that only we use.
 */
import fs from 'node:fs/promises'
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault } from './fault.ts'
import { exists } from './files.ts'
import { startDetached } from './process.ts'

/** What is to run. The arguments must name a file that is this daemon's alone. */
export type DaemonSpec = {
  /** For messages, such as: DNS of network default. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** Started by this program, such as nsenter with its options, which becomes the command. */
  readonly prefix?: readonly string[]
  /** Where its process id and start time are written down. */
  readonly recordFile: string
  /** Where its output goes; emptied at each start. */
  readonly logFile: string
  /** The file that it makes once it is ready. */
  readonly readyFile: string
  /** How long it may take to be ready, and to end by itself before it is killed. Unit: ms. */
  readonly readyMsMax?: number
  readonly stopMsMax?: number
}

/** A process that is known to be ours. */
export type Daemon = {
  readonly pid: number
  /** When the kernel started it, in ticks since boot. */
  readonly startTicks: string
  readonly bootId: string
}

const readyMsDefault = 10_000
const pollMs = 5
const stopMsDefault = 2_000

/**
 * Starts it and waits until it is ready. When it ends first, an earlier one of which no record is
 * left may stand in its way: that one is ended, and the start tried once more. Faults: `command`
 * with its last words, `deadline`.
 */
export async function startDaemon(spec: DaemonSpec): Promise<Daemon> {
  const started = await launch(spec)
  if (started) return started
  const stray = await search(spec)
  if (stray) {
    await end(spec, stray)
    const again = await launch(spec)
    if (again) return again
  }
  const text = await fs.readFile(spec.logFile, 'utf8').catch(() => '')
  const said = text.trim().split('\n').slice(-3).join('; ').slice(0, 600)
  throw new Fault('command', `cannot start ${spec.name}: it ended at once: ${said}`)
}

/** Starts it; undefined: it ended before it was ready. */
async function launch(spec: DaemonSpec): Promise<Daemon | undefined> {
  await fs.rm(spec.readyFile, { force: true })
  await fs.writeFile(spec.logFile, '', { mode: 0o600 })
  await writeRecord(spec, 'starting')
  const output = await fs.open(spec.logFile, 'a')
  try {
    const line = [...(spec.prefix ?? []), spec.command, ...spec.args]
    const pid = await startDetached(line[0]!, line.slice(1), output.fd)
    const daemon = await identify(pid)
    if (!daemon) return undefined
    await writeRecord(spec, daemon)
    return (await becameReady(spec, daemon)) ? daemon : undefined
  } finally {
    await output.close()
  }
}

async function becameReady(spec: DaemonSpec, daemon: Daemon): Promise<boolean> {
  const readyMsMax = spec.readyMsMax ?? readyMsDefault
  const until = performance.now() + readyMsMax
  while (!(await exists(spec.readyFile))) {
    if (!(await daemonRuns(daemon))) return false
    if (performance.now() > until) {
      await end(spec, daemon)
      throw new Fault('deadline', `cannot start ${spec.name}: not ready in ${readyMsMax} ms`)
    }
    await sleep(pollMs)
  }
  return true
}

/** Finds what an earlier run of ours started, or undefined when it does not run. */
export async function findDaemon(spec: DaemonSpec): Promise<Daemon | undefined> {
  const record = await readRecord(spec)
  if (record === 'starting') {
    const found = await search(spec)
    if (found) await writeRecord(spec, found)
    return found
  }
  if (!record || !(await daemonRuns(record))) return undefined
  return (await hasArguments(record.pid, spec)) ? record : undefined
}

/** Says whether this very process is still there and no zombie. */
export async function daemonRuns(daemon: Daemon): Promise<boolean> {
  const now = await identify(daemon.pid)
  return now?.startTicks === daemon.startTicks && now.bootId === daemon.bootId
}

/** Sends it a signal; false: it is gone. */
export async function signalDaemon(daemon: Daemon, signal: NodeJS.Signals): Promise<boolean> {
  if (!(await daemonRuns(daemon))) return false
  try {
    return process.kill(daemon.pid, signal)
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ESRCH') return false
    throw thrown
  }
}

/**
 * Ends it if it runs, by force after a while, and forgets it. Where no record is left it is looked
 * for by its arguments.
 */
export async function stopDaemon(spec: DaemonSpec): Promise<void> {
  const isRecorded = (await readRecord(spec)) !== undefined
  const daemon = isRecorded ? await findDaemon(spec) : await search(spec)
  if (daemon) await end(spec, daemon)
  await fs.rm(spec.recordFile, { force: true })
}

async function end(spec: DaemonSpec, daemon: Daemon): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await signalDaemon(daemon, signal)
    if (await gone(daemon, spec.stopMsMax ?? stopMsDefault)) return
  }
  throw new Fault('deadline', `cannot stop ${spec.name}: process ${daemon.pid} does not end`)
}

async function gone(daemon: Daemon, stopMsMax: number): Promise<boolean> {
  const until = performance.now() + stopMsMax
  while (await daemonRuns(daemon)) {
    if (performance.now() > until) return false
    await sleep(2)
  }
  return true
}

/** Looks through all processes for one with our arguments. */
async function search(spec: DaemonSpec): Promise<Daemon | undefined> {
  for (const entry of await fs.readdir('/proc')) {
    if (!/^\d+$/.test(entry) || !(await hasArguments(Number(entry), spec))) continue
    const daemon = await identify(Number(entry))
    if (daemon) return daemon
  }
  return undefined
}

async function hasArguments(pid: number, spec: DaemonSpec): Promise<boolean> {
  const text = await fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
  const [command = '', ...args] = text.split('\0').slice(0, -1)
  return (
    basename(command) === basename(spec.command) &&
    args.length === spec.args.length &&
    args.every((arg, index) => arg === spec.args[index])
  )
}

/** Reads who a process is from proc(5): state is field 3 of stat, the start time field 22. */
async function identify(pid: number): Promise<Daemon | undefined> {
  const stat = await fs.readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  if (stat === undefined) return undefined
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, startTicks] = [fields[0], fields[22 - 3]]
  if (startTicks === undefined || state === 'Z' || state === 'X') return undefined
  return { pid, startTicks, bootId: await readBootId() }
}

let knownBootId: string | undefined

/** The kernel's name for this boot; read once, since it cannot change under our feet. */
async function readBootId(): Promise<string> {
  knownBootId ??= (await fs.readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  return knownBootId
}

async function writeRecord(spec: DaemonSpec, record: Daemon | 'starting'): Promise<void> {
  const temporary = `${spec.recordFile}.new`
  await fs.writeFile(temporary, `${JSON.stringify(record)}\n`, { mode: 0o600 })
  await fs.rename(temporary, spec.recordFile)
}

/** Reads the record; one that cannot be read counts as about to be started. */
async function readRecord(spec: DaemonSpec): Promise<Daemon | 'starting' | undefined> {
  const text = await fs.readFile(spec.recordFile, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  try {
    const { pid, startTicks, bootId } = JSON.parse(text) as Partial<Daemon>
    if (typeof pid === 'number' && startTicks !== undefined && bootId !== undefined) {
      return { pid, startTicks, bootId }
    }
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown
  }
  return 'starting'
}
