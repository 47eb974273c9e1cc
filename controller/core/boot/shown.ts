/** How the boots of machines are shown: never with a secret. */
import type { Host } from '#shared/model/host.ts'
import type { HostImageManifest } from '#shared/model/host-image.ts'
import type { View } from '../view.ts'
import type { BootSeen } from './boots.ts'
import { versionFor } from './plan.ts'
import { joinWithinSElse } from './settings.ts'

/** How machines boot, and how the bootds stand that serve them. */
export function bootShown(view: View) {
  const { key: _, ...boot } = view.cloud?.boot ?? { key: '' }
  const { policy, expected = [], sshKeys = [], unknown, joinWithinS, peers, ...rest } = boot
  const token = policy && view.joinTokens().get(policy.token)
  return {
    ...rest,
    unknown: unknown ?? ('wait' as const),
    ...(policy && {
      policy: {
        ...policy,
        usesLeft: token?.usesLeft ?? 0,
        ...(token && { expiresAt: token.expiresAt })
      }
    }),
    expected: expected.map(one => ({ ...one, macs: [...one.macs] })),
    sshKeys: [...sshKeys],
    joinWithinS: joinWithinS ?? joinWithinSElse,
    peers: peers ?? false,
    bootds: [...view.boots.bootds].map(([name, { report }]) => {
      const { mode, url, problem, foreign } = report
      return {
        ...{ name, mode, foreign: [...foreign] },
        ...(url !== undefined && { url }),
        ...(problem !== undefined && { problem })
      }
    })
  }
}

/** The last boot of each machine, under the name of the host that it is by now. */
export const bootsShown = (view: View): readonly BootSeen[] =>
  view.boots.all.map(boot => bootNamed(view, boot).shown)

/** One boot, with the host that the machine is by now, if it is one. */
export function bootNamed(
  view: View,
  boot: BootSeen
): { readonly shown: BootSeen; readonly host: Host | undefined } {
  const [id] = boot.uuid === undefined ? [] : view.indexes.of('host-uuid', boot.uuid)
  const host = id === undefined ? undefined : view.get('host', id)
  return { host, shown: host ? { ...boot, name: host.name } : boot }
}

/** A version of the image, who has it, and who runs it. */
export type ImageShown = HostImageManifest & {
  readonly role: 'current' | 'previous' | 'canary' | 'none'
  readonly percent?: number
  /** Bootds that have it whole and rightly signed. */
  readonly bootds: readonly string[]
  /** Why others cannot serve it. */
  readonly problems: readonly string[]
  /** Hosts that get it at their next boot, and hosts whose last boot was of it. */
  readonly wanted: readonly string[]
  readonly running: readonly string[]
}

/** Every version that some bootd has, the current one first. */
export function imagesShown(view: View): readonly ImageShown[] {
  const { boot } = view.cloud ?? {}
  const found = new Map<string, ImageShown>()
  const hosts = [...view.all('host').values()]
  for (const [name, { report }] of view.boots.bootds) {
    for (const { manifest, problem } of report.images) {
      const { version } = manifest
      const before = found.get(version)
      const canary = boot?.canary?.version === version ? boot.canary : undefined
      const role =
        boot?.current === version
          ? 'current'
          : canary
            ? 'canary'
            : boot?.previous === version
              ? 'previous'
              : 'none'
      found.set(version, {
        ...manifest,
        role,
        ...(canary && { percent: canary.percent }),
        bootds: [...(before?.bootds ?? []), ...(problem === undefined ? [name] : [])],
        problems: [
          ...(before?.problems ?? []),
          ...(problem === undefined ? [] : [`${name}: ${problem}`])
        ],
        wanted: boot
          ? hosts.filter(host => versionFor(host, boot) === version).map(({ name }) => name)
          : [],
        running: hosts
          .filter(({ decided }) => {
            const seen = view.boots.of(decided.uuid)
            return seen?.stage === 'joined' && seen.version === version
          })
          .map(({ name }) => name)
      })
    }
  }
  const order = ['current', 'canary', 'previous', 'none']
  return [...found.values()].toSorted(
    (a, b) => order.indexOf(a.role) - order.indexOf(b.role) || (a.version < b.version ? -1 : 1)
  )
}
