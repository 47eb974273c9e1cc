/**
 * Cuts the power of hosts on the controller's behalf, and says what is proven.
 *
 * It is told all that is wanted, again and again, and holds nothing of its own: after a restart it
 * begins anew, which does no harm, since what is off is only read. The one thing that it keeps is
 * the highest epoch that it has seen: a controller that was deposed must not switch anything, also
 * when we have only just started and know nobody else yet. It is on disk before the first call.
 *
 * A wish lasts only while its controller is heard. One that is cut off may have been deposed long
 * ago without our knowing, and its successor may have the host running again through another bootd:
 * to go on switching would cut the power of a healthy host. So after a while of silence nothing is
 * switched any more until it is heard again; what was proven by then stays said.
 */
import type { Clock } from '#shared/clock.ts'
import { Fault } from '#shared/fault.ts'
import type { Epoch } from '#shared/ids.ts'
import type { Log } from '#shared/log.ts'
import { readPrivateFile, writePrivateFile } from '#shared/private-file.ts'
import type { Ms } from '#shared/units.ts'
import { type FenceLook, fenceLookMsMax } from '#shared/wire/bootd-question.ts'
import type { FenceOrder, FenceState } from '#shared/wire/fence.ts'
import { type FenceSettings, fenceSettings } from '../core/fence-switch.ts'
import { objectionTo } from '../core/fence-wishes.ts'
import { askToPowerOff } from './fence/courtesy.ts'
import { FenceExecutor } from './fence/executor.ts'
import { type Deadlines, deadlines, type OpenDevice, openDevice } from './fence/open.ts'
import { FencedHost, type FencingMeans } from './fenced-host.ts'

/** Between two looks at the devices of a host. Unit: ms. */
const lookEveryMsDefault: Ms = 60_000

/** Who has not been heard for so long may have been deposed. Unit: ms. */
const silenceMsDefault: Ms = 10_000

/** Keeps the highest epoch that was seen, also when we end and start again; 0: none yet. */
export type EpochKeeper = {
  readonly read: () => Promise<Epoch>
  /** Resolves once it is kept for good. */
  readonly write: (epoch: Epoch) => Promise<void>
}

/** What a fencer needs, and what may be said otherwise. */
export type FencerOptions = {
  /** The file that keeps the highest epoch, or something else that does. */
  readonly epochFile: string | EpochKeeper
  readonly clock: Clock
  readonly log: Log
  /** Told whenever `reports` says something else; it must not call back at once. */
  readonly onChanged: () => void
  readonly lookEveryMs?: Ms
  /** Nothing is switched any more when the controller was silent for so long. Unit: ms. */
  readonly silenceMsMax?: Ms
  readonly settings?: FenceSettings
  readonly deadlines?: Deadlines
  /** Makes a device; the real ones when left out. */
  readonly open?: FencingMeans['open']
  /** Asks a host to power off; over SSH when left out. */
  readonly ask?: FencingMeans['ask']
}

/** Fences hosts until it is disposed of. */
export class Fencer implements AsyncDisposable {
  readonly #epochs: EpochKeeper
  readonly #log: Log
  readonly #executor: FenceExecutor
  readonly #means: FencingMeans
  readonly #hosts = new Map<string, FencedHost>()
  readonly #ending = new Set<Promise<void>>()
  readonly #closing = new AbortController()
  readonly #silenceMsMax: Ms
  #epoch: Epoch
  /** Higher than that where it could not be kept; who is below is deposed all the same. */
  #seen: Epoch
  /** When it was last heard that it is. */
  #renewedAt: Ms = Number.NEGATIVE_INFINITY
  /** Epoch of who wants what is wanted. */
  #wantedIn: Epoch = 0
  #silence = new AbortController()
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(
    options: FencerOptions,
    { epochs, epoch }: { readonly epochs: EpochKeeper; readonly epoch: Epoch }
  ) {
    const executor = new FenceExecutor({ clock: options.clock })
    const openings = { executor, deadlines: options.deadlines ?? deadlines }
    this.#epochs = epochs
    this.#log = options.log
    this.#executor = executor
    this.#silenceMsMax = options.silenceMsMax ?? silenceMsDefault
    this.#epoch = epoch
    this.#seen = epoch
    this.#means = {
      clock: options.clock,
      log: options.log,
      settings: options.settings ?? fenceSettings,
      lookEveryMs: options.lookEveryMs ?? lookEveryMsDefault,
      open: options.open ?? ((model, secrets): OpenDevice => openDevice(model, secrets, openings)),
      ask:
        options.ask ?? ((courtesy, secret, signal) => askToPowerOff(courtesy, secret, { signal })),
      isWanted: () => options.clock.monotonic() - this.#renewedAt <= this.#silenceMsMax,
      onChanged: options.onChanged
    }
  }

  /** Reads what an earlier run has kept. Faults: `corrupt`, `forbidden`: it cannot be used. */
  static async open(options: FencerOptions): Promise<Fencer> {
    const { epochFile } = options
    const epochs = typeof epochFile === 'string' ? keeperIn(epochFile) : epochFile
    return new Fencer(options, { epochs, epoch: await epochs.read() })
  }

  /** The highest epoch that was seen; 0: none yet. */
  get epoch(): Epoch {
    return this.#epoch
  }

  /**
   * Takes on all that is wanted; a host that is not named is left alone from now on, and what was
   * begun for it is ended. `epoch` is that of who wants it, needed where the list is empty. Faults:
   * `stale`: of a lower epoch than one seen; `invalid`; `storage`: the epoch cannot be kept. After
   * a Fault, what was wanted before goes on; but not after `storage`: who leads now wants something
   * else, perhaps through another bootd.
   */
  async want(orders: readonly FenceOrder[], epoch?: Epoch): Promise<void> {
    const turn = this.#turn.then(() => this.#take(orders, epoch))
    this.#turn = turn.catch(() => {})
    await turn
  }

  /**
   * A controller of this epoch was heard: if what is wanted is its wish, it still is. Faults:
   * `stale`: of a lower epoch than one seen; `storage`.
   */
  async heard(epoch: Epoch): Promise<void> {
    const turn = this.#turn.then(async () => {
      if (this.#closing.signal.aborted) return
      this.#check([], [epoch])
      await this.#raise(epoch)
      if (epoch === this.#wantedIn) this.#renew()
    })
    this.#turn = turn.catch(() => {})
    await turn
  }

  /** How each host stands, in the order in which they were wanted; no secret is in it. */
  reports(): readonly FenceState[] {
    return [...this.#hosts.values()].map(({ state }) => state)
  }

  /** What was told last of a host; undefined: nothing. */
  orderOf(host: string): FenceOrder | undefined {
    return this.#hosts.get(host)?.order
  }

  /** Asks the devices of a host now, and says what came of it. Fault `not-found`. */
  async look(host: string): Promise<FenceLook> {
    const fenced = this.#hosts.get(host)
    if (fenced === undefined) {
      throw new Fault('not-found', `cannot look at host ${host}: its devices are not known here`)
    }
    const devices = await fenced.look(fenceLookMsMax, this.#closing.signal)
    return { epoch: fenced.order.epoch, devices }
  }

  async #take(orders: readonly FenceOrder[], epoch: Epoch | undefined): Promise<void> {
    if (this.#closing.signal.aborted) throw new Fault('closed', 'cannot fence: fencing ends')
    const epochs = [...orders.map(order => order.epoch), ...(epoch === undefined ? [] : [epoch])]
    this.#check(orders, epochs)
    try {
      await this.#raise(Math.max(...epochs))
    } catch (thrown) {
      this.#rest()
      throw thrown
    }
    this.#wantedIn = this.#epoch
    this.#renewedAt = this.#means.clock.monotonic()
    const wanted = new Map(orders.map(order => [order.host, order]))
    for (const [host, fenced] of this.#hosts) {
      if (!wanted.has(host)) this.#leave(host, fenced)
    }
    for (const order of orders) this.#takeOne(order)
    this.#renew()
    this.#means.onChanged()
  }

  async #raise(epoch: Epoch): Promise<void> {
    this.#seen = Math.max(this.#seen, epoch)
    if (epoch <= this.#epoch) return
    await this.#epochs.write(epoch)
    this.#log.info('fencing follows another controller', { from: this.#epoch, to: epoch })
    this.#epoch = epoch
  }

  /** What is wanted lasts for a while from now. */
  #renew(): void {
    this.#renewedAt = this.#means.clock.monotonic()
    this.#silence.abort()
    const stop = new AbortController()
    this.#silence = stop
    for (const fenced of this.#hosts.values()) fenced.goOn()
    const silent = (): void => {
      if (stop.signal.aborted) return
      const [hosts, epoch] = [this.#hosts.size, this.#wantedIn]
      this.#log.warn('controller is not heard: no power is switched', { epoch, hosts })
      this.#rest()
    }
    this.#means.clock.sleep(this.#silenceMsMax, stop.signal).then(silent, () => {})
  }

  /** Nothing is wanted until it is heard again that it is. */
  #rest(): void {
    this.#renewedAt = Number.NEGATIVE_INFINITY
    this.#silence.abort()
    for (const fenced of this.#hosts.values()) fenced.rest()
  }

  #check(orders: readonly FenceOrder[], epochs: readonly number[]): void {
    const objection = objectionTo(orders, { epochs, seen: this.#seen })
    if (objection === undefined) return
    if (objection.code === 'stale') {
      this.#log.warn('fence orders refused', { epoch: Math.min(...epochs), seen: this.#seen })
    }
    throw objection
  }

  #takeOne(order: FenceOrder): void {
    const fenced = this.#hosts.get(order.host)
    if (fenced !== undefined) {
      fenced.take(order)
      return
    }
    const made = new FencedHost(order, this.#means)
    this.#hosts.set(order.host, made)
    made.start()
  }

  #leave(host: string, fenced: FencedHost): void {
    this.#hosts.delete(host)
    const ended = fenced[Symbol.asyncDispose]()
    this.#ending.add(ended)
    void ended.finally(() => this.#ending.delete(ended))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Fault('closed', 'cannot go on: fencing ends'))
    await this.#turn
    this.#silence.abort()
    for (const [host, fenced] of this.#hosts) this.#leave(host, fenced)
    await Promise.all(this.#ending)
    await this.#executor[Symbol.asyncDispose]()
  }
}

const keeperIn = (path: string): EpochKeeper => ({
  read: () => readEpoch(path),
  write: epoch => writePrivateFile(path, `${JSON.stringify({ version: 1, epoch })}\n`)
})

async function readEpoch(path: string): Promise<Epoch> {
  const text = await readPrivateFile(path)
  if (text === undefined) return 0
  let epoch: unknown
  try {
    epoch = (JSON.parse(text) as { readonly epoch?: unknown } | null)?.epoch
  } catch {
    // said below
  }
  if (Number.isSafeInteger(epoch) && (epoch as number) > 0) return epoch as Epoch
  throw new Fault('corrupt', `cannot read the epoch in ${path}`, {
    next: [`where the controllers of the cloud are as they should be: rm ${path}`]
  })
}
