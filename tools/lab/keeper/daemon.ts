/**
 * One daemon of a host, kept running while it is wanted. Starting and ending go through the host's
 * first process; this only decides when.
 */
import { rename, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { exists } from '#shared/files.ts'
import type { DaemonStatus } from '../protocol.ts'
import type { DaemonLine } from './daemons.ts'
import { quoteAll } from './inside.ts'
import { afterEnd, noRestarts } from './restarts.ts'

/** Between two looks for what a daemon needs. Unit: ms. */
const lookMs = 20
/** A log that is longer is put aside at the next start. Unit: bytes. */
const logBytesMax = 64 * 1024 * 1024

/** What a daemon is kept by. */
export type DaemonPlace = {
  /** Gives a line to the first process of the host. */
  readonly order: (line: string) => void
  /** Where its log goes, and what must be there before it starts, seen from outside. */
  readonly logFile: string
  readonly after: string | undefined
  /** Aborted when the host's power goes. */
  readonly powered: AbortSignal
}

/** A daemon between the power coming on and going. */
export class KeptDaemon {
  readonly line: DaemonLine
  readonly #place: DaemonPlace
  #wanted = false
  #isPaused = false
  #isBusy = false
  #pid: number | undefined
  #starts = 0
  #lastCode: number | undefined
  #beganAt = 0
  #restarts = noRestarts
  #ended = Promise.withResolvers<void>()

  constructor(line: DaemonLine, place: DaemonPlace) {
    this.line = line
    this.#place = place
  }

  get status(): DaemonStatus {
    const running = this.#isPaused ? 'paused' : 'running'
    return {
      name: this.line.name,
      state: this.#pid !== undefined ? running : this.#wanted ? 'waiting' : 'stopped',
      ...(this.#pid !== undefined && { pid: this.#pid }),
      starts: this.#starts,
      ...(this.#lastCode !== undefined && { lastCode: this.#lastCode })
    }
  }

  /** Wants it to run, from now on and whenever it ends. */
  start(): void {
    this.#wanted = true
    void this.#launch(0)
  }

  /** Ends it by a signal; where it is not wanted any more, it stays ended. */
  async end(signal: 'TERM' | 'KILL', isWanted: boolean): Promise<void> {
    this.#wanted = isWanted
    if (this.#pid === undefined) return
    const { promise } = this.#ended
    this.#place.order(`signal ${signal} ${this.#pid}`)
    // One that was stopped where it stands hears no signal but the one that kills.
    if (this.#isPaused) this.#place.order(`signal CONT ${this.#pid}`)
    await promise
  }

  /** Stops it where it stands, or lets it go on. */
  pause(isPaused: boolean): boolean {
    if (this.#pid === undefined) return false
    this.#isPaused = isPaused
    this.#place.order(`signal ${isPaused ? 'STOP' : 'CONT'} ${this.#pid}`)
    return true
  }

  /** Takes in that it runs. */
  began(pid: number): void {
    this.#pid = pid
    this.#beganAt = performance.now()
    this.#isBusy = false
    this.#ended = Promise.withResolvers<void>()
  }

  /** Takes in that it has ended. */
  gone(code: number): void {
    this.#pid = undefined
    this.#isPaused = false
    this.#lastCode = code
    this.#restarts = afterEnd(this.#restarts, { code, ranMs: performance.now() - this.#beganAt })
    this.#ended.resolve()
    if (this.#wanted) void this.#launch(this.#restarts.waitMs)
  }

  async #launch(waitMs: number): Promise<void> {
    if (this.#isBusy || this.#pid !== undefined) return
    this.#isBusy = true
    const { powered, after, logFile, order } = this.#place
    try {
      await sleep(waitMs, undefined, { signal: powered })
      while (after !== undefined && !(await exists(after))) {
        await sleep(lookMs, undefined, { signal: powered })
      }
    } catch {
      return // the power went
    }
    if (powered.aborted || !this.#wanted) {
      this.#isBusy = false
      return
    }
    const { size } = await stat(logFile).catch(() => ({ size: 0 }))
    if (size > logBytesMax) await rename(logFile, `${logFile}.1`)
    this.#starts += 1
    order(`launch ${this.line.name} ${quoteAll(this.line.command)}`)
  }
}
