/** The consoles of all our domains: who may look, what is logged, what is kept of it. */
import type { Clock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import type { Seat, Viewer } from '#shared/wire/channel-relay.ts'
import type { OwnDomain } from '../../core/metadata.ts'
import { isAlive } from '../../core/own-domains.ts'
import type { Hypervisor } from '../../core/ports.ts'
import { Line } from './line.ts'
import { capLog, LogFile, readLog, removeLog } from './log-file.ts'

/**
 * A container's console that ended while it lives is opened again after so long; doubles. Unit: ms.
 */
const reopenMsMin: Ms = 1_000
const reopenMsMax: Ms = 30_000
/** A console that held so long begins with the first wait again. Unit: ms. */
const heldMs: Ms = 60_000
/** How often the sizes of VMs' logs are looked at. Unit: ms. */
const capMs: Ms = 60_000
/** So many may look at one instance. */
export const viewersMax = 16

type Console = {
  readonly line: Line
  readonly startedAt: string
  readonly openedAt: Ms
  readonly waitMs: Ms
}

/** Keeps the consoles; fed by the loop with what lives. */
export class ConsoleHub implements AsyncDisposable {
  readonly #hypervisor: Pick<Hypervisor, 'console'>
  readonly #folder: string
  readonly #clock: Clock
  readonly #log: Log
  readonly #consoles = new Map<string, Console>()
  /** When and with which wait a container's console is opened again. */
  readonly #again = new Map<string, { readonly at: Ms; readonly waitMs: Ms }>()
  readonly #logFiles = new Map<string, LogFile>()
  #own: ReadonlyMap<string, OwnDomain> = new Map()
  #cappedAt: Ms = Number.NEGATIVE_INFINITY
  #capping: Promise<unknown> = Promise.resolve()

  constructor(given: {
    readonly hypervisor: Pick<Hypervisor, 'console'>
    /** Where the logs are. */
    readonly folder: string
    readonly clock: Clock
    readonly log: Log
  }) {
    this.#hypervisor = given.hypervisor
    this.#folder = given.folder
    this.#clock = given.clock
    this.#log = given.log
  }

  /**
   * Takes in which of our domains live: attaches to new containers, lets go of those that ended.
   */
  watch(own: readonly OwnDomain[]): void {
    const alive = own.filter(({ domain }) => isAlive(domain))
    this.#own = new Map(alive.map(each => [each.metadata.id, each]))
    for (const [id, { line, startedAt }] of [...this.#consoles]) {
      if (this.#own.get(id)?.metadata.startedAt !== startedAt) line.end('the instance has ended')
    }
    for (const id of this.#again.keys()) if (!this.#own.has(id)) this.#again.delete(id)
    for (const id of this.#logFiles.keys()) if (!this.#own.has(id)) this.#logFiles.delete(id)
    for (const each of alive) if (each.domain.driver === 'lxc') this.#keepOpen(each)
    this.#capWhenDue()
  }

  /** Gives somebody a place at a console. Faults: `not-found`, `capacity`. */
  attach(instanceId: string, viewer: Viewer): Seat {
    const own = this.#own.get(instanceId)
    if (own === undefined) {
      throw new Fault('not-found', 'cannot open the console: the instance does not run here', {
        next: ['start the instance, or see what it printed: remuda log']
      })
    }
    const { line } = this.#consoles.get(instanceId) ?? this.#begin(own, reopenMsMin)
    if (line.viewers >= viewersMax) {
      throw new Fault('capacity', `cannot open the console: ${viewersMax} look at it already`)
    }
    line.attach(viewer)
    return { write: bytes => line.write(bytes), leave: () => line.detach(viewer) }
  }

  /** The last 64 KiB of what an instance printed; empty: nothing is known. */
  async log(instanceId: string): Promise<Uint8Array> {
    await this.#logFiles.get(instanceId)?.written()
    return await readLog(this.#folder, instanceId)
  }

  /** Removes the log of an instance. */
  async forget(instanceId: string): Promise<void> {
    await this.#logFiles.get(instanceId)?.written()
    await removeLog(this.#folder, instanceId)
  }

  /** Lets all consoles go; the instances run on. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const { line } of [...this.#consoles.values()]) line.end('the agent of the host is ending')
    await Promise.all([this.#capping, ...[...this.#logFiles.values()].map(file => file.written())])
  }

  #keepOpen(own: OwnDomain): void {
    const { id } = own.metadata
    const again = this.#again.get(id)
    if (this.#consoles.has(id) || (again?.at ?? 0) > this.#clock.monotonic()) return
    this.#begin(own, again?.waitMs ?? reopenMsMin).line.connect()
  }

  #begin({ domain, metadata }: OwnDomain, waitMs: Ms): Console {
    const { id, startedAt } = metadata
    const openedAt = this.#clock.monotonic()
    const log = domain.driver === 'lxc' ? this.#logFileOf(id) : undefined
    const line = new Line({
      open: () => this.#hypervisor.console(domain),
      log,
      onEnded: because => this.#ended(id, line, because)
    })
    const begun = { line, startedAt, openedAt, waitMs }
    this.#consoles.set(id, begun)
    return begun
  }

  #ended(id: string, line: Line, because: string): void {
    const console = this.#consoles.get(id)
    if (console?.line !== line) return
    this.#consoles.delete(id)
    const now = this.#clock.monotonic()
    const waitMs = now - console.openedAt >= heldMs ? reopenMsMin : console.waitMs
    this.#again.set(id, { at: now + waitMs, waitMs: Math.min(reopenMsMax, waitMs * 2) })
    this.#log.debug('console ended', { instance: id, because })
  }

  #logFileOf(id: string): LogFile {
    const file = this.#logFiles.get(id) ?? new LogFile(this.#folder, id)
    this.#logFiles.set(id, file)
    return file
  }

  #capWhenDue(): void {
    const now = this.#clock.monotonic()
    if (now - this.#cappedAt < capMs) return
    this.#cappedAt = now
    const machines = [...this.#own.values()].filter(({ domain }) => domain.driver === 'qemu')
    this.#capping = Promise.all(
      machines.map(({ metadata }) => capLog(this.#folder, metadata.id))
    ).catch((thrown: unknown) => {
      this.#log.warn('console logs not cut', { because: String(thrown) })
    })
  }
}
