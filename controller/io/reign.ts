/**
 * The reign: what a controller does while it leads. Facts come in from the mesh and are folded;
 * wishes come in through `submit`; the loop decides at its own pace, records, and then orders.
 * Nothing is done inside the arrival of a message, and nothing leaves before it is recorded.
 */
import { setImmediate } from 'node:timers/promises'
import type { Clock } from '#shared/clock.ts'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import { type HostId, newId } from '#shared/ids.ts'
import type { Log } from '#shared/log.ts'
import type { Host } from '#shared/model/host.ts'
import type { Image } from '#shared/model/image.ts'
import type { Ms } from '#shared/units.ts'
import type { ToController } from '#shared/wire/messages.ts'
import type { Order, Report } from '#shared/wire/order.ts'
import { admit, type Intent } from '../core/admission/admit.ts'
import type { Admitted, Context, Verdict } from '../core/admission/context.ts'
import type { Commit } from '../core/commit.ts'
import { decide } from '../core/decide.ts'
import { type HostNews, type HostSeen, watchHosts } from '../core/host-watch.ts'
import { orderFor } from '../core/orders.ts'
import type { Election, Mesh, MeshMessage, Position, Won } from '../core/ports.ts'
import { isRefusal } from '../core/refusal.ts'
import { hostsToTell, noteStartWaits } from '../core/start-order.ts'
import type { Moment, View } from '../core/view.ts'
import type { Announcer } from './announcer.ts'
import { breathing } from './breath.ts'
import { Grace } from './grace.ts'
import type { Ledger } from './ledger.ts'
import { faultIn, faultThrown } from './refusal-fault.ts'
import { SentOrders } from './sent-orders.ts'
import { slicesOf } from './slices.ts'

/** The loop turns at least so often, and rests so long between turns. Unit: ms. */
const turnMsMax = 500
const restMs = 10
/** How often it is looked whether a host that has room is heard by now. Unit: ms. */
const lookAgainMs = 50
/** An older copy of a journal is at most so many epochs behind; each costs a write. */
const epochsBehindMax = 10_000
/** Orders that are made between two breaths of the event loop. */
const ordersPerSlice = 4

/** What a controller needs while it leads. */
export type ReignOptions = {
  readonly ledger: Ledger
  readonly announcer: Announcer
  readonly mesh: Mesh
  readonly election: Pick<Election, 'alone' | 'holds'> & Pick<Won, 'leasedUntil'>
  readonly clock: Clock
  readonly log: Log
  /** Where agents fetch an image's content. */
  readonly imageUrl: (image: Image) => string
  /** Answers and console bytes of agents, for whoever asked. */
  readonly onReply: (host: Host, message: ToController) => void
  /** Told of each report, once it is in the view. */
  readonly onReport?: (host: Host, report: Report) => void
  /** Told when the line to a host is lost. */
  readonly onAway?: (host: Host, because: string) => void
  /**
   * A reign that has just begun places nothing before all hosts were heard, or were silent for so
   * long: what the first one could take, a later one may already have. Left out: at once. Unit: ms.
   */
  readonly graceMs?: Ms
}

/** What came of a wish. */
export type Outcome = Admitted & { readonly position: Position; readonly changed: boolean }

/**
 * Made once this controller leads; nothing leaves it before `run`, which ends when the signal
 * aborts.
 */
export class Reign {
  readonly #options: ReignOptions
  readonly #sent = new SentOrders()
  readonly #grace: Grace
  #hostsSeen: ReadonlyMap<string, HostSeen> = new Map()
  #epochSeen = 0
  #wake: () => void = () => {}
  #afterDecisions: () => void = () => {}
  #woken = false

  constructor(options: ReignOptions) {
    this.#options = options
    this.#grace = new Grace(options)
  }

  get view(): View {
    return this.#options.ledger.view
  }

  now(): Moment {
    const { clock } = this.#options
    return { monotonic: clock.monotonic(), wall: clock.wall() }
  }

  #context(by: string): Context {
    return { by, now: this.now(), newId }
  }

  /** Judges a wish without doing anything. */
  judge(intent: Intent, by: string): Verdict {
    return admit(this.view, intent, this.#context(by))
  }

  /**
   * Judges a wish and records what comes of it; resolves once that is durable. `also` adds to the
   * same commit, such as the reply to keep. Faults carry the refusal's code, reasons and next.
   */
  async submit(
    intent: Intent,
    by: string,
    also: (admitted: Admitted) => Commit['changes'] = () => []
  ): Promise<Outcome> {
    let verdict = this.judge(intent, by)
    while (this.#isFullForNow(verdict)) {
      await this.#options.clock.sleep(lookAgainMs)
      verdict = this.judge(intent, by)
    }
    // Nothing may come between the judgement and its fold: it holds for this very view.
    if (isRefusal(verdict)) throw faultIn(this, verdict)
    const more = also(verdict)
    if (verdict.commit.changes.length + more.length === 0) {
      await this.#options.ledger.durable()
      // That there is nothing to do is true only of the newest state.
      this.#assertLeads()
      return { ...verdict, position: this.view.position, changed: false }
    }
    const commit = { ...verdict.commit, changes: [...verdict.commit.changes, ...more] }
    const position = await this.record(commit)
    return { ...verdict, position, changed: verdict.commit.changes.length > 0 }
  }

  /** In a reign that has just begun, hosts that would have room may not have been heard yet. */
  #isFullForNow(verdict: Verdict): boolean {
    const isFull = isRefusal(verdict) && verdict.refused.code === 'capacity'
    return isFull && !this.#grace.isOver(this.view)
  }

  /** Records a commit, if we may, and wakes the loop. */
  async record(commit: Commit): Promise<Position> {
    this.#assertLeads()
    const position = await this.#options.ledger.commit(commit)
    this.wake()
    return position
  }

  #assertLeads(): void {
    const { election, clock } = this.#options
    if (election.holds(clock.monotonic())) return
    throw new Fault('unavailable', 'cannot record the change: this controller does not lead', {
      next: ['remuda cluster leader', 'try again in a moment']
    })
  }

  /** Has somebody told after each turn, when all that was decided is recorded. */
  afterDecisions(tell: () => void): void {
    this.#afterDecisions = tell
  }

  wake(): void {
    this.#woken = true
    this.#wake()
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const listening = this.#listen(signal)
    const { clock } = this.#options
    this.#grace.begin()
    const stop = (): void => this.wake()
    signal.addEventListener('abort', stop)
    while (!signal.aborted) {
      await this.#turn().catch(thrown => this.#giveUpTurn(thrown))
      await clock.sleep(restMs)
      if (!this.#woken) await this.#rest()
    }
    signal.removeEventListener('abort', stop)
    await listening
  }

  /** Waits for a wake-up, or for the longest time between turns. */
  async #rest(): Promise<void> {
    const timer = new AbortController()
    const woken = new Promise<void>(resolve => {
      this.#wake = resolve
    })
    const { clock } = this.#options
    const restMs = Math.min(turnMsMax, Math.max(0, this.#sent.nextAt - clock.monotonic()))
    const late = clock.sleep(restMs, timer.signal).catch(() => undefined)
    await Promise.race([woken, late])
    timer.abort('woken')
    this.#wake = () => {}
  }

  /** A turn stands on a journal that may fail at any moment; the next one begins anew. */
  #giveUpTurn(thrown: unknown): void {
    if (!isFault(thrown)) throw thrown
    this.#options.log.warn('cannot go on with what was decided', { because: sentence(thrown) })
  }

  async #turn(): Promise<void> {
    this.#woken = false
    const { election, clock, ledger } = this.#options
    if (!election.holds(clock.monotonic()) || ledger.broken) return
    const { alone, leasedUntil } = election
    const reign = { epoch: ledger.epoch, alone, ...(leasedUntil !== undefined && { leasedUntil }) }
    this.view.fold({ type: 'turn', at: this.now(), ...reign })
    // Either the journal is an older copy, or we are deposed: then it does not let us raise it.
    if (this.#epochSeen >= ledger.epoch) await ledger.raiseAbove(this.#epochSeen)
    this.#dial()
    noteStartWaits(this.view, this.now())
    await this.#decide()
    this.#afterDecisions()
    await this.#order()
  }

  /** Records what is to be decided; each commit is in the view before the next is decided. */
  async #decide(): Promise<void> {
    const { ledger, clock } = this.#options
    const breathe = breathing(clock)
    const writes: Promise<Fault | undefined>[] = []
    const record = (commit: Commit): void => {
      writes.push(ledger.commit(commit).then(() => undefined, faultThrown))
    }
    // Of one moment: what is judged of it once holds for all of them.
    const context = this.#context('controller')
    const news = watchHosts(this.view, this.#hostsSeen, context)
    for (const commit of news.commits) record(commit)
    const places = this.#grace.isOver(this.view)
    for (const commit of decide(this.view, context, { places })) {
      if (commit) record(commit)
      const pause = breathe()
      if (pause) await pause
      if (ledger.broken) break
    }
    if (writes.length === 0) this.view.indexes.news.clear()
    else this.#woken = true
    const failed = (await Promise.all(writes)).find(fault => fault !== undefined)
    if (failed) throw failed
    this.#hostsSeen = news.seen
    this.#tell(news)
  }

  /** Keeps the mesh dialling exactly the hosts that are let in. */
  #dial(): void {
    const hosts = [...this.view.all('host').values()]
    const peers = hosts
      .filter(host => host.decided.approval === 'approved')
      .map(({ decided }) => ({
        host: decided.uuid as HostId,
        endpoint: decided.endpoint,
        publicKey: decided.publicKey
      }))
    this.#options.mesh.setPeers(peers)
  }

  /** Tells those who watch of hosts that fell silent or are heard again. */
  #tell(news: HostNews): void {
    for (const host of news.changed) this.#options.announcer.hostChanged(host)
    for (const { decisions } of news.commits) {
      for (const { subjects, verb, because } of decisions) {
        this.#options.log.info('host changed', { host: subjects[0], to: verb, because })
      }
    }
  }

  /** Sends each host whose order is news the whole of what it should hold, a few at a time. */
  async #order(): Promise<void> {
    const { touched } = this.view.indexes
    this.#sent.keepOnly(name => this.view.named('host', name) !== undefined)
    for (const name of hostsToTell(this.view, this.#sent, this.now())) touched.add(name)
    const due = this.#sent.due(touched, this.#options.clock.monotonic())
    for (const names of slicesOf(due, ordersPerSlice)) {
      for (const name of names) touched.delete(name)
      try {
        await this.#orderSome(names)
      } catch (thrown) {
        for (const name of names) touched.add(name)
        throw thrown
      }
      await setImmediate()
    }
  }

  /** An order leaves once everything that it was made of is on disk, and if we still may act. */
  async #orderSome(names: readonly string[]): Promise<void> {
    const { ledger, election, clock, imageUrl } = this.#options
    const context = { epoch: ledger.epoch, imageUrl, now: this.now() }
    const orders = names
      .flatMap(name => this.view.named('host', name) ?? [])
      // Whoever is away has an order made anew when it is heard again.
      .filter(({ name }) => this.view.heard(name).connected && this.view.heard(name).report)
      // Nothing new may begin on a host that is taken for dead, should it live after all.
      .filter(host => host.decided.recovery === undefined)
      .map(host => ({ host, order: orderFor(this.view, host, context) }))
    if (orders.length === 0) return
    await ledger.durable()
    const mayAct = election.holds(clock.monotonic()) && !ledger.broken
    if (!mayAct) throw new Fault('unavailable', 'cannot send orders: nothing can be recorded')
    for (const { host, order } of orders) this.#send(host, order)
  }

  #send(host: Host, order: Order): void {
    const { mesh, clock, log } = this.#options
    try {
      mesh.send(host.decided.uuid as HostId, order)
      this.#sent.noteSent(host.name, order, clock.monotonic())
    } catch (thrown) {
      log.warn('cannot send an order', { host: host.name, because: sentence(thrown) })
      this.#sent.noteFailed(host.name)
    }
  }

  async #listen(signal: AbortSignal): Promise<void> {
    for await (const said of this.#options.mesh.messages(signal)) this.#hear(said)
  }

  #hear(said: MeshMessage): void {
    const host = this.#hostOf(said.host)
    if (!host) return
    const name = host.name
    if (said.type !== 'message') {
      const connected = said.type === 'connected'
      const because = connected ? 'connected' : said.because
      this.view.fold({ type: 'link', host: name, connected, because })
      if (!connected) this.#options.onAway?.(host, because)
      this.#options.log.info(`host ${said.type}`, { host: name, because })
      return
    }
    const { message, bootId } = said
    switch (message.type) {
      case 'heartbeat': {
        const { loopLagMs, run, number } = message
        const beat = run === undefined ? undefined : { run, number }
        const fact = { type: 'heartbeat', host: name, loopLagMs, beat, bootId } as const
        this.view.fold({ ...fact, at: this.now() })
        return
      }
      case 'report': {
        const { report: before } = this.view.heard(name)
        this.view.fold({ type: 'report', host: name, report: message, at: this.now() })
        this.#options.announcer.reported(host, before, this.view.heard(name).report)
        this.#orderAgain(host, message)
        this.#options.onReport?.(host, message)
        this.wake()
        return
      }
      case 'refusal':
        this.#options.log.warn('host refused an order', { host: name, because: message.because })
        this.#noteEpoch(host, message.epoch)
        return
      case 'fence-report':
      case 'boot-report':
        this.#options.log.warn('a host speaks as if it were a bootd', { host: name })
        return
      case 'answer':
      case 'channel-data':
      case 'channel-taken':
      case 'channel-close':
        this.#options.onReply(host, message)
        return
      default:
        message satisfies never
    }
  }

  /** One host alone must not make us count for ever: so far behind no journal has ever been. */
  #noteEpoch(host: Host, epoch: number): void {
    const { ledger, log } = this.#options
    if (epoch > ledger.epoch + epochsBehindMax) {
      log.error('host claims an epoch that cannot be', { host: host.name, epoch })
      return
    }
    this.#epochSeen = Math.max(this.#epochSeen, epoch)
    this.wake()
  }

  /** A report that is behind asks for the order again, but not in each breath. */
  #orderAgain(host: Host, report: Report): void {
    const { ledger, clock } = this.#options
    const wish = {
      epoch: ledger.epoch,
      generation: this.view.indexes.hostGeneration(host.name),
      noticesKept: this.view.noticesKept(host.name)?.number ?? 0,
      now: clock.monotonic()
    }
    if (this.#sent.isWanted(host.name, report, wish)) this.view.indexes.touch(host.name)
  }

  #hostOf(uuid: HostId): Host | undefined {
    const [id] = this.view.indexes.of('host-uuid', uuid)
    return id === undefined ? undefined : this.view.get('host', id)
  }
}
