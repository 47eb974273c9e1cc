/**
 * How a machine that has booted over the network comes in by itself: with the secret that bootd was
 * given for it. It is worked out anew from what is recorded, so none is stored.
 */
import { contains, parseCidr, parseIpv4 } from '#shared/cidr.ts'
import { bootSecretOf, expectedSecretOf, secretHashOf } from '#shared/wire/boot-secret.ts'
import type { View } from '../view.ts'
import type { BootSettings, ExpectedMachine } from './settings.ts'

/** What a secret of a boot is worth at the door. */
export type BootPass =
  | { readonly as: 'known' }
  | { readonly as: 'expected'; readonly machine: ExpectedMachine }

/** Judges the hash of a secret that a host brings; undefined: it is none of a boot. */
export function bootPassOf(
  view: View,
  wish: { readonly uuid: string; readonly sha256: string }
): BootPass | undefined {
  const boot = view.cloud?.boot
  if (!boot) return undefined
  const { uuid, sha256 } = wish
  const [id] = view.indexes.of('host-uuid', uuid)
  const known = id === undefined ? undefined : view.get('host', id)
  if (known?.decided.approval === 'approved') {
    const secret = bootSecretOf(boot.key, uuid, known.decided.publicKey)
    // A host that is in is no machine that has not come yet, whatever it brings.
    return secretHashOf(secret) === sha256 ? { as: 'known' } : undefined
  }
  const machine = (boot.expected ?? []).find(
    one =>
      (one.uuid === undefined || one.uuid === uuid) &&
      secretHashOf(expectedSecretOf(boot.key, one.name)) === sha256
  )
  return machine && { as: 'expected', machine }
}

/** Why a stranger with the token of the policy may not come from there; undefined: it may. */
export function objectionOfPolicy(
  boot: BootSettings | undefined,
  wish: { readonly token: string; readonly endpoint: string }
): string | undefined {
  const { policy } = boot ?? {}
  if (policy?.token !== wish.token || policy.subnets === undefined) return undefined
  const text = /^tcp:\/\/(.+):\d+$/.exec(wish.endpoint)?.[1] ?? ''
  const address = parseIpv4(text)
  const isIn = (range: string): boolean => {
    const cidr = parseCidr(range)
    return cidr !== undefined && address !== undefined && contains(cidr, address)
  }
  if (policy.subnets.some(isIn)) return undefined
  return `${text} is in none of the ranges of the policy: ${policy.subnets.join(', ')}`
}

/** What is expected once one of these machines has come. */
export function withoutExpected(boot: BootSettings, name: string): BootSettings {
  const { expected: before = [], ...rest } = boot
  const expected = before.filter(one => one.name !== name)
  return { ...rest, ...(expected.length > 0 && { expected }) }
}
