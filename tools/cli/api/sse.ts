/** Reads the event-stream format of the HTML standard, section 9.2.6. */
import { StringDecoder } from 'node:string_decoder'
import { Fault } from '#shared/fault.ts'

/** One event of a stream; no id: the last one still counts. */
export type SseEvent = {
  readonly id: string | undefined
  readonly event: string
  readonly text: string
}

/** Longest event that is taken. Unit: characters. */
const eventCharactersMax = 8 * 1024 * 1024

/** Makes a reader that is fed bytes as they come and gives the events that they complete. */
export function makeSseReader(): (bytes: Buffer) => readonly SseEvent[] {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  let fields: { id?: string; event?: string; lines: string[] } = { lines: [] }
  const endEvent = (): readonly SseEvent[] => {
    const { id, event = 'message', lines } = fields
    fields = { lines: [] }
    return lines.length === 0 ? [] : [{ id, event, text: lines.join('\n') }]
  }
  const readLine = (line: string): readonly SseEvent[] => {
    if (line === '') return endEvent()
    const colon = line.indexOf(':')
    if (colon === 0) return []
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === 'id') fields.id = value
    if (name === 'event') fields.event = value
    if (name === 'data') fields.lines.push(value)
    return []
  }
  return bytes => {
    rest += decoder.write(bytes)
    if (rest.length > eventCharactersMax) {
      throw new Fault(
        'protocol',
        `cannot read events: one exceeds ${eventCharactersMax} characters`
      )
    }
    // A carriage return at the end may be the first half of a line end.
    const held = rest.endsWith('\r') ? 1 : 0
    const lines = rest.slice(0, rest.length - held).split(/\r\n|\n|\r/)
    rest = lines.pop()! + (held === 1 ? '\r' : '')
    return lines.flatMap(readLine)
  }
}
