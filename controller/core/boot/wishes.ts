/** Judges what operators wish of how machines boot. */
import { parseCidr } from '#shared/cidr.ts'
import type { Host } from '#shared/model/host.ts'
import { formatMs, type Ms } from '#shared/units.ts'
import { secretHashOf, strangerSecretOf } from '#shared/wire/boot-secret.ts'
import {
  admitted,
  type Context,
  decision,
  isoOf,
  unchanged,
  type Verdict
} from '../admission/context.ts'
import { createJoinToken } from '../admission/join-token.ts'
import type { Change, Commit } from '../commit.ts'
import { isRefusal, type Refusal, refuse } from '../refusal.ts'
import type { View } from '../view.ts'
import { bootSubject } from './news.ts'
import { isMachine, mayComeIn } from './pending.ts'
import type { BootSettings, ExpectedMachine } from './settings.ts'
import { refuseVersion } from './versions.ts'

/** Machines that may be told of before they come. */
export const expectedMax = 2_000

const nothing: Commit = { changes: [], decisions: [] }

/** What is to be set; null takes a setting away, and what is left out stays. */
export type BootWish = {
  readonly unknown?: 'nothing' | null
  readonly imageKey?: string | null
  readonly sshKeys?: readonly string[] | null
  readonly kernelOptions?: string | null
  readonly joinWithinS?: number | null
  readonly peers?: true | null
  /** Whom to let in without asking, or null: nobody. */
  readonly policy?: {
    readonly uses: number
    readonly expiresMs: Ms
    readonly subnets?: readonly string[] | undefined
  } | null
}

/** A wish, and random bytes for the boot key of a cloud that has none yet. */
export type Keyed<Wish> = { readonly wish: Wish; readonly key: string }

/** Judges other settings. */
export function setBoot(
  view: View,
  { wish, key }: Keyed<BootWish>,
  context: Context
): Commit | Refusal {
  const before = view.cloud?.boot ?? { key }
  const { policy, ...plain } = wish
  const kept = Object.entries({ ...before, ...plain }).filter(([, value]) => value !== null)
  const settings = Object.fromEntries(kept) as BootSettings
  if (policy === undefined) return put(view, settings, context, wordsOf(before, settings))
  const { policy: old, ...rest } = settings
  const revoked: Change[] = old ? [{ op: 'join-token-remove', id: old.token }] : []
  if (policy === null) {
    if (!old) return put(view, rest, context, wordsOf(before, rest))
    return put(view, rest, context, 'unknown machines wait to be approved', revoked)
  }
  const { uses, expiresMs, subnets } = policy
  const wrong = subnets?.find(range => parseCidr(range) === undefined)
  if (wrong !== undefined) {
    return refuse('invalid', `cannot let machines in from "${wrong}": it is no range`, {
      pointer: '/policy/subnets',
      next: ['write a range such as 10.0.0.0/24']
    })
  }
  const id = context.newId('jt')
  const sha256 = secretHashOf(strangerSecretOf(rest.key, id))
  const made = createJoinToken(view, { sha256, uses, expiresMs }, { ...context, newId: () => id })
  if (isRefusal(made)) return made
  const settled = { ...rest, policy: { token: id, ...(subnets && { subnets }) } }
  const from = subnets ? ` from ${subnets.join(', ')}` : ''
  const until = formatMs(expiresMs)
  const words = `${uses} unknown machines${from} are let in by themselves for ${until}`
  return put(view, settled, context, words, [...revoked, ...made.commit.changes])
}

/** Judges the wish that hosts get a version from their next boot on, or some of them. */
export function promoteImage(
  view: View,
  given: Keyed<{ readonly version: string; readonly percent?: number | undefined }>,
  context: Context
): Commit | Refusal {
  const { version, percent } = given.wish
  const before: BootSettings = view.cloud?.boot ?? { key: given.key }
  // What is current already is given as it is.
  const objection =
    before.current === version
      ? undefined
      : refuseVersion(view, version, { cannot: `cannot promote image ${version}` })
  if (objection) return objection
  const { canary: _, ...rest } = before
  if (percent !== undefined && percent < 100) {
    const words = `${percent} of 100 hosts get image ${version} from their next boot on`
    return put(view, { ...rest, canary: { version, percent } }, context, words)
  }
  if (before.current === version && before.canary === undefined) return nothing
  const previous = before.current === version ? before.previous : before.current
  const words = `hosts get image ${version} from their next boot on`
  const was = previous === undefined ? '' : `; it was ${previous}`
  const settings = { ...rest, current: version, ...(previous !== undefined && { previous }) }
  return put(view, settings, context, words + was)
}

/**
 * Judges the wish that hosts get the version before from their next boot on. The withdrawn one is
 * nobody's fallback from then on, and a second rollback cannot bring it back.
 */
export function rollBackImage(view: View, context: Context): Commit | Refusal {
  const boot = view.cloud?.boot
  if (boot?.canary) {
    const { canary, ...rest } = boot
    return put(view, rest, context, `no host gets image ${canary.version} any more: it was tried`)
  }
  const { current, previous } = boot ?? {}
  if (!boot || current === undefined || previous === undefined) {
    return refuse('conflict', 'cannot roll back: there is no version before the current one', {
      reasons: [current === undefined ? 'no version is current' : `current is ${current}`],
      next: [
        'remuda host-image list',
        'remuda host-image promote VERSION: promote another one to have a version to fall back to'
      ]
    })
  }
  const { previous: _, ...rest } = boot
  const words =
    `hosts get image ${previous} again from their next boot on, instead of ${current}; there is ` +
    'no version to fall back to until another one is promoted'
  return put(view, { ...rest, current: previous }, context, words)
}

/** Judges the wish that a machine which has not come yet becomes a host by itself. */
export function expectMachine(
  view: View,
  { wish, key }: Keyed<ExpectedMachine>,
  context: Context
): Commit | Refusal {
  const boot = view.cloud?.boot ?? { key }
  const others = (boot.expected ?? []).filter(one => one.name !== wish.name)
  const { name, uuid, serial, macs } = wish
  if (uuid === undefined && serial === undefined && macs.length === 0) {
    return refuse('invalid', `cannot expect ${name}: nothing tells it from other machines`, {
      next: ['say its UUID, its serial number or a MAC: --mac 52:54:00:12:34:56']
    })
  }
  const known = [...view.all('host').values()].find(host => isKnown(view, host, wish))
  const clashing = refuseKnown(view, wish, known)
  if (clashing) return clashing
  const clash = others.find(
    one =>
      (uuid !== undefined && one.uuid === uuid) ||
      (serial !== undefined && one.serial === serial) ||
      one.macs.some(mac => macs.includes(mac))
  )
  if (clash) {
    return refuse('conflict', `cannot expect ${name}: that machine is expected as ${clash.name}`, {
      next: [`remuda boot forget ${clash.name}`]
    })
  }
  const before = boot.expected?.find(one => one.name === name)?.version
  const objection =
    wish.version === undefined || wish.version === before
      ? undefined
      : refuseVersion(view, wish.version, {
          cannot: `cannot expect ${name} with image ${wish.version}`,
          pointer: '/version'
        })
  if (objection) return objection
  if (others.length >= expectedMax) {
    return refuse('conflict', `cannot expect ${name}: ${expectedMax} machines are expected`, {
      next: ['remuda boot show', 'remuda boot forget NAME']
    })
  }
  const words = known
    ? `${name} is expected: host ${known.name}, which waits, comes in by itself under that name`
    : `${name} is expected: it comes in by itself`
  return put(view, { ...boot, expected: [...others, wish] }, context, words)
}

/** Whether a host is the machine that is meant; of one that is let in only its UUID says so. */
const isKnown = (view: View, host: Host, wish: ExpectedMachine): boolean =>
  host.decided.approval === 'approved'
    ? wish.uuid === host.decided.uuid
    : isMachine(view, host, wish)

/** Refuses what cannot come in by itself: a host that is in, was removed, or has the name. */
function refuseKnown(
  view: View,
  { name }: ExpectedMachine,
  known: Host | undefined
): Refusal | undefined {
  if (known && !mayComeIn(view, known)) {
    const isIn = known.decided.approval === 'approved'
    const what = isIn
      ? `it is host ${known.name} already`
      : `host ${known.name} was removed once, and waits for you`
    return refuse('conflict', `cannot expect ${name}: ${what}`, {
      next: [isIn ? `remuda host show ${known.name}` : `remuda host approve ${known.name}`]
    })
  }
  const holder = view.named('host', name)
  if (!holder || holder.id === known?.id) return undefined
  const waits = holder.decided.approval === 'pending'
  return refuse('conflict', `cannot expect ${name}: there is a host of that name`, {
    reasons: waits ? ['it waits, and is another machine as far as is known'] : [],
    next: [`remuda host show ${name}`, ...(waits ? [`remuda host approve ${name}`] : [])]
  })
}

/** Judges the wish that a machine is expected no longer. */
export function forgetMachine(view: View, name: string, context: Context): Commit | Refusal {
  const boot = view.cloud?.boot
  const { expected = [], ...rest } = boot ?? { key: '' }
  if (!boot || !expected.some(one => one.name === name)) {
    return refuse('not-found', `no machine is expected as "${name}"`, {
      next: ['remuda boot show']
    })
  }
  const left = expected.filter(one => one.name !== name)
  const settings = { ...rest, ...(left.length > 0 && { expected: left }) }
  return put(view, settings, context, `${name} is expected no longer`)
}

/** Judges the wish that a host gets something else at its next boot. */
export function bootOnce(
  { host, profile }: { readonly host: Host; readonly profile: 'rescue' | 'disk' | 'host' },
  context: Context
): Verdict {
  const { bootOnce: before, ...decided } = host.decided
  if (before?.profile === profile) return unchanged(host)
  if (profile === 'host' && before) {
    const because = 'boots the host image next, as always'
    return admitted(context, { ...host, decided }, { verb: 'boot-once', because })
  }
  const once = { profile, at: isoOf(context), by: context.by }
  const what = profile === 'host' ? 'its version of the host image anew' : `${profile} next`
  const because = `boots ${what}, once`
  const after: Host = { ...host, decided: { ...decided, bootOnce: once } }
  return admitted(context, after, { verb: 'boot-once', because })
}

function put(
  view: View,
  boot: BootSettings,
  context: Context,
  words: string,
  more: readonly Change[] = []
): Commit | Refusal {
  const { cloud } = view
  if (!cloud) {
    return refuse('unavailable', 'cannot change how machines boot: the cloud is not founded yet', {
      next: ['try again in a moment']
    })
  }
  if (JSON.stringify(cloud.boot) === JSON.stringify(boot) && more.length === 0) return nothing
  return {
    changes: [{ op: 'cloud-put', cloud: { ...cloud, boot } }, ...more],
    decisions: [decision(context, 'boot-set', words, bootSubject)]
  }
}

/** What is other than before, without any secret. */
function wordsOf(before: BootSettings, after: BootSettings): string {
  const said: string[] = []
  if (before.unknown !== after.unknown) {
    const what = after.unknown === 'nothing' ? 'get nothing' : 'boot and wait to be approved'
    said.push(`unknown machines ${what}`)
  }
  if (before.imageKey !== after.imageKey) said.push(`images are signed with ${after.imageKey}`)
  if (before.sshKeys?.join() !== after.sshKeys?.join()) {
    said.push(`${after.sshKeys?.length ?? 0} keys log in to hosts`)
  }
  if (before.joinWithinS !== after.joinWithinS) {
    said.push(`a boot may take ${after.joinWithinS ?? 'as long as by itself'} s`)
  }
  if (before.peers !== after.peers) {
    said.push(after.peers ? 'hosts serve their image to each other' : 'bootds alone serve images')
  }
  if (before.kernelOptions !== after.kernelOptions) {
    said.push(`kernels are told besides: ${after.kernelOptions ?? 'nothing'}`)
  }
  return said.join('; ') || 'asked for, and as it was'
}
