/**
 * Who boots here, how far each has come, and what each may have. A token is of one machine and one
 * address. When the system on a machine asks with another address than its firmware, it is believed
 * if the kernel knows the machine's MAC behind that address: where it cannot be the machine, the
 * token is stolen, and refused.
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '#shared/clock.ts'
import { ownUuid } from '#shared/hardware-names.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import { type BootMachine, type BootState, bootMachinesMax } from '#shared/wire/boot.ts'
import { followApproval } from '../../core/approval.ts'
import { type BootChoice, choose, type Versions } from '../../core/boot-choice.ts'
import {
  type Asker,
  askerOf,
  isNamed,
  machineBooted,
  machineOf,
  ownMac,
  type PlanIndex,
  saidUuid
} from '../../core/boot-plan.ts'
import {
  type Asking,
  addressed,
  goesOn,
  hasWaited,
  isLate,
  isOpen,
  type MachineBoot,
  type Moment,
  type Progress,
  pastOf,
  progressed,
  ranOut,
  shownElsewhere,
  spoken,
  told
} from '../../core/boot-progress.ts'
import type { Addressed } from '../../core/dnsmasq-log.ts'
import { dropOldest } from '../../core/drop-oldest.ts'
import { BootTable, keyOfBoot } from './boot-table.ts'
import { type LogOwner, LogOwners, type Seen } from './log-owners.ts'

/** What boots are kept with. */
export type BootsOptions = {
  readonly clock: Clock
  readonly log: Log
  /** The plan as it is now. */
  readonly index: () => PlanIndex | undefined
  readonly versions: Versions
  /** The MAC that the kernel knows for an address. */
  readonly macOf: (address: string) => Promise<string | undefined>
  readonly onChanged: () => void
}

/** What a token is worth. */
export type Shown =
  | { readonly key: string; readonly boot: MachineBoot }
  | { readonly refused: string }

/** What a machine would be given if it asked now. */
export type BootOffer = {
  /** Its UUID and MACs; of two offers with the same name the first counts. */
  readonly names: readonly string[]
  readonly choice: BootChoice
  readonly architecture: string | undefined
}

/** What machines would be given, and one that has none of these names. */
export type BootOffers = { readonly offers: readonly BootOffer[]; readonly unknown: BootChoice }

/** Remembers the last boot of each machine. */
export class Boots {
  readonly #options: BootsOptions
  readonly #boots = new BootTable()
  readonly #owners = new LogOwners()
  /** Whose firmware has got each address last, and the UUID by which GRUB has asked from there. */
  readonly #at = new Map<string, { readonly mac: string; readonly uuid?: string }>()
  /** How often in a row each was told to start anew. */
  readonly #anew = new Map<string, number>()
  #offerChanges = 0
  /** When it was looked last what time has brought. */
  #lookedAt: Ms = Number.NEGATIVE_INFINITY

  constructor(options: BootsOptions, kept: readonly MachineBoot[] = []) {
    this.#options = options
    const known = kept.slice(0, bootMachinesMax)
    for (const boot of known) this.#boots.put(keyOfBoot(boot), boot)
    for (const boot of known.toSorted((a, b) => begunAt(a) - begunAt(b))) {
      this.#follow(keyOfBoot(boot), boot, { isHeard: true })
    }
  }

  /** A machine's firmware has got an address. */
  saw(seen: Addressed): void {
    this.#at.delete(seen.address)
    this.#at.set(seen.address, { mac: seen.mac })
    dropOldest(this.#at, bootMachinesMax)
    const key = this.#boots.withMac(seen.mac) ?? seen.mac
    const before = this.#boots.get(key)
    const after = addressed(before, seen, { boot: newBoot(), at: this.#now() })
    this.#change(key, before, after, { isHeard: true, mac: seen.mac })
  }

  /** A machine asks what to boot; gives the choice and the token that goes with it. */
  ask(
    asker: Asker,
    address: string,
    asking: Asking = {}
  ): { readonly choice: BootChoice; readonly token: string; readonly machine?: BootMachine } {
    const index = this.#options.index()
    const key = this.#keyOf(asker)
    const before = this.#boots.get(key) ?? this.#byFirmware(asker)
    const machine = index && machineOf(index, asker)
    const choice = this.#choose(machine, pastOf(before, asking), asker)
    const token = randomBytes(32).toString('base64url')
    const joinWithinMs = (index?.plan.joinWithinS ?? 600) * 1_000
    const asked = { asker, address, choice, token, boot: newBoot(), joinWithinMs, ...asking }
    const after = told(before, asked, this.#now())
    if (asker.mac !== undefined && this.#boots.withMac(asker.mac) !== key) this.#drop(asker.mac)
    this.#change(key, this.#boots.get(key), after, { isHeard: true })
    this.#anew.delete(key)
    if (asking.isRunning && choice.gives === 'image') this.progress(key, { stage: 'kernel' })
    return { choice, token, ...(machine && { machine }) }
  }

  /** Judges a token that is shown from an address. */
  async show(token: string, address: string): Promise<Shown> {
    const key = this.#boots.withToken(token)
    const boot = key === undefined ? undefined : this.#boots.get(key)
    if (key === undefined || boot?.token !== token) return { refused: 'no boot has this token' }
    if (boot.address === address) return { key, boot }
    const mac = await this.#options.macOf(address)
    // It may have changed while the kernel was asked.
    const now = this.#boots.get(key)
    if (now?.token !== token) return { refused: 'no boot has this token' }
    if (mac !== undefined && now.macs.includes(mac)) {
      this.#change(key, now, { ...now, address }, { isHeard: true, mac })
      return { key, boot: this.#boots.get(key) ?? now }
    }
    const after = shownElsewhere(now, { from: address, mac }, this.#now())
    if (after !== now) {
      this.#options.log.warn('boot token shown by another machine', {
        ...{ name: now.name, uuid: now.uuid, its: now.address, from: address, mac }
      })
      this.#change(key, now, after)
    }
    return { refused: 'the token is of another machine' }
  }

  /** Whose log comes from an address, behind which the kernel knows this MAC. */
  whose(address: string, mac?: string): LogOwner | undefined {
    const known = this.#owners.at(address)
    if (known || mac === undefined) return known
    const machine = this.#options.index()?.byMac.get(mac)
    for (const key of [machine?.uuid, this.#boots.withMac(mac)]) {
      if (key === undefined || !this.#owners.with(key, mac)) continue
      const boot = this.#boots.get(key)
      // Now there is more to it than words that the machine has begun anew there.
      if (boot?.address === address) this.#follow(key, boot, { isHeard: true, mac })
      return this.#owners.with(key, mac)
    }
    return undefined
  }

  /** Whether the plan knows a host, or has known it; without a plan nobody is a stranger. */
  isPlanned(uuid: string): boolean {
    const index = this.#options.index()
    return !index || index.byUuid.has(uuid) || this.#boots.get(uuid)?.name !== undefined
  }

  /** Whether the boot may still fetch and join. */
  isOpen(boot: MachineBoot): boolean {
    return isOpen(boot, this.#options.clock.monotonic())
  }

  /** A machine has told how far it is. */
  progress(key: string, progress: Progress): void {
    const before = this.#boots.get(key)
    if (!before) return
    if (progress.badPeer !== undefined) this.#distrust(progress.badPeer, before)
    const at = this.#now()
    const after = followApproval(progressed(before, progress, at), this.#options.index(), at)
    this.#change(key, before, after)
  }

  /** Who does not serve what was signed is named to nobody until it has booted anew. */
  #distrust(address: string, by: MachineBoot): void {
    const isIt = (boot: MachineBoot) => boot.address === address && boot.serves !== undefined
    const [key, boot] = this.#boots.entries().find(([, one]) => isIt(one)) ?? []
    if (key === undefined || boot === undefined) return
    const fields = { host: boot.name, address, to: by.name ?? by.address }
    this.#options.log.warn('host has served another image than was signed', fields)
    const { serves: _, ...rest } = boot
    this.#change(key, boot, rest)
  }

  /**
   * What a machine would be given if it asked, by the names under which its boot loader finds it:
   * the plan's names count more than those under which somebody has asked.
   */
  offers(): BootOffers {
    const index = this.#options.index()
    const offers: BootOffer[] = []
    for (const machine of index?.plan.machines ?? []) {
      const past = this.#pastOf(machine)
      const uuid = ownUuid(machine.uuid)
      const names = [...(uuid === undefined ? [] : [uuid]), ...machine.macs]
      offers.push({ names, choice: this.#choose(machine, past), architecture: past?.architecture })
    }
    for (const boot of this.#boots.all().toReversed()) {
      const { uuid, macs, architecture } = boot
      const choice = this.#choose(this.#machineOf(boot), boot)
      offers.push({ names: uuid === undefined ? macs : [uuid], choice, architecture })
    }
    return { offers, unknown: this.#choose(undefined) }
  }

  /** Counts what may change what somebody is offered, beside the plan and the versions. */
  get offerChanges(): number {
    return this.#offerChanges
  }

  /** What a machine would be given; nothing is remembered of that. */
  choiceFor(asker: Asker, asking: Asking = {}): BootChoice {
    const index = this.#options.index()
    const past = this.#boots.get(this.#keyOf(asker)) ?? this.#byFirmware(asker)
    return this.#choose(index && machineOf(index, asker), pastOf(past, asking), asker)
  }

  /** Its boot loader has started what is not meant; twice in a row is no accident. */
  startsAnew(asker: Asker, because: string): void {
    const key = this.#keyOf(asker)
    const times = (this.#anew.get(key) ?? 0) + 1
    this.#anew.delete(key)
    this.#anew.set(key, times)
    dropOldest(this.#anew, bootMachinesMax)
    const boot = this.#boots.get(key) ?? this.#byFirmware(asker)
    if (times < 2 || boot === undefined) return
    const why = `its boot loader has started something else ${times} times: ${because}`
    this.progress(keyOfBoot(boot), { stage: 'failed', because: why })
  }

  /** GRUB has read a script by this name; where it starts nothing of ours, nobody else asks. */
  tookScript(name: string, address: string): void {
    const at = this.#at.get(address)
    const uuid = ownUuid(name)
    if (at && uuid !== undefined) this.#at.set(address, { ...at, uuid })
    const asker = askerOf({ mac: at?.mac, ...(uuid ? { uuid } : { mac: ownMac(name) ?? at?.mac }) })
    if (!isNamed(asker)) return
    // GRUB itself reads it again where it could start nothing: a new boot has got an address.
    const asking = { isAgain: true }
    const { gives, wish } = this.choiceFor(asker, asking)
    const known = this.#boots.get(this.#keyOf(asker))
    const isTold = known?.address === address && known.wish === wish && known.stage === 'waiting'
    if (gives !== 'image' && !isTold) this.ask(asker, address, asking)
  }

  /** GRUB has fetched a kernel and all that goes with it: to begin anew from here is a crash. */
  tookKernel(version: string, address: string): void {
    const { mac, uuid: said } = this.#at.get(address) ?? {}
    const boot = mac === undefined ? undefined : this.#boots.get(this.#boots.withMac(mac) ?? mac)
    if (boot === undefined || !goesOn(boot) || boot.address !== address) return
    const uuid = boot.uuid ?? saidUuid(this.#machineOf(boot), boot) ?? said
    const asker = askerOf({ mac, uuid, serial: boot.serial })
    const choice = this.choiceFor(asker)
    if (choice.gives !== 'image' || choice.version !== version) return
    this.ask(asker, address)
    this.progress(this.#keyOf(asker), { stage: 'kernel' })
  }

  /** Ends boots that should have come to their end; those that wait for an operator should not. */
  expire(): void {
    const now = this.#now()
    const index = this.#options.index()
    const withinS = index?.plan.joinWithinS ?? 600
    const looked = { after: this.#lookedAt, now: now.monotonic }
    this.#lookedAt = now.monotonic
    for (const [key, before] of this.#boots.entries()) {
      if (hasWaited(before, looked)) this.#offerChanges += 1
      const boot = followApproval(before, index, now)
      this.#change(key, before, boot)
      if (isLate(boot, now.monotonic)) this.#change(key, boot, ranOut(boot, withinS, now))
    }
  }

  /** All boots, those that changed last first. */
  states(): readonly BootState[] {
    const now = this.#options.clock.monotonic()
    return this.#boots
      .all()
      .toReversed()
      .map(boot => spoken(this.#named(boot), now))
  }

  /** What is to be remembered when we start again. */
  all(): readonly MachineBoot[] {
    return this.#boots.all()
  }

  #choose(machine: BootMachine | undefined, past?: MachineBoot, asker?: Asker): BootChoice {
    const { index, versions } = this.#options
    const architecture = asker?.architecture ?? past?.architecture
    const now = this.#options.clock.monotonic()
    return choose({ plan: index()?.plan, machine, past, now, architecture, versions })
  }

  #machineOf(boot: MachineBoot): BootMachine | undefined {
    const index = this.#options.index()
    return index && machineBooted(index, boot)
  }

  /** With the UUID of the host that it became, where its firmware says none. */
  #named(boot: MachineBoot): MachineBoot {
    const uuid = boot.uuid ?? this.#machineOf(boot)?.uuid
    return uuid === undefined ? boot : { ...boot, uuid }
  }

  /** The last boot of a machine of the plan, by whatever it has called itself. */
  #pastOf(machine: BootMachine): MachineBoot | undefined {
    const { uuid, serial, macs } = machine
    const keys = [uuid, serial, ...macs.map(mac => this.#boots.withMac(mac))]
    const boots = keys.map(key => (key === undefined ? undefined : this.#boots.get(key)))
    return boots.find(boot => boot !== undefined && this.#machineOf(boot) === machine)
  }

  #now(): Moment {
    const { clock } = this.#options
    return { wall: clock.wall(), monotonic: clock.monotonic() }
  }

  #keyOf({ uuid, serial, mac }: Asker): string {
    return uuid ?? serial ?? mac ?? 'unnamed'
  }

  /** What was seen of its firmware, and of GRUB, before it said who it is. */
  #byFirmware({ mac }: Asker): MachineBoot | undefined {
    const boot = mac === undefined ? undefined : this.#boots.get(mac)
    return boot?.stage === 'dhcp' || boot?.stage === 'kernel' ? boot : undefined
  }

  #change(
    key: string,
    before: MachineBoot | undefined,
    after: MachineBoot,
    seen: Omit<Seen, 'planned'> = { isHeard: false }
  ): void {
    if (before === after) return
    if (offerPrint(before) !== offerPrint(after)) this.#offerChanges += 1
    this.#boots.put(key, after)
    this.#follow(key, after, seen)
    for (const other of this.#boots.surplus()) this.#drop(other)
    const { stage, boot, unapproved } = after
    if (before?.stage !== stage || before.boot !== boot || before.unapproved !== unapproved) {
      const { name, uuid, version, because = unapproved, address } = after
      const fields = { name, uuid, address, from: before?.stage, to: stage, version, because }
      if (stage === 'failed') this.#options.log.warn('boot has failed', fields)
      else this.#options.log.info('boot goes on', fields)
    }
    this.#options.onChanged()
  }

  #follow(key: string, boot: MachineBoot, seen: Omit<Seen, 'planned'>): void {
    const named = this.#named(boot)
    const planned = this.#options.index()?.byUuid.get(named.uuid ?? '')?.macs ?? []
    this.#owners.follow(key, named, { ...seen, planned })
  }

  #drop(key: string): void {
    this.#offerChanges += 1
    this.#anew.delete(key)
    this.#boots.remove(key)
    this.#owners.drop(key)
  }
}

/** What of a boot counts for what it is offered, and by which names it is found. */
const offerPrint = (boot: MachineBoot | undefined): string =>
  JSON.stringify(
    boot && [
      ...[boot.uuid, boot.serial, boot.macs, boot.architecture],
      ...[boot.wish, boot.failures, boot.awaits]
    ]
  )

const newBoot = (): string => randomBytes(8).toString('hex')
const begunAt = ({ stages }: MachineBoot): number => stages[0]?.wall ?? 0
