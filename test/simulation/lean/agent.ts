/**
 * An agent without its io: what the loop does between the messages, the clock and libvirt, over the
 * same core. It looks, decides and reports only when something may be otherwise than at its last
 * look, or when its plan says so; every two seconds it says what it said before.
 *
 * What it leaves out: files are written at once or not at all, looks take no time, reports are not
 * held apart, and what a controller says is heard as soon as it has come.
 */
import { Fault, sentence } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import type { Heartbeat, Peers } from '#shared/wire/messages.ts'
import type { Order, Report } from '#shared/wire/order.ts'
import { judgeOrder, nothingSeen, type Seen } from '../../../agent/core/acceptance.ts'
import { diff, type Plan } from '../../../agent/core/diff.ts'
import * as fold from '../../../agent/core/memory.ts'
import * as foldStep from '../../../agent/core/memory-steps.ts'
import type { Moment } from '../../../agent/core/moment.ts'
import {
  domainsOf,
  nothingObserved,
  type Observed,
  withResult
} from '../../../agent/core/observed.ts'
import { sortDomains } from '../../../agent/core/own-domains.ts'
import type { DomainEvent } from '../../../agent/core/ports.ts'
import { writeReport } from '../../../agent/core/report.ts'
import { mayAct, type Situation } from '../../../agent/core/situation.ts'
import { laneOf, type Step } from '../../../agent/core/steps.ts'
import { classOf, workAtOnceMax } from '../../../agent/io/act.ts'
import { sampleFacts } from '../../world/sample-cloud.ts'
import type { LeanCloud } from './cloud.ts'
import { abilities, Hands, halfway, type Outcome } from './hands.ts'
import { LeaseWatch } from './lease-watch.ts'
import type { Machine } from './machine.ts'
import { Onlooker, type Writable } from './onlooker.ts'

/** Which heartbeat of which run of an agent. */
export type Beat = { readonly run: string; readonly number: number }

/** What an agent sees of the controller that it answers. */
export type Ear = {
  readonly machine: Machine
  heartbeat(host: string, beat: Beat | undefined, bootId: string): void
  report(host: string, report: Report): void
}

type HeardBeat = Pick<Heartbeat, 'epoch' | 'generation' | 'echo'>
type Work = { readonly step: Step; outcome: Outcome | undefined }

const reportEveryMs: Ms = 2_000
/** As long as it is cut off it looks so often. Unit: ms. */
const cutOffLookMs: Ms = 2_000

/** What outlives a run of the agent: it is on the machine's disk. */
type Kept = {
  readonly seen: Seen
  readonly order: Order | undefined
  readonly bootId: string
  readonly marks: ReturnType<typeof fold.marksOf>
}

export class LeanAgent {
  readonly machine: Machine
  readonly hands: Hands
  isRunning = false
  isPaused = false
  #kept: Kept = { seen: nothingSeen, order: undefined, bootId: '', marks: {} }
  readonly #cloud: LeanCloud
  readonly #facts: Report['facts']
  #runs = 0
  #seen: Seen = nothingSeen
  #desired: Pick<Situation, 'order' | 'origin' | 'isUnkept'> | undefined
  #incoming: Order | undefined
  #observed: Observed = nothingObserved
  #memory: fold.Memory = fold.freshMemory
  #plan: Plan | undefined
  #settledGeneration = 0
  readonly #works = new Map<string, Work>()
  readonly #lease: LeaseWatch
  #ear: Ear | undefined
  /** The highest epoch that was heard: whoever speaks in a lower one is not listened to. */
  #epoch = 0
  #beats = 0
  #reports = 0
  #last: Report | undefined
  #saidAt: Ms = Number.NEGATIVE_INFINITY
  #roundAt: Ms = Number.POSITIVE_INFINITY
  #lookedAt: Ms = Number.NEGATIVE_INFINITY
  readonly #onlooker: Onlooker
  /** What came while it stood still. */
  #unheard: (() => void)[] = []

  constructor(cloud: LeanCloud, machine: Machine, memoryMib: number) {
    this.#cloud = cloud
    this.machine = machine
    this.#facts = { ...sampleFacts(machine.name, memoryMib), uuid: machine.uuid }
    this.#onlooker = new Onlooker(cloud, machine)
    this.#lease = new LeaseWatch(machine, {
      orderedMs: () => this.#desired?.order.selfFence?.limitMs,
      onChanged: state => {
        if (state) cloud.count(`self-fence ${state}`)
        this.wake()
      }
    })
    this.hands = new Hands(cloud, machine, event => this.#takeEvent(event))
  }

  /** Whether its program does anything now. */
  get runs(): boolean {
    return this.isRunning && !this.isPaused && this.machine.runs
  }

  get #run(): string {
    return `${this.machine.name}-run-${this.#runs}`
  }

  start(): void {
    if (this.isRunning || !this.machine.runs) return
    this.#runs += 1
    Object.assign(this, { isRunning: true, isPaused: false })
    const { seen, order, bootId, marks } = this.#kept
    this.#seen = seen
    this.#epoch = seen.epoch
    this.#memory = fold.freshMemory
    this.#desired = undefined
    if (order) {
      const origin = bootId === this.machine.bootId ? 'same-boot' : 'other-boot'
      this.#desired = { order, origin }
      const memory = fold.rememberOrder(this.#memory, { ...order, noticesKept: 0 })
      this.#memory = fold.recallMarks(memory, marks, this.machine.monotonic)
    }
    const images = this.#observed.images ?? []
    this.#observed = { ...nothingObserved, images, memoryFreeMib: 1_000 }
    this.#works.clear()
    this.#lease.begin(this.#run)
    this.#settledGeneration = 0
    this.#onlooker.begin()
    this.#last = undefined
    this.#saidAt = Number.NEGATIVE_INFINITY
    this.wake()
  }

  /** Its process is gone, by a signal or with the power. */
  stop(): void {
    this.isRunning = false
    this.#ear = undefined
    this.#incoming = undefined
    this.#unheard = []
  }

  /** It goes on after it stood still. */
  goOn(): void {
    this.isPaused = false
    if (!this.runs) return
    for (const hear of this.#unheard.splice(0)) hear()
    this.wake()
  }

  /** Looks again soon. */
  wake(delayMs: Ms = this.#cloud.pace.roundMs): void {
    const at = this.#cloud.timeline.now + delayMs
    if (at >= this.#roundAt) return
    this.#roundAt = at
    this.#cloud.timeline.at(at, () => {
      if (this.#roundAt !== at) return
      this.#roundAt = Number.POSITIVE_INFINITY
      if (this.runs) this.#round()
    })
  }

  #whenItRuns(hear: () => void): void {
    if (this.runs) hear()
    else if (this.isRunning && this.#unheard.length < 8) this.#unheard.push(hear)
  }

  /** What is said in a lower epoch than was heard once is not listened to. */
  #listens(from: Ear, epoch: number): boolean {
    if (epoch < this.#epoch) {
      this.#cloud.count('messages of deposed controllers refused')
      return false
    }
    this.#epoch = epoch
    if (this.#ear !== from) {
      this.#ear = from
      this.#sayAgain()
    }
    return true
  }

  hearOrder(from: Ear, order: Order): void {
    this.#whenItRuns(() => {
      if (!this.#listens(from, order.epoch)) return
      const judgement = judgeOrder(this.#seen, order, this.machine.bootId)
      if (judgement.verdict === 'refused') {
        this.#cloud.count('orders refused')
        return
      }
      this.#cloud.oracle.applied(this.machine, order)
      this.#seen = judgement.seen
      this.#incoming = order
      this.wake()
    })
  }

  hearBeat(from: Ear, beat: HeardBeat): void {
    if (this.runs) this.#takeBeat(from, beat)
    else this.#whenItRuns(() => this.#takeBeat(from, beat))
  }

  #takeBeat(from: Ear, beat: HeardBeat): void {
    if (!this.#listens(from, beat.epoch) || !beat.echo) return
    this.#lease.echoed(beat.echo, beat)
  }

  hearPeers(from: Ear, peers: Peers, epoch: number): void {
    this.#whenItRuns(() => {
      if (!this.#listens(from, epoch)) return
      this.#onlooker.setPeers(peers)
      this.#sayAgain()
    })
  }

  /** Twice a second: a heartbeat, its watchdog, a look for its peers, and what is due. */
  tick(): void {
    if (!this.runs) return
    this.#beats += 1
    const { monotonic, name, bootId } = this.machine
    this.#lease.sending(this.#beats)
    const ear = this.#ear
    if (ear) {
      const beat = this.#lease.isLeased ? { run: this.#run, number: this.#beats } : undefined
      const { net } = this.#cloud
      if (net.isPrompt(this.machine, ear.machine)) ear.heartbeat(name, beat, bootId)
      else net.send(this.machine, ear.machine, () => ear.heartbeat(name, beat, bootId))
    }
    if (this.#onlooker.look(this.#beats)) this.#sayAgain()
    if (monotonic - this.#saidAt >= reportEveryMs) this.#sayAgain()
    if (this.#lease.isCutOff && monotonic - this.#lookedAt >= cutOffLookMs) this.wake()
  }

  #takeEvent(event: DomainEvent): void {
    if (!this.isRunning) return
    this.#memory = fold.rememberEvent(this.#memory, event)
    this.wake()
  }

  #round(): void {
    this.#lookedAt = this.machine.monotonic
    for (const [lane, { step, outcome }] of this.#works) {
      if (outcome === undefined) continue
      this.#works.delete(lane)
      this.#takeEnded(step, outcome)
    }
    this.#takeIncoming()
    this.#look()
    const plan = this.#decide()
    this.#plan = plan
    if (plan) this.#carryOut(plan)
    if (!this.machine.diskIsFull) {
      this.#kept = { ...this.#kept, marks: fold.marksOf(this.#memory) }
    }
    this.#report()
    const again = plan?.lookAgainAt
    if (again !== undefined) this.wake(this.machine.trueMs(again - this.machine.monotonic) + 1)
  }

  #takeEnded(step: Step, outcome: Outcome): void {
    if (outcome instanceof Fault) {
      this.#memory = foldStep.rememberFailure(this.#memory, step, outcome, this.#now)
      this.#cloud.count(`step failed: ${sentence(outcome).slice(0, 40)}`)
      return
    }
    const now = this.machine.monotonic
    this.#observed = withResult(this.#observed, { step, result: outcome, now })
    this.#memory = foldStep.rememberDone(this.#memory, step, this.#now)
  }

  #takeIncoming(): void {
    const order = this.#incoming
    if (!order) return
    this.#incoming = undefined
    const isUnkept = this.machine.diskIsFull
    const { cloud, epoch, generation } = order
    const seen = { cloud, epoch, generation }
    const { bootId } = this.machine
    // What was seen is kept also on a full disk.
    this.#kept = isUnkept ? { ...this.#kept, seen } : { ...this.#kept, seen, order, bootId }
    this.#desired = { order, origin: 'fresh', isUnkept }
    this.#memory = fold.rememberOrder(this.#memory, order)
  }

  #look(): void {
    const { domains, libvirtHangs, sending } = this.machine
    const shared = new Map(this.#desired?.order.pools.map(pool => [pool.name, pool.shared]))
    const pools = this.#observed.pools.map(({ name, volumes: before }) => {
      const pool = this.hands.pool(name, shared.get(name) === true)
      return pool.failure === undefined ? pool : { ...pool, volumes: before }
    })
    const transfers = new Map([...sending.keys()].map(uuid => [uuid, halfway]))
    this.#observed = { ...this.#observed, pools, transfers }
    if (libvirtHangs) {
      const because = 'libvirt cannot be asked: it has not answered for 2000 ms'
      const last = this.#observed.domains
      const old = last.state === 'unknown' ? last : { ...last, state: 'old' as const, because }
      this.#observed = { ...this.#observed, domains: old }
    } else {
      const list = [...domains.values()]
      this.#observed = { ...this.#observed, domains: { state: 'fresh', list } }
    }
  }

  #decide(): Plan | undefined {
    const desired = this.#desired
    if (!desired) return undefined
    const { order } = desired
    const now = this.#now
    const sorted = sortDomains(domainsOf(this.#observed), order.cloud)
    if (this.#observed.domains.state === 'fresh') {
      this.#memory = fold.rememberDomains(this.#memory, sorted, { order, now })
    }
    const inFlight = [...this.#works.values()].map(({ step }) => step)
    const plan = diff({
      ...desired,
      services: noServices,
      observed: this.#observed,
      memory: this.#memory,
      host: { hostname: this.machine.name, kvm: true, abilities, consoleFolder: '/console' },
      cutOff: this.#lease.cutOff({ order, observed: this.#observed, inFlight }),
      inFlight,
      now
    })
    this.#memory = foldStep.pruneRetries(this.#memory, plan.wanted)
    return plan
  }

  #carryOut(plan: Plan): void {
    for (const step of plan.steps) {
      const lane = laneOf(step)
      const sort = classOf[step.type]
      if (this.#works.has(lane)) continue
      const going = [...this.#works.values()].filter(each => classOf[each.step.type] === sort)
      if (going.length >= workAtOnceMax[sort]) continue
      this.#memory = foldStep.rememberBegun(this.#memory, step, this.#now)
      const work: Work = { step, outcome: undefined }
      this.#works.set(lane, work)
      const run = this.#runs
      this.hands.begin(step, outcome => {
        if (this.#runs !== run || this.#works.get(lane) !== work) return
        work.outcome = outcome
        this.wake()
      })
    }
    if (plan.settled && this.#works.size === 0) {
      this.#settledGeneration = this.#desired?.order.generation ?? 0
    }
  }

  #report(): void {
    const desired = this.#desired
    const isSeen = this.#observed.domains.state !== 'unknown'
    const counts = desired && !desired.isUnkept && mayAct(desired.origin) && isSeen
    const { name, uuid, bootId } = this.machine
    const { said } = this.#lease
    this.#last = writeReport({
      reporter: { host: uuid, hostname: name, agentVersion: '0', bootId, agentRun: this.#run },
      number: this.#reports,
      actedOn: counts ? desired.order : { epoch: this.#seen.epoch, generation: 0 },
      settledGeneration: this.#settledGeneration,
      observed: this.#observed,
      memory: this.#memory,
      plan: this.#plan,
      facts: this.#facts,
      beside: {
        ...{ peersPrint: '', peers: [] },
        probeEndpoint: `tcp://${name}:7413`,
        migration: { uri: name, address: name, folder: '/' },
        ...(said && { selfFence: said })
      }
    })
    this.#sayAgain()
  }

  #sayAgain(): void {
    const [last, ear] = [this.#last, this.#ear]
    if (!last || !ear) return
    this.#saidAt = this.machine.monotonic
    this.#reports += 1
    const report: Writable<Report> = { ...last, number: this.#reports }
    this.#onlooker.sayIn(report)
    this.#cloud.net.send(this.machine, ear.machine, () => ear.report(this.machine.name, report))
  }

  get #now(): Moment {
    return { monotonic: this.machine.monotonic, wall: this.machine.wall }
  }
}

const noServices: ReadonlySet<string> = new Set()
