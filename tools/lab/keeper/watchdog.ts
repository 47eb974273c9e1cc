/**
 * The watchdog of a lab's host: hardware of its own, since it stands outside of all that the host
 * is made of. To the host it looks as the kernel shows a real one: fields in a folder, which say
 * what it is, and a device, here a FIFO, to which whoever has it open writes. The first write
 * starts it. From then on nothing stops it but the end of the host's power: no close, and not the
 * "V" that stops others. Where it is not written to for its time, it bites.
 *
 * The keeper may be late itself: before it bites, it reads whatever was written in time.
 */
import { closeSync, constants, type FSWatcher, openSync, readSync, watch } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '#shared/process.ts'
import type { Ms } from '#shared/units.ts'

/** What it calls itself: nobody shall take it for a machine's own. */
export const labWatchdogIdentity = 'lab watchdog'

const deadlineMs = 10_000

/** One of a host, from its power coming on until it is disposed of. */
export class LabWatchdog implements Disposable {
  readonly #timeoutMs: Ms
  readonly #bite: () => void
  readonly #state: string
  readonly #device: number
  readonly #writes: FSWatcher
  readonly #written = Buffer.alloc(4_096)
  #timer: NodeJS.Timeout | undefined
  #petAt: Ms | undefined
  #isOver = false

  private constructor(given: {
    readonly timeoutMs: Ms
    readonly bite: () => void
    readonly state: string
    readonly device: string
  }) {
    this.#timeoutMs = given.timeoutMs
    this.#bite = given.bite
    this.#state = given.state
    // Open for both, there is always a writer: it has no end when the host closes it.
    this.#device = openSync(given.device, constants.O_RDWR | constants.O_NONBLOCK)
    // Not read as a socket: a thread whose files are closed at its end would close it twice then.
    this.#writes = watch(given.device, () => this.#read())
    this.#writes.on('error', () => {})
  }

  /** Makes one anew that nobody has started yet. It calls back once, when it bites. */
  static async open(given: {
    readonly folder: string
    readonly timeoutMs: Ms
    readonly bite: () => void
  }): Promise<LabWatchdog> {
    const { folder, timeoutMs, bite } = given
    await rm(folder, { recursive: true, force: true })
    const fields = join(folder, 'sys/class/watchdog/watchdog0')
    const device = join(folder, 'dev/watchdog0')
    await mkdir(fields, { recursive: true })
    await mkdir(join(folder, 'dev'), { recursive: true })
    const say = (field: string, text: string): Promise<void> =>
      writeFile(join(fields, field), `${text}\n`)
    await say('identity', labWatchdogIdentity)
    await say('timeout', String(timeoutMs / 1_000))
    await say('nowayout', '0')
    await say('state', 'inactive')
    await run('mkfifo', ['-m', '600', device], { deadlineMs })
    return new LabWatchdog({ timeoutMs, bite, state: join(fields, 'state'), device })
  }

  /** Whether it counts down. */
  get isActive(): boolean {
    return this.#petAt !== undefined
  }

  /** Reads what was written, all of it; where nothing was, that is told as a fault. */
  #read(): void {
    if (this.#isOver) return
    try {
      while (readSync(this.#device, this.#written) > 0) this.#pet()
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EAGAIN') throw thrown
    }
  }

  #pet(): void {
    if (!this.isActive) void writeFile(this.#state, 'active\n').catch(() => {})
    this.#petAt = performance.now()
    this.#timer ??= this.#wait(this.#timeoutMs)
  }

  #wait(ms: Ms): NodeJS.Timeout {
    return setTimeout(() => this.#judge(), ms)
  }

  #judge(): void {
    this.#read()
    if (this.#isOver) return
    const leftMs = this.#petAt! + this.#timeoutMs - performance.now()
    if (leftMs > 0) {
      this.#timer = this.#wait(Math.ceil(leftMs))
      return
    }
    this[Symbol.dispose]()
    this.#bite()
  }

  /** The power is gone: it counts no more. */
  [Symbol.dispose](): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#writes.close()
    closeSync(this.#device)
  }
}
