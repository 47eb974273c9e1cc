/**
 * The watchdog of a lab's host: hardware of its own, since it stands outside of all that the host
 * is made of. To the host it looks as the kernel shows a real one: fields in a folder, which say
 * what it is, and a device, here a FIFO, to which whoever has it open writes. The first write
 * starts it. From then on nothing stops it but the end of the host's power: no close, and not the
 * "V" that stops others. Where it is not written to for its time, it bites.
 *
 * The keeper may be late itself: before it bites, it reads whatever was written in time.
 */
import { constants, openSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { Socket } from 'node:net'
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
  readonly #device: Socket
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
    const fd = openSync(given.device, constants.O_RDWR | constants.O_NONBLOCK)
    this.#device = new Socket({ fd, readable: true, writable: false })
    this.#device.on('data', () => this.#pet())
    this.#device.on('error', () => {})
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

  #pet(): void {
    if (this.#isOver) return
    if (!this.isActive) void writeFile(this.#state, 'active\n').catch(() => {})
    this.#petAt = performance.now()
    this.#timer ??= this.#wait(this.#timeoutMs)
  }

  #wait(ms: Ms): NodeJS.Timeout {
    // What stands in the FIFO is read between a timer and what is set to follow at once.
    return setTimeout(() => setImmediate(() => this.#judge()), ms)
  }

  #judge(): void {
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
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#device.destroy()
  }
}
