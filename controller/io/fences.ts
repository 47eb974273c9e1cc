/**
 * The controller's line to bootd, which cuts the power of hosts on its behalf. Of several bootds
 * one is used at a time: that of the controller's own machine, or another one that is heard, but
 * never that of a host that is being fenced. What it is told is worked out of the journal, whole,
 * and again whenever it is another; so a bootd that was away, or another one, has all at once.
 */
import type { Clock } from '#shared/clock.ts'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import { newId } from '#shared/ids.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import { heartbeatMs } from '#shared/wire/beat.ts'
import type { ToAgent, ToController } from '#shared/wire/messages.ts'
import { Bell } from '#shared/wire/queues.ts'
import { chooseBootd } from '../core/bootd-choice.ts'
import {
  type BootdTold,
  bootdHeard,
  bootdSilent,
  bootdSilentMs,
  bootdTold,
  unknownFences
} from '../core/bootd-watch.ts'
import type { Commit } from '../core/commit.ts'
import { fenceOrdersOf } from '../core/fence-orders.ts'
import { mostUrgent, urgentIn } from '../core/fence-urgency.ts'
import type { BootdAddress, CandidateCard, Mesh, MeshMessage } from '../core/ports.ts'
import type { View } from '../core/view.ts'
import { AgentLines, machineConsoleMsMax } from './agents.ts'
import type { Service } from './api/service.ts'
import { BootFeed } from './boot-feed.ts'
import { BootPlans } from './boot-plans.ts'
import { AskedBootds, bootdName, bootdPeer, bootdSpeaker } from './bootd-line.ts'
import type { BootdQuestions } from './bootd-questions.ts'
import type { FenceLine } from './bootds.ts'
import type { Feed } from './feed.ts'
import type { Ledger } from './ledger.ts'
import type { MachineConsoles, OpenMachine } from './machine-consoles.ts'
import type { Reign } from './reign.ts'

/** How often it is looked which bootds there are. Unit: ms. */
const bootdsMs: Ms = 2_000
/** Orders that only watch are worked out anew at most so often. Unit: ms. */
const watchMs: Ms = 1_000
/** The loop turns at least so often. Unit: ms. */
const turnMs: Ms = 250

/** What the line stands on. */
export type FencesOptions = {
  /** A mesh of its own, with bootds for hosts. */
  readonly mesh: Mesh
  readonly view: View
  /** Is told how machines boot. */
  readonly feed: Pick<Feed, 'report' | 'forgetStatus'>
  readonly epoch: () => number
  readonly mayAct: () => boolean
  /** Resolves once all that the view holds now is in the journal; faults when it will not be. */
  readonly durable: () => Promise<void>
  /** Bootds that may be used; none while that is not known. */
  readonly bootds: () => Promise<readonly BootdAddress[]>
  /** Name of this candidate. */
  readonly own: string
  /** Told when bootd has said something new. */
  readonly onNews: () => void
  /** Records that nobody, or somebody again, could switch power. */
  readonly record: (commit: Commit) => Promise<unknown>
  readonly clock: Clock
  readonly log: Log
}

/** Tells bootd what is wanted, and folds what it says; `run` ends when the signal aborts. */
export class Fences {
  readonly #options: FencesOptions
  readonly #bell = new Bell()
  readonly #heardAt = new Map<string, Ms>()
  /** Bootds that have refused, since they could not keep our epoch. */
  readonly #unable = new Set<string>()
  #bootds: readonly BootdAddress[] = []
  #active: string | undefined
  #told = ''
  #urgent = ''
  #watchedAt: Ms = Number.NEGATIVE_INFINITY
  #number = 0
  /** Since when no bootd is heard; undefined: one is. */
  #aloneSince: Ms | undefined
  #saidOfBootds: BootdTold | undefined

  readonly #boots: BootPlans
  readonly #bootFeed: BootFeed
  readonly #lines: AgentLines
  /** Asks bootds that are heard what they know. */
  readonly line: AskedBootds

  constructor(options: FencesOptions) {
    this.#options = options
    const send = (bootd: string, message: ToAgent): boolean => this.#send(bootd, message)
    this.#boots = new BootPlans({ ...options, send })
    this.#bootFeed = new BootFeed(options)
    this.#lines = new AgentLines(options.mesh)
    this.line = new AskedBootds(this.#lines, () => this.#heardAt.keys())
  }

  /** Name of the bootd in use; undefined: none is heard. */
  get active(): string | undefined {
    return this.#active
  }

  /** Opens the console of a host's machine through the bootd in use. */
  readonly console: OpenMachine = ({ name, decided }, { take }) => {
    const bootd = this.#active
    if (bootd === undefined) {
      throw new Fault('unavailable', `cannot open the console of host ${name}: no bootd is heard`, {
        next: ['remuda boot show', `remuda host fence show ${name}`]
      })
    }
    return this.#lines.open(bootdSpeaker(bootd), {
      what: `the console of host ${name}`,
      openMsMax: machineConsoleMsMax,
      opening: channel => ({ type: 'sol-open', channel, host: decided.uuid, take })
    })
  }

  /** Something was decided: perhaps a host is to be fenced. */
  ring(): void {
    this.#bell.ring()
  }

  async run(signal: AbortSignal): Promise<void> {
    const stop = (): void => this.#bell.ring()
    signal.addEventListener('abort', stop)
    await Promise.all([this.#listen(signal), this.#lookForBootds(signal), this.#turns(signal)])
    signal.removeEventListener('abort', stop)
  }

  async #lookForBootds(signal: AbortSignal): Promise<void> {
    const { mesh, clock, log } = this.#options
    while (!signal.aborted) {
      try {
        this.#bootds = await this.#options.bootds()
        mesh.setPeers(
          this.#bootds.map(({ name, endpoint, publicKey }) => ({
            host: bootdPeer(name),
            endpoint,
            publicKey
          }))
        )
      } catch (thrown) {
        if (!isFault(thrown)) throw thrown
        log.debug('cannot look for bootds', { because: sentence(thrown) })
      }
      await clock.sleep(bootdsMs, signal).catch(() => undefined)
    }
  }

  async #turns(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    let beatAt: Ms = Number.NEGATIVE_INFINITY
    const listen = () => this.#bell.heard().then(() => 'rung' as const)
    let rung = listen()
    while (!signal.aborted) {
      const late = new AbortController()
      const timer = clock.sleep(turnMs, late.signal).catch(() => undefined)
      if ((await Promise.race([rung, timer])) === 'rung') rung = listen()
      late.abort()
      if (signal.aborted || !this.#options.mayAct()) continue
      this.#choose()
      this.#tellOfBootds()
      if (clock.monotonic() - beatAt >= heartbeatMs) {
        beatAt = clock.monotonic()
        this.#beat()
      }
      await this.#order()
      await this.#boots.tell(this.#bootds.map(({ name }) => name))
    }
  }

  /** Keeps to the one in use as long as it is heard and its own machine is well. */
  #choose(): void {
    const { own, log, view, clock } = this.#options
    const before = this.#active
    const bootds = this.#bootds.map(({ name }) => name)
    const now = clock.monotonic()
    const heard = { bootds, heardAt: this.#heardAt, unable: this.#unable }
    this.#active = chooseBootd(view, { ...heard, active: before, own, now })
    if (this.#active === before) return
    this.#told = ''
    this.#urgent = ''
    if (this.#active === undefined) {
      log.warn('no bootd is heard: no host can be fenced', { was: before })
    } else log.info('hosts are fenced through a bootd', { bootd: this.#active, was: before })
  }

  /** Whether hosts can be fenced at all is told before it is needed. */
  #tellOfBootds(): void {
    const { view, clock, epoch, onNews } = this.#options
    const now = clock.monotonic()
    const context = { by: 'controller', now: { monotonic: now, wall: clock.wall() }, newId }
    this.#saidOfBootds ??= bootdTold(view)
    if (this.#active !== undefined) {
      this.#aloneSince = undefined
      if (this.#saidOfBootds === 'heard') return
      this.#saidOfBootds = 'heard'
      this.#record(bootdHeard(view, this.#active, context))
      return
    }
    this.#aloneSince ??= now
    const silentMs = now - this.#aloneSince
    if (silentMs < bootdSilentMs || this.#saidOfBootds === 'silent') return
    const commit = bootdSilent(view, silentMs, context)
    if (!commit) return
    this.#saidOfBootds = 'silent'
    this.#record(commit)
    const states = unknownFences(view, epoch(), context)
    view.fold({ type: 'fences', states, at: context.now })
    onNews()
  }

  /** What could not be recorded is tried again: the view still says what was told before. */
  #record(commit: Commit): void {
    const { record, log } = this.#options
    record(commit).catch(thrown => {
      if (!isFault(thrown)) throw thrown
      this.#saidOfBootds = undefined
      log.warn('cannot record what became of bootds', { because: sentence(thrown) })
    })
  }

  /** Heartbeats let a bootd know the epoch, and us that it is there. */
  #beat(): void {
    this.#number += 1
    const beat = { type: 'heartbeat', number: this.#number, loopLagMs: 0, generation: 0 } as const
    for (const { name } of this.#bootds) this.#send(name, { ...beat, epoch: this.#options.epoch() })
  }

  /** What nobody else would know of, if we ended now, is wanted of nobody. */
  async #order(): Promise<void> {
    const { view, epoch, clock, durable, mayAct } = this.#options
    const bootd = this.#active
    if (bootd === undefined) return
    const now = clock.monotonic()
    const urgent = urgentIn(view)
    if (this.#told !== '' && urgent === this.#urgent && now - this.#watchedAt < watchMs) return
    this.#watchedAt = now
    this.#urgent = urgent
    const orders = mostUrgent(fenceOrdersOf(view, { epoch: epoch(), now: clock.monotonic() }))
    const text = JSON.stringify([epoch(), orders])
    if (text === this.#told) return
    try {
      await durable()
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      this.#urgent = ''
      return
    }
    if (!mayAct()) return
    if (!this.#send(bootd, { type: 'fence-orders', epoch: epoch(), orders })) return
    this.#told = text
    for (const { name } of this.#bootds) {
      // Whoever was used before leaves the devices alone from now on.
      if (name !== bootd) this.#send(name, { type: 'fence-orders', epoch: epoch(), orders: [] })
    }
  }

  #send(bootd: string, message: ToAgent): boolean {
    try {
      this.#options.mesh.send(bootdPeer(bootd), message)
      return true
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      return false
    }
  }

  async #listen(signal: AbortSignal): Promise<void> {
    for await (const said of this.#options.mesh.messages(signal)) this.#hear(said)
  }

  #hear(said: MeshMessage): void {
    const { view, clock, log } = this.#options
    const name = bootdName(said.host)
    if (said.type === 'connected') {
      // It has lost what it was told, if it has started anew.
      if (name === this.#active) this.#told = ''
      this.#unable.delete(name)
      this.#boots.forget(name)
      this.line.forget(name)
      this.#heardAt.set(name, clock.monotonic())
      this.#bell.ring()
      return
    }
    if (said.type === 'disconnected') {
      this.#heardAt.delete(name)
      this.line.forget(name)
      this.#lines.lost(bootdSpeaker(name), said.because)
      this.#bell.ring()
      return
    }
    this.#heardAt.set(name, clock.monotonic())
    const { message } = said
    this.#lines.heard(bootdSpeaker(name), message)
    this.line.take(name, message)
    this.#hearEpoch(name, message)
    if (message.type === 'boot-report') {
      const at = { monotonic: clock.monotonic(), wall: clock.wall() }
      view.fold({ type: 'boots', bootd: name, report: message, at })
      this.#bootFeed.hear(name, message)
      this.#options.onNews()
    }
    if (message.type === 'refusal') {
      log.warn('bootd refuses', { bootd: name, ...message })
      this.#boots.refused(name)
    }
    if (message.type !== 'fence-report' || name !== this.#active) return
    const at = { monotonic: clock.monotonic(), wall: clock.wall() }
    view.fold({ type: 'fences', states: message.states, at })
    this.#options.onNews()
  }

  /** Who refuses below our epoch cannot write it down: nothing is switched there for us. */
  #hearEpoch(name: string, message: ToController): void {
    const epoch = this.#options.epoch()
    if (message.type === 'refusal' && message.epoch < epoch) {
      this.#unable.add(name)
      this.#bell.ring()
    }
    if (message.type !== 'heartbeat' || message.epoch < epoch) return
    // It has refused what it was told before.
    if (this.#unable.delete(name) && name === this.#active) this.#told = ''
  }
}

/** Has hosts fenced as long as this controller leads: until the signal aborts. */
export async function keepFences(
  given: Pick<FencesOptions, 'mesh' | 'feed' | 'bootds' | 'own' | 'mayAct' | 'clock' | 'log'> & {
    readonly ledger: Pick<Ledger, 'view' | 'epoch' | 'durable'>
    readonly reign: Pick<Reign, 'wake' | 'afterDecisions' | 'record'>
    /** Where consoles of machines are asked for. */
    readonly machines?: Pick<MachineConsoles, 'serve'>
    /** Where bootds are asked what they know. */
    readonly questions?: Pick<BootdQuestions, 'serve'>
  },
  signal: AbortSignal
): Promise<void> {
  const { ledger, reign } = given
  const fences = new Fences({
    ...given,
    view: ledger.view,
    epoch: () => ledger.epoch,
    durable: () => ledger.durable(),
    onNews: () => reign.wake(),
    record: commit => reign.record(commit)
  })
  reign.afterDecisions(() => fences.ring())
  const served = [given.machines?.serve(fences.console), given.questions?.serve(fences.line)]
  await fences.run(signal)
  for (const end of served) end?.()
}

/** The same among several candidates, through the bootds of those who stand. */
export async function fenceAmongOthers(
  parts: {
    readonly fences?: FenceLine
    readonly name: string
    readonly service: Pick<Service, 'ledger' | 'reign' | 'feed' | 'machines' | 'bootds'>
    readonly clock: Clock
    readonly log: Log
  },
  given: {
    readonly cards: () => Promise<readonly Pick<CandidateCard, 'name' | 'bootd'>[]>
    readonly mayAct: () => boolean
  },
  signal: AbortSignal
): Promise<void> {
  const { fences, name: own, service, clock, log } = parts
  if (!fences) return
  const { ledger, reign, feed, machines, bootds: questions } = service
  const { mesh } = fences
  const { mayAct } = given
  const bootds = async () =>
    (await given.cards()).flatMap(({ name, bootd }) => (bootd ? [{ name, ...bootd }] : []))
  const beside = { machines, questions, clock, log }
  const kept = { mesh, feed, bootds, own, mayAct, ledger, reign, ...beside }
  await keepFences(kept, signal)
}
