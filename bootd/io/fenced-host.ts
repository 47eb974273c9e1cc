/**
 * One host: carries out what its plan asks for, and looks at its devices now and then. What is
 * believed is decided in the core; this makes the calls and hands over the answers.
 */
import type { Clock } from '#shared/clock.ts'
import { isFault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import {
  courtesyName,
  deviceName,
  type FenceDevice as Model,
  type SshCourtesy
} from '#shared/model/fence.ts'
import type { Ms } from '#shared/units.ts'
import type { FenceLook } from '#shared/wire/bootd-question.ts'
import { type FenceOrder, type FenceState, storyCharsMax } from '#shared/wire/fence.ts'
import {
  doubtMs,
  isDoubted,
  isOtherwise,
  type Look,
  lookedAt,
  placeInRound,
  unasked,
  type Watched
} from '../core/device-watch.ts'
import {
  beginFence,
  type DevicePlace,
  type FenceEffect,
  type FencePlan,
  type FenceStep,
  type Finding,
  nextTickAt,
  standOf,
  stepFence,
  withdrawFence
} from '../core/fence-plan.ts'
import { type Answer, type FenceSettings, seenOf } from '../core/fence-switch.ts'
import { areOtherDevices, endsPlan, fenceStateOf, verdictOf } from '../core/fence-wishes.ts'
import type { FenceDevice, Reading } from '../core/ports.ts'
import type { OpenDevice } from './fence/open.ts'

/** The first look at a new host's devices is within so long. Unit: ms. */
const firstLookMsMax: Ms = 10_000

/** What all hosts are fenced with. */
export type FencingMeans = {
  readonly clock: Clock
  readonly log: Log
  readonly settings: FenceSettings
  /** Between two looks at the devices of a host. Unit: ms. */
  readonly lookEveryMs: Ms
  readonly open: (model: Model, secrets: FenceOrder['secrets']) => OpenDevice
  /** Asks the host itself to power off; faults with why it could not be asked. */
  readonly ask: (courtesy: SshCourtesy, secret: string, signal: AbortSignal) => Promise<void>
  /**
   * Whether a controller was heard of late. Asked before each step: what stood still goes on where
   * it was before it learns of the silence, while another one may have ended the fence.
   */
  readonly isWanted: () => boolean
  /** Told whenever `state` says something else. */
  readonly onChanged: () => void
}

/** Works on one host until it is disposed of, which withdraws what was wanted. */
export class FencedHost implements AsyncDisposable {
  readonly #means: FencingMeans
  #order: FenceOrder
  #isResting = false
  #devices: readonly (readonly OpenDevice[])[] = []
  #seen: readonly (readonly Watched[])[] = []
  #plan: FencePlan | undefined
  #phaseSince: string
  #verdict: FenceState['verdict']
  /** Calls of the plan whose answers are awaited. */
  readonly #calls = new Map<number, AbortController>()
  #courtesy: string | undefined
  #asking = new AbortController()
  #tick = new AbortController()
  #watch = new AbortController()
  /** All that still has to end before we may be called closed. */
  readonly #ending = new Set<Promise<unknown>>()

  constructor(order: FenceOrder, means: FencingMeans) {
    this.#means = means
    this.#order = order
    this.#phaseSince = this.#now()
  }

  /** What was told last of it. */
  get order(): FenceOrder {
    return this.#order
  }

  /** Begins to work on the order that it was made with. */
  start(): void {
    this.#openDevices()
    this.#begin()
  }

  /** Takes on another order for the same host. What does not change by it goes on. */
  take(order: FenceOrder): void {
    const before = this.#order
    this.#order = order
    if (areOtherDevices(before, order)) {
      this.#closeDevices()
      this.#openDevices()
    }
    if (!endsPlan(this.#plan, { before, after: order })) return
    this.#withdraw()
    this.#begin()
  }

  /** Nobody can say any more whether it is still wanted: what is not proven is left as it is. */
  rest(): void {
    if (this.#isResting) return
    this.#isResting = true
    if (this.#plan !== undefined && this.#plan.stage.phase !== 'proven') this.#withdraw()
  }

  /** It is wanted after all. */
  goOn(): void {
    if (!this.#isResting) return
    this.#isResting = false
    if (this.#plan === undefined) this.#begin()
  }

  /**
   * Asks all devices now, a doubted one twice, and says what is known of them after so long at
   * most; who is slower is noted later. What a fence is busy with is left to it.
   */
  async look(waitMs: Ms, signal: AbortSignal): Promise<FenceLook['devices']> {
    const { clock } = this.#means
    const over = new AbortController()
    const ended = new Set<string>()
    const looks = this.#places.map(async at => {
      if (await this.#lookTwice(at, 0, this.#watch.signal)) ended.add(JSON.stringify(at))
    })
    const all = Promise.all(looks)
    this.#keep(all)
    const late = clock.sleep(waitMs, AbortSignal.any([signal, over.signal])).catch(() => {})
    await Promise.race([all, late])
    over.abort()
    return this.#places.map(at => {
      const { state, askedAt } = this.#seen[at.level]![at.device]!
      const isNow = ended.has(JSON.stringify(at))
      return { ...state, isNow, ...(askedAt !== undefined && { askedAt }) }
    })
  }

  /** How it stands, without any secret. */
  get state(): FenceState {
    return fenceStateOf({
      order: this.#order,
      plan: this.#plan,
      verdict: this.#verdict,
      since: this.#phaseSince,
      courtesy: this.#courtesy,
      devices: this.#seen.flat().map(({ state }) => state)
    })
  }

  #begin(): void {
    const { want, name: host, from = 1 } = this.#order
    if (want === 'watch' || this.#isResting) return
    const levels = this.#devices.map(level => level.map(({ fence }) => fence.name))
    const { settings, clock, log } = this.#means
    log.info('fence begins', { host, want, fence: this.#order.fence, epoch: this.#order.epoch })
    if (want === 'off') this.#ask()
    const given = { goal: want, host, levels, settings, from: from - 1 }
    this.#apply(beginFence(given, clock.monotonic()))
  }

  /** A host that lives may end in good order; nobody waits for that, and it proves nothing. */
  #ask(): void {
    const { courtesy, secrets, name: host } = this.#order
    const secret = courtesy && secrets[courtesy.secret]
    if (!courtesy || secret === undefined) return
    const stop = new AbortController()
    this.#asking = stop
    const tell = (said: string): void => {
      if (stop.signal.aborted) return
      this.#courtesy = said.slice(0, storyCharsMax)
      this.#means.log.info('fence courtesy', { host, said })
      this.#means.onChanged()
    }
    const asked = this.#means.ask(courtesy, secret, stop.signal)
    this.#keep(
      asked.then(
        () => tell(`${courtesyName(courtesy)} was asked to power off, which proves nothing`),
        thrown => tell(sentence(thrown))
      )
    )
  }

  #withdraw(): void {
    const { name: host } = this.#order
    if (this.#plan !== undefined) {
      for (const effect of withdrawFence(this.#plan)) this.#do(effect)
      const { phase } = this.#plan.stage
      this.#means.log.info('fence is no longer wanted', { host, phase })
    }
    this.#tick.abort()
    this.#asking.abort()
    this.#courtesy = undefined
    this.#plan = undefined
    this.#verdict = undefined
    this.#phaseSince = this.#now()
    this.#means.onChanged()
  }

  #apply({ plan, effects }: FenceStep): void {
    if (!this.#means.isWanted()) return void this.rest()
    const before = this.#plan
    this.#plan = plan
    for (const said of plan.story.slice(plan.story.indexOf(before?.story.at(-1) ?? '') + 1)) {
      this.#means.log.info('fence', { host: plan.host, said })
    }
    if (standOf(before) !== standOf(plan)) {
      this.#phaseSince = this.#now()
      this.#means.onChanged()
    }
    for (const effect of effects) this.#do(effect)
    this.#setTick()
  }

  #do(effect: FenceEffect): void {
    switch (effect.type) {
      case 'switch':
      case 'read':
        this.#call(effect)
        return
      case 'abandon':
        this.#calls.get(effect.call)?.abort()
        this.#calls.delete(effect.call)
        return
      case 'found':
        this.#find(effect.finding)
        return
      default:
        throw new TypeError(`no such effect: ${JSON.stringify(effect satisfies never)}`)
    }
  }

  #find(finding: Finding): void {
    const { fence, epoch, name: host } = this.#order
    const { startedAt } = this.#plan!
    this.#verdict = verdictOf(finding, { order: this.#order, startedAt, wall: this.#now() })
    const { verdict, tookMs, because } = this.#verdict
    const say = verdict === 'unknown' ? this.#means.log.warn : this.#means.log.info
    say('fence verdict', { host, verdict, fence, epoch, tookMs, because })
    this.#means.onChanged()
  }

  #call(effect: Extract<FenceEffect, { readonly type: 'switch' | 'read' }>): void {
    const { call, at, type } = effect
    const { fence } = this.#devices[at.level]![at.device]!
    const stop = new AbortController()
    this.#calls.set(call, stop)
    const made = type === 'read' ? reading(fence, stop.signal) : this.#switching(fence, stop.signal)
    this.#keep(
      made.then(answer => {
        // An answer that nobody waits for any more says nothing of the devices of today either.
        if (this.#calls.get(call) !== stop) return
        this.#calls.delete(call)
        if (type === 'read' && !('done' in answer)) this.#note(at, answer)
        const now = this.#means.clock.monotonic()
        this.#apply(stepFence(this.#plan!, { type: 'answer', call, answer }, now))
      })
    )
  }

  async #switching(device: FenceDevice<Reading>, signal: AbortSignal): Promise<Answer> {
    const given: { did?: string } = {}
    const beside = (did: string): void => void Object.assign(given, { did })
    const { isInUse } = this.#order
    try {
      await (this.#plan!.goal === 'off'
        ? device.off(signal)
        : device.on(signal, isInUse ? beside : undefined))
      return { done: true, ...given }
    } catch (thrown) {
      return { failure: sentence(thrown), ...given }
    }
  }

  #setTick(): void {
    this.#tick.abort()
    const at = this.#plan && nextTickAt(this.#plan)
    if (at === undefined) return
    const stop = new AbortController()
    this.#tick = stop
    const { clock } = this.#means
    const waitMs = Math.max(0, at - clock.monotonic())
    const due = () => {
      if (stop.signal.aborted || this.#plan === undefined) return
      this.#apply(stepFence(this.#plan, { type: 'tick' }, clock.monotonic()))
    }
    this.#keep(clock.sleep(waitMs, stop.signal).then(due, () => {}))
  }

  #openDevices(): void {
    const { levels, secrets, host } = this.#order
    this.#devices = levels.map(({ devices }) =>
      devices.map(model => this.#means.open(model, secrets))
    )
    this.#seen = levels.map(({ devices }, level) =>
      devices.map(model => unasked(level + 1, deviceName(model)))
    )
    this.#watch = new AbortController()
    this.#keep(this.#lookAgainAndAgain(placeInRound(host), this.#watch.signal))
    this.#means.onChanged()
  }

  #closeDevices(): void {
    this.#watch.abort()
    for (const device of this.#devices.flat()) this.#keep(closed(device))
    this.#devices = []
  }

  /** Each host has its own place in the round, so that not all are asked at once. */
  async #lookAgainAndAgain(place: number, signal: AbortSignal): Promise<void> {
    const { clock, lookEveryMs } = this.#means
    const first = [place * Math.min(firstLookMsMax, lookEveryMs), place * lookEveryMs]
    for (let round = 0; !signal.aborted; round++) {
      await clock.sleep(first[round] ?? lookEveryMs, signal).catch(() => {})
      for (const at of this.#places) await this.#lookTwice(at, doubtMs, signal)
    }
  }

  get #places(): readonly DevicePlace[] {
    return this.#devices.flatMap((devices, level) =>
      devices.map((_, device) => ({ level, device }))
    )
  }

  /** Looks at a device, and again after a while if it is doubted then; whether it was asked. */
  async #lookTwice(at: DevicePlace, againMs: Ms, signal: AbortSignal): Promise<boolean> {
    const isAsked = await this.#lookAt(at, signal)
    if (signal.aborted || !isDoubted(this.#seen[at.level]![at.device]!)) return isAsked
    if (againMs > 0) await this.#means.clock.sleep(againMs, signal).catch(() => {})
    return await this.#lookAt(at, signal)
  }

  async #lookAt(at: DevicePlace, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted || this.#plan?.stage.phase === 'working') return false
    let look: Look
    try {
      look = seenOf(await this.#devices[at.level]![at.device]!.watch.power(signal))
    } catch (thrown) {
      // Not asked at all: it had to give way, or there was no room. That says nothing of it.
      if (['aborted', 'capacity', 'closed'].some(code => isFault(thrown, code as 'aborted'))) {
        return false
      }
      look = { failure: sentence(thrown) }
    }
    if (!signal.aborted) this.#note(at, look)
    return !signal.aborted
  }

  #note({ level, device }: DevicePlace, look: Look): void {
    const before = this.#seen[level]![device]!
    const after = lookedAt(before, look, this.#now())
    this.#seen = this.#seen.map((each, index) =>
      index === level ? each.with(device, after) : each
    )
    if (!isOtherwise(before.state, after.state)) return
    const { name: host } = this.#order
    const { name, power, reachable, because } = after.state
    const say = because === undefined ? this.#means.log.info : this.#means.log.warn
    say('fence device', { host, device: name, power, reachable, because })
    this.#means.onChanged()
  }

  #keep(promise: Promise<unknown>): void {
    this.#ending.add(promise)
    void promise.finally(() => this.#ending.delete(promise))
  }

  readonly #now = (): string => new Date(this.#means.clock.wall()).toISOString()

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#plan !== undefined) this.#withdraw()
    for (const stop of this.#calls.values()) stop.abort()
    this.#calls.clear()
    this.#closeDevices()
    while (this.#ending.size > 0) await Promise.all(this.#ending)
  }
}

async function reading(device: FenceDevice<Reading>, signal: AbortSignal): Promise<Answer> {
  try {
    return seenOf(await device.power(signal))
  } catch (thrown) {
    return { failure: sentence(thrown) }
  }
}

const closed = async (device: OpenDevice): Promise<void> => await device[Symbol.asyncDispose]()
