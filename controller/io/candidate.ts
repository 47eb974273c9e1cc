/**
 * One of several candidates, from its start to its end.
 *
 *              connected          caught up          won, epoch raised
 *     waiting ──────────► reading ──────────► standing ──────────────► leading
 *        ▲                   │                    │                       │
 *        └───────────────────┴────────────────────┘                       ▼
 *          the session ended, or the journal does not hold     ended: the program starts again
 *
 * While it does not lead, a session that is lost is replaced by another one. Once it leads, there
 * is no way back: when the lead is lost, given up or uncertain the program ends, and whoever
 * supervises it starts it again as a candidate. So nothing of a reign can outlive it.
 *
 * To take the lead it raises the epoch first, so that nobody else can append any more, and then
 * reads what is left of the journal, on the same session: that read sees all that was appended.
 */
import { join } from 'node:path'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import type { CandidateCard, Doorkeeper, SharedElection, SharedJournal } from '../core/ports.ts'
import type { Service } from './api/service.ts'
import { type Assembly, assemble, type Listening } from './assembly.ts'
import { cardOf } from './candidate-card.ts'
import { CandidateCluster } from './candidate-cluster.ts'
import { candidateDoorkeeper } from './candidate-door.ts'
import { CandidateFront } from './candidate-front.ts'
import type { CandidateParts } from './candidate-parts.ts'
import type { ControllerConfig } from './config.ts'
import { doorkeeperOf, isTrusted } from './doorkeeper.ts'
import { fenceAmongOthers } from './fences.ts'
import { Follower } from './follower.ts'
import { found } from './founding.ts'
import { graceMs } from './grace.ts'
import { hostsToBeat, sendHeartbeats } from './heartbeats.ts'
import { fetchImages, lackedImages } from './image-copies.ts'
import { Keeper } from './keeper.ts'
import { KeyTaps } from './key-taps.ts'
import { type Ending, Leadership } from './leadership.ts'
import { keepCheckpoints, keepImages, lastCheckpoint, lead } from './leading.ts'
import { Permission } from './permission.ts'

/** Waits before the ensemble is tried again, and before a journal that did not hold. Unit: ms. */
const waits = { reconnectMs: 500, corruptMs: 5_000 } as const
/** How often others are looked for and told of how far this one is. Unit: ms. */
const announceMs: Ms = 500
/** How soon it is noticed that somebody else leads. Unit: ms. */
const leaderMs: Ms = 250
/** How long an answer may take to leave after the lead was handed over. Unit: ms. */
const farewellMs: Ms = 100

/** Starts a candidate; resolves once it answers requests. */
export async function startCandidate(
  config: ControllerConfig,
  parts: CandidateParts,
  stop: AbortSignal
): Promise<Candidate> {
  const candidate = new Candidate(config, parts, stop)
  await candidate.open()
  return candidate
}

/** Disposing of it ends it; who leads hands over first. */
export class Candidate implements AsyncDisposable {
  readonly #config: ControllerConfig
  readonly #parts: CandidateParts
  readonly #ending = new AbortController()
  readonly #signal: AbortSignal
  readonly #leadership = new Leadership()
  readonly #over = Promise.withResolvers<Ending>()
  readonly #cluster: CandidateCluster
  readonly #permission: Permission
  #assembly!: Assembly
  #follower!: Follower
  #taps!: KeyTaps
  #front!: CandidateFront
  #listening: Listening | undefined
  #running: Promise<unknown> = Promise.resolve()
  #doorkeeper!: Doorkeeper

  constructor(config: ControllerConfig, parts: CandidateParts, stop: AbortSignal) {
    this.#config = config
    this.#parts = parts
    this.#signal = AbortSignal.any([stop, this.#ending.signal])
    const who = { name: config.name, meshKey: parts.meshKey }
    this.#permission = new Permission(() => this.service.ledger.view, who, parts.clock)
    const since = new Date(parts.clock.wall()).toISOString()
    this.#cluster = new CandidateCluster({
      config,
      clock: parts.clock,
      service: () => this.service,
      follower: () => this.#follower.state,
      leadership: this.#leadership,
      card: () => this.#card(),
      since,
      handOver: because => this.#handOver(because),
      lacks: other => lackedImages(this.#front, other)
    })
  }

  /** Reads the replica and begins to answer; the rest goes on by itself. */
  async open(): Promise<void> {
    const { mesh, clock, log, standIns } = this.#parts
    const onDeposed = (because: Fault): void => this.#end(true, sentence(because))
    const cluster = this.#cluster
    const given = { mesh, clock, log, cluster, graceMs, onDeposed, ...(standIns && { standIns }) }
    const [config, leadership] = [this.#config, this.#leadership]
    this.#assembly = await assemble(config, { ...given, election: leadership }, this.#signal)
    const { service } = this.#assembly
    const { ledger, feed } = service
    ledger.view.watches = false
    this.#taps = new KeyTaps(ledger.view)
    const folder = join(config.state, 'controller', 'replica')
    const taps = this.#taps
    const openStore = standIns?.openStore
    this.#follower = await Follower.open({
      ...{ folder, ledger, feed, taps, clock, log },
      ...(openStore && { openStore })
    })
    const tokenFile = join(config.state, 'join.token')
    const own = doorkeeperOf(service, {
      tokenFile,
      controllerKeys: [this.#parts.meshKey]
    })
    this.#front = new CandidateFront({
      ...{ config, service, cluster, leadership, log, clock },
      judge: own,
      ensemble: this.#parts.ensemble
    })
    this.#doorkeeper = candidateDoorkeeper(service, {
      ...{ own, cluster },
      vouches: token => isTrusted(token, tokenFile),
      leads: () => this.mayAct(),
      front: this.#front
    })
    this.#listening = await this.#assembly.listen(this.#front)
    this.#running = this.#run().catch(thrown => this.#fail(thrown))
  }

  get service(): Service {
    return this.#assembly.service
  }
  get doorkeeper(): Doorkeeper {
    return this.#doorkeeper
  }
  get port(): number {
    return this.#listening!.port
  }
  /** Whether anything may leave at this moment. */
  mayAct(): boolean {
    return this.#leadership.holds(this.#parts.clock.monotonic())
  }
  /** Resolves with how it ended: then the program is to end. */
  get over(): Promise<Ending> {
    return this.#over.promise
  }

  /** Nothing leaves any more from here on. */
  #end(restart: boolean, because: string): void {
    if (this.#leadership.isOver) return
    this.#leadership.end()
    const { log } = this.#parts
    const fields = { because, epoch: this.service.ledger.epoch, led: this.#leadership.hasBegun }
    if (restart) log.error('ends, to start again as a candidate', fields)
    this.#over.resolve({ restart, because })
    this.#ending.abort()
  }

  /** A mistake of ours: the process dies of it, and the next one begins with what is recorded. */
  #fail(thrown: unknown): void {
    this.#leadership.end()
    this.#over.reject(thrown)
    this.#ending.abort()
  }

  async #run(): Promise<void> {
    const beside = new AbortController()
    const signal = AbortSignal.any([this.#signal, beside.signal])
    const { keeper } = this.#follower
    const others = Promise.all([
      keepCheckpoints(this.service, [keeper], signal),
      keepImages(this.service, signal),
      fetchImages(this.service, this.#front, this.#cluster, signal),
      this.#announceAgainAndAgain(signal),
      this.#followLeader(signal)
    ])
    try {
      await this.#attendAgainAndAgain()
    } finally {
      beside.abort()
    }
    await others
    if (!this.#leadership.isOver) await lastCheckpoint(this.service, keeper)
    this.#end(false, 'told to stop')
  }

  async #attendAgainAndAgain(): Promise<void> {
    const { clock, log } = this.#parts
    let told = ''
    while (!this.#signal.aborted) {
      let waitMs: Ms = waits.reconnectMs
      try {
        const outcome = await this.#attend()
        if (outcome === 'corrupt') waitMs = waits.corruptMs
        told = ''
      } catch (thrown) {
        if (!isFault(thrown)) throw thrown
        if (this.#signal.aborted) return
        const because = sentence(thrown)
        this.#cluster.failed(because)
        if (because !== told) log.warn('cannot attend at the ensemble', { because })
        told = because
      }
      await clock.sleep(waitMs, this.#signal).catch(() => undefined)
    }
  }

  /** Follows and stands as long as one connection lasts. */
  async #attend(): Promise<'ended' | 'corrupt'> {
    await using connection = await this.#parts.connect(this.#signal)
    const { journal } = connection
    const anew = await this.#follower.attach(journal)
    if (anew !== undefined) return this.#startAnew(anew)
    const done = new AbortController()
    const signal = AbortSignal.any([this.#signal, connection.ended, done.signal])
    const following = this.#follower.follow(journal, signal)
    try {
      const waits = (because: string): void => this.#cluster.failed(because)
      const ready = this.#follower.caughtUp().then(() => this.#permission.given(signal, waits))
      const early = await Promise.race([ready, following])
      if (early) return this.#notFollowing(early)
      await using election = await connection.stand()
      this.#cluster.stands(election)
      this.#parts.log.info('stands', { position: this.service.ledger.durablePosition })
      const won = election.lead(signal).catch(thrown => {
        if (!signal.aborted) throw thrown
      })
      const first = await Promise.race([won, following, this.#permission.taken(signal)])
      if (!first) return 'ended'
      if ('end' in first) return this.#notFollowing(first)
      done.abort()
      await following
      await this.#lead({ journal, election, ...first })
      return 'ended'
    } finally {
      done.abort()
      this.#cluster.standsNoMore()
      await following
    }
  }

  #notFollowing(end: Awaited<ReturnType<Follower['follow']>>): 'ended' | 'corrupt' {
    if (end.end === 'anew') return this.#startAnew(end.because)
    return end.end === 'corrupt' ? 'corrupt' : 'ended'
  }

  /** What is in the view cannot be taken out of it again. */
  #startAnew(because: string): 'ended' {
    this.#end(true, `its replica is of no use: ${because}`)
    return 'ended'
  }

  /** Takes the lead and keeps it until it is lost or given up. */
  async #lead(won: {
    readonly journal: SharedJournal
    readonly election: SharedElection
    readonly lost: AbortSignal
    readonly leasedUntil?: Ms | undefined
  }): Promise<void> {
    const { journal, election, lost } = won
    const { clock, log } = this.#parts
    const { ledger, feed } = this.service
    const begunAt = clock.monotonic()
    try {
      const epoch = await journal.raiseEpoch()
      const before = ledger.durablePosition
      for await (const entry of journal.entries(before)) this.#follower.take(entry)
      this.#permission.assert()
      await ledger.open(epoch, journal)
      Object.assign(ledger.view, { watches: true, sessionMs: election.status().timeoutMs })
      feed.start(epoch)
      await found(this.#config, { ledger, clock, log })
      this.#leadership.begin(election, won)
      const position = ledger.durablePosition
      const tookMs = Math.round(clock.monotonic() - begunAt)
      log.info('leading', { epoch, position, read: position - before, tookMs })
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      this.#end(true, `cannot take the lead: ${sentence(thrown)}`)
      return
    }
    const end = (): void => {
      if (!this.#leadership.isRetired) this.#end(true, sentence(lost.reason))
    }
    if (lost.aborted) end()
    else lost.addEventListener('abort', end)
    await this.#reign(journal)
  }

  async #reign(journal: SharedJournal): Promise<void> {
    const { mesh, clock, log } = this.#parts
    const { ledger } = this.service
    const { view } = ledger
    const changed = this.#taps.open()
    const keeper = new Keeper({ journal, view, log, changed, dueKept: 1 })
    const hosts = () => hostsToBeat(view, this.#leadership.leasesUntil(clock.monotonic()))
    const epoch = (): number => ledger.epoch
    const candidates = {
      cards: () => this.#cluster.cards(),
      ensemble: this.#cluster.ensemble
    }
    const checkpoints = keeper
      .adopt()
      .then(() => keepCheckpoints(this.service, [keeper], this.#signal))
      .catch(thrown => {
        if (!isFault(thrown)) throw thrown
        log.warn('cannot read the checkpoint of the journal', { because: sentence(thrown) })
      })
    await Promise.all([
      lead(this.#assembly, { keepers: [], candidates }, this.#signal),
      sendHeartbeats({ mesh, clock, values: { epoch, hosts } }, this.#signal),
      fenceAmongOthers(
        { ...this.#parts, name: this.#config.name, service: this.service },
        { cards: () => this.#cluster.cards(), mayAct: () => this.mayAct() },
        this.#signal
      ),
      checkpoints,
      this.#handOverAtStop()
    ])
  }

  /** The next one shall not wait until all that goes on here has ended. */
  async #handOverAtStop(): Promise<void> {
    await aborted(this.#signal)
    if (!this.mayAct()) return
    await this.#handOver('it was told to stop').catch(thrown => {
      if (!isFault(thrown)) throw thrown
      this.#end(false, sentence(thrown))
    })
  }

  /** Lets the next one lead once all that was begun is recorded; then the program ends. */
  async #handOver(because: string): Promise<void> {
    const { clock } = this.#parts
    const election = this.#cluster.election
    if (!election || !this.mayAct()) {
      throw new Fault('unavailable', 'cannot step down: this candidate does not lead', {
        next: ['remuda cluster leader']
      })
    }
    this.#leadership.retire()
    await this.service.ledger.durable().catch(() => undefined)
    await election.stepDown(because)
    const stopped = this.#signal.aborted
    if (!stopped) await clock.sleep(farewellMs, this.#signal).catch(() => undefined)
    this.#end(!stopped, `stepped down: ${because}`)
  }

  #card(): CandidateCard {
    const { fences, meshKey, door } = this.#parts
    const { name } = this.#config
    const { since } = this.#cluster
    // Its socket answers a moment before all its ports do.
    if (!this.#listening) {
      throw new Fault('unavailable', `cannot tell of candidate ${name}: it is just starting`, {
        next: ['try again in a moment']
      })
    }
    const own = { name, apiUrl: this.#listening.url, meshKey, leads: this.mayAct(), since }
    return cardOf(own, { door: door(), bootd: fences?.bootd(), ledger: this.service.ledger })
  }

  async #announceAgainAndAgain(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#cluster.look()
      await this.#parts.clock.sleep(announceMs, signal).catch(() => undefined)
    }
  }

  /** Apart from looking at the ensemble, which may be silent itself just then. */
  async #followLeader(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#front.leaderIs(this.#cluster.leader())
      await this.#parts.clock.sleep(leaderMs, signal).catch(() => undefined)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort()
    await this.#running
    await this.#listening?.close()
    await this.#front[Symbol.asyncDispose]()
    await this.#follower[Symbol.asyncDispose]()
    this.service.meters[Symbol.dispose]()
  }
}

/** Resolves when the signal aborts. */
const aborted = async (signal: AbortSignal): Promise<void> => {
  if (!signal.aborted) await new Promise(resolve => signal.addEventListener('abort', resolve))
}
