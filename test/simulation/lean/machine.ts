/**
 * A machine as it is, whatever anybody believes of it: its power, what runs on it, its watchdog and
 * the device that switches it. Its clocks run at a rate of their own, and its wall clock may jump.
 */
import type { Ms } from '#shared/units.ts'
import type { Power } from '#shared/wire/fence.ts'
import type { Domain, StoredVolume, WatchdogFacts } from '../../../agent/core/ports.ts'
import type { Answer } from '../../../bootd/core/fence-switch.ts'
import type { Timeline } from './timeline.ts'

/**
 * How the device of a machine behaves. `lying`: it says and reads off, and the machine runs on;
 * `stuck`: it says that it has switched, and has not; `flickers`: the same, and now and then a
 * reading is off; `refuses`: it does nothing of what it is told, and says so.
 */
export type DeviceMode = 'answers' | 'dead' | 'lying' | 'stuck' | 'slow' | 'flickers' | 'refuses'

/** From power to the first word of the agent. Unit: ms. */
const bootMs: Ms = 15_000
/** So long after a wrong reading a device that flickers reads right; who asks twice takes less. */
const flickerGapMs: Ms = 1_000
/** A call that is not answered is given up after so long. Unit: ms. */
const callMsMax: Ms = 5_000

/** What a machine needs of the world. */
export type MachineWorld = {
  readonly timeline: Timeline
  readonly chance: () => number
  /** Told when it has lost its power, and when its kernel runs. */
  readonly onPower: (machine: Machine, runs: boolean) => void
  readonly onBite: (machine: Machine) => void
}

export type MachineWish = {
  readonly name: string
  readonly index: number
  readonly rack: string
  /** The time of its watchdog; left out: it has none. */
  readonly watchdogMs?: Ms | undefined
}

/** Changed by faults and by those who work on it. */
export class Machine {
  readonly name: string
  readonly index: number
  readonly rack: string
  readonly uuid: string
  isOn = true
  boots = false
  /** It stands still with all that runs on it. */
  hangs = false
  /** Neither it nor its device has power. */
  isBroken = false
  /** It is of no use any more, though its device answers. */
  isStripped = false
  boot = 1
  /** Counts its losses of power. */
  turns = 0
  island = 0
  delayMs: Ms = 0
  loss = 0
  /** What is on its way and is held there, also while it has no power; undefined: nothing is. */
  held: (() => void)[] | undefined
  storageIsCut = false
  diskIsSlow = false
  diskIsFull = false
  libvirtHangs = false
  guestsAreDeaf = false
  /** Whatever starts there ends again soon. */
  spoilsGuests = false
  device: DeviceMode = 'answers'
  /** Whether its device has lied about this machine. */
  hasLied = false
  wallOffset: Ms = 0
  readonly rate: number
  readonly domains = new Map<string, Domain>()
  readonly volumes = new Map<string, StoredVolume>()
  /** Domains that are being sent away, with whether that was called back. */
  readonly sending = new Map<string, { calledBack: boolean }>()
  readonly dog: Dog | undefined
  readonly #world: MachineWorld
  #saysOff = false
  #flickeredAt: Ms = Number.NEGATIVE_INFINITY

  constructor({ name, index, rack, watchdogMs }: MachineWish, world: MachineWorld) {
    this.name = name
    this.index = index
    this.rack = rack
    this.uuid = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`
    this.rate = 1 + 0.02 * (world.chance() - 0.5)
    this.#world = world
    if (watchdogMs !== undefined) this.dog = new Dog(this, watchdogMs, world)
  }

  get bootId(): string {
    return `${this.name}-boot-${this.boot}`
  }

  /** Whether its kernel does anything. */
  get runs(): boolean {
    return this.isOn && !this.boots && !this.hangs
  }

  get monotonic(): Ms {
    return 1_000_000 + this.#world.timeline.now * this.rate
  }

  get wall(): Ms {
    return wallAtStart + this.#world.timeline.now + this.wallOffset
  }

  /** So long it takes in true time until so much has passed on this machine's clock. */
  trueMs(localMs: Ms): Ms {
    return localMs / this.rate
  }

  powerOff(): void {
    if (!this.isOn) return
    Object.assign(this, { isOn: false, boots: false, hangs: false, libvirtHangs: false })
    this.turns += 1
    this.boot += 1
    this.domains.clear()
    this.sending.clear()
    this.dog?.powerCut()
    this.#world.onPower(this, false)
  }

  powerOn(): void {
    if (this.isOn || this.isBroken || this.isStripped) return
    Object.assign(this, { isOn: true, boots: true })
    const { turns } = this
    this.#world.timeline.after(bootMs, () => {
      if (this.turns !== turns || !this.isOn) return
      this.boots = false
      this.#world.onPower(this, true)
    })
  }

  reset(): void {
    this.powerOff()
    this.powerOn()
  }

  /** Calls its device; the answer comes later, if nobody gives up before. */
  call(what: 'on' | 'off' | 'read', answered: (answer: Answer) => void): void {
    const { timeline, chance } = this.#world
    const { device } = this
    if (device === 'dead' || this.isBroken) {
      timeline.after(callMsMax, () => answered({ failure: 'no answer within 5 s' }))
      return
    }
    const takesMs = device === 'slow' ? 2_000 + 4_000 * chance() : 30 + 200 * chance()
    if (takesMs > callMsMax) {
      // It was told all the same.
      timeline.after(callMsMax, () => answered({ failure: 'no answer within 5 s' }))
      timeline.after(takesMs, () => void this.#do(what))
      return
    }
    timeline.after(takesMs, () => answered(this.#do(what)))
  }

  #do(what: 'on' | 'off' | 'read'): Answer {
    if (what === 'read') return { power: this.#read() }
    if (this.device === 'refuses') return { failure: 'it refuses' }
    if (this.device === 'lying') {
      this.#saysOff = what === 'off'
      if (what === 'off' && this.isOn) this.hasLied = true
    } else if (this.device !== 'stuck' && this.device !== 'flickers') {
      this.#saysOff = false
      if (what === 'off') this.powerOff()
      else this.powerOn()
    }
    return { done: true }
  }

  #read(): Power {
    if (this.device === 'lying' && this.#saysOff) return 'off'
    if (this.device === 'flickers' && this.isOn) {
      // Whoever else reads it meanwhile: it is never wrong twice in a row for one who reads twice.
      const { timeline, chance } = this.#world
      if (timeline.now - this.#flickeredAt > flickerGapMs && chance() < 0.6) {
        this.#flickeredAt = timeline.now
        return 'off'
      }
    }
    return this.isOn ? 'on' : 'off'
  }
}

/** The wall clock at the beginning of each run. */
const wallAtStart = Date.UTC(2026, 0, 1)

/** A hardware watchdog that nobody can stop, with its keeper: agents come and go. */
export class Dog {
  readonly timeoutMs: Ms
  readonly #machine: Machine
  readonly #world: MachineWorld
  isOpen = false
  /** Nobody can open it. */
  isBusy = false
  #bitesAt: Ms | undefined
  #counted = false

  constructor(machine: Machine, timeoutMs: Ms, world: MachineWorld) {
    this.#machine = machine
    this.timeoutMs = timeoutMs
    this.#world = world
  }

  get facts(): WatchdogFacts {
    const { timeoutMs } = this
    const counts = this.#bitesAt !== undefined
    const kept = this.isOpen ? 'apart' : 'no'
    const kind = 'hardware'
    return { kind, identity: 'dog', timeoutMs, nowayout: true, counts, kept, because: '' }
  }

  open(): boolean {
    if (this.isBusy) return false
    if (!this.isOpen) this.pet()
    this.isOpen = true
    return true
  }

  pet(): void {
    this.#bitesAt = this.#world.timeline.now + this.timeoutMs
    if (!this.#counted) this.#count()
  }

  powerCut(): void {
    this.#bitesAt = undefined
    this.isOpen = false
  }

  #count(): void {
    this.#counted = true
    this.#world.timeline.at(this.#bitesAt!, () => {
      this.#counted = false
      if (this.#bitesAt === undefined) return
      if (this.#world.timeline.now < this.#bitesAt) return this.#count()
      this.powerCut()
      this.#world.onBite(this.#machine)
    })
  }
}
