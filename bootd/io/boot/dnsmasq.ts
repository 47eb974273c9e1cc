/**
 * dnsmasq under our care: started with a configuration, started again when that has changed or when
 * it has ended by itself, with a growing pause. It is never sent SIGHUP, which crashes 2.90 as soon
 * as a tagged host has a lease; a start takes a moment, and clients ask again.
 */
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '#shared/clock.ts'
import { type DaemonSpec, stopDaemon } from '#shared/daemon.ts'
import { Fault, sentence } from '#shared/fault.ts'
import { exists } from '#shared/files.ts'
import type { Log } from '#shared/log.ts'
import { startWatched, type Watched } from '#shared/process.ts'
import type { Ms } from '#shared/units.ts'
import {
  type Addressed,
  type DnsmasqWord,
  type OpenTransactions,
  readDnsmasqLine,
  readDnsmasqWord,
  type Sent
} from '../../core/dnsmasq-log.ts'
import { publish } from './publish.ts'

/** Pauses before it is started again: the first, and the longest. Unit: ms. */
const [pauseMsMin, pauseMsMax]: readonly [Ms, Ms] = [500, 30_000]
/** Who ran so long has not failed at its start. Unit: ms. */
const steadyMs: Ms = 30_000
const [readyMsMax, lookMs, endMsMax]: readonly [Ms, Ms, Ms] = [10_000, 20, 3_000]

/** What it works with. */
export type DnsmasqOptions = {
  /** Where its files are, which it may read without rights. */
  readonly folder: string
  readonly clock: Clock
  readonly log: Log
  /** Told when a machine's firmware has got an address. */
  readonly onAddressed: (addressed: Addressed) => void
  /** Told when a file was sent over TFTP. */
  readonly onSent: (sent: Sent) => void
  /** Told what it says of how it fares. */
  readonly onWord: (word: DnsmasqWord) => void
  /** Told why it does not run, and when it does. */
  readonly onProblem: (problem: string | undefined) => void
}

/** Runs dnsmasq until it is disposed of. */
export class Dnsmasq implements AsyncDisposable {
  readonly #options: DnsmasqOptions
  readonly #closing = new AbortController()
  readonly #loop: Promise<void>
  #running: Watched | undefined

  private constructor(options: DnsmasqOptions) {
    this.#options = options
    this.#loop = this.#keep()
  }

  /** Starts it with this configuration. */
  static async start(options: DnsmasqOptions, configuration: string): Promise<Dnsmasq> {
    await mkdir(options.folder, { recursive: true, mode: 0o755 })
    await publish(confOf(options.folder), configuration)
    // One of an earlier run may be there: it gave up its rights, so that our end was not its own.
    await stopDaemon(specOf(options.folder))
    return new Dnsmasq(options)
  }

  async #keep(): Promise<void> {
    const { clock, log, onProblem } = this.#options
    const { signal } = this.#closing
    let pauseMs = pauseMsMin
    while (!signal.aborted) {
      const startedAt = clock.monotonic()
      let because: string
      try {
        because = await this.#runOnce()
      } catch (thrown) {
        because = sentence(thrown)
      }
      if (signal.aborted) return
      pauseMs =
        clock.monotonic() - startedAt > steadyMs ? pauseMsMin : Math.min(pauseMs * 2, pauseMsMax)
      log.warn('dnsmasq of network boot has ended: it is started again', { because, pauseMs })
      onProblem(`dnsmasq does not run: ${because}`.slice(0, 512))
      await clock.sleep(pauseMs, signal).catch(() => undefined)
    }
  }

  async #runOnce(): Promise<string> {
    const { folder, log, onProblem, onAddressed, onSent, onWord } = this.#options
    await rm(readyFileOf(folder), { force: true })
    const spec = specOf(folder)
    let open: OpenTransactions = new Map()
    const child = await startWatched(spec.command, spec.args, line => {
      const read = readDnsmasqLine(open, line)
      open = read.open
      if (read.addressed) onAddressed(read.addressed)
      if (read.sent) onSent(read.sent)
      const word = readDnsmasqWord(line)
      if (word) onWord(word)
    })
    this.#running = child
    try {
      if (this.#closing.signal.aborted) child.end('SIGKILL')
      const ended = child.ended.then(how => ({ how }))
      const first = await Promise.race([ended, this.#ready(child)])
      if (first === 'ready') {
        log.info('dnsmasq of network boot runs', { pid: child.pid })
        onProblem(undefined)
      }
      return (await ended).how
    } finally {
      child.end('SIGKILL')
      this.#running = undefined
    }
  }

  async #ready(child: Watched): Promise<'ready' | 'closed'> {
    const { clock, folder } = this.#options
    const until = clock.monotonic() + readyMsMax
    while (!(await exists(readyFileOf(folder)))) {
      if (clock.monotonic() > until) {
        child.end('SIGKILL')
        throw new Fault('deadline', `cannot start dnsmasq: not ready in ${readyMsMax} ms`)
      }
      await clock.sleep(lookMs, this.#closing.signal).catch(() => undefined)
      if (this.#closing.signal.aborted) return 'closed'
    }
    return 'ready'
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    const child = this.#running
    child?.end('SIGTERM')
    const late = setTimeout(() => child?.end('SIGKILL'), endMsMax)
    await this.#loop
    clearTimeout(late)
  }
}

const confOf = (folder: string): string => join(folder, 'dnsmasq.conf')

/** The file that dnsmasq makes once it is ready. */
export const readyFileOf = (folder: string): string => join(folder, 'dnsmasq.pid')

const specOf = (folder: string): DaemonSpec => ({
  name: 'DHCP and TFTP of network boot',
  command: 'dnsmasq',
  args: ['--keep-in-foreground', `--conf-file=${confOf(folder)}`],
  recordFile: join(folder, 'dnsmasq.record'),
  logFile: join(folder, 'dnsmasq.log'),
  readyFile: readyFileOf(folder)
})
