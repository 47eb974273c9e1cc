/**
 * A roll that has hosts boot another version of the host image. Each host is pinned to it just
 * before it boots; the version becomes the current one when all of them run it. At the first boot
 * that fails nothing goes on: pins are taken back, and the host that failed boots what it had.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault, isFault, sentence } from '#shared/fault.ts'
import type { ResourceDocument } from '#shared/model/index.ts'
import { formatMs } from '#shared/units.ts'
import type { BootState } from '#shared/wire/boot.ts'
import type { Api } from '../api/client.ts'
import { patchResource, readJson, readResource, sayVerb } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import type { Reference } from '../kinds.ts'
import { chosen, imagesOf } from './boot.ts'
import { untilRebooted } from './host-drain.ts'
import { referenceTo } from './outcome.ts'

/** How often it is looked how the boot goes. Unit: ms. */
const lookMs = 1_000
/** A host that boots what it had is there again after so long. Unit: ms. */
const backMsMax = 1_200_000

/** What hosts were pinned to before, and which boot of theirs that was, by their names. */
export type Pins = Map<string, { readonly image: string | undefined; readonly bootId: unknown }>

/** The version that is meant; undefined: none is. Fault `conflict`: nobody could serve it. */
export async function imageWanted(invocation: Invocation): Promise<string | undefined> {
  const text = invocation.given.text('image')
  if (text === undefined) return undefined
  const image = chosen(await imagesOf(invocation), text)
  if (image.bootds.length > 0) return image.version
  throw new Fault('conflict', `cannot roll to image ${image.version}: no bootd can serve it`, {
    reasons: image.problems,
    next: ['remuda host-image list']
  })
}

/** Has an empty host boot a version, and waits until it runs that one and no other. */
export async function bootImage(
  invocation: Invocation,
  reference: Reference,
  given: { readonly version: string; readonly before: ResourceDocument; readonly pins: Pins }
): Promise<ResourceDocument> {
  const { version, before, pins } = given
  const { signal } = invocation
  const api = await invocation.connect()
  const { bootId } = before.status
  pins.set(reference.name, { image: before.spec['image'] as string | undefined, bootId })
  await patchResource(api, reference, { spec: { image: version } }, { signal })
  const uuid = String(before.status['uuid'])
  const known = (await bootsOf(api)).find(boot => boot.uuid === uuid)?.boot
  await sayVerb(api, reference, 'reboot', { signal })
  const failed = new AbortController()
  const watched = failureOf(api, { uuid, version, known, signal: failed.signal })
  try {
    // Nobody waits for a host any longer whose boot has failed.
    const either = AbortSignal.any([signal, failed.signal])
    const back = untilRebooted({ ...invocation, signal: either }, reference, bootId)
    const after = await Promise.race([back, watched])
    if (!after) throw new TypeError('the watch of a boot ends with a failure alone')
    await requireVersion(api, { name: reference.name, uuid, version })
    return after
  } finally {
    failed.abort()
  }
}

/** Rejects once the boot has failed; never resolves before the signal aborts. */
async function failureOf(
  api: Api,
  given: {
    readonly uuid: string
    readonly version: string
    readonly known: string | undefined
    readonly signal: AbortSignal
  }
): Promise<undefined> {
  const { uuid, version, known, signal } = given
  while (!signal.aborted) {
    await sleep(lookMs, undefined, { signal }).catch(() => undefined)
    const boots = await bootsOf(api).catch((thrown: unknown) => {
      if (isFault(thrown)) return []
      throw thrown
    })
    const boot = boots.find(one => one.uuid === uuid && one.boot !== known)
    if (!boot || signal.aborted) continue
    const { stage, because, failures, isFallback } = boot
    // Before it has asked what to boot, its failures are those with what it was to boot before.
    if (stage === 'dhcp') continue
    if (stage !== 'failed' && failures === 0 && !isFallback) continue
    throw new Fault('conflict', `host does not boot image ${version}`, {
      reasons: [because ?? `it began anew, ${failures} boots have failed`],
      next: [`remuda host boot-log ${uuid}`]
    })
  }
  return undefined
}

async function requireVersion(
  api: Api,
  {
    name,
    uuid,
    version
  }: { readonly name: string; readonly uuid: string; readonly version: string }
): Promise<void> {
  const boot = (await bootsOf(api)).find(one => one.uuid === uuid)
  if (boot?.version === version) return
  throw new Fault('conflict', `host ${name} runs image ${boot?.version ?? 'unknown'}`, {
    reasons: [`it was to boot ${version}`],
    next: [`remuda host boot-log ${name}`]
  })
}

/** Makes the version the current one, which needs no pins. */
export async function settleImage(
  invocation: Invocation,
  version: string,
  pins: Pins
): Promise<void> {
  const api = await invocation.connect()
  const path = `/v1/host-images/${version}/promote`
  await api.ask({ method: 'POST', path, body: {}, doing: `promote image ${version}` })
  const none = [...pins].map(([name, { bootId }]) => [name, { image: undefined, bootId }] as const)
  const left = await takeBack(invocation, api, new Map(none))
  if (left.size === 0) return
  throw new Fault('conflict', `image ${version} is the current one, but hosts are still pinned`, {
    reasons: [...left.values()].map(({ words }) => words),
    next: ['take spec.image away from them: remuda apply']
  })
}

/** Takes pins back, and has the host that failed boot what it had; gives what was done. */
export async function rollBack(
  invocation: Invocation,
  failed: string,
  pins: Pins
): Promise<readonly string[]> {
  const pin = pins.get(failed)
  if (!pin) return []
  const api = await invocation.connect()
  const left = await takeBack(invocation, api, pins)
  const others = [...pins.keys()].filter(name => name !== failed)
  const rest =
    others.length === 0
      ? []
      : [`${others.join(', ')} boot what they had at their next boot: remuda host roll --reboot`]
  // It would boot the version again that has just failed.
  const back = left.get(failed)?.isPinned
    ? 'is not booted anew'
    : await broughtBack(invocation, { api, name: failed, ...pin })
  return [`${failed} ${back}`, ...[...left.values()].map(({ words }) => words), ...rest]
}

/** What became of a host whose pin could not be taken back as it was. */
type Left = { readonly isPinned: boolean; readonly words: string }

/** Takes back all that can be; gives the hosts that are not as they were. */
async function takeBack(
  invocation: Invocation,
  api: Api,
  pins: Pins
): Promise<ReadonlyMap<string, Left>> {
  const left = new Map<string, Left>()
  for (const [name, { image }] of pins) {
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
  const begun = performance.now()
  try {
    const { spec, status } = await readResource(api, reference)
    const hasDevice = ((spec['fence'] as readonly unknown[] | undefined) ?? []).length > 0
    if (hasDevice) {
      await sayVerb(api, reference, 'power', { body: { want: 'cycle', force: false } })
    }
    while (performance.now() - begun < backMsMax && !invocation.signal.aborted) {
      await sleep(lookMs, undefined, { signal: invocation.signal })
      if (!(await isHeard(api, name, hasDevice ? status['bootId'] : bootId))) continue
      return `is back with the image that it had, after ${formatMs(performance.now() - begun)}`
    }
    return `is not back after ${formatMs(performance.now() - begun)}`
  } catch (thrown) {
    if (!isFault(thrown)) throw thrown
    return `could not be brought back: ${sentence(thrown)}`
  }
}

/** Whether it is heard in another boot than one: what was heard before that says nothing. */
async function isHeard(api: Api, name: string, bootId: unknown): Promise<boolean> {
  const { conditions, status } = await readResource(api, { kind: 'host', name })
  if (status['bootId'] === bootId) return false
  return conditions.some(({ type, status }) => type === 'libvirt' && status === 'true')
}

async function bootsOf(api: Api): Promise<readonly BootState[]> {
  const doing = 'list the boots of machines'
  const answer = await api.ask({ method: 'GET', path: '/v1/boots', doing })
  return (readJson(answer, doing) as { readonly items: readonly BootState[] }).items
}
