/**
 * What becomes of the pins of a roll to another version of the host image. The version becomes the
 * current one when all hosts run it, and then nobody needs a pin to it. At the first boot that
 * fails pins are taken back, and the hosts that failed boot what they had; where hosts get the
 * version without a pin, too, they are pinned to that, and it is said how to withdraw the version.
 * A roll that ends for another reason says nothing against the version: what runs it keeps it, and
 * its operator is told who, how to go on, and how to undo it.
 *
 * A roll that ended so has left pins behind. So both the end of a roll and its failure are about
 * all hosts that are pinned to the version, and not only about those that this roll has pinned.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import { formatMs } from '#shared/units.ts'
import type { Api } from '../api/client.ts'
import { listResources, patchResource, readResource, sayVerb } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import { imagesOf } from './boot.ts'
import { referenceTo } from './outcome.ts'

/** How often it is looked whether a host is back. Unit: ms. */
const lookMs = 1_000
/** A host that boots what it had is there again after so long. Unit: ms. */
const backMsMax = 1_200_000

/** A host that this roll has pinned. */
export type Pin = {
  /** What it was pinned to before. */
  readonly image: string | undefined
  /** Which boot of it that was. */
  readonly bootId: unknown
  /** What it ran before, as far as that is known. */
  readonly ran: string | undefined
  /** How far it has come with the version; `booted`: it runs it. */
  readonly step: 'pinned' | 'booting' | 'booted'
}

/** Pins of a roll by the names of hosts. */
export type Pins = Map<string, Pin>

/** A host that a roll did not get done. */
export type Failure = { readonly name: string; readonly fault: Fault }

/** What a roll to a version has come to. */
export type ImageRoll = {
  readonly version: string
  readonly pins: ReadonlyMap<string, Pin>
  readonly failures: readonly Failure[]
}

/** What is said of a roll that has ended early. */
export type Aftermath = { readonly reasons: readonly string[]; readonly next: readonly string[] }

/** Makes the version the current one, which needs no pins; gives the hosts that had one. */
export async function settleImage(
  invocation: Invocation,
  roll: ImageRoll
): Promise<readonly string[]> {
  const { version } = roll
  const api = await invocation.connect()
  await promote(api, roll)
  const { names, doubts } = await pinnedTo(api, roll)
  const left = await takeBack(invocation, api, new Map(names.map(name => [name, undefined])))
  if (left.size + doubts.length === 0) return names
  const still = left.size > 0 ? 'hosts are still pinned' : 'other hosts may be pinned to it'
  throw new Fault('conflict', `image ${version} is the current one, but ${still}`, {
    reasons: [...[...left.values()].map(({ words }) => words), ...doubts],
    next: [...left.keys()].map(name => pinCommand(name, undefined))
  })
}

/** Has all hosts go by the version; that it cannot be done leaves them pinned, and says so. */
async function promote(api: Api, roll: ImageRoll): Promise<void> {
  const { version } = roll
  const path = `/v1/host-images/${version}/promote`
  try {
    await api.ask({ method: 'POST', path, body: {}, doing: `promote image ${version}` })
  } catch (thrown) {
    if (!isFault(thrown)) throw thrown
    const { names, doubts } = await pinnedTo(api, roll)
    const pinned = `all hosts are done; pinned to image ${version} until it is promoted`
    throw new Fault(thrown.code, thrown.message, {
      cause: thrown.cause,
      reasons: [...thrown.reasons, `${pinned}: ${names.join(', ') || 'none'}`, ...doubts],
      next: [
        `remuda host-image promote ${version}`,
        ...names.map(name => pinCommand(name, undefined))
      ]
    })
  }
}

/** Fault `conflict`: the version has failed on another host of this roll, so no other boots it. */
export function requireNoFailure(name: string, roll: ImageRoll): void {
  const [failed] = failedOf(roll)
  if (failed === undefined) return
  const message = `cannot go on with host ${name}: image ${roll.version} has failed on ${failed}`
  throw new Fault('conflict', message, { reasons: [`${name} is empty, and has not booted anew`] })
}

/** Decides on the pins of a roll that has ended early; gives what was done, and what can be. */
export async function leaveImage(invocation: Invocation, roll: ImageRoll): Promise<Aftermath> {
  const failed = failedOf(roll)
  return failed.length > 0 ? undo(invocation, roll, failed) : keep(invocation, roll)
}

/** The hosts that speak against the version: they were told to boot it, and it was waited for. */
export const failedOf = ({ pins, failures }: ImageRoll): readonly string[] =>
  failures
    .filter(({ name, fault }) => {
      const step = pins.get(name)?.step
      // Nobody waits any more, or it could not be told or heard of: no fault of the version.
      if (isFault(fault, 'aborted') || isFault(fault, 'unavailable')) return false
      return step === 'booting' || step === 'booted'
    })
    .map(({ name }) => name)

/** Takes all pins back, and has the hosts that hang in their boot boot what they had. */
async function undo(
  invocation: Invocation,
  roll: ImageRoll,
  failed: readonly string[]
): Promise<Aftermath> {
  const { pins } = roll
  const api = await invocation.connect()
  const { names, doubts } = await pinnedTo(api, roll)
  const { role, instead, unsure } = await unpinned(invocation, roll.version)
  const wanted = new Map(names.map(name => [name, imageBefore(roll, name) ?? instead(roll, name)]))
  const left = await takeBack(invocation, api, wanted)
  const isPinned = (name: string): boolean => left.get(name)?.isPinned === true
  // One that runs the version may have instances on it by now: its power is left alone.
  const hanging = failed.filter(name => pins.get(name)?.step === 'booting')
  const back = async (name: string): Promise<string> => {
    // It would boot the version again that has just failed.
    if (isPinned(name)) return `${name} is not booted anew`
    return `${name} ${await broughtBack(invocation, { api, name, bootId: pins.get(name)!.bootId })}`
  }
  const backs = await Promise.all(hanging.map(back))
  const others = names.filter(name => !hanging.includes(name) && !isPinned(name))
  const [boot, had, their] =
    others.length === 1 ? ['boots', 'it', 'its'] : ['boot', 'they', 'their']
  const rest = `${others.join(', ')} ${boot} what ${had} had at ${their} next boot`
  const done = others.filter(name => !hasFailed(roll, name))
  const stay = names.filter(isPinned).map(name => pinCommand(name, wanted.get(name)))
  return {
    reasons: [
      ...backs,
      ...[...left.values()].map(({ words }) => words),
      ...doubts,
      ...unsure,
      ...(others.length === 0 ? [] : [rest]),
      ...(role === undefined
        ? []
        : [`image ${roll.version} is still ${role}: hosts without a pin boot it`])
    ],
    next: [
      ...(role === undefined ? [] : ['to have no host boot it: remuda host-image rollback']),
      ...(stay.length === 0 ? [] : [`to take back what is still pinned: ${stay.join(' && ')}`]),
      ...(done.length === 0 ? [] : [`to have ${done.join(', ')} boot that now: ${rebootOf(done)}`])
    ]
  }
}

/** What hosts are given that have no pin: whether that is the version, and what instead of it. */
type Unpinned = {
  readonly role: string | undefined
  readonly instead: (roll: ImageRoll, name: string) => string | undefined
  /** Why it is not known. */
  readonly unsure: readonly string[]
}

/** Hosts that would be given the version also without a pin are pinned to what they ran before. */
async function unpinned(invocation: Invocation, version: string): Promise<Unpinned> {
  const unsure: string[] = []
  const images = await imagesOf(invocation).catch(thrown => {
    if (!isFault(thrown)) throw thrown
    unsure.push(`hosts without a pin may get image ${version}, too: ${sentence(thrown)}`)
    return []
  })
  const is = images.find(one => one.version === version)?.role
  if (is !== 'current' && is !== 'canary') {
    return { role: undefined, instead: () => undefined, unsure }
  }
  const previous = images.find(one => one.role === 'previous')?.version
  return {
    role: is === 'current' ? 'the current one' : 'the canary',
    instead: ({ pins }, name) => {
      const ran = pins.get(name)?.ran
      return ran === version ? previous : (ran ?? previous)
    },
    unsure
  }
}

/** Leaves all pinned as it is, and says so: whoever is pinned does not go by what is promoted. */
async function keep(invocation: Invocation, roll: ImageRoll): Promise<Aftermath> {
  const { names, doubts } = await pinnedTo(await invocation.connect(), roll)
  if (names.length === 0) return { reasons: doubts, next: [] }
  const [stay, boot] = names.length === 1 ? ['stays', 'boots'] : ['stay', 'boot']
  const pinned = `${names.join(', ')} ${stay} pinned to image ${roll.version}`
  const done = names.filter(name => !hasFailed(roll, name))
  const commands = names.map(name => pinCommand(name, imageBefore(roll, name)))
  const all = done.length === 0 ? commands : [...commands, rebootOf(done)]
  return {
    reasons: [`${pinned}, and ${boot} it whatever is promoted`, ...doubts],
    next: [`to undo: ${all.join(' && ')}`]
  }
}

const hasFailed = ({ failures }: ImageRoll, host: string): boolean =>
  failures.some(({ name }) => name === host)

const rebootOf = (names: readonly string[]): string =>
  `remuda host roll ${names.join(' ')} --reboot`

const pinCommand = (name: string, image: string | undefined): string =>
  `remuda host set ${name} --image ${image ?? 'none'}`

/** What a host was pinned to before; to this version it was by an earlier roll. */
function imageBefore({ version, pins }: ImageRoll, name: string): string | undefined {
  const image = pins.get(name)?.image
  return image === version ? undefined : image
}

/** All that are pinned to the version; those of this roll where no list is to be had. */
async function pinnedTo(
  api: Api,
  { version, pins }: ImageRoll
): Promise<{ readonly names: readonly string[]; readonly doubts: readonly string[] }> {
  try {
    const { items } = await listResources(api, 'host', { sort: 'name' })
    const pinned = items.filter(({ spec }) => spec['image'] === version)
    return { names: pinned.map(({ name }) => name), doubts: [] }
  } catch (thrown) {
    if (!isFault(thrown)) throw thrown
    const doubt = `other hosts may be pinned to image ${version}: ${sentence(thrown)}`
    return { names: [...pins.keys()], doubts: [doubt] }
  }
}

/** What became of a host whose pin could not be taken back as it was. */
type Left = { readonly isPinned: boolean; readonly words: string }

/** Pins hosts to what they are to have, or to none; gives those that do not have that now. */
async function takeBack(
  invocation: Invocation,
  api: Api,
  wanted: ReadonlyMap<string, string | undefined>
): Promise<ReadonlyMap<string, Left>> {
  const left = new Map<string, Left>()
  for (const [name, image] of wanted) {
    const reference = referenceTo(invocation, 'host', name)
    const pin = async (to: string | null): Promise<Fault | undefined> => {
      try {
        await patchResource(api, reference, { spec: { image: to } })
        return undefined
      } catch (thrown) {
        if (!isFault(thrown)) throw thrown
        return thrown
      }
    }
    const refused = await pin(image ?? null)
    if (!refused) continue
    // What it was pinned to before may be gone from all bootds, or none is heard that would say
    // that it has it: then it gets the current one, and not what has failed.
    const isGone = isFault(refused, 'not-found') || isFault(refused, 'unavailable')
    const failure = image === undefined || !isGone ? refused : await pin(null)
    const words = failure
      ? `${name} is still pinned as in this roll: ${sentence(failure)}`
      : `${name} was pinned to image ${image}, and gets the current one: ${sentence(refused)}`
    left.set(name, { isPinned: failure !== undefined, words })
  }
  return left
}

/** A machine that hangs in its boot needs its power cut; others boot anew by themselves. */
async function broughtBack(
  invocation: Invocation,
  { api, name, bootId }: { readonly api: Api; readonly name: string; readonly bootId: unknown }
): Promise<string> {
  const reference = referenceTo(invocation, 'host', name)
  const { signal } = invocation
  const begun = performance.now()
  const tookMs = (): number => performance.now() - begun
  try {
    const { spec, status } = await readResource(api, reference)
    const hasDevice = ((spec['fence'] as readonly unknown[] | undefined) ?? []).length > 0
    if (hasDevice) {
      await sayVerb(api, reference, 'power', { body: { want: 'cycle', force: false } })
    }
    while (tookMs() < backMsMax && !signal.aborted) {
      await sleep(lookMs, undefined, { signal }).catch(() => undefined)
      if (!(await isHeard(api, name, hasDevice ? status['bootId'] : bootId))) continue
      return `is back with the image that it had, after ${formatMs(tookMs())}`
    }
    const how = hasDevice ? 'its power was cycled' : 'it has no fence device to cycle its power'
    const why = signal.aborted ? '; interrupted, so it is no longer waited for' : ''
    return `is not back after ${formatMs(tookMs())}: ${how}${why}`
  } catch (thrown) {
    if (!isFault(thrown)) throw thrown
    return `could not be brought back: ${sentence(thrown)}`
  }
}

/** Whether it is heard in another boot than one: what was heard before that says nothing. */
async function isHeard(api: Api, name: string, bootId: unknown): Promise<boolean> {
  try {
    const { conditions, status } = await readResource(api, { kind: 'host', name })
    if (status['bootId'] === bootId) return false
    return conditions.some(({ type, status }) => type === 'libvirt' && status === 'true')
  } catch (thrown) {
    // A controller that moves meanwhile says so again a moment later.
    if (!isFault(thrown)) throw thrown
    return false
  }
}
