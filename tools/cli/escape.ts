/**
 * The way out of a console. What is typed goes to the instance, but for Ctrl-]: followed by q or .
 * it leaves, typed twice it is sent once, and before anything else it is sent with that.
 */
const escapeByte = 0x1d
const leaveBytes: readonly number[] = [0x71, 0x51, 0x2e]

/** What became of typed bytes: those to send, and whether the user wants to leave. */
export type Typed = { readonly send: Buffer; readonly leave: boolean }

/** Makes a reader of typed bytes that remembers a Ctrl-] from one call to the next. */
export function makeEscape(): (bytes: Buffer) => Typed {
  let isEscaped = false
  return bytes => {
    const send: number[] = []
    for (const byte of bytes) {
      if (!isEscaped) {
        if (byte === escapeByte) isEscaped = true
        else send.push(byte)
        continue
      }
      isEscaped = false
      if (leaveBytes.includes(byte)) return { send: Buffer.from(send), leave: true }
      send.push(escapeByte)
      if (byte !== escapeByte) send.push(byte)
    }
    return { send: Buffer.from(send), leave: false }
  }
}
