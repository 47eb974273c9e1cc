/**
 * Reads from dnsmasq's log which firmware has got an address. With log-dhcp each line of an
 * exchange carries its transaction: what the client says of itself comes before the answer.
 *
 *     dnsmasq-dhcp[77]: 825427233 tags: efi64, br0
 *     dnsmasq-dhcp[77]: 825427233 DHCPACK(br0) 10.77.0.132 9a:87:32:28:1f:8c
 *
 * Words of clients stand behind words of dnsmasq, so that none can forge a line of its own. What
 * was sent over TFTP is a line by itself, and only of files that there are:
 *
 *     dnsmasq-tftp[77]: sent /var/lib/remuda/run/boot/tftp/snponly.efi to 10.77.0.132
 *
 * Of the rest it counts who got no address, that leases cannot be written, and what sounds like a
 * warning; no line says how grave it is.
 *
 *     dnsmasq-dhcp[77]: 825427234 DHCPDISCOVER(br0) 9a:87:32:28:1f:8d no address available
 *     dnsmasq-dhcp[77]: failed to write /srv/leases: No space left on device (retry in 60 s)
 */
import { firmwareTags, ipxeTag } from './dnsmasq-conf.ts'

/** A machine whose firmware has got an address. */
export type Addressed = {
  readonly mac: string
  readonly address: string
  /** How it boots; left out: iPXE, which does not say. */
  readonly firmware?: string
  readonly architecture?: string
  readonly isIpxe: boolean
}

/** A file that was sent over TFTP, by its whole path. */
export type Sent = { readonly path: string; readonly address: string }

const sentLine = /^dnsmasq-tftp\[\d+\]: sent (\/.+) to (\d+\.\d+\.\d+\.\d+)$/

/** What dnsmasq says of how it fares. */
export type DnsmasqWord =
  | { readonly says: 'leased'; readonly mac: string }
  | { readonly says: 'no-address'; readonly mac: string }
  | { readonly says: 'leases-unwritten'; readonly text: string }
  | { readonly says: 'warning'; readonly text: string }

const refusedLine =
  /^dnsmasq-dhcp\[\d+\]: (?:\d+ )?DHCP[A-Z]+\(\S+\) (?:[0-9.]+ )?(\S+) no (?:address|leases) \w+ *$/
const unwrittenLine = /^dnsmasq-dhcp\[\d+\]: (failed to write .*?)(?: \(retry in \d+ ?s\))?$/
const ownLine = /^dnsmasq(?:-[a-z]+)?(?:\[\d+\])?: (.+)$/
/** Of one exchange, in words of the client too; a file that is not there, or no more wanted. */
const ofClients = /^\d{1,10} | not found for \S+$|^error \d+ .* received from |^failed sending /
const graveWords = [
  ...['warning', 'fail(?:ed|ure|s)?', 'errors?', 'cannot', 'unable', 'inaccessible', 'denied'],
  ...['refused', 'no space', 'no address', 'too many', 'not available', 'exceeded', 'overflow'],
  ...['lost', 'duplicate', 'ignor(?:ed|ing)']
]
const grave = new RegExp(`\\b(?:${graveWords.join('|')})\\b`, 'i')

/** Reads how it fares from a line; undefined: it says nothing of that. */
export function readDnsmasqWord(text: string): DnsmasqWord | undefined {
  const refused = refusedLine.exec(text)?.[1]
  if (refused !== undefined) return { says: 'no-address', mac: refused.toLowerCase() }
  const [, , , , leased] = line.exec(text) ?? []
  if (leased !== undefined) return { says: 'leased', mac: leased.toLowerCase() }
  const unwritten = unwrittenLine.exec(text)?.[1]
  if (unwritten !== undefined) return { says: 'leases-unwritten', text: unwritten }
  const own = ownLine.exec(text)?.[1]
  if (own === undefined || ofClients.test(own) || !grave.test(own)) return undefined
  return { says: 'warning', text: own.slice(0, 256) }
}

/** Transactions whose answer has not come yet. */
export type OpenTransactions = ReadonlyMap<string, readonly string[]>

/** No more are remembered: those that never end are forgotten. */
export const transactionsMax = 256

const line = /^dnsmasq-dhcp\[\d+\]: (\d{1,10}) (?:tags: (.*)|DHCPACK\(\S+\) (\S+) (\S+)(?: .*)?)$/

/** Takes a line in, and gives what it ends. */
export function readDnsmasqLine(
  open: OpenTransactions,
  text: string
): { readonly open: OpenTransactions; readonly addressed?: Addressed; readonly sent?: Sent } {
  const [, path, to] = sentLine.exec(text) ?? []
  if (path !== undefined && to !== undefined) return { open, sent: { path, address: to } }
  const match = line.exec(text)
  if (!match) return { open }
  const [, transaction = '', tags, address = '', mac = ''] = match
  const rest = new Map(open)
  if (tags !== undefined) {
    rest.delete(transaction)
    const [oldest] = rest.keys()
    if (rest.size >= transactionsMax && oldest !== undefined) rest.delete(oldest)
    rest.set(transaction, tags.split(', '))
    return { open: rest }
  }
  const known = rest.get(transaction) ?? []
  rest.delete(transaction)
  const addressed = addressedBy(known, address, mac.toLowerCase())
  return { open: rest, ...(addressed && { addressed }) }
}

function addressedBy(tags: readonly string[], address: string, mac: string): Addressed | undefined {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac)) return undefined
  const isIpxe = tags.includes(ipxeTag)
  const kind = (Object.keys(firmwareTags) as (keyof typeof firmwareTags)[]).find(tag =>
    tags.includes(tag)
  )
  if (kind === undefined && !isIpxe) return undefined
  return { mac, address, isIpxe, ...(kind !== undefined && firmwareTags[kind]) }
}
