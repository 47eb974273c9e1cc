/**
 * A candidate without its io: it stands, leads, decides and orders over the same core, and ends
 * when it is deposed. Each commit is in the view before the next is decided; orders leave once all
 * that they were made of is in the journal, and only while the lease is held.
 *
 * What it leaves out: a write whose outcome it does not learn ends the program at once instead of
 * being recovered, a new reign reads the whole journal, and a turn in which nothing can be decided,
 * since all hosts are well and nobody waits for anything, is left out but for one in eight.
 */
import { silentLog } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import type { Report } from '#shared/wire/order.ts'
import { type Lease, makeLease } from '#shared/zookeeper/lease.ts'
import { admit, type Intent } from '../../../controller/core/admission/admit.ts'
import type { Context } from '../../../controller/core/admission/context.ts'
import type { Commit } from '../../../controller/core/commit.ts'
import { decide } from '../../../controller/core/decide.ts'
import { type HostSeen, watchHosts } from '../../../controller/core/host-watch.ts'
import { orderFor } from '../../../controller/core/orders.ts'
import { isRefusal, type Refusal } from '../../../controller/core/refusal.ts'
import { hostsToTell, noteStartWaits } from '../../../controller/core/start-order.ts'
import { type Moment, View } from '../../../controller/core/view.ts'
import { Grace, graceMs } from '../../../controller/io/grace.ts'
import { hostsToBeat } from '../../../controller/io/heartbeats.ts'
import { SentOrders } from '../../../controller/io/sent-orders.ts'
import { noClock } from '../../world/fake-clock.ts'
import type { Beat, Ear } from './agent.ts'
import type { LeanCloud } from './cloud.ts'
import { nobody, sessionMs } from './ensemble.ts'
import { FenceLine } from './fence-line.ts'
import { LeanTrace } from './lean-trace.ts'
import type { Machine } from './machine.ts'
import { RingTeller, saysOtherwise } from './ring-teller.ts'

const turnMsMax: Ms = 500
/** A supervisor starts an ended program again after so long. Unit: ms. */
const restartMs: Ms = 1_000
/** Messages that wait for a program that stands still; more are lost. */
const unheardMax = 400
/** Every so many turns all is decided anew, also while nothing seems to be amiss. */
const quietTurns = 8

/** One candidate, whichever run of it. */
export class LeanController implements Ear {
  readonly name: string
  readonly machine: Machine
  isRunning = false
  isPaused = false
  /** Cut off from the ensemble alone. */
  isShutOut = false
  view = new View()
  epoch = 0
  leads = false
  readonly fences: FenceLine
  /** This run of it, as the ensemble knows it. */
  member = nobody
  readonly #cloud: LeanCloud
  #reign = 0
  #lease: Lease = makeLease(sessionMs)
  #trace = new LeanTrace()
  #sent = new SentOrders()
  #grace: Grace
  #seen: ReadonlyMap<string, HostSeen> = new Map()
  readonly #ring: RingTeller
  /** What was folded and not sent to the journal yet. */
  #unwritten: Commit[] = []
  #durable = 0
  #held: { readonly position: number; readonly send: () => void }[] = []
  #turnAt: Ms = Number.POSITIVE_INFINITY
  #writeAt: Ms = 0
  #quiet = 0
  #unheard: (() => void)[] = []

  constructor(cloud: LeanCloud, machine: Machine) {
    this.#cloud = cloud
    this.machine = machine
    this.name = machine.name
    this.fences = new FenceLine(cloud, this)
    this.#ring = new RingTeller(cloud, this)
    this.#grace = this.#newGrace()
  }

  get runs(): boolean {
    return this.isRunning && !this.isPaused && this.machine.runs
  }

  get isThere(): boolean {
    return this.runs && !this.isShutOut
  }

  get now(): Moment {
    return { monotonic: this.machine.monotonic, wall: this.machine.wall }
  }

  /** Whether it may act now, by its own clock alone. */
  get mayAct(): boolean {
    return this.leads && this.runs && this.machine.monotonic < (this.#lease.until() ?? 0)
  }

  start(): void {
    if (this.isRunning || !this.machine.runs) return
    Object.assign(this, { isRunning: true, isPaused: false, leads: false })
    this.#trace = new LeanTrace()
    this.#reign += 1
    const run = this.#reign
    this.member = {
      isThere: () => this.#reign === run && this.isThere,
      elected: epoch => this.#reign === run && this.#elected(epoch),
      // Who leads learns it by its next beat.
      expired: () => this.#reign === run && !this.leads && this.end('its session has ended'),
      traced: change => this.#reign === run && this.#trace.see(change, this.machine.monotonic)
    }
    this.#stand()
  }

  #stand(): void {
    const reign = this.#reign
    const { ensemble, timeline } = this.#cloud
    timeline.after(50, () => {
      if (!this.isRunning || this.#reign !== reign) return
      if (!this.isThere || !ensemble.hasQuorum) return this.#stand()
      ensemble.stand(this.member)
    })
  }

  /** SIGKILL, or the power is gone. Its session lives on for a while. */
  stop(): void {
    Object.assign(this, { isRunning: false, isPaused: false, leads: false })
    this.#reign += 1
    this.#unheard = []
    this.#unwritten = []
    this.#held = []
  }

  /** It ends by itself, and is started again. */
  end(because: string): void {
    this.#cloud.count(`candidates ended: ${because}`)
    this.#cloud.ensemble.leave(this.member)
    this.stop()
    this.#cloud.timeline.after(restartMs, () => this.start())
  }

  goOn(): void {
    this.isPaused = false
    for (const hear of this.#unheard.splice(0)) this.#whenItRuns(hear)
    this.wake()
  }

  #whenItRuns(hear: () => void): void {
    if (this.runs) hear()
    else if (this.isRunning && this.#unheard.length < unheardMax) this.#unheard.push(hear)
  }

  /** Somebody has raised the epoch in its name: it leads, when it does not stand still. */
  #elected(epoch: number): void {
    const reign = this.#reign
    this.#cloud.timeline.after(20 + 100 * this.#cloud.chance(), () => {
      if (this.#reign === reign) this.#whenItRuns(() => this.#lead(epoch, reign))
    })
  }

  #lead(epoch: number, reign: number): void {
    this.#cloud.count('reigns')
    this.view = new View()
    const { entries } = this.#cloud.ensemble
    for (const { position, commit } of entries) this.view.fold({ type: 'commit', position, commit })
    Object.assign(this, { epoch, leads: true })
    this.#trace.lead(this.#cloud.ensemble.traces, this.machine.monotonic)
    this.#durable = entries.length
    this.#sent = new SentOrders()
    this.#grace = this.#newGrace()
    this.#grace.begin()
    this.#seen = new Map()
    this.#ring.begin()
    this.#lease = makeLease(sessionMs)
    this.fences.begin()
    const sentAt = this.machine.monotonic
    this.#confirm(() => this.#lease.connected(sentAt))
    this.#beat(reign)
    this.wake()
  }

  #newGrace(): Grace {
    const clock = { ...noClock, monotonic: () => this.machine.monotonic }
    return new Grace({ graceMs, clock, log: silentLog })
  }

  /** Twice a second: the lease is confirmed, and all hosts and bootds hear of it. */
  #beat(reign: number): void {
    if (this.#reign !== reign || !this.isRunning) return
    const { timeline, net, ensemble } = this.#cloud
    timeline.after(turnMsMax, () => this.#beat(reign))
    if (!this.runs) return
    this.#confirm(() => {})
    if (!this.mayAct) {
      // Its session has ended, and it learns that when it is connected again.
      if (this.isThere && ensemble.hasQuorum && ensemble.first !== this.member) this.end('deposed')
      return
    }
    this.#cloud.oracle.acts(this)
    const { epoch } = this
    for (const { host, generation, echo } of hostsToBeat(this.view, this.#trace.leftAt)) {
      const agent = this.#cloud.agentByUuid(host)
      if (!agent) continue
      const beat = { epoch, generation, ...(echo && { echo }) }
      if (net.isPrompt(this.machine, agent.machine)) agent.hearBeat(this, beat)
      else net.send(this.machine, agent.machine, () => agent.hearBeat(this, beat))
    }
    this.fences.beat()
    this.wake(turnMsMax)
  }

  #confirm(before: () => void): void {
    const { ensemble, timeline } = this.#cloud
    const reign = this.#reign
    const sentAt = this.machine.monotonic
    if (!this.isThere || !ensemble.hasQuorum) return
    ensemble.touch(this.member)
    if (ensemble.first !== this.member || ensemble.epoch !== this.epoch) return
    ensemble.trace(this.member)
    timeline.after(ensemble.answersAfterMs(), () => {
      if (this.#reign !== reign || !this.isThere || !ensemble.hasQuorum) return
      before()
      this.#lease.answered(sentAt)
      this.#lease.confirmed(sentAt)
      this.#trace.leftAt = sentAt
    })
  }

  wake(delayMs: Ms = this.#cloud.pace.turnMs): void {
    const at = this.#cloud.timeline.now + delayMs
    if (at >= this.#turnAt) return
    this.#turnAt = at
    this.#cloud.timeline.at(at, () => {
      if (this.#turnAt !== at) return
      this.#turnAt = Number.POSITIVE_INFINITY
      if (this.mayAct) this.#turn()
    })
  }

  #turn(): void {
    const { view, epoch } = this
    view.fold({ type: 'turn', at: this.now, epoch, alone: false, ...this.#trace.found })
    if (view.indexes.afterOthers.size > 0) noteStartWaits(view, this.now)
    this.#quiet = this.#isQuiet() ? this.#quiet + 1 : 0
    if (this.#quiet % quietTurns === 0) this.#decide()
    this.#order()
    this.fences.turn()
  }

  /** Whether all hosts are well and heard, and nothing waits for a decision. */
  #isQuiet(): boolean {
    const { view } = this
    const { unplaced, moving, going, news } = view.indexes
    if (unplaced.size + moving.size + going.size > 0) return false
    const now = this.machine.monotonic
    for (const { name, decided } of view.all('host').values()) {
      const { heardAt } = view.heard(name)
      if (heardAt === undefined || now - heardAt > 1_000) return false
      if (decided.recovery ?? decided.duty ?? decided.returning ?? decided.fenceTest) return false
    }
    return news.size === 0
  }

  #decide(): void {
    const { view } = this
    const context = this.contextOf('controller')
    const news = watchHosts(view, this.#seen, context)
    for (const commit of news.commits) this.#record(commit)
    const places = this.#grace.isOver(view)
    for (const commit of decide(view, context, { places })) {
      if (!commit) continue
      this.#cloud.oracle.decides(this, commit)
      this.#record(commit)
    }
    this.#seen = news.seen
    if (this.#unwritten.length === 0) view.indexes.news.clear()
    else this.#write()
  }

  #record(commit: Commit): void {
    this.view.fold({ type: 'commit', position: this.view.position + 1, commit })
    this.#unwritten.push(commit)
  }

  /** Writes what was folded; all that was folded since the last time shares a write. */
  #write(): void {
    const { ensemble, timeline } = this.#cloud
    const reign = this.#reign
    const commits = this.#unwritten
    this.#unwritten = []
    const from = { epoch: this.epoch, at: this.view.position - commits.length + 1 }
    this.#cloud.oracle.acts(this)
    this.#writeAt = Math.max(this.#writeAt, timeline.now + ensemble.answersAfterMs())
    timeline.at(this.#writeAt, () => {
      // Once it has left the machine it arrives, whatever becomes of who sent it.
      const arrives = this.machine.isOn && !this.isShutOut && ensemble.hasQuorum
      const isWritten = arrives && ensemble.write(commits, from)
      if (arrives && !isWritten) this.#cloud.count('commits refused')
      if (this.#reign !== reign) return
      this.#whenItRuns(() => {
        if (this.#reign !== reign) return
        if (!isWritten) return this.end('a write has failed')
        this.#durable = from.at + commits.length - 1
        this.#release()
        this.wake()
      })
    })
  }

  /** Sends what has waited for the journal, if it still may. */
  #release(): void {
    if (!this.mayAct) return
    const ready = this.#held.filter(({ position }) => position <= this.#durable)
    if (ready.length === 0) return
    this.#held = this.#held.filter(({ position }) => position > this.#durable)
    this.#cloud.oracle.acts(this)
    for (const { send } of ready) send()
  }

  /** Has something sent once all that the view holds now is in the journal. */
  whenDurable(send: () => void): void {
    this.#held.push({ position: this.view.position, send })
    this.#release()
  }

  #order(): void {
    const { view, epoch } = this
    const { touched } = view.indexes
    this.#sent.keepOnly(name => view.named('host', name) !== undefined)
    for (const name of hostsToTell(view, this.#sent, this.now)) touched.add(name)
    for (const name of this.#sent.due(touched, this.machine.monotonic)) {
      touched.delete(name)
      const host = view.named('host', name)
      if (!host || view.heard(name).report === undefined || host.decided.recovery) continue
      const { now } = this
      const order = orderFor(view, host, { epoch, now, imageUrl: ({ id }) => `http://c/${id}` })
      this.#cloud.starts.ordered(this, order)
      this.#sent.noteSent(name, order, this.machine.monotonic)
      const agent = this.#cloud.agentByUuid(host.decided.uuid)
      if (!agent) continue
      this.whenDurable(() =>
        this.#cloud.net.send(this.machine, agent.machine, () => agent.hearOrder(this, order))
      )
    }
    const leftMs = this.#sent.nextAt - this.machine.monotonic
    if (Number.isFinite(leftMs)) this.wake(Math.max(this.#cloud.pace.turnMs, leftMs))
  }

  heartbeat(host: string, beat: Beat | undefined, bootId: string): void {
    if (this.runs) this.#takeBeat(host, beat, bootId)
    else this.#whenItRuns(() => this.#takeBeat(host, beat, bootId))
  }

  #takeBeat(host: string, beat: Beat | undefined, bootId: string): void {
    if (!this.leads) return
    this.view.fold({ type: 'heartbeat', host, loopLagMs: 0, beat, bootId, at: this.now })
  }

  report(name: string, report: Report): void {
    this.#whenItRuns(() => {
      if (!this.leads) return
      const { view } = this
      const before = view.heard(name).report
      view.fold({ type: 'report', host: name, report, at: this.now })
      const host = view.named('host', name)
      if (!host) return
      const wish = {
        epoch: this.epoch,
        generation: view.indexes.hostGeneration(name),
        noticesKept: view.noticesKept(name)?.number ?? 0,
        now: this.machine.monotonic
      }
      if (this.#sent.isWanted(name, report, wish)) view.indexes.touch(name)
      this.#ring.heard(host, report)
      // What was said before, and nobody missed, needs no turn of its own.
      if (saysOtherwise(before, report)) this.wake()
      else view.indexes.news.delete(name)
    })
  }

  /** Judges and records a wish of somebody; gives why it is refused. */
  wish(intent: Intent, by = 'user/admin'): Refusal | undefined {
    return this.submit(admit(this.view, intent, this.contextOf(by)))
  }

  /** Records what was judged already. */
  submit(verdict: { readonly commit: Commit } | Commit | Refusal): Refusal | undefined {
    if (isRefusal(verdict)) return verdict
    const commit = 'commit' in verdict ? verdict.commit : verdict
    if (commit.changes.length === 0) return undefined
    this.#record(commit)
    this.#write()
    return undefined
  }

  contextOf(by: string): Context {
    return { by, now: this.now, newId: this.#cloud.newId }
  }
}
