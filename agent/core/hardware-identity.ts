/**
 * Who this machine is. The SMBIOS UUID should be unique to it, but many boards left the factory
 * with all zeros, all ones, or one of a few values that thousands share. Two hosts with one UUID
 * would be one host to the controller, which would then move instances off a host that lives; so
 * such a value counts as none.
 */
import type { HostFacts } from '#shared/model/host-facts.ts'
import { plain } from './hardware-text.ts'

/** UUIDs that were seen on more than one machine: samples in firmware that nobody replaced. */
const shared: ReadonlySet<string> = new Set([
  '03000200-0400-0500-0006-000700080009',
  '00020003-0004-0005-0006-000700080009',
  '01234567-89ab-cdef-0123-456789abcdef',
  '67452301-ab89-efcd-0123-456789abcdef',
  '01020304-0506-0708-090a-0b0c0d0e0f10',
  '04030201-0605-0807-090a-0b0c0d0e0f10',
  '12345678-1234-5678-90ab-cddeefaabbcc',
  '78563412-3412-7856-90ab-cddeefaabbcc',
  '11111111-2222-3333-4444-555555555555'
])
/** What Dell's firmware makes of a service tag that is all blanks. */
const blankTag = /^4c4c4544-00[02]0-2010-8020-[0-9a-f]{2}c04f202020$/

/** The UUID in lower case; undefined when it is malformed or known not to be this machine's own. */
export function usableUuid(text: string | undefined): string | undefined {
  const uuid = text?.trim().toLowerCase() ?? ''
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) return undefined
  const bytes = uuid.replaceAll('-', '').match(/../g) ?? []
  if (new Set(bytes).size === 1) return undefined
  if (shared.has(uuid) || blankTag.test(uuid)) return undefined
  return uuid
}

const placeholder = [
  /^(to be filled|default|system|chassis|base ?board|product)\b.*\b(string|number|name)\b/i,
  /^to be filled by o\.?e\.?m\b/i,
  /^system manufacturer$/i,
  /^(none|unknown|invalid|oem|o\.e\.m\.|n\/?a|not (specified|applicable|available|provided))\.?$/i,
  /^(0?123456789a?b?c?d?e?f?)$/i,
  /^(.)\1*$/
]

/** A name or serial number from firmware; undefined when it is only the maker's placeholder. */
export function meaningful(text: string | undefined): string | undefined {
  const line = plain(text)
  if (line === undefined || placeholder.some(pattern => pattern.test(line))) return undefined
  return line
}

/** What firmware says about the machine, as read from `/sys/class/dmi/id` or the device tree. */
export type IdentityText = {
  readonly uuid?: string | undefined
  readonly serial?: string | undefined
  readonly vendor?: string | undefined
  readonly product?: string | undefined
  /** `/sys/firmware/devicetree/base/model`, on machines without SMBIOS. */
  readonly treeModel?: string | undefined
  readonly treeSerial?: string | undefined
}

/** The identity that firmware gives; each part is left out where it says nothing of use. */
export function parseIdentity(
  text: IdentityText
): Partial<Pick<HostFacts, 'uuid' | 'serial' | 'vendor' | 'product'>> {
  const uuid = usableUuid(text.uuid)
  const serial = meaningful(text.serial) ?? meaningful(text.treeSerial)
  const vendor = meaningful(text.vendor)
  const product = meaningful(text.product) ?? meaningful(text.treeModel)
  return {
    ...(uuid !== undefined && { uuid }),
    ...(serial !== undefined && { serial }),
    ...(vendor !== undefined && { vendor }),
    ...(product !== undefined && { product })
  }
}

/** Version of the trusted platform module, from what its driver says; undefined: none is known. */
export function parseTpm(text: {
  readonly major?: string | undefined
  /** `device/caps`, which kernels before 5.6 have instead. */
  readonly caps?: string | undefined
}): string | undefined {
  const major = text.major?.trim()
  if (major === '2') return '2.0'
  if (major === '1') return '1.2'
  return /TCG version:\s*(\d+\.\d+)/.exec(text.caps ?? '')?.[1]
}
