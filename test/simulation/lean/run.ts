/**
 * One seed: a cloud under faults and wishes for two thirds of its time; then all is mended, and it
 * must come to rest; then as many hosts as the reserve speaks of are lost for good, and everything
 * must run again.
 */
import { createHash } from 'node:crypto'
import { uuidOf } from '#shared/ids.ts'
import type { Instance } from '#shared/model/instance.ts'
import type { Ms } from '#shared/units.ts'
import { promiseOf } from '../../../controller/core/reserve/promise.ts'
import { isWanted } from '../../../controller/core/start-order.ts'
import type { View } from '../../../controller/core/view.ts'
import { chanceOf } from '../randomness.ts'
import { type Counts, LeanCloud } from './cloud.ts'
import type { Machine } from './machine.ts'
import { tidy, want } from './people.ts'
import { waitsForLost } from './start-oracle.ts'
import { oneOf, release, strikes, whenAwake } from './strikes.ts'

/** All is at rest so long after the last fault at most; lost hosts are made good for in this. */
const restMsMax: Ms = 240_000
const promiseMsMax: Ms = 120_000
const firstFaultMs: Ms = 8_000
const lookMs: Ms = 1_000

/** From fault to fault and from wish to wish, on average: each seed draws one of each. */
type Weather = { readonly faultMs: readonly Ms[]; readonly wishMs: readonly Ms[] }

/** From seeds in which much comes together to those in which nearly everything comes alone. */
export const weathers = {
  wild: { faultMs: [2_000, 4_000], wishMs: [4_000, 10_000] },
  mixed: { faultMs: [2_000, 5_000, 12_000], wishMs: [4_000, 10_000, 30_000] },
  mild: { faultMs: [8_000, 20_000, 50_000], wishMs: [20_000, 40_000, 80_000] }
} as const satisfies Readonly<Record<string, Weather>>

export type WeatherName = keyof typeof weathers

export type LeanWish = {
  readonly seed: number
  readonly hosts: number
  readonly seconds: number
  /** Names of strikes, where not the seed draws which there are. */
  readonly faults?: readonly string[] | undefined
  /** Left out: mixed. */
  readonly weather?: WeatherName | undefined
}

export type LeanFinding = {
  readonly seed: number
  readonly problems: readonly string[]
  readonly counts: Counts
  readonly virtualMs: Ms
  /** Equal for equal runs. */
  readonly digest: string
}

/** Runs it to its end, or to the first problem. */
export function runLean(wish: LeanWish): LeanFinding {
  const { seed, hosts, seconds } = wish
  const chance = chanceOf(seed * 2_654_435_761)
  const cloud = new LeanCloud({ seed, hosts, chance })
  try {
    live(cloud, (seconds * 1_000 * 2) / 3, wish)
  } catch (thrown) {
    cloud.problem(`a mistake: ${(thrown as Error).stack ?? thrown}`)
  }
  const { problems, counts, timeline, ensemble } = cloud
  const told = ensemble.entries.map(({ epoch, commit }) => [epoch, commit.decisions])
  const digest = createHash('sha256').update(JSON.stringify(told)).digest('hex').slice(0, 16)
  return { seed, problems, counts, virtualMs: timeline.now, digest }
}

function live(cloud: LeanCloud, faultsMs: Ms, { faults, weather = 'mixed' }: LeanWish): void {
  const { chance, timeline } = cloud
  for (const machine of cloud.machines) whenAwake(machine, () => awake(cloud, machine))
  // Each seed has its own weather: few faults of few sorts, or many of all.
  const drawn = Object.keys(strikes).filter(() => chance() < 0.5)
  const names = faults ?? drawn
  const gapMs = oneOf(weathers[weather].faultMs, chance)
  const wishGapMs = oneOf(weathers[weather].wishMs, chance)
  const strike = (): void => {
    if (timeline.now > faultsMs) return
    const name = oneOf(names, chance)
    cloud.count(`fault ${name}`)
    strikes[name]!(cloud, chance() < 0.5 ? 4_000 * chance() : 25_000 * chance())
    timeline.after(2 * gapMs * chance(), strike)
  }
  const wish = (): void => {
    if (timeline.now > faultsMs) return
    want(cloud)
    timeline.after(2 * wishGapMs * chance(), wish)
  }
  if (names.length > 0) timeline.after(firstFaultMs, strike)
  timeline.after(firstFaultMs, wish)
  pass(cloud, faultsMs)
  mend(cloud)
  come(cloud, { to: unrest, within: restMsMax, as: 'it does not come to rest' })
  lose(cloud)
}

const pass = (cloud: LeanCloud, until: Ms): void => {
  for (let at = cloud.timeline.now; at < until && cloud.problems.length === 0; at += lookMs) {
    cloud.timeline.passUntil(Math.min(until, at + lookMs))
  }
}

/** Lets time pass until nothing speaks against it twice in a row. */
function come(
  cloud: LeanCloud,
  given: {
    readonly to: (cloud: LeanCloud) => string | undefined
    readonly within: Ms
    readonly as: string
  }
): void {
  const until = cloud.timeline.now + given.within
  let calm = 0
  while (cloud.problems.length === 0) {
    pass(cloud, cloud.timeline.now + lookMs)
    const because = given.to(cloud)
    calm = because === undefined ? calm + 1 : 0
    if (calm >= 3) return
    if (cloud.timeline.now >= until) cloud.problem(`${given.as}: ${because}`)
    if (cloud.timeline.now % 10_000 < lookMs) tidy(cloud)
  }
}

/** What stood still with a machine goes on with it. */
function awake(cloud: LeanCloud, machine: Machine): void {
  const agent = cloud.agentOf(machine)
  if (agent.isRunning && !agent.isPaused) agent.goOn()
  for (const controller of cloud.controllers) {
    if (controller.machine === machine && controller.isRunning) controller.goOn()
  }
}

function mend(cloud: LeanCloud): void {
  cloud.isMended = true
  cloud.net.mendAll()
  cloud.broken.clear()
  Object.assign(cloud.ensemble, { hasQuorum: true })
  cloud.ensembleMs = 20
  const well = {
    ...{ island: 0, delayMs: 0, loss: 0, storageIsCut: false, diskIsSlow: false },
    ...{ diskIsFull: false, libvirtHangs: false, guestsAreDeaf: false, isBroken: false },
    ...{ spoilsGuests: false }
  }
  for (const machine of cloud.machines) {
    Object.assign(machine, well, { device: 'answers' })
    if (machine.dog) machine.dog.isBusy = false
    release(cloud, machine)
    machine.powerOn()
    if (machine.hangs) {
      machine.hangs = false
      awake(cloud, machine)
    }
    const agent = cloud.agentOf(machine)
    agent.goOn()
    agent.start()
  }
  for (const controller of cloud.controllers) {
    controller.isShutOut = false
    if (controller.isPaused) controller.goOn()
    controller.start()
  }
  for (const bootd of cloud.bootds) bootd.start()
  tidy(cloud)
}

/** Why it is not at rest; undefined: it is. */
function unrest(cloud: LeanCloud): string | undefined {
  const { leader, machines } = cloud
  if (!leader) return 'nobody leads'
  for (const { name, decided } of leader.view.all('host').values()) {
    const machine = cloud.machine(name)
    if (!machine.runs) return `${name} does not run`
    if (!cloud.agentOf(machine).isRunning) return `the agent of ${name} does not run`
    if (decided.recovery) return `${name} is ${decided.recovery.phase}`
    if (decided.duty) return `${name} is in state ${decided.duty.state}`
    if (decided.wrongDevices) return `a device of ${name} has not read on since it was wrong`
    const isArmed = decided.selfFence?.armed?.bootId === machine.bootId
    if (machine.dog && !isArmed) return `the watchdog of ${name} is not armed`
  }
  if (leader.view.cloud?.balance?.run) return 'hosts are being levelled'
  return unmet(cloud, new Set(machines))
}

/** Which wish is not met by these machines; undefined: all are. */
function unmet(cloud: LeanCloud, machines: ReadonlySet<Machine>): string | undefined {
  const { leader } = cloud
  if (!leader) return 'nobody leads'
  const isLost = ({ spec, decided }: Instance): boolean =>
    decided.host !== undefined &&
    (!spec.highlyAvailable || spec.pool !== 'far') &&
    !machines.has(cloud.machine(decided.host))
  for (const instance of leader.view.all('instance').values()) {
    const { id, name, spec, decided } = instance
    const uuid = uuidOf(id)
    const on = cloud.machines.filter(({ isOn, domains }) => isOn && domains.has(uuid))
    const names = on.map(machine => machine.name).join()
    if (decided.deletedAt !== undefined) return `${name} is not gone`
    if (decided.moving) return `${name} is on its way (${decided.moving.phase})`
    if (spec.desiredPower === 'stopped') {
      if (on.length > 0) return `${name} runs on ${names}, and is to be stopped`
      continue
    }
    const host = decided.host === undefined ? undefined : cloud.machine(decided.host)
    if (isLost(instance)) continue
    if (host && on.length === 1 && on[0] === host && host.domains.get(uuid)?.state === 'running')
      continue
    if (host && on.length === 0 && waitsForLost(leader.view, instance, isLost)) continue
    if (host && on.length === 0 && hasGivenRoom(leader.view, instance)) continue
    if (!host && on.length === 0 && isLeftByGroup(cloud, leader.view, instance)) continue
    return `${name} should run on ${host?.name ?? 'some host'}, and runs on ${names || 'none'}`
  }
  return undefined
}

/** Whether it has made room on its host for a more important one, which still has it. */
function hasGivenRoom(view: View, { decided }: Instance): boolean {
  const other = decided.preempted && view.get('instance', decided.preempted.for)
  return other !== undefined && other.decided.host === decided.host && isWanted(other)
}

/**
 * Whether those with whom it is kept together have found a place that had no room for all of them:
 * the important one goes on, and it itself waits until there is room beside that one.
 */
function isLeftByGroup(cloud: LeanCloud, view: View, { id, spec, decided }: Instance): boolean {
  const kept = (spec.affinity ?? []).filter(({ rule, hard }) => rule === 'with' && hard)
  const all = [...view.all('instance').values()]
  const place = all.find(
    other =>
      other.id !== id &&
      other.decided.host !== undefined &&
      other.spec.affinity?.some(({ group }) => kept.some(each => each.group === group))
  )?.decided.host
  const host = [...view.all('host').values()].find(({ name }) => name === place)
  if (!host) return false
  const { memoryMib } = cloud.founded.hosts[cloud.machine(host.name).index - 1]!
  const promised = all.map(other => (other.decided.host === place ? other.decided.memoryMib : 0))
  const freeMib = promised.reduce((left, mib) => left - mib, memoryMib - host.spec.reservedMib)
  const isLeft = freeMib < decided.memoryMib
  if (isLeft) cloud.count('left by its group for want of room')
  return isLeft
}

/** As many hosts as room is kept for are lost at once: what can run elsewhere does so soon. */
function lose(cloud: LeanCloud): void {
  const { leader, chance, founded } = cloud
  if (!leader || cloud.problems.length > 0) return
  if (promiseOf(leader.view, leader.now).state !== 'kept') {
    cloud.count('promises that were broken before')
    return
  }
  const able = cloud.machines.filter(({ index }) => founded.hosts[index - 1]!.means !== 'none')
  const most = Math.min(founded.reserveHosts, Math.max(1, Math.floor(cloud.machines.length / 3)))
  const lost = new Set<Machine>()
  if (founded.reserveRack && chance() < 0.5) {
    // One that all candidates are in would take the cloud with it.
    const led = new Set(cloud.controllers.map(({ machine }) => machine.rack))
    const { rack } = oneOf(
      able.filter(machine => !led.has(machine.rack)),
      chance
    )
    for (const machine of able) if (machine.rack === rack) lost.add(machine)
    cloud.count('promises of a whole rack tried')
  }
  while (lost.size < Math.min(most, able.length)) lost.add(oneOf(able, chance))
  cloud.count('promises tried')
  for (const machine of lost) {
    machine.powerOff()
    machine.isStripped = true
  }
  const left = new Set(cloud.machines.filter(machine => !lost.has(machine)))
  const as = `the promise is not kept after the loss of ${[...lost].map(({ name }) => name)}`
  come(cloud, { to: () => unmet(cloud, left), within: promiseMsMax, as })
}
