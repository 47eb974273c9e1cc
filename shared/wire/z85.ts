/** Z85, the text form of CURVE keys: five characters for four bytes (ZeroMQ RFC 32). */
import { Fault } from '../fault.ts'

const letters =
  '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'
const digitOf = new Map([...letters].map((letter, value) => [letter, value]))

/** Writes bytes, whose number must be a multiple of four. */
export function toZ85(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let text = ''
  for (let at = 0; at < bytes.length; at += 4) {
    let rest = view.getUint32(at)
    let group = ''
    for (let digit = 0; digit < 5; digit++) {
      group = letters[rest % 85] + group
      rest = Math.floor(rest / 85)
    }
    text += group
  }
  return text
}

/** Reads bytes; Fault `invalid` when the text is no Z85. */
export function fromZ85(text: string): Uint8Array {
  if (text.length % 5 !== 0) throw unreadable(text)
  const bytes = new Uint8Array((text.length / 5) * 4)
  const view = new DataView(bytes.buffer)
  for (let at = 0; at < text.length; at += 5) {
    let value = 0
    for (const letter of text.slice(at, at + 5)) {
      value = value * 85 + (digitOf.get(letter) ?? Number.NaN)
    }
    if (!(value <= 0xffff_ffff)) throw unreadable(text)
    view.setUint32((at / 5) * 4, value)
  }
  return bytes
}

const unreadable = (text: string): Fault =>
  new Fault('invalid', `cannot read a text of ${text.length} characters as Z85`)

/** Whether a text has the form of a CURVE key. */
export function isKey(text: string): boolean {
  try {
    return text.length === 40 && fromZ85(text).length === 32
  } catch {
    return false
  }
}
