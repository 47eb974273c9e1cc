/**
 * What goes over the wire: a message is two frames, the header and the body, both MessagePack.
 * The header comes first so that what need not be read (another protocol version, an epoch that is
 * over, a repetition, one that is late) is put aside before its body is touched.
 *
 * Between sending and arriving nothing is trusted: whatever comes in is read by `makeReader`, which
 * either gives a message of our own schema or throws Fault `protocol`, whatever the bytes.
 */
import Type from 'typebox'
import { Fault } from '../fault.ts'
import { Strict } from '../model/resource.ts'
import { validator } from '../model/validate.ts'
import type { Ms } from '../units.ts'
import { decode, encode } from './codec.ts'
import { messageBytesMax, protocolVersion } from './messages.ts'
import { UnreadableFault } from './unreadable.ts'

/** No header is longer. Unit: bytes. */
export const headerBytesMax = 512

const Count = () => Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

const Header = Strict({
  version: Count(),
  /** The kernel's boot id of the sender's machine. */
  bootId: Type.String({ maxLength: 64 }),
  /** Names this run of the sending program. */
  run: Type.String({ minLength: 1, maxLength: 64 }),
  /** Counts up in one run, over all whom it sends to. */
  number: Count(),
  /** The controller's own epoch; the highest that the agent has seen. 0: none yet. */
  epoch: Count(),
  /** The sender's monotonic clock when it was sent. Unit: ms. */
  sentAtMs: Type.Number({ minimum: 0 }),
  /** How long on its way it may be at most to be of use. Unit: ms. */
  validMs: Count()
})
/** What is known of a message before its body is read. */
export type Header = Readonly<Type.Static<typeof Header>>

/** Who sends; the same for the life of a program. */
export type Sender = {
  /** The kernel's boot id, as in /proc/sys/kernel/random/boot_id. */
  readonly bootId: string
  /** Another one for each run of the program. */
  readonly run: string
}

/** How long each type of message is of use after it was sent; see arrivals.ts. Unit: ms. */
const validMs: Readonly<Record<string, Ms>> = {
  heartbeat: 3_000,
  order: 30_000,
  report: 30_000,
  join: 10_000,
  joined: 10_000
}
const validMsElse: Ms = 60_000

/** Makes headers for one sender, each with the next number. */
export class Sealer {
  readonly #sender: Sender
  readonly #epoch: () => number
  #number = 0

  constructor(sender: Sender, epoch: () => number) {
    this.#sender = sender
    this.#epoch = epoch
  }

  /** Puts a header before a body. To be called when it is sent, in the order of sending. */
  seal(type: string, body: Uint8Array, now: Ms): readonly [Uint8Array, Uint8Array] {
    this.#number++
    const header: Header = {
      version: protocolVersion,
      ...this.#sender,
      number: this.#number,
      epoch: this.#epoch(),
      sentAtMs: now,
      validMs: validMs[type] ?? validMsElse
    }
    return [encode(header), body]
  }
}

/** Writes a message; Fault `invalid` when it is longer than a message may be. */
export function encodeBody<Message extends { readonly type: string }>(
  message: Message,
  bytesMax: number = messageBytesMax
): Uint8Array {
  const body = encode(message)
  if (body.length > bytesMax) {
    throw new Fault(
      'invalid',
      `cannot send a message of type ${message.type}: ` +
        `it has ${body.length} bytes, at most ${bytesMax} are sent`
    )
  }
  return body
}

const checkHeader = validator(Header)

/** Reads the header of what came in; an UnreadableFault when it is none of ours. */
export function readHeader(frames: readonly Uint8Array[]): Header {
  const [bytes] = frames
  if (frames.length !== 2 || bytes === undefined) {
    const because = `cannot read a message of ${frames.length} frames: it has two`
    throw new UnreadableFault('garbage', because)
  }
  if (bytes.length > headerBytesMax) throw tooLong('header', bytes.length, headerBytesMax)
  const value = decode(bytes)
  const version = (value as { readonly version?: unknown } | null)?.version
  if (typeof version === 'number' && version !== protocolVersion) {
    throw new UnreadableFault(
      'otherVersion',
      `cannot read a message of protocol version ${version}: version ${protocolVersion} is spoken`
    )
  }
  refuse('header', checkHeader(value))
  return value as Header
}

/** One message of a union: an object that says by its type which one it is. */
type Variant = Type.TObject & { readonly properties: { readonly type: { readonly const: string } } }

/**
 * Makes a reader of bodies that takes the messages of a union, told apart by their `type`. The
 * reader throws an UnreadableFault, with the first things that are wrong as its reasons.
 */
export function makeReader<Message>(
  schema: Type.TUnion,
  bytesMax: number = messageBytesMax
): (frames: readonly Uint8Array[]) => Message {
  const checks = new Map<unknown, ReturnType<typeof validator>>()
  for (const variant of schema.anyOf as unknown as readonly Variant[]) {
    checks.set(variant.properties.type.const, validator(variant))
  }
  return frames => {
    const body = frames[1] ?? new Uint8Array()
    if (body.length > bytesMax) throw tooLong('message', body.length, bytesMax)
    const value = decode(body)
    const type = (value as { readonly type?: unknown } | null)?.type
    const check = checks.get(type)
    if (check === undefined) {
      const known = [...checks.keys()].join(', ')
      throw new UnreadableFault('garbage', `cannot read a message: its type is none of ${known}`)
    }
    refuse(`message of type ${String(type)}`, check(value))
    return value as Message
  }
}

const problemsTold = 4

function refuse(what: string, problems: ReturnType<ReturnType<typeof validator>>): void {
  if (problems.length === 0) return
  const reasons = problems
    .slice(0, problemsTold)
    .map(({ pointer, detail }) => `${pointer === '' ? 'it' : pointer} ${detail}`)
  throw new UnreadableFault('garbage', `cannot read a ${what}: ${reasons[0]}`, { reasons })
}

const tooLong = (what: string, length: number, bytesMax: number): Fault =>
  new UnreadableFault(
    'oversized',
    `cannot read a ${what}: it has ${length} bytes, at most ${bytesMax} are taken`
  )
