/**
 * Looks through a piece of MessagePack before it is decoded.
 *
 * A decoder builds while it reads: one byte can ask for an array of four thousand million entries,
 * a few thousand can nest so deep that the stack ends, and extension types make dates, patterns,
 * errors, even code. So the bytes are first walked without building anything, and only what is
 * plain (nil, booleans, numbers, text, bytes, lists, maps with text keys), whole and within bounds
 * is decoded at all.
 */

/** How deep lists and maps may nest; our deepest message has six levels. */
export const depthMax = 16
/** How many values one piece may hold; in memory they are costlier than on the wire. */
export const valuesMax = 1_000_000
/** How many of these may be lists and maps. */
export const containersMax = 131_072

type Walk = {
  readonly bytes: Uint8Array
  readonly view: DataView
  position: number
  values: number
  containers: number
  /** Values that are still to come in each list or map that is open; maps count keys as well. */
  readonly open: number[]
  /** Whether each that is open is a map. */
  readonly maps: boolean[]
}

/** Says why bytes are not one plain value of MessagePack, or undefined when they are. */
export function objectionToBytes(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const walk: Walk = { bytes, view, position: 0, values: 0, containers: 0, open: [], maps: [] }
  do {
    const objection = step(walk)
    if (objection !== undefined) return objection
  } while (walk.open.length > 0)
  const rest = bytes.length - walk.position
  return rest === 0 ? undefined : `${rest} bytes are left over at its end`
}

/** Walks over the beginning of one value, and over its end where it is the last in its list. */
function step(walk: Walk): string | undefined {
  if (walk.position >= walk.bytes.length) return 'it ends too early'
  const depth = walk.open.length
  const isKey = depth > 0 && walk.maps[depth - 1] === true && walk.open[depth - 1]! % 2 === 0
  const token = walk.bytes[walk.position++]!
  walk.values++
  if (walk.values > valuesMax) return `it holds more than ${valuesMax} values`
  if (depth > 0) walk.open[depth - 1]!--
  if (isKey) {
    const objection = keyObjection(walk, token)
    if (objection !== undefined) return objection
  } else {
    const size = sizeOf(walk, token)
    if (typeof size === 'string') return size
    if (walk.position + size > walk.bytes.length) return 'it ends too early'
    walk.position += size
  }
  while (walk.open.length > 0 && walk.open[walk.open.length - 1] === 0) {
    walk.open.pop()
    walk.maps.pop()
  }
  return undefined
}

/** How many bytes follow the token and its length; opens lists and maps. Text: an objection. */
function sizeOf(walk: Walk, token: number): number | string {
  if (token < 0x80 || token >= 0xe0) return 0
  if (token < 0x90) return open(walk, token & 0x0f, true)
  if (token < 0xa0) return open(walk, token & 0x0f, false)
  if (token < 0xc0) return token & 0x1f
  switch (token) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return 0
    case 0xcc: // uint 8
    case 0xd0: // int 8
      return 1
    case 0xcd: // uint 16
    case 0xd1: // int 16
      return 2
    case 0xca: // float 32
    case 0xce: // uint 32
    case 0xd2: // int 32
      return 4
    case 0xcb: // float 64
    case 0xcf: // uint 64
    case 0xd3: // int 64
      return 8
    case 0xc4: // bin 8
    case 0xd9: // str 8
      return lengthOf(walk, 1)
    case 0xc5: // bin 16
    case 0xda: // str 16
      return lengthOf(walk, 2)
    case 0xc6: // bin 32
    case 0xdb: // str 32
      return lengthOf(walk, 4)
    case 0xdc: // array 16
    case 0xdd: // array 32
      return openCounted(walk, token === 0xdc ? 2 : 4, false)
    case 0xde: // map 16
    case 0xdf: // map 32
      return openCounted(walk, token === 0xde ? 2 : 4, true)
    default:
      return `it holds a value of the type 0x${token.toString(16)}, which is not spoken here`
  }
}

function lengthOf(walk: Walk, width: 1 | 2 | 4): number {
  if (walk.position + width > walk.bytes.length) return walk.bytes.length
  const at = walk.position
  walk.position += width
  if (width === 1) return walk.view.getUint8(at)
  return width === 2 ? walk.view.getUint16(at) : walk.view.getUint32(at)
}

function openCounted(walk: Walk, width: 2 | 4, isMap: boolean): number | string {
  if (walk.position + width > walk.bytes.length) return 'it ends too early'
  return open(walk, lengthOf(walk, width), isMap)
}

function open(walk: Walk, count: number, isMap: boolean): number | string {
  const values = isMap ? count * 2 : count
  if (values > walk.bytes.length - walk.position) return 'it ends too early'
  walk.containers++
  if (walk.containers > containersMax) return `it holds more than ${containersMax} lists and maps`
  if (walk.open.length >= depthMax) return `it nests deeper than ${depthMax} levels`
  walk.open.push(values)
  walk.maps.push(isMap)
  return 0
}

const protoKey = new TextEncoder().encode('__proto__')

function keyObjection(walk: Walk, token: number): string | undefined {
  let length = token & 0x1f
  if (token === 0xd9) length = lengthOf(walk, 1)
  else if (token < 0xa0 || token >= 0xc0) return 'a key of a map is not a short text'
  const start = walk.position
  walk.position += length
  if (walk.position > walk.bytes.length) return 'it ends too early'
  const isProto =
    length === protoKey.length && protoKey.every((b, i) => walk.bytes[start + i] === b)
  return isProto ? 'a key of a map is "__proto__"' : undefined
}
