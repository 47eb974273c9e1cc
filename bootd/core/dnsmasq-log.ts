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
