/** What the faults of hosts have in common: whom they strike, and what must come of it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isFault } from '#shared/fault.ts'
import type { FenceLevels } from '#shared/model/fence.ts'
import { historyOf, type Recorded } from '../bench/lab-records.ts'
import { statusAt, until } from '../bench/takeover-checks.ts'
import type { Api } from '../cli/api/client.ts'
import { listResources, patchResource, readResource, sayVerb } from '../cli/api/resources.ts'
import { fenceDeviceOf, type Switchboard } from '../lab/bmc/place.ts'
import type { Lab } from '../lab/lab.ts'
import { fencedBy } from '../lab/plan.ts'
import type { Chance } from './chance.ts'

/** A lab that is whole, before something befalls it. */
export type HealingScene = {
  readonly lab: Lab
  readonly chance: Chance
  /** Host of the controller. */
  readonly leader: string
  /** When it began, on the wall clock of the machine. */
  readonly since: number
}

/** What was seen. */
export type HealingAccount = {
  /** Whom it befell. */
  readonly whom: string
  /** Hosts that were rightly fenced. */
  readonly fenced: readonly string[]
  /** Hosts whose instances have rightly been started anew, besides those. */
  readonly ended?: readonly string[]
  /** Until all that had run there ran elsewhere. Unit: ms; left out: nothing had to move. */
  readonly tookMs?: number
  /** More that is worth a line. */
  readonly also?: string
}

/** Befalls a lab, waits for what must come of it, and mends it; throws what was otherwise. */
export type HealingFault = (scene: HealingScene) => Promise<HealingAccount>

type Placed = { readonly name: string; readonly host: string; readonly isMachine: boolean }

/** Where each instance is. */
export async function placesOf(lab: Lab): Promise<readonly Placed[]> {
  const { items } = await listResources(lab.api, 'instance', { tenant: '*' })
  return items.map(({ name, spec, status }) => ({
    ...{ name, host: String(status['host']), isMachine: spec['type'] !== 'container' }
  }))
}

/** Any host but these. */
export const victim = (
  { lab, chance }: Pick<HealingScene, 'lab' | 'chance'>,
  spared: readonly string[] = []
): string =>
  chance.pick(lab.plan.hosts.map(({ name }) => name).filter(name => !spared.includes(name)))

/** Rounds in which those that answer are told something, and the pause between two. Unit: ms. */
const roundsMax = 5
const roundMs = 1_000
/** What another candidate may still do. */
const passing = ['unavailable', 'closed', 'deadline'] as const

/**
 * Tells one candidate after another, whoever leads first; those that are just booting, or are cut
 * off, know of no controller and are not asked. It must bear to be said twice.
 */
export async function toldTo<Result>(
  { lab }: Pick<HealingScene, 'lab'>,
  say: (api: Api) => Promise<Result>
): Promise<Result> {
  let missed: unknown
  for (let round = 0; round < roundsMax; round += 1) {
    if (round > 0) await sleep(roundMs)
    for (const host of await inTouch(lab)) {
      await using api = lab.apiOf(host)
      try {
        return await say(api)
      } catch (thrown) {
        if (!passing.some(code => isFault(thrown, code))) throw thrown
        missed = thrown
      }
    }
  }
  throw missed ?? new Error(`no candidate knew who leads, in ${roundsMax} looks`)
}

/** Hosts of candidates that answer and know who leads: him first. */
async function inTouch(lab: Lab): Promise<readonly string[]> {
  const seen: { readonly host: string; readonly leads: boolean }[] = []
  for (const { name: host, isCandidate } of lab.plan.hosts) {
    const status = isCandidate ? await statusAt(lab, host) : undefined
    if (status?.leader) seen.push({ host, leads: status.state === 'leads' })
  }
  return seen.sort((a, b) => Number(b.leads) - Number(a.leads)).map(({ host }) => host)
}

/** Has something run on each host: instances move from where there are several. */
export async function spread(lab: Lab): Promise<void> {
  for (const { name: host } of lab.plan.hosts) {
    const places = await placesOf(lab)
    if (places.some(place => place.host === host)) continue
    const crowd = places.filter(one => places.filter(({ host: at }) => at === one.host).length > 1)
    const moved = crowd.find(({ isMachine }) => !isMachine) ?? crowd[0]
    if (!moved) return
    const one = { kind: 'instance' as const, name: moved.name }
    await toldTo({ lab }, async api => {
      // Said once more where an answer was lost: it may be on its way already.
      const { status } = await readResource(api, one)
      if (status['move'] !== undefined || status['host'] === host) return
      await sayVerb(api, one, 'migrate', { body: { to: host, live: moved.isMachine } })
    })
    await until(`${one.name} is on ${host}`, async () => {
      const { status } = await readResource(lab.api, one)
      const isOver = status['move'] === undefined && status['phase'] === 'running'
      return isOver && status['host'] === host
    })
  }
}

/** Gives a host these devices, a level each; as it had them before: without any. */
export async function fenceBy(
  { lab }: Pick<HealingScene, 'lab'>,
  host: string,
  types: readonly Switchboard[] = [fencedBy(lab.plan, host)]
): Promise<void> {
  const fence: FenceLevels[number][] = []
  for (const type of types) fence.push({ devices: [await fenceDeviceOf(lab.plan, host, type)] })
  const one = { kind: 'host' as const, name: host }
  await toldTo({ lab }, api => patchResource(api, one, { spec: { fence } }))
}

/** Says whether a host stays off after a fence, or is switched on again by the cloud. */
export async function staysOff(
  scene: Pick<HealingScene, 'lab'>,
  host: string,
  isWanted: boolean
): Promise<void> {
  const spec = { afterFence: isWanted ? 'off' : 'on' }
  await toldTo(scene, api => patchResource(api, { kind: 'host', name: host }, { spec }))
}

/** Strikes, and waits until all that ran on these hosts runs elsewhere. Unit: ms. */
export async function movesAfter(
  { lab }: Pick<HealingScene, 'lab'>,
  hosts: readonly string[],
  strike: () => Promise<void>
): Promise<number> {
  const names = (await placesOf(lab)).filter(({ host }) => hosts.includes(host))
  const begunAt = performance.now()
  await strike()
  await until(`${names.map(({ name }) => name).join(', ')} run elsewhere`, async () => {
    const { items } = await listResources(lab.api, 'instance', { tenant: '*' })
    return items
      .filter(({ name }) => names.some(one => one.name === name))
      .every(
        ({ status }) => status['phase'] === 'running' && !hosts.includes(String(status['host']))
      )
  })
  return performance.now() - begunAt
}

/** For some time nothing leaves a host. */
export async function nothingLeaves(
  { lab }: Pick<HealingScene, 'lab'>,
  host: string,
  lastsMs: number
): Promise<void> {
  const before = JSON.stringify(await placesOf(lab))
  const late = performance.now() + lastsMs
  while (performance.now() < late) {
    await sleep(500)
    const now = JSON.stringify(await placesOf(lab).catch(() => before))
    if (now !== before) throw new Error(`from ${host} something moved: ${before} is ${now}`)
  }
}

/** Waits until something was decided about a host since the scene began. */
export async function decided(
  scene: Pick<HealingScene, 'lab' | 'since'>,
  host: string,
  verb: string
): Promise<Recorded> {
  let found: Recorded | undefined
  await until(`of ${host} is said ${verb}`, async () => {
    found = (await allSince(scene, host, verb))[0]
    return found !== undefined
  })
  return found!
}

/** Each time that something was decided about a host since the scene began, the oldest first. */
export async function allSince(
  { lab, since }: Pick<HealingScene, 'lab' | 'since'>,
  host: string,
  verb: string
): Promise<readonly Recorded[]> {
  const history = await historyOf(lab, 'hosts', host)
  return history.filter(one => one.verb === verb && Date.parse(one.at) >= since)
}

/** Waits until an attempt to fence a host was in vain. */
export async function triedInVain({ lab }: Pick<HealingScene, 'lab'>, host: string): Promise<void> {
  await until(`the fence of ${host} was tried in vain`, async () => {
    const { status } = await readResource(lab.api, { kind: 'host', name: host })
    const { phase, attempt = 0 } = (status['fence'] ?? {}) as FenceSeen
    return phase === 'waiting' || attempt > 1
  })
}

type FenceSeen = { readonly phase?: string; readonly attempt?: number }

/** An operator says that a host is off. */
export async function confirmOff(scene: Pick<HealingScene, 'lab'>, host: string): Promise<void> {
  await toldTo(scene, api => sayVerb(api, { kind: 'host', name: host }, 'confirm-off'))
}

/** Throws what was said, where it is not what had to be. */
export function wants(said: string, pattern: RegExp): void {
  if (!pattern.test(said)) throw new Error(`it was said "${said}", and not ${pattern}`)
}
