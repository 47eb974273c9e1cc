/** Baseboard controllers that are known of: those that were found, and those that fence hosts. */
import type { Host } from '#shared/model/host.ts'
import type { BmcFound, BmcsFound } from '#shared/wire/bootd-question.ts'
import type { View } from '../view.ts'

/** One of them, and what is made of it. */
export type BmcShown = Omit<BmcFound, 'at'> & {
  /** When it has answered a scan last; left out: none has found it. */
  readonly at?: string
  /** Bootds that have found it. */
  readonly bootds: readonly string[]
  /** Hosts that a fence device at this address is set for. */
  readonly fences: readonly string[]
}

/** All of them, by address. */
export function bmcsShown(
  view: View,
  said: readonly (Pick<BmcsFound, 'items'> & { readonly bootd: string })[]
): readonly BmcShown[] {
  const fences = fencedAt(view)
  const found = new Map<string, BmcShown>()
  for (const { bootd, items } of said) {
    for (const item of items) {
      const before = found.get(item.address)
      const isNewer = before?.at === undefined || before.at < item.at
      found.set(item.address, {
        ...(isNewer ? { ...before, ...item } : { ...item, ...before }),
        // What has answered one of them is there, also where another one was not heard.
        asf: item.asf || before?.asf === true,
        ipmi: item.ipmi || before?.ipmi === true,
        ipmi2: item.ipmi2 || before?.ipmi2 === true,
        bootds: [...(before?.bootds ?? []), bootd],
        fences: fences.get(item.address) ?? []
      })
    }
  }
  for (const [address, hosts] of fences) {
    if (found.has(address)) continue
    const silent = { address, asf: false, ipmi: false, ipmi2: false, bootds: [] }
    found.set(address, { ...silent, fences: hosts })
  }
  return [...found.values()].toSorted((a, b) => orderOf(a.address, b.address))
}

/** Hosts by the address of each baseboard controller that is set to fence them. */
function fencedAt(view: View): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const host of view.all('host').values()) {
    if (host.decided.deletedAt !== undefined) continue
    for (const address of new Set(addressesOf(host))) {
      found.set(address, [...(found.get(address) ?? []), host.name])
    }
  }
  return found
}

const addressesOf = ({ spec }: Host): readonly string[] =>
  (spec.fence ?? [])
    .flatMap(level => level.devices)
    .flatMap(device => {
      if (device.type === 'ipmi') return [device.address]
      if (device.type !== 'redfish') return []
      return URL.parse(device.url)?.hostname ?? []
    })

/** By the numbers of addresses; names stand last. */
function orderOf(a: string, b: string): number {
  const key = (text: string): string =>
    /^[\d.]+$/.test(text) ? text.replaceAll(/\d+/g, octet => octet.padStart(3, '0')) : `~${text}`
  return key(a) < key(b) ? -1 : 1
}
