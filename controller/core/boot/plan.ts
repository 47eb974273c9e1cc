/**
 * What bootd shall give each machine, worked out of what is recorded: the whole plan, each time.
 *
 * A host gets the version that it is pinned to; else the canary's, if it is one of its hosts; else
 * the current one. One that does not join with it, three times in a row, is given the previous one
 * by bootd itself. A machine that waits to be approved boots as well: so it says what it is. It may
 * come in like one that nobody knows yet: as the machine that is expected, or by the policy.
 */
import type { Host } from '#shared/model/host.ts'
import {
  type BootDoor,
  type BootMachine,
  type BootPlan,
  versionWishPrefix
} from '#shared/wire/boot.ts'
import {
  bootSecretOf,
  expectedSecretOf,
  peersKeyOf,
  peerTokenOf,
  strangerSecretOf
} from '#shared/wire/boot-secret.ts'
import type { View } from '../view.ts'
import { hasWhole } from './boots.ts'
import { expectedHosts, mayComeIn } from './pending.ts'
import { type BootSettings, type ExpectedMachine, joinWithinSElse } from './settings.ts'

/** All that bootds shall hand out; undefined: nobody has set how machines boot. */
export function bootPlanOf(view: View, epoch: number): BootPlan | undefined {
  const boot = view.cloud?.boot
  if (!boot) return undefined
  const door = doorOf(view)
  const hosts = [...view.all('host').values()].filter(({ decided }) => !decided.deletedAt)
  const waiting = expectedHosts(view)
  const came = new Set(waiting.values())
  const machines = [
    ...hosts.map(host => machineOf({ view, boot }, host, waiting.get(host.id))),
    ...(boot.expected ?? [])
      .filter(one => !came.has(one))
      .map(({ name, uuid, serial, macs, version }) => ({
        ...{ name, macs, wish: versionWish(version ?? boot.current) },
        ...(uuid !== undefined && { uuid }),
        ...(serial !== undefined && { serial }),
        ...imageOf(version ?? boot.current),
        ...optionsOf(boot),
        secret: expectedSecretOf(boot.key, name)
      }))
  ]
  return {
    type: 'boot-plan',
    epoch,
    machines,
    ...(door && { door }),
    unknown: unknownOf(boot),
    images: wantedOf(view, boot).map(version => ({ version, from: sourcesOf(view, version) })),
    peerToken: peerTokenOf(boot.key),
    ...(boot.peers && { peers: { key: peersKeyOf(boot.key) } }),
    ...(boot.imageKey !== undefined && { imageKey: boot.imageKey }),
    sshKeys: boot.sshKeys ?? [],
    joinWithinS: boot.joinWithinS ?? joinWithinSElse
  }
}

/** The version that a host is to run; undefined: none is set. */
export function versionFor(host: Host, boot: BootSettings): string | undefined {
  if (host.spec.image !== undefined) return host.spec.image
  const { canary, current } = boot
  return canary && shareOf(host.decided.uuid) < canary.percent ? canary.version : current
}

/** A number from 0 to 99 that is always the same for a host, and evenly spread over them. */
export function shareOf(uuid: string): number {
  let sum = 2_166_136_261
  for (const char of uuid) sum = Math.imul(sum ^ char.charCodeAt(0), 16_777_619) >>> 0
  return sum % 100
}

/** Names what is wished of a host's boots once, such as a rescue. */
export const onceWish = ({ profile, at }: { readonly profile: string; readonly at: string }) =>
  `once ${profile} ${at}`

/** `expected`: what an operator has told of a host that waits; it boots as that one. */
function machineOf(
  { view, boot }: { readonly view: View; readonly boot: BootSettings },
  host: Host,
  expected: ExpectedMachine | undefined
): BootMachine {
  const { uuid, bootOnce } = host.decided
  const facts = view.heard(host.name).report?.facts
  const serial = facts?.serial ?? expected?.serial
  const version = expected?.version ?? versionFor(host, boot)
  const others = [boot.current, boot.previous].filter(one => one !== undefined && one !== version)
  const isOnce = bootOnce !== undefined
  const rack = boot.peers && host.labels['rack']
  const secret = secretFor({ view, boot }, host, expected)
  return {
    name: expected?.name ?? host.name,
    uuid,
    ...(serial !== undefined && { serial: serial.slice(0, 128) }),
    macs: [...(facts?.nics ?? []).map(({ mac }) => mac.toLowerCase()), ...(expected?.macs ?? [])]
      .filter(isMac)
      .slice(0, 32),
    ...imageOf(version),
    ...(host.spec.boot !== undefined && { profile: host.spec.boot }),
    ...(isOnce && { profile: bootOnce.profile }),
    ...(others[0] !== undefined && { fallback: others[0] }),
    ...optionsOf(boot),
    ...(rack !== undefined && { rack: rack.slice(0, 128) }),
    wish: isOnce ? onceWish(bootOnce) : versionWish(version),
    ...(secret !== undefined && { secret })
  }
}

/** What a host may show at the door; one that waits: what it would if nobody knew it yet. */
function secretFor(
  { view, boot }: { readonly view: View; readonly boot: BootSettings },
  host: Host,
  expected: ExpectedMachine | undefined
): string | undefined {
  const { uuid, publicKey, approval } = host.decided
  if (approval === 'approved') return bootSecretOf(boot.key, uuid, publicKey)
  if (!mayComeIn(view, host)) return undefined
  return expected ? expectedSecretOf(boot.key, expected.name) : unknownOf(boot).secret
}

const isMac = (text: string): boolean => /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(text)

/** Without a version nothing can be given: the machine waits. */
const imageOf = (version: string | undefined) =>
  version === undefined
    ? ({ profile: 'nothing' } as const)
    : ({ profile: 'host', version } as const)

const optionsOf = ({ kernelOptions }: Pick<BootSettings, 'kernelOptions'>) =>
  kernelOptions === undefined ? {} : { kernelOptions }

const versionWish = (version: string | undefined): string =>
  `${versionWishPrefix}${version ?? 'none'}`

function unknownOf(boot: BootSettings): BootPlan['unknown'] {
  const { key, unknown, policy, current } = boot
  if (unknown === 'nothing') return { profile: 'nothing' }
  return {
    ...imageOf(current),
    ...(policy && { secret: strangerSecretOf(key, policy.token) }),
    ...optionsOf(boot)
  }
}

/** Versions that some machine is or may be given, and those that all bootds are to have first. */
function wantedOf(view: View, boot: BootSettings): readonly string[] {
  const pinned = [...view.all('host').values()].map(({ spec }) => spec.image)
  const expected = (boot.expected ?? []).map(({ version }) => version)
  const set = [boot.current, boot.previous, boot.canary?.version]
  const all = [...set, ...view.boots.sought, ...pinned, ...expected]
  return [...new Set(all.filter(version => version !== undefined))].slice(0, 64)
}

/** Bootds that have a version whole, by where they serve. */
const sourcesOf = (view: View, version: string): readonly string[] =>
  [...view.boots.bootds.values()]
    .filter(({ report }) => hasWhole(report, version))
    .flatMap(({ report }) => report.url ?? [])
    .toSorted()
    .slice(0, 8)

/** Where agents ask to be let in; undefined: that is not known yet. */
export function doorOf(view: View): BootDoor | undefined {
  const { id: cloud, signing, bootstrap } = view.cloud ?? {}
  const doors = (bootstrap?.bootstrap.candidates ?? [])
    .filter(({ doorEndpoint }) => doorEndpoint !== '')
    .map(({ doorEndpoint, doorKey }) => ({ endpoint: doorEndpoint, publicKey: doorKey }))
  if (cloud === undefined || !signing || doors.length === 0) return undefined
  return { cloud, cloudKey: signing.publicKey, doors }
}
