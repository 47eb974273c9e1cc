/**
 * The boot of one host in a roll to another version of the host image. The host is pinned to the
 * version just before it boots, and has booted it once it is back in another boot that some bootd
 * says is of that version. What becomes of pins is in roll-pins.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Fault, isFault } from '#shared/fault.ts'
import type { ResourceDocument } from '#shared/model/index.ts'
import { formatMs } from '#shared/units.ts'
import { type BootState, versionWishPrefix } from '#shared/wire/boot.ts'
import type { Api } from '../api/client.ts'
import { patchResource, readJson, sayVerb } from '../api/resources.ts'
import type { Invocation } from '../invocation.ts'
import type { Reference } from '../kinds.ts'
import { chosen, imagesOf } from './boot.ts'
import { untilRebooted } from './host-drain.ts'
import type { Pins } from './roll-pins.ts'

/** How often it is looked how the boot goes. Unit: ms. */
const lookMs = 1_000
/** A new controller has been told of the boots there are after so long, if of any. Unit: ms. */
const knownMsMax = 10_000
/** A bootd has told of the boot of a host that is back after so long. Unit: ms. */
const toldMsMax = 60_000

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

/** Asks whether a host could be pinned to a version, before it is emptied for that. */
export async function requirePinnable(
  invocation: Invocation,
  reference: Reference,
  version: string
): Promise<void> {
  const { signal } = invocation
  const api = await invocation.connect()
  await patchResource(api, reference, { spec: { image: version } }, { dryRun: true, signal })
}

/** Has an empty host boot a version, and waits until it runs that one and no other. */
export async function bootImage(
  invocation: Invocation,
  reference: Reference,
  given: { readonly version: string; readonly before: ResourceDocument; readonly pins: Pins }
): Promise<void> {
  const { version, before, pins } = given
  const { signal } = invocation
  const { name } = reference
  const api = await invocation.connect()
  const { bootId } = before.status
  const uuid = String(before.status['uuid'])
  const known = await knownBoot(api, uuid, signal)
  const ran = known?.version
  const pin = { image: before.spec['image'] as string | undefined, bootId, ran }
  pins.set(name, { ...pin, step: 'pinned' })
  await patchResource(api, reference, { spec: { image: version } }, { signal })
  if (known?.isFallback) {
    // The version may be what has failed there before: else the one before would be given again.
    await sayVerb(api, reference, 'boot-once', { body: { profile: 'host' }, signal })
  }
  await sayVerb(api, reference, 'reboot', { signal })
  pins.set(name, { ...pin, step: 'booting' })
  const failed = new AbortController()
  // Nobody waits for a host any longer whose boot has failed.
  const either = AbortSignal.any([signal, failed.signal])
  const boot = { name, uuid, version, known: known?.boot }
  const booted = async (): Promise<void> => {
    await untilRebooted({ ...invocation, signal: either }, reference, bootId)
    await requireVersion(api, { ...boot, signal: either })
  }
  try {
    await Promise.race([booted(), failureOf(api, { ...boot, signal: failed.signal })])
  } finally {
    failed.abort()
  }
  pins.set(name, { ...pin, step: 'booted' })
}

/** One boot of one host. */
type Booting = {
  readonly name: string
  readonly uuid: string
  readonly version: string
  /** The boot before, which is not meant. */
  readonly known: string | undefined
  readonly signal: AbortSignal
}

/** Rejects once the boot has failed; never resolves before the signal aborts. */
async function failureOf(
  api: Api,
  { name, uuid, version, known, signal }: Booting
): Promise<undefined> {
  while (!signal.aborted) {
    await sleep(lookMs, undefined, { signal }).catch(() => undefined)
    const boot = (await bootsSaid(api)).find(one => one.uuid === uuid && one.boot !== known)
    if (!boot || signal.aborted) continue
    requireHeard(boot, { name, version })
    const { stage, because, failures, isFallback } = boot
    // Before it has asked what to boot, its failures are those with what it was to boot before.
    if (stage === 'dhcp') continue
    if (stage !== 'failed' && failures === 0 && !isFallback) continue
    throw new Fault('conflict', `host ${name} does not boot image ${version}`, {
      reasons: [because ?? `it began anew, ${failures} boots have failed`],
      next: [`remuda host boot-log ${uuid}`]
    })
  }
  return undefined
}

/** The boot that a machine has behind it; undefined: none is known. */
async function knownBoot(
  api: Api,
  uuid: string,
  signal: AbortSignal
): Promise<BootState | undefined> {
  // A controller that has just begun knows of no boot; taken for none, the one before would be
  // judged as the one that is asked for now.
  const find = (boots: readonly BootState[]) =>
    boots.length === 0 ? undefined : { boot: boots.find(one => one.uuid === uuid) }
  return (await foundIn(api, { find, msMax: knownMsMax, signal }))?.boot
}

/** Waits until some bootd says what was booted; fails where that is another version, or nobody. */
async function requireVersion(
  api: Api,
  { name, uuid, version, known, signal }: Booting
): Promise<void> {
  const find = (boots: readonly BootState[]) =>
    boots.find(one => one.uuid === uuid && one.boot !== known && one.version !== undefined)
  const boot = await foundIn(api, { find, msMax: toldMsMax, signal })
  if (boot) requireHeard(boot, { name, version })
  if (boot?.version === version) return
  const next = [`remuda host boot-log ${name}`]
  if (!boot && signal.aborted) {
    throw new Fault('aborted', `cannot tell which image host ${name} runs: interrupted`, { next })
  }
  const runs = boot?.version ?? `unknown: no bootd has told of it within ${formatMs(toldMsMax)}`
  throw new Fault('conflict', `host ${name} runs image ${runs}`, {
    reasons: [`it was to boot ${version}`],
    next
  })
}

/** Fault `unavailable`: bootd went by an older plan, so the boot says nothing of the version. */
function requireHeard(
  { wish, stage }: BootState,
  { name, version }: { readonly name: string; readonly version: string }
): void {
  // Before it has asked what to boot, the wish is that of its last boot.
  if (stage === 'dhcp' || !wish?.startsWith(versionWishPrefix)) return
  const given = wish.slice(versionWishPrefix.length)
  if (given === version) return
  throw new Fault('unavailable', `host ${name} was not told to boot image ${version}`, {
    reasons: [`its bootd had not heard of that yet, and told it to boot ${given}`],
    next: ['remuda boot show', `remuda host boot-log ${name}`]
  })
}

/** Looks at all boots until something is found in them; undefined: not in time, or interrupted. */
async function foundIn<Found>(
  api: Api,
  {
    find,
    msMax,
    signal
  }: {
    readonly find: (boots: readonly BootState[]) => Found | undefined
    readonly msMax: number
    readonly signal: AbortSignal
  }
): Promise<Found | undefined> {
  const late = performance.now() + msMax
  for (;;) {
    const found = find(await bootsSaid(api))
    if (found !== undefined || signal.aborted || performance.now() >= late) return found
    await sleep(lookMs, undefined, { signal }).catch(() => undefined)
  }
}

/** The boots that the controller knows of; none where it cannot be asked at the moment. */
async function bootsSaid(api: Api): Promise<readonly BootState[]> {
  const doing = 'list the boots of machines'
  try {
    const answer = await api.ask({ method: 'GET', path: '/v1/boots', doing })
    return (readJson(answer, doing) as { readonly items: readonly BootState[] }).items
  } catch (thrown) {
    if (!isFault(thrown)) throw thrown
    return []
  }
}
