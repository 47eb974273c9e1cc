/**
 * What ipmitool writes around a serial line: a line that says that it is connected, before which
 * nothing is of the machine, and where it is not connected, why.
 */

/** Longer than this nothing is said before it is connected. Unit: characters. */
const beforeMax = 4_096
const connected = /\[SOL Session operational\.[^\r\n]*\]\r*\n?/

/** What came so far; `rest`: what is of the machine. */
export type SolBeginning =
  | { readonly state: 'connecting'; readonly said: string }
  | { readonly state: 'connected'; readonly rest: Uint8Array }

/** Takes in what was written before it was connected. */
export function readBeginning(said: string, bytes: Uint8Array): SolBeginning {
  // One byte is one character, so that what follows stays what it is.
  const text = said + Buffer.from(bytes).toString('latin1')
  const found = connected.exec(text)
  if (!found) return { state: 'connecting', said: text.slice(-beforeMax) }
  const rest = Buffer.from(text.slice(found.index + found[0].length), 'latin1')
  return { state: 'connected', rest: new Uint8Array(rest) }
}

/** Why it was never connected, in a sentence part. */
export function whyNot(said: string, ended: string): string {
  if (/already active on another session/i.test(said)) {
    return 'somebody else has it open at its baseboard controller: add --take'
  }
  const lines = said
    .split(/[\r\n]+/)
    .map(line => line.replaceAll(/[^\x20-\x7e]/g, '').trim())
    .filter(line => line !== '' && !/HPM\.x|tcgetattr|killing shell/.test(line))
  return (lines.at(-1) ?? `ipmitool ended with ${ended}`).slice(0, 256)
}

/** Typed after a line end, it would be for ipmitool itself; so it is not passed on. */
export const escapeByte = 0x1e

/** What may be typed. */
export const typeable = (bytes: Uint8Array): Uint8Array => bytes.filter(byte => byte !== escapeByte)
