/**
 * ZooKeeper's packets as bytes, without a connection. The package node-zookeeper-client writes and
 * reads them; its sockets, timers and queues, which have the faults, are not used.
 *
 *   request: length 4 | number 4 | kind 4 | body          reply: length 4 | number 4 | zxid 8 |
 *                                                                error 4 | body
 *
 * A request is made with room for its number, which the connection writes when it sends it.
 */
import { createHash } from 'node:crypto'
import jute from 'node-zookeeper-client/lib/jute/index.js'
import { Fault, type FaultCode } from '../fault.ts'
import type { Ms } from '../units.ts'
import { lostRequest, refusedPart } from './faults.ts'
import type { Node, NodeMode, Operation, Outcome, Stat } from './session.ts'

const { OP_CODES: kinds, protocol, data: records } = jute

/** Numbers of packets that are answers to no request. */
export const numbers = { event: -1, ping: -2, auth: -4 } as const

/** Bytes before the body of a request, and of a reply. */
const requestHeadBytes = 12
const replyHeadBytes = 20

/** The secret of a session: `user:password`, and how ZooKeeper writes it down. */
export const digestOf = (secret: string): string =>
  `${secret.split(':')[0]}:${createHash('sha1').update(secret).digest('base64')}`

type Body = { byteLength(): number; serialize(buffer: Buffer, offset: number): number }

function request(kind: number, body?: Body): Buffer {
  const bytes = body?.byteLength() ?? 0
  // Not of the pool: it may be handed to another thread.
  const frame = Buffer.alloc(requestHeadBytes + bytes)
  frame.writeInt32BE(frame.length - 4, 0)
  frame.writeInt32BE(kind, 8)
  if (bytes > 0) body!.serialize(frame, requestHeadBytes)
  return frame
}

/** Writes the number of a request into its place. */
export const writeNumber = (frame: Buffer, number: number): void => {
  frame.writeInt32BE(number, 4)
}

/** Whether a request is a transaction. */
export const isTransaction = (frame: Buffer): boolean => frame.readInt32BE(8) === kinds.MULTI

/** A string with its length; where the package has no record for a request. */
function stringBody(text: string, more = 0): Body & { readonly bytes: Buffer } {
  const bytes = Buffer.alloc(4 + Buffer.byteLength(text) + more)
  bytes.writeInt32BE(bytes.length - 4 - more, 0)
  bytes.write(text, 4)
  return { bytes, byteLength: () => bytes.length, serialize: (to, at) => bytes.copy(to, at) }
}

/** What a session begins or goes on with. */
export type Greeting = {
  readonly seen: Buffer
  readonly timeoutMs: Ms
  readonly session: Buffer
  readonly password: Buffer
}

/** The first packet on a connection. */
export function encodeGreeting(greeting: Greeting): Buffer {
  const { seen, timeoutMs, session, password } = greeting
  const body = new protocol.ConnectRequest(0, seen, timeoutMs, session, password)
  // It has neither number nor kind, and one byte more: whether a read-only server would do.
  const frame = Buffer.alloc(4 + body.byteLength() + 1)
  frame.writeInt32BE(frame.length - 4, 0)
  body.serialize(frame, 4)
  return frame
}

/** What the server says to it; a time of 0 or less: the session has expired. */
export function decodeGreeting(frame: Buffer): {
  readonly timeoutMs: Ms
  readonly session: Buffer
  readonly password: Buffer
} {
  const body = new protocol.ConnectResponse()
  body.deserialize(frame, 4)
  return { timeoutMs: body.timeOut, session: body.sessionId, password: body.passwd }
}

/** Tells the server our secret. */
export function encodeAuth(secret: string): Buffer {
  const body = new protocol.AuthPacket(0, 'digest', Buffer.from(secret))
  const frame = request(kinds.AUTH, body)
  writeNumber(frame, numbers.auth)
  return frame
}

/** Says that we are there. */
export function encodePing(): Buffer {
  const frame = request(kinds.PING)
  writeNumber(frame, numbers.ping)
  return frame
}

/** Says that the session is over. */
export const encodeClose = (): Buffer => request(kinds.CLOSE_SESSION)
/** Asks for the bytes and the stat of a znode. */
export const encodeRead = (path: string): Buffer =>
  request(kinds.GET_DATA, new protocol.GetDataRequest(path, false))
/** Asks for the names below a znode. */
export const encodeChildren = (path: string): Buffer =>
  request(kinds.GET_CHILDREN2, new protocol.GetChildren2Request(path, false))
/** Asks the server to catch up with its leader. */
export const encodeSync = (path: string): Buffer => request(kinds.SYNC, stringBody(path))

/** `addWatch` and `removeWatches` of ZooKeeper 3.6, which the package does not know. */
const addWatch = 106
const removeWatches = 18
const persistent = 0
const anyWatch = 3

/** Asks to be told of each change of a znode and of its children, until the connection ends. */
export function encodeWatch(path: string): Buffer {
  const body = stringBody(path, 4)
  body.bytes.writeInt32BE(persistent, body.bytes.length - 4)
  return request(addWatch, body)
}

/** Asks no longer. */
export function encodeUnwatch(path: string): Buffer {
  const body = stringBody(path, 4)
  body.bytes.writeInt32BE(anyWatch, body.bytes.length - 4)
  return request(removeWatches, body)
}

const modes: Readonly<Record<NodeMode, number>> = {
  persistent: 0,
  ephemeral: 1,
  'ephemeral-sequential': 3
}
const allPermissions = 31
/** ZooKeeper's word for any version. */
const anyVersion = -1

/** A transaction; what it creates is for the secret of this digest alone. */
export function encodeTransaction(operations: readonly Operation[], digest: string): Buffer {
  const acl = new records.ACL(allPermissions, new records.Id('digest', digest))
  const acls = [{ toRecord: () => acl }]
  return request(
    kinds.MULTI,
    new jute.TransactionRequest(
      operations.map(operation => {
        const { path } = operation
        switch (operation.op) {
          case 'check':
            return { type: kinds.CHECK, path, version: versionOf(operation) }
          case 'remove':
            return { type: kinds.DELETE, path, version: versionOf(operation) }
          case 'set': {
            const bytes = bufferOf(operation.bytes)
            return { type: kinds.SET_DATA, path, data: bytes, version: versionOf(operation) }
          }
          case 'create': {
            const mode = modes[operation.mode ?? 'persistent']
            return { type: kinds.CREATE, path, data: bufferOf(operation.bytes), acls, mode }
          }
          default:
            return operation satisfies never
        }
      })
    )
  )
}

const versionOf = ({ version }: { readonly version: number | 'any' }): number =>
  version === 'any' ? anyVersion : version
const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)

/** The head of a reply. */
export type ReplyHead = { readonly number: number; readonly zxid: bigint; readonly error: number }

/** Reads the head of a reply; throws RangeError where there is none. */
export const decodeHead = (frame: Buffer): ReplyHead => ({
  number: frame.readInt32BE(4),
  zxid: frame.readBigInt64BE(8),
  error: frame.readInt32BE(16)
})

/** What happened to a znode: it came, went, was changed, or its children were. */
export type ZnodeEvent = { readonly path: string; readonly what: 'self' | 'children' }
const childrenChanged = 4

/** Reads a notification; undefined for one that is about no znode. */
export function decodeEvent(frame: Buffer): ZnodeEvent | undefined {
  const body = new protocol.WatcherEvent()
  body.deserialize(frame, replyHeadBytes)
  if (body.type < 1) return undefined
  return { path: body.path, what: body.type === childrenChanged ? 'children' : 'self' }
}

const noZnode = -101

/** Reads the reply to `encodeRead`; undefined: there is no such znode. */
export function decodeRead(frame: Buffer, path: string): Node | undefined {
  const { error } = decodeHead(frame)
  if (error === noZnode) return undefined
  if (error !== 0) throw faultOf(error, `cannot read ${path}`)
  const body = new protocol.GetDataResponse()
  body.deserialize(frame, replyHeadBytes)
  return { bytes: body.data ?? new Uint8Array(), stat: statOf(body.stat) }
}

/** Reads the reply to `encodeChildren`; undefined: there is no such znode. */
export function decodeChildren(frame: Buffer, path: string): readonly string[] | undefined {
  const { error } = decodeHead(frame)
  if (error === noZnode) return undefined
  if (error !== 0) throw faultOf(error, `cannot list ${path}`)
  const body = new protocol.GetChildren2Response()
  body.deserialize(frame, replyHeadBytes)
  return body.children.toSorted()
}

/** Reads the reply to `encodeSync`. */
export function decodeSync(frame: Buffer, path: string): void {
  const { error } = decodeHead(frame)
  if (error !== 0) throw faultOf(error, `cannot synchronize ${path}`)
}

/** Says of the reply to a transaction, without reading it all, whether it has happened. */
export const hasHappened = (frame: Buffer): boolean =>
  frame.readInt32BE(16) === 0 && frame.readInt32BE(replyHeadBytes) !== kinds.ERROR

/** Says what became of each part, or throws the Fault of the first that was refused. */
export function decodeTransaction(frame: Buffer, what: (part: number) => string): Outcome[] {
  const { error } = decodeHead(frame)
  const body = new jute.TransactionResponse()
  if (frame.length > replyHeadBytes) body.deserialize(frame, replyHeadBytes)
  const part = body.results.findIndex(({ err = 0 }) => err !== 0 && err !== abandoned)
  if (part >= 0) throw partFault(body.results[part]!.err!, what(part), part)
  if (error !== 0) throw faultOf(error, 'cannot make the transaction')
  return body.results.map(({ path, stat }) => ({
    ...(path === undefined ? {} : { path }),
    ...(stat === undefined ? {} : { version: stat.version })
  }))
}

/** What is said of parts that were not tried, as another was refused. */
const abandoned = -2

const statOf = (stat: {
  readonly czxid: Buffer
  readonly mzxid: Buffer
  readonly version: number
  readonly cversion: number
  readonly ephemeralOwner: Buffer
  readonly dataLength: number
  readonly numChildren: number
}): Stat => ({
  created: stat.czxid.readBigInt64BE(),
  modified: stat.mzxid.readBigInt64BE(),
  version: stat.version,
  childrenVersion: stat.cversion,
  owner: stat.ephemeralOwner.readBigInt64BE(),
  bytes: stat.dataLength,
  children: stat.numChildren
})

/** ZooKeeper's error codes that have a meaning of their own. */
const errors: Readonly<Record<number, readonly [FaultCode, string]>> = {
  [-5]: ['invalid', 'the server cannot read it'],
  [-6]: ['protocol', 'the server does not know this request'],
  [-8]: ['invalid', 'the server says that the arguments are bad'],
  [-101]: ['not-found', 'it, or what it would be below of, is missing'],
  [-102]: ['forbidden', 'it belongs to another secret'],
  [-103]: ['stale', 'it is at another version'],
  [-108]: ['invalid', 'what goes with a session may have no children'],
  [-110]: ['conflict', 'it is there already'],
  [-111]: ['conflict', 'it has children'],
  [-114]: ['invalid', 'the server does not accept its access list'],
  [-115]: ['forbidden', 'the server does not accept the secret']
}
/** Replies that do not say what became of the request: the session is elsewhere or gone. */
const unknownOutcomes = [-1, -4, -7, -112, -118]

function faultOf(error: number, sentence: string): Fault {
  if (unknownOutcomes.includes(error)) return lostRequest(true, `${sentence}: error ${error}`)
  const [code, because] = errors[error] ?? ['protocol', `the server answers with error ${error}`]
  return new Fault(code, `${sentence}: ${because}`)
}

function partFault(error: number, sentence: string, part: number): Fault {
  const { code, message } = faultOf(error, sentence)
  return refusedPart(part, code, message)
}
