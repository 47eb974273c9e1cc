/**
 * What goes over the wire: a message is one frame, a header and right after it the body.
 *
 * The header is of fixed places, so that what need not be read (another protocol version, an epoch
 * that is over, a repetition, one that is late) is put aside before its body is touched:
 *
 *     0  2  the sign of this protocol, "Rm"
 *     2  2  its version
 *     4  4  how long on its way the message may be to be of use, ms
 *     8  8  its number                          ┐
 *    16  8  the sender's epoch                  ├ binary64, as JavaScript counts
 *    24  8  the sender's clock when it was sent ┘
 *    32  1  length of the boot id
 *    33  1  length of the run
 *    34     boot id, run, and the body, which is MessagePack
 *
 * Numbers are written with their highest byte first. The body is written with room for the header
 * before it when a message is handed over; what is known only at the moment of sending (number,
 * epoch, clock) is stamped on it then, however often it has to be tried.
 *
 * Between sending and arriving nothing is trusted: whatever comes in is read by `makeReader`, which
 * either gives a message of our own schema or throws Fault `protocol`, whatever the bytes.
 */
import assert from 'node:assert'
import type Type from 'typebox'
import { Fault } from '../fault.ts'
import { validator } from '../model/validate.ts'
import type { Ms } from '../units.ts'
import { decode, encode, headroomMax } from './codec.ts'
import { asBuffer, unexpected } from './cursor.ts'
import { messageBytesMax, protocolVersion } from './messages.ts'
import { shapeReader } from './shape.ts'
import { UnreadableFault } from './unreadable.ts'

/** "Rm". */
const sign = 0x52_6d
/** Where things are in a header; see the drawing. */
const place = {
  sign: 0,
  version: 2,
  validMs: 4,
  number: 8,
  epoch: 16,
  sentAtMs: 24,
  bootIdLength: 32,
  runLength: 33,
  names: 34
} as const
/** Neither the boot id nor the name of a run is longer. */
const nameMax = 64
/** No header is longer. Unit: bytes. */
export const headerBytesMax = place.names + 2 * nameMax
assert(headerBytesMax <= headroomMax)

/** What is known of a message before its body is read. */
export type Header = {
  readonly version: number
  /** The kernel's boot id of the sender's machine. */
  readonly bootId: string
  /** Names this run of the sending program. */
  readonly run: string
  /** Counts up in one run, over all whom it sends to. */
  readonly number: number
  /** The controller's own epoch; the highest that the agent has seen. 0: none yet. */
  readonly epoch: number
  /** The sender's monotonic clock when it was sent. Unit: ms. */
  readonly sentAtMs: Ms
  /** How long on its way it may be at most to be of use. Unit: ms. */
  readonly validMs: Ms
}

/** Who sends; the same for the life of a program. Both are of at most 64 characters, ASCII. */
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

/** A message that lacks but its number, epoch and moment: header and body, one after the other. */
export type Envelope = Uint8Array

/** Makes headers for one sender, each with the next number. */
export class Sealer {
  readonly #epoch: () => number
  /** What all headers of this sender have in common. */
  readonly #header: Buffer
  #number = 0

  constructor(sender: Sender, epoch: () => number) {
    this.#epoch = epoch
    this.#header = commonHeader(sender)
  }

  /** Writes a message; Fault `invalid` when its body is longer than a message may be. */
  envelop<Message extends { readonly type: string }>(
    message: Message,
    bytesMax: number = messageBytesMax
  ): Envelope {
    const envelope = encode(message, this.#header.length)
    refuseLong(message.type, envelope.length - this.#header.length, bytesMax)
    return this.#address(envelope, message.type)
  }

  #address(envelope: Buffer, type: string): Envelope {
    envelope.set(this.#header)
    envelope.writeUInt32BE(validMs[type] ?? validMsElse, place.validMs)
    return envelope
  }

  /** Gives it the next number. To be called when it is sent, in the order of sending. */
  stamp(envelope: Envelope, now: Ms): Uint8Array {
    const bytes = asBuffer(envelope)
    this.#number++
    bytes.writeDoubleBE(this.#number, place.number)
    bytes.writeDoubleBE(this.#epoch(), place.epoch)
    bytes.writeDoubleBE(now, place.sentAtMs)
    return bytes
  }

  /** Puts a header before a body, as it is sent now. */
  seal(type: string, body: Uint8Array, now: Ms): readonly [Uint8Array] {
    const envelope = Buffer.alloc(this.#header.length + body.length)
    envelope.set(body, this.#header.length)
    return [this.stamp(this.#address(envelope, type), now)]
  }
}

function commonHeader({ bootId, run }: Sender): Buffer {
  const names = Buffer.from(bootId + run, 'latin1')
  assert(bootId.length <= nameMax && run.length > 0 && run.length <= nameMax)
  const header = Buffer.alloc(place.names + names.length)
  header.writeUInt16BE(sign, place.sign)
  header.writeUInt16BE(protocolVersion, place.version)
  header[place.bootIdLength] = bootId.length
  header[place.runLength] = run.length
  header.set(names, place.names)
  return header
}

/** Writes a body; Fault `invalid` when it is longer than one may be. */
export function encodeBody<Message extends { readonly type: string }>(
  message: Message,
  bytesMax: number = messageBytesMax
): Uint8Array {
  const body = encode(message)
  refuseLong(message.type, body.length, bytesMax)
  return body
}

function refuseLong(type: string, length: number, bytesMax: number): void {
  if (length <= bytesMax) return
  throw new Fault(
    'invalid',
    `cannot send a message of type ${type}: it has ${length} bytes, at most ${bytesMax} are sent`
  )
}

/** Reads the header of what came in; an UnreadableFault when it is none of ours. */
export function readHeader(frames: readonly Uint8Array[]): Header {
  const [first] = frames
  if (first === undefined) throw garbage('message', 'it is empty')
  const bytes = asBuffer(first)
  const version = versionOf(bytes)
  if (version !== protocolVersion) throw otherVersion(version, bytes)
  if (frames.length !== 1) throw garbage('message', `it has ${frames.length} frames, not one`)
  const { length } = bytes
  if (length < place.names) {
    throw garbage('header', `it has ${length} bytes, at least ${place.names} are needed`)
  }
  const namesAt = place.names + bytes.readUInt8(place.bootIdLength)
  const end = bodyStart(bytes)
  const header = {
    version,
    bootId: bytes.toString('latin1', place.names, namesAt),
    run: bytes.toString('latin1', namesAt, end),
    number: bytes.readDoubleBE(place.number),
    epoch: bytes.readDoubleBE(place.epoch),
    sentAtMs: bytes.readDoubleBE(place.sentAtMs),
    validMs: bytes.readUInt32BE(place.validMs)
  }
  const objection = objectionTo(header, length - end)
  if (objection !== undefined) throw garbage('header', objection)
  return header
}

/** Undefined: it is not this protocol at all. */
const versionOf = (bytes: Buffer): number | undefined =>
  bytes.length >= place.validMs && bytes.readUInt16BE(place.sign) === sign
    ? bytes.readUInt16BE(place.version)
    : undefined

const bodyStart = (bytes: Uint8Array): number =>
  place.names + (bytes[place.bootIdLength] ?? 0) + (bytes[place.runLength] ?? 0)

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

function objectionTo(header: Header, rest: number): string | undefined {
  const { bootId, run, number, epoch, sentAtMs } = header
  if (rest < 0) return `it ends ${-rest} bytes too early`
  if (bootId.length > nameMax) return `its boot id has ${bootId.length} characters`
  if (run.length === 0 || run.length > nameMax) return `its run has ${run.length} characters`
  if (!isCount(number)) return `its number is ${number}`
  if (!isCount(epoch)) return `its epoch is ${epoch}`
  return sentAtMs >= 0 && sentAtMs < Number.POSITIVE_INFINITY
    ? undefined
    : `it was sent at ${sentAtMs} ms`
}

/** How headers of version 1 begin: a map of seven fields in MessagePack, first its version. */
const firstVersion = encode({ version: 1 }).subarray(1)

function otherVersion(version: number | undefined, bytes: Uint8Array): Fault {
  const isFirst = firstVersion.every((byte, index) => bytes[index + 1] === byte)
  const spoken = version ?? (isFirst ? 1 : undefined)
  if (spoken === undefined) return garbage('message', 'it does not begin as our messages do')
  return new UnreadableFault(
    'otherVersion',
    `cannot read a message of protocol version ${spoken}: version ${protocolVersion} is spoken`
  )
}

/** One message of a union: an object that says by its type which one it is. */
type Variant = Type.TObject & { readonly properties: { readonly type: { readonly const: string } } }

/** Makes a reader of messages that came in, whose headers were read; see `makeBodyReader`. */
export function makeReader<Message>(
  schema: Type.TUnion,
  bytesMax: number = messageBytesMax
): (frames: readonly Uint8Array[]) => Message {
  const read = makeBodyReader<Message>(schema, bytesMax)
  return ([bytes = new Uint8Array()]) => read(bytes, bodyStart(bytes))
}

/**
 * Makes a reader of bodies that takes the messages of a union, told apart by their `type`; a body
 * is what follows some place in the bytes. The reader throws an UnreadableFault, with the first
 * things that are wrong as its reasons.
 */
export function makeBodyReader<Message>(
  schema: Type.TUnion,
  bytesMax: number = messageBytesMax
): (bytes: Uint8Array, start: number) => Message {
  const variants = schema.anyOf as unknown as readonly Variant[]
  let readQuickly: ReturnType<typeof shapeReader> | undefined
  const checks = new Map<unknown, ReturnType<typeof validator>>()
  for (const variant of variants) checks.set(variant.properties.type.const, validator(variant))
  return (bytes, start) => {
    const length = Math.max(0, bytes.length - start)
    if (length > bytesMax) throw tooLong(length, bytesMax)
    readQuickly ??= shapeReader(schema)
    const message = readQuickly(bytes, start)
    if (message !== unexpected) return message as Message
    const value = decode(bytes.subarray(start))
    const type = (value as { readonly type?: unknown } | null)?.type
    const check = checks.get(type)
    if (check === undefined) {
      throw garbage('message', `its type is none of ${[...checks.keys()].join(', ')}`)
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
  throw garbage(what, reasons[0] ?? '', { reasons })
}

const garbage = (what: string, because: string, options: { readonly reasons?: string[] } = {}) =>
  new UnreadableFault('garbage', `cannot read a ${what}: ${because}`, options)

const tooLong = (length: number, bytesMax: number): Fault =>
  new UnreadableFault(
    'oversized',
    `cannot read a message: it has ${length} bytes, at most ${bytesMax} are taken`
  )
