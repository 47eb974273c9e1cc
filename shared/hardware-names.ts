/**
 * Which of the names that firmware gives are a machine's own. Many boards left the factory with a
 * UUID of all zeros, all ones, or one of a few samples that thousands share, and with a serial
 * number that is a placeholder. Two machines with one UUID would be one host to the controller,
 * which would then move instances off a host that lives. So such a name counts as none.
 */
import { createHash } from 'node:crypto'

/** UUIDs that were seen on more than one machine: samples in firmware that nobody replaced. */
export const sharedUuids: readonly string[] = [
  '03000200-0400-0500-0006-000700080009',
  '00020003-0004-0005-0006-000700080009',
  '01234567-89ab-cdef-0123-456789abcdef',
  '67452301-ab89-efcd-0123-456789abcdef',
  '01020304-0506-0708-090a-0b0c0d0e0f10',
  '04030201-0605-0807-090a-0b0c0d0e0f10',
  '12345678-1234-5678-90ab-cddeefaabbcc',
  '78563412-3412-7856-90ab-cddeefaabbcc',
  '11111111-2222-3333-4444-555555555555'
]

const common: ReadonlySet<string> = new Set(sharedUuids)
/** What Dell's firmware makes of a service tag that is all blanks. */
const blankTag = /^4c4c4544-00[02]0-2010-8020-[0-9a-f]{2}c04f202020$/

/** The UUID in lower case; undefined when it is malformed or known not to be one machine's own. */
export function ownUuid(text: string | undefined): string | undefined {
  const uuid = text?.trim().toLowerCase() ?? ''
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(uuid)) return undefined
  const bytes = uuid.replaceAll('-', '').match(/../g) ?? []
  if (new Set(bytes).size === 1) return undefined
  return common.has(uuid) || blankTag.test(uuid) ? undefined : uuid
}

const placeholders = [
  /^(to be filled|default|system|chassis|base ?board|product)\b.*\b(string|number|name)\b/i,
  /^to be filled by o\.?e\.?m\b/i,
  /^system manufacturer$/i,
  /^(none|unknown|default|invalid|oem|o\.e\.m\.)\.?$/i,
  /^(n\/?a|not (specified|applicable|available|provided))\.?$/i,
  /^(0?123456789a?b?c?d?e?f?|1234567890)$/i,
  /^(.)\1*$/
]

/** Whether a name or serial number is what a maker leaves in all its boards; it is trimmed. */
export const isPlaceholder = (text: string): boolean =>
  placeholders.some(pattern => pattern.test(text))

/**
 * UUIDs by which the host image knows a machine that has none of its own, the first stage by its
 * own script: of its serial number, where no maker puts that on all its boards, else of a MAC.
 */
export function madeUuids(names: {
  readonly serial?: string | undefined
  readonly mac?: string | undefined
}): readonly string[] {
  const { serial = '', mac } = names
  const isCount = /^0?123456/.test(serial) || /^(.)\1*$/.test(serial)
  const isOwn = /^[A-Za-z0-9._-]+$/.test(serial) && /[0-9]/.test(serial) && !isCount
  if (isOwn) return [madeUuid(`serial ${serial}`)]
  return mac === undefined ? [] : [madeUuid(`mac ${mac}`)]
}

/** Of version 8, which is made of whatever its maker likes. */
function madeUuid(name: string): string {
  const hash = createHash('sha256').update(`host of ${name}\n`).digest('hex')
  const part = (from: number, to: number): string => hash.slice(from, to)
  return [part(0, 8), part(8, 12), `8${part(13, 16)}`, `8${part(17, 20)}`, part(20, 32)].join('-')
}

const serialCharsMax = 128

/** A serial number that can be one machine's alone, trimmed; undefined: it is none. */
export function ownSerial(text: string | undefined): string | undefined {
  const serial = text?.trim() ?? ''
  if (!/^[\x20-\x7e]+$/.test(serial) || serial.length > serialCharsMax) return undefined
  return isPlaceholder(serial) ? undefined : serial
}
