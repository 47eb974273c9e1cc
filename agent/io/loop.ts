/**
 * The agent's loop: observe → diff → act → report.
 *
 * Whatever happens (an order, an event of libvirt, the end of a step) is only noted and rings the
 * bell; the loop then looks for itself. So nothing acts in the midst of an event, nothing is missed
 * when an event is lost, and a storm of events is one look. Without a bell it looks every
 * `lookMs` all the same.
 *
 * A step that has ended is taken up at the beginning of a round, before looking: what is seen then
 * is never older than what was done.
 */
import { sentence } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import type { Refusal } from '#shared/wire/messages.ts'
import type { Order, Report } from '#shared/wire/order.ts'
import { judgeOrder, nothingSeen, type Seen } from '../core/acceptance.ts'
import { diff, type Plan } from '../core/diff.ts'
import * as fold from '../core/memory.ts'
import * as foldStep from '../core/memory-steps.ts'
import type { Moment } from '../core/moment.ts'
import { type NoticeText, note } from '../core/notices.ts'
import { domainsOf, nothingObserved, type Observed, withResult } from '../core/observed.ts'
import { isHeld, sortDomains } from '../core/own-domains.ts'
import type { DomainEvent } from '../core/ports.ts'
import { type GateNews, type ReadinessMemory, rememberGate } from '../core/readiness.ts'
import { mayAct, type Situation } from '../core/situation.ts'
import { type Step, type StepType, stepSentence } from '../core/steps.ts'
import { act, classOf } from './act.ts'
import { Bell } from './bell.ts'
import { Eyes } from './eyes.ts'
import { HostKnowledge } from './host-knowledge.ts'
import type { LoopOptions } from './loop-options.ts'
import { Reports } from './reports.ts'
import { Standings } from './standings.ts'
import { StorageWatch } from './storage-watch.ts'
import { type Ended, Works } from './works.ts'

/** Without any event the loop looks so often. Unit: ms. */
const lookMs: Ms = 2_000
/** Two rounds are at least so far apart: what happens meanwhile is looked at together. Unit: ms. */
const roundApartMs: Ms = 10
/** Steps of another sort that change what lies in the storage all the same. */
const changesStorage: ReadonlySet<StepType> = new Set(['fetch-image', 'forget-instance'])
/** How long the end of steps is waited for when the agent ends. Unit: ms. */
const stopMsMax: Ms = 8_000

type Desired = Pick<Situation, 'order' | 'origin' | 'isUnkept'>

/** Made by `open`, which recalls what an earlier run has kept. */
export class AgentLoop {
  readonly #options: LoopOptions
  readonly #bell = new Bell()
  readonly #eyes: Eyes
  readonly #works: Works
  readonly #storage: StorageWatch
  readonly #reports: Reports
  readonly #host: HostKnowledge
  readonly #standings: Standings
  #seen: Seen = nothingSeen
  #order: Desired | undefined
  #incoming: Order | undefined
  #observed: Observed = nothingObserved
  #memory: fold.Memory = fold.freshMemory
  #plan: Plan | undefined
  #settledGeneration = 0

  /** Makes the loop, with what an earlier run of the agent has kept. */
  static async open(options: LoopOptions): Promise<AgentLoop> {
    const loop = new AgentLoop(options)
    await loop.#recall()
    return loop
  }

  private constructor(options: LoopOptions) {
    this.#options = options
    const { hands, hardware, facts, clock, log } = options
    const ring = (): void => this.#bell.ring()
    this.#standings = new Standings(log)
    this.#eyes = new Eyes(hands)
    this.#works = new Works({
      act: (step, signal) => act(step, hands, signal),
      onEnded: ring
    })
    this.#storage = new StorageWatch({ eyes: this.#eyes, hardware, clock, log, onFound: ring })
    this.#host = new HostKnowledge({
      eyes: this.#eyes,
      hardware,
      facts,
      clock,
      log,
      onChanged: ring
    })
    this.#reports = new Reports({ clock, log, send: options.send })
  }

  /** The highest epoch and generation that were taken on. */
  get seen(): Seen {
    return this.#seen
  }

  /** The order that it goes by, and where that is from. */
  get desired(): Desired | undefined {
    return this.#order
  }

  /** The user as whom emulators run; undefined: libvirt has not said. */
  get emulatorUid(): number | undefined {
    return this.#host.abilities?.emulatorUid
  }

  /** What it found at its last look. */
  get observed(): Observed {
    return this.#observed
  }

  /** What it last decided. */
  get plan(): Plan | undefined {
    return this.#plan
  }

  /** What it last told the controller. */
  get lastReport(): Report | undefined {
    return this.#reports.last
  }

  /** How far those are that others wait for. */
  get readiness(): ReadinessMemory {
    return this.#memory.readiness
  }

  /** Steps that are under way. */
  get underWay(): readonly Step[] {
    return this.#works.steps
  }

  /** The order last taken on that was brought about to its end. */
  get settledGeneration(): number {
    return this.#settledGeneration
  }

  /** Takes an order on, or says why not. */
  takeOrder(order: Order): Refusal | undefined {
    const judgement = judgeOrder(this.#seen, order, this.#options.reporter.bootId)
    if (judgement.verdict === 'refused') {
      const { because } = judgement.refusal
      this.#options.log.warn('order refused', { because })
      this.#memory = foldStep.rememberRefusal(this.#memory, because, this.#now())
      this.#bell.ring()
      return judgement.refusal
    }
    this.#seen = judgement.seen
    this.#incoming = order
    this.#bell.ring()
    return undefined
  }

  /** Looks again soon: something has changed that reports say. */
  ring(): void {
    this.#bell.ring()
  }

  /** Notes what belongs into the journal. */
  note(text: NoticeText): void {
    const notices = note(this.#memory.notices, text, this.#now())
    this.#memory = { ...this.#memory, notices }
    this.#bell.ring()
  }

  /** Notes what was found of a gate that others wait for. */
  takeGate(news: GateNews): void {
    const readiness = rememberGate(this.#memory.readiness, news)
    if (readiness === this.#memory.readiness) return
    this.#memory = { ...this.#memory, readiness }
    this.#bell.ring()
  }

  /** Notes what libvirt says, for the loop to look. */
  takeEvent(event: DomainEvent): void {
    this.#memory = fold.rememberEvent(this.#memory, event)
    if (event.event === 'reconnected') this.#host.doubtAbilities()
    this.#bell.ring()
  }

  /** Runs until the signal aborts. What runs on the host goes on. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const beside = [this.#readEvents(signal), this.#host.keepFresh(signal)]
    try {
      while (!signal.aborted) {
        const begunAt = clock.monotonic()
        await this.#round(signal)
        await clock.sleep(roundApartMs, signal)
        await this.#bell.heard(this.#waitMs(begunAt), { clock, signal })
      }
    } catch (thrown) {
      if (!signal.aborted) throw thrown
    } finally {
      const over = Promise.all([this.#works.stop(), this.#storage.ended(), ...beside])
      if (signal.aborted) await this.#patiently(over)
    }
  }

  /** Waits for the last steps to end, but not for ever. */
  async #patiently(over: Promise<unknown>): Promise<void> {
    const enough = new AbortController()
    const late = this.#options.clock.sleep(stopMsMax, enough.signal).catch(() => {})
    await Promise.race([over, late])
    enough.abort()
  }

  async #recall(): Promise<void> {
    const { kept, clock, log } = this.#options
    const { seen, order, origin, marks } = await kept.recall()
    this.#seen = seen
    if (order === undefined) return
    this.#order = { order, origin }
    const memory = fold.rememberOrder(this.#memory, { ...order, noticesKept: 0 })
    this.#memory = fold.recallMarks(memory, marks, clock.monotonic())
    log.info('order recalled', { epoch: order.epoch, generation: order.generation, origin })
  }

  async #round(signal: AbortSignal): Promise<void> {
    for (const ended of this.#works.takeEnded()) this.#takeEnded(ended)
    await this.#takeIncoming()
    await this.#look(signal)
    const plan = this.#decide()
    this.#plan = plan
    if (plan !== undefined) this.#carryOut(plan)
    await this.#keepMarks()
    this.#reports.sendWhenDue({
      reporter: this.#options.reporter,
      actedOn: this.#actedOn(),
      settledGeneration: this.#settledGeneration,
      observed: this.#observed,
      memory: this.#memory,
      plan,
      facts: this.#host.facts,
      beside: this.#options.beside?.() ?? {}
    })
  }

  /**
   * The order that the report speaks of. One that is only for looking at counts as none, so does
   * one that could not be kept, and any while our domains have never been seen: what a report does
   * not list would be taken for gone.
   */
  #actedOn(): Pick<Seen, 'epoch' | 'generation'> {
    const isSeen = this.#observed.domains.state !== 'unknown'
    return this.#order && !this.#order.isUnkept && mayAct(this.#order.origin) && isSeen
      ? this.#order.order
      : { epoch: this.#seen.epoch, generation: 0 }
  }

  #takeEnded(ended: Ended): void {
    const [{ log }, { step }] = [this.#options, ended]
    const now = this.#now()
    const what = stepSentence(step)
    if (classOf[step.type] === 'storage' || changesStorage.has(step.type)) this.#storage.change()
    if (ended.state === 'done') {
      log[step.isRoutine ? 'debug' : 'info']('step done', { step: what })
      const { result } = ended
      this.#observed = withResult(this.#observed, { step, result, now: now.monotonic })
      this.#memory = foldStep.rememberDone(this.#memory, step, now)
      return
    }
    const because = sentence(ended.fault)
    log.warn('step failed', { step: what, code: ended.fault.code, because })
    this.#memory = foldStep.rememberFailure(this.#memory, step, ended.fault, now)
  }

  /**
   * An order is kept before it is acted on, so that the agent never goes back behind it. On a full
   * disk it is acted on all the same: it may be the very order that makes room. But the report does
   * not speak of it, so that nobody builds on it, and the controller sends it again and again.
   */
  async #takeIncoming(): Promise<void> {
    const { kept, log } = this.#options
    const order = this.#incoming
    if (order === undefined) return
    this.#incoming = undefined
    let isUnkept = false
    try {
      await kept.keepOrder(order)
    } catch (thrown) {
      isUnkept = true
      log.error('order not kept', { generation: order.generation, because: sentence(thrown) })
    }
    const { epoch, generation } = order
    const last = this.#order?.order
    if (generation !== last?.generation || epoch !== last.epoch) {
      log.info('order taken on', { epoch, generation, instances: order.instances.length })
    }
    // What another host has made may be here since, and is waited for there.
    if (order.volumes.some(({ elsewhere }) => elsewhere === true)) this.#storage.lookSoon()
    this.#order = { order, origin: 'fresh', isUnkept }
    this.#memory = fold.rememberOrder(this.#memory, order)
  }

  async #look(signal: AbortSignal): Promise<void> {
    const seen = await this.#eyes.domains(this.#observed, this.#order?.order, signal)
    this.#observed = { ...this.#observed, ...seen }
    if (seen.domains.state === 'fresh') this.#host.learnAbilities(signal)
    const found = this.#storage.take()
    if (found !== undefined) {
      const { memoryFreeMib = this.#observed.memoryFreeMib, ...storage } = found
      this.#observed = { ...this.#observed, ...storage, memoryFreeMib }
    }
    const open = new Set(this.#observed.pools.map(pool => pool.name))
    const pools = this.#order?.order.pools.filter(pool => open.has(pool.name)) ?? []
    this.#storage.lookWhenDue(pools, this.#observed, signal)
  }

  #decide(): Plan | undefined {
    if (this.#order === undefined) return undefined
    const now = this.#now()
    const { order } = this.#order
    const sorted = sortDomains(domainsOf(this.#observed), order.cloud)
    if (this.#observed.domains.state === 'fresh') {
      this.#memory = fold.rememberDomains(this.#memory, sorted, { order, now })
      this.#options.onDomains(sorted.own.filter(({ domain }) => !isHeld(domain)))
    }
    const plan = diff(this.#situation(this.#order, now))
    this.#memory = foldStep.pruneRetries(this.#memory, plan.wanted)
    this.#standings.tell(plan.verdicts.instances)
    return plan
  }

  #situation(desired: Desired, now: Moment): Situation {
    const { consoleFolder, cutOff } = this.#options
    const { facts, abilities } = this.#host
    return {
      ...desired,
      services: this.#options.services?.() ?? new Set(),
      observed: this.#observed,
      memory: this.#memory,
      host: {
        ...{ hostname: facts.hostname, kvm: facts.kvm.works, devices: facts.devices },
        cells: facts,
        ...(facts.architecture !== undefined && { architecture: facts.architecture }),
        ...{ abilities, consoleFolder }
      },
      cutOff: cutOff?.({ ...desired, observed: this.#observed, inFlight: this.#works.steps }),
      inFlight: this.#works.steps,
      now
    }
  }

  #carryOut(plan: Plan): void {
    const { log } = this.#options
    this.#works.withdrawAllBut(plan.steps)
    for (const step of plan.steps) {
      if (!this.#works.begin(step)) continue
      const level = step.isRoutine ? 'debug' : 'info'
      log[level]('step begun', { step: stepSentence(step), because: step.because })
      this.#memory = foldStep.rememberBegun(this.#memory, step, this.#now())
    }
    if (plan.settled && this.#works.steps.length === 0) {
      this.#settledGeneration = this.#order?.order.generation ?? 0
    }
  }

  async #keepMarks(): Promise<void> {
    try {
      await this.#options.kept.keepMarks(fold.marksOf(this.#memory))
    } catch (thrown) {
      this.#options.log.error('marks not kept', { because: sentence(thrown) })
    }
  }

  async #readEvents(signal: AbortSignal): Promise<void> {
    for await (const event of this.#options.hands.hypervisor.events(signal)) this.takeEvent(event)
  }

  #waitMs(begunAt: Ms): Ms {
    const now = this.#options.clock.monotonic()
    const moments = [
      begunAt + lookMs,
      this.#plan?.lookAgainAt ?? Number.POSITIVE_INFINITY,
      this.#reports.nextAt,
      this.#storage.nextAt
    ]
    return Math.max(0, Math.min(...moments) - now)
  }

  #now(): Moment {
    const { clock } = this.#options
    return { monotonic: clock.monotonic(), wall: clock.wall() }
  }
}
