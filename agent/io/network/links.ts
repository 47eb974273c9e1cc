import { Fault } from '#shared/fault.ts'
import type { Link } from '../../core/diff-links.ts'
import type { Place } from './place.ts'

/** Reads all interfaces with their addresses, by one call. */
export async function readLinks(place: Place): Promise<ReadonlyMap<string, Link>> {
  const { stdout } = await place.run('ip', ['-json', '-details', 'address', 'show'])
  const shown = JSON.parse(stdout) as readonly ShownLink[]
  return new Map(shown.filter(link => link.ifname).map(link => [link.ifname, linkOf(link)]))
}

/** What ip(8) shows of an interface, as far as we look at it. */
type ShownLink = {
  readonly ifname: string
  readonly flags: readonly string[]
  readonly mtu: number
  readonly master?: string
  readonly address?: string
  readonly ifalias?: string
  readonly linkinfo?: { readonly info_kind?: string }
  readonly addr_info?: readonly {
    readonly local?: string
    readonly prefixlen?: number
    readonly scope?: string
  }[]
}

const linkOf = (shown: ShownLink): Link => ({
  name: shown.ifname,
  kind: shown.linkinfo?.info_kind,
  master: shown.master,
  mac: shown.address ?? '',
  mtu: shown.mtu,
  up: shown.flags.includes('UP'),
  alias: shown.ifalias,
  addresses: (shown.addr_info ?? [])
    .filter(({ scope, local }) => scope === 'global' && local !== undefined)
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
})

/** Carries out the lines of a batch in order; the first that fails ends it. */
export async function changeLinks(place: Place, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return
  try {
    await place.run('ip', ['-batch', '-'], `${lines.join('\n')}\n`)
  } catch (cause) {
    const failed = failedLine(cause, lines)
    throw new Fault('network', `cannot run ip ${failed}`, { cause })
  }
}

/** ip(8) closes with such a line as: Command failed -:7. */
function failedLine(thrown: unknown, lines: readonly string[]): string {
  const number = /Command failed -:(\d+)/.exec(String(thrown))?.[1]
  return (number !== undefined && lines[Number(number) - 1]) || `-batch of ${lines.length} lines`
}
