/**
 * A bootd without its io: it takes on what it is told, calls devices as the plan of each fence asks
 * for it, and tells what is found. The highest epoch is on its disk before anything is called.
 *
 * What it leaves out: processes, sessions with devices, and the order in which calls share one.
 */
import type { Ms } from '#shared/units.ts'
import type { FenceOrder, FenceState } from '#shared/wire/fence.ts'
import {
  doubtMs,
  isDoubted,
  isOtherwise,
  lookedAt,
  placeInRound,
  unasked,
  type Watched
} from '../../../bootd/core/device-watch.ts'
import {
  beginFence,
  type FenceEffect,
  type FencePlan,
  type FenceStep,
  nextTickAt,
  stepFence,
  withdrawFence
} from '../../../bootd/core/fence-plan.ts'
import { type Answer, fenceSettings } from '../../../bootd/core/fence-switch.ts'
import { endsPlan, fenceStateOf, objectionTo, verdictOf } from '../../../bootd/core/fence-wishes.ts'
import type { LeanCloud } from './cloud.ts'
import type { LeanController } from './controller.ts'
import type { Machine } from './machine.ts'

/** Who has not been heard for so long may have been deposed. Unit: ms. */
const silenceMsMax: Ms = 10_000
const lookEveryMs: Ms = 60_000
const tellEveryMs: Ms = 10_000

type Fenced = {
  order: FenceOrder
  plan: FencePlan | undefined
  verdict: FenceState['verdict']
  since: string
  isResting: boolean
  device: Watched
  /** Calls whose answers are awaited. */
  readonly calls: Set<number>
}

export class LeanBootd {
  readonly machine: Machine
  readonly name: string
  isRunning = false
  readonly #cloud: LeanCloud
  /** Kept on disk. */
  #epoch = 0
  #run = 0
  #wantedIn = 0
  #renewedAt: Ms = 0
  #hosts = new Map<string, Fenced>()
  #ear: LeanController | undefined
  #telling = false
  #toldAt: Ms = 0

  constructor(cloud: LeanCloud, machine: Machine) {
    this.#cloud = cloud
    this.machine = machine
    this.name = machine.name
  }

  get runs(): boolean {
    return this.isRunning && this.machine.runs
  }

  start(): void {
    if (this.isRunning || !this.machine.runs) return
    this.isRunning = true
    this.#run += 1
    this.#wantedIn = 0
    this.#hosts = new Map()
    this.#ear = undefined
    this.#telling = false
  }

  stop(): void {
    this.isRunning = false
    this.#run += 1
    this.#hosts = new Map()
  }

  /** A heartbeat of a controller. */
  hear(epoch: number, from: LeanController): void {
    if (!this.runs) return
    if (objectionTo([], { epochs: [epoch], seen: this.#epoch })) {
      this.#cloud.count('messages of deposed controllers refused')
      return
    }
    this.#epoch = Math.max(this.#epoch, epoch)
    if (epoch === this.#wantedIn) this.#renew()
    if (this.#ear !== from) {
      this.#ear = from
      this.#answer(ear => ear.fences.connected(this.name))
    }
    this.#answer(ear => ear.fences.heard(this.name))
  }

  /** What a controller wants. */
  want(orders: readonly FenceOrder[], epoch: number, from: LeanController): void {
    if (!this.runs) return
    const epochs = [...orders.map(order => order.epoch), epoch]
    const seen = this.#epoch
    if (objectionTo(orders, { epochs, seen })) {
      this.#cloud.count('messages of deposed controllers refused')
      return
    }
    this.#cloud.oracle.wanted(this, { epoch, seen })
    this.#epoch = Math.max(seen, epoch)
    this.#wantedIn = epoch
    this.#renewedAt = this.machine.monotonic
    this.#ear = from
    const wanted = new Set(orders.map(({ host }) => host))
    for (const [host, fenced] of this.#hosts) {
      if (wanted.has(host)) continue
      this.#withdraw(fenced)
      this.#hosts.delete(host)
    }
    for (const order of orders) this.#take(order)
    this.#renew()
    this.#tellSoon()
  }

  /** Looked at twice a second. */
  tick(): void {
    if (!this.runs || this.#hosts.size === 0) return
    if (this.machine.monotonic - this.#toldAt >= tellEveryMs) this.#tellSoon()
    if (this.#isWanted) return
    for (const fenced of this.#hosts.values()) this.#rest(fenced)
  }

  get #isWanted(): boolean {
    return this.machine.monotonic - this.#renewedAt <= silenceMsMax
  }

  #rest(fenced: Fenced): void {
    if (fenced.isResting) return
    fenced.isResting = true
    if (fenced.plan && fenced.plan.stage.phase !== 'proven') this.#withdraw(fenced)
  }

  #renew(): void {
    this.#renewedAt = this.machine.monotonic
    for (const fenced of this.#hosts.values()) {
      if (!fenced.isResting) continue
      fenced.isResting = false
      if (!fenced.plan) this.#begin(fenced)
    }
  }

  #take(order: FenceOrder): void {
    const known = this.#hosts.get(order.host)
    if (!known) {
      const device = unasked(1, `switch of ${order.name}`)
      const blank = { plan: undefined, verdict: undefined, isResting: false }
      const fenced = { order, ...blank, since: this.#wall, device, calls: new Set<number>() }
      this.#hosts.set(order.host, fenced)
      this.#lookLater(fenced, 10_000 * placeInRound(order.host))
      this.#begin(fenced)
      return
    }
    const before = known.order
    known.order = order
    if (!endsPlan(known.plan, { before, after: order })) return
    this.#withdraw(known)
    this.#begin(known)
  }

  #begin(fenced: Fenced): void {
    const { want, name: host, levels, from = 1 } = fenced.order
    if (want === 'watch' || fenced.isResting) return
    this.#cloud.count(`fences begun: ${want}`)
    const names = levels.map(({ devices }) => devices.map(() => `switch of ${host}`))
    const given = { goal: want, host, levels: names, settings: fenceSettings, from: from - 1 }
    this.#apply(fenced, beginFence(given, this.machine.monotonic))
  }

  #withdraw(fenced: Fenced): void {
    if (fenced.plan) for (const effect of withdrawFence(fenced.plan)) this.#do(fenced, effect)
    fenced.calls.clear()
    Object.assign(fenced, { plan: undefined, verdict: undefined, since: this.#wall })
  }

  #apply(fenced: Fenced, { plan, effects }: FenceStep): void {
    if (!this.#isWanted) {
      this.#rest(fenced)
      return
    }
    if (fenced.plan?.stage.phase !== plan.stage.phase) fenced.since = this.#wall
    fenced.plan = plan
    for (const effect of effects) this.#do(fenced, effect)
    const at = nextTickAt(plan)
    if (at === undefined) return
    this.#later(this.machine.trueMs(at - this.machine.monotonic), () => {
      if (fenced.plan !== plan) return
      this.#apply(fenced, stepFence(plan, { type: 'tick' }, this.machine.monotonic))
    })
  }

  #do(fenced: Fenced, effect: FenceEffect): void {
    switch (effect.type) {
      case 'switch':
      case 'read':
        this.#call(fenced, effect)
        return
      case 'abandon':
        fenced.calls.delete(effect.call)
        return
      case 'found': {
        const { startedAt } = fenced.plan!
        const wall = this.#wall
        fenced.verdict = verdictOf(effect.finding, { order: fenced.order, startedAt, wall })
        this.#cloud.oracle.found(fenced.order, fenced.verdict)
        this.#tellSoon()
        return
      }
      default:
        effect satisfies never
    }
  }

  #call(fenced: Fenced, effect: Extract<FenceEffect, { readonly type: 'switch' | 'read' }>): void {
    const { call, type } = effect
    const plan = fenced.plan!
    const { calls } = fenced
    const machine = this.#cloud.machine(fenced.order.name)
    calls.add(call)
    if (type === 'switch') this.#cloud.oracle.switching(machine, plan.goal)
    const run = this.#run
    machine.call(type === 'read' ? 'read' : plan.goal, (answer: Answer) => {
      if (this.#run !== run) return
      this.#later(0, () => {
        if (!fenced.plan || !calls.delete(call)) return
        const event = { type: 'answer', call, answer } as const
        this.#apply(fenced, stepFence(fenced.plan, event, this.machine.monotonic))
      })
    })
  }

  #lookLater(fenced: Fenced, delayMs: Ms): void {
    this.#later(delayMs, () => {
      if (this.#hosts.get(fenced.order.host) !== fenced) return
      this.#lookLater(fenced, lookEveryMs)
      this.#look(fenced)
    })
  }

  #look(fenced: Fenced): void {
    if (fenced.plan?.stage.phase === 'working') return
    this.#cloud.machine(fenced.order.name).call('read', answer => {
      if (!this.runs || 'done' in answer) return
      const before = fenced.device
      fenced.device = lookedAt(before, answer, this.#wall)
      if (isOtherwise(before.state, fenced.device.state)) this.#tellSoon()
      if (isDoubted(fenced.device)) this.#later(doubtMs, () => this.#look(fenced))
    })
  }

  #tellSoon(): void {
    if (this.#telling) return
    this.#telling = true
    this.#later(50, () => {
      this.#telling = false
      this.#toldAt = this.machine.monotonic
      const states = [...this.#hosts.values()].map(({ device, ...fenced }) =>
        fenceStateOf({ ...fenced, courtesy: undefined, devices: [device.state] })
      )
      this.#answer(ear => ear.fences.heard(this.name, states))
    })
  }

  #answer(say: (ear: LeanController) => void): void {
    const ear = this.#ear
    if (!ear) return
    this.#cloud.net.sendPromptly(this.machine, ear.machine, () => ear.runs && say(ear))
  }

  /** A machine that stands still does it when it goes on. */
  #later(delayMs: Ms, act: () => void): void {
    const run = this.#run
    this.#cloud.timeline.after(delayMs, () => {
      if (this.#run !== run) return
      if (this.runs) act()
      else if (this.machine.hangs) this.#later(200, act)
    })
  }

  get #wall(): string {
    return new Date(this.machine.wall).toISOString()
  }
}
