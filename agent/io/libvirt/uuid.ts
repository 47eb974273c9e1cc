import { Fault } from '#shared/fault.ts'

/** Writes the 16 bytes of a UUID as the protocol has it in the usual form, lower case. */
export function formatUuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex')
  const at = [0, 8, 12, 16, 20, 32]
  return at
    .slice(1)
    .map((end, index) => hex.slice(at[index], end))
    .join('-')
}

/** Reads a UUID into 16 bytes; Fault `invalid` when it is none. */
export function parseUuid(text: string): Uint8Array {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw new Fault('invalid', `cannot read the UUID "${text}"`)
  }
  return Buffer.from(text.replaceAll('-', ''), 'hex')
}
