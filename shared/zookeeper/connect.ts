/**
 * The face of a session in the main thread: it writes requests and reads replies, and the worker
 * sends and receives them. What the port of a session promises is kept by both together.
 */
import { Worker } from 'node:worker_threads'
import type { Clock } from '../clock.ts'
import { Fault, isFault } from '../fault.ts'
import type { Log } from '../log.ts'
import type { Ms } from '../units.ts'
import { requestsMax, type Tls, unsentBytesMax } from './connection.ts'
import { lostRequest } from './faults.ts'
import { checkPath, checkTransaction } from './limits.ts'
import {
  type Commission,
  type FromWorker,
  kernelMs,
  readMoment,
  slots,
  type ToWorker,
  unpackFault,
  writeMoment
} from './mail.ts'
import {
  decodeChildren,
  decodeRead,
  decodeSync,
  decodeTransaction,
  digestOf,
  encodeChildren,
  encodeRead,
  encodeSync,
  encodeTransaction
} from './packets.ts'
import { type Mark, marksOf, type Proof } from './proof.ts'
import type { Node, Operation, Outcome, ZooKeeperSession } from './session.ts'
import { readTls, type TlsFiles } from './tls-files.ts'
import { WatchList } from './watch-list.ts'
import { workerUrl } from './worker-place.ts'

/** Where the ensemble is, and who we are there. */
export type ConnectOptions = {
  /** `host:port` each. They are tried in an order that chance decides. */
  readonly servers: readonly string[]
  /** Silence after which the ensemble ends the session; the server may grant another time. */
  readonly sessionMs: Ms
  /** `user:password`; every znode is for this secret alone. */
  readonly secret: string
  readonly tls?: TlsFiles
  /** A process whose main thread does not turn for so long loses the session; a minute. */
  readonly hungMs?: Ms
  readonly log: Log
  readonly clock: Clock
}

/** Opens a session. Faults: `unavailable` when no server consents, `invalid` for what is said. */
export async function connectZooKeeper(options: ConnectOptions): Promise<ZooKeeperSession> {
  if (options.servers.length === 0) {
    throw new Fault('invalid', 'cannot connect to ZooKeeper: no server is named')
  }
  if (!/^[^:]+:./.test(options.secret)) {
    throw new Fault('invalid', 'cannot connect to ZooKeeper: the secret is not user:password')
  }
  const session = new WorkerSession(options, options.tls && (await readTls(options.tls)))
  await session.opened
  return session
}

type Waiting = {
  readonly bytes: number
  readonly read: (frame: Buffer) => void
  readonly fail: (thrown: unknown) => void
}

/** How often the main thread says that it turns. */
const turnMs: Ms = 500
const hungMsDefault: Ms = 60_000
/** How long the worker may take to say goodbye, before it is stopped. */
const goodbyeMsMax: Ms = 2_000

class WorkerSession implements ZooKeeperSession {
  id = ''
  timeoutMs: Ms = 0
  readonly opened: Promise<void>
  readonly #opening = Promise.withResolvers<void>()
  readonly #end = new AbortController()
  readonly #gone = Promise.withResolvers<void>()
  readonly #worker: Worker
  readonly #moments: BigInt64Array
  readonly #waiting = new Map<number, Waiting>()
  readonly #watches = new WatchList(this.#end.signal)
  readonly #log: Log
  readonly #digest: string
  /** The clock of leases less the kernel's, which both count from moments of their own. */
  readonly #offsetMs: Ms
  readonly #turning: NodeJS.Timeout
  #waitingBytes = 0
  #proofPath: string | undefined
  #server: string | undefined
  #count = 0

  constructor(options: ConnectOptions, tls: Tls | undefined) {
    const shared = new SharedArrayBuffer(slots.count * BigInt64Array.BYTES_PER_ELEMENT)
    this.#moments = new BigInt64Array(shared)
    this.#log = options.log
    this.#digest = digestOf(options.secret)
    this.#offsetMs = options.clock.monotonic() - kernelMs()
    const { servers, sessionMs, secret, hungMs = hungMsDefault } = options
    const commission: Commission = { servers, sessionMs, secret, tls, hungMs, shared }
    writeMoment(this.#moments, slots.turnedAt, kernelMs())
    this.#turning = setInterval(() => {
      writeMoment(this.#moments, slots.turnedAt, kernelMs())
    }, turnMs)
    this.#turning.unref()
    this.opened = this.#opening.promise
    this.#worker = new Worker(workerUrl(), { workerData: commission, name: 'zookeeper' })
    this.#worker.on('message', (mail: FromWorker) => this.#receive(mail))
    this.#worker.on('error', cause => {
      this.#finish(new Fault('closed', 'the thread of the session has failed', { cause }))
    })
    this.#worker.on('exit', () => {
      this.#finish(new Fault('closed', 'the thread of the session has ended'))
      this.#gone.resolve()
    })
  }

  get ended(): AbortSignal {
    return this.#end.signal
  }
  server(): string | undefined {
    return this.#server
  }
  leaseUntil(): Ms | undefined {
    const until = readMoment(this.#moments, slots.leaseUntil)
    return until === undefined ? undefined : until + this.#offsetMs
  }

  async read(path: string): Promise<Node | undefined> {
    checkPath(path)
    return await this.#ask(encodeRead(path), frame => decodeRead(frame, path))
  }
  async children(path: string): Promise<readonly string[] | undefined> {
    checkPath(path)
    return await this.#ask(encodeChildren(path), frame => decodeChildren(frame, path))
  }
  async sync(path: string): Promise<void> {
    checkPath(path)
    return await this.#ask(encodeSync(path), frame => decodeSync(frame, path))
  }
  async transact(operations: readonly Operation[]): Promise<readonly Outcome[]> {
    checkTransaction(operations)
    const what = (part: number) => `cannot ${operations[part]!.op} ${operations[part]!.path}`
    const marks = this.#proofPath === undefined ? [] : marksOf(operations, this.#proofPath)
    const frame = encodeTransaction(operations, this.#digest)
    return await this.#ask(frame, reply => decodeTransaction(reply, what), marks)
  }

  watch(
    path: string,
    options: { readonly children?: boolean; readonly signal: AbortSignal }
  ): AsyncIterable<void> {
    checkPath(path)
    return this.#watches.watch(path, options, {
      begin: () => this.#post({ type: 'watch', path }),
      end: () => this.#post({ type: 'unwatch', path })
    })
  }

  keepLease(proof: Proof): void {
    this.#proofPath = proof.path
    this.#post({ type: 'proof', proof })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#finish(new Fault('closed', 'the session was closed'))
    this.#post({ type: 'close' })
    const timer = setTimeout(() => void this.#worker.terminate(), goodbyeMsMax)
    await this.#gone.promise
    clearTimeout(timer)
  }

  async #ask<Result>(
    frame: Buffer,
    read: (frame: Buffer) => Result,
    marks: readonly Mark[] = []
  ): Promise<Result> {
    if (this.ended.aborted) {
      const cause = this.ended.reason
      throw new Fault('closed', 'cannot send a request: the session has ended', { cause })
    }
    if (this.#waiting.size >= requestsMax || this.#waitingBytes >= unsentBytesMax) {
      const many = `${this.#waiting.size} requests with ${this.#waitingBytes} bytes have no answer`
      throw lostRequest(false, `cannot send a request: ${many}`)
    }
    const id = this.#count++
    const bytes = frame.length
    this.#waitingBytes += bytes
    const { promise, resolve, reject } = Promise.withResolvers<Result>()
    this.#waiting.set(id, {
      bytes,
      fail: reject,
      read: reply => {
        try {
          resolve(read(reply))
        } catch (thrown) {
          reject(unreadable(thrown))
        }
      }
    })
    const body = frame.buffer as ArrayBuffer
    this.#post({ type: 'request', id, frame: body, marks }, [body])
    return await promise
  }

  #post(mail: ToWorker, handOver: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(mail, handOver)
  }

  #receive(mail: FromWorker): void {
    switch (mail.type) {
      case 'opened':
        this.id = mail.id
        this.timeoutMs = mail.timeoutMs
        this.#opening.resolve()
        return
      case 'failed':
        this.#finish(unpackFault(mail.fault))
        return
      case 'replies': {
        const bytes = Buffer.from(mail.bytes)
        let at = 0
        for (const [index, id] of mail.ids.entries()) {
          const end = mail.ends[index]!
          this.#take(id)?.read(bytes.subarray(at, end))
          at = end
        }
        return
      }
      case 'refusals':
        for (const id of mail.ids) this.#take(id)?.fail(unpackFault(mail.fault))
        return
      case 'changed':
        this.#watches.changed(mail.events)
        return
      case 'missed':
        this.#watches.all()
        return
      case 'server':
        this.#server = mail.server
        return
      case 'ended':
        this.#finish(unpackFault(mail.fault))
        return
      case 'log':
        this.#log[mail.level](mail.message, { session: this.id, ...mail.fields })
        return
      default:
        mail satisfies never
    }
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return undefined
    this.#waiting.delete(id)
    this.#waitingBytes -= waiting.bytes
    return waiting
  }

  #finish(because: Fault): void {
    if (this.ended.aborted) return
    clearInterval(this.#turning)
    this.#server = undefined
    this.#end.abort(because)
    this.#opening.reject(because)
    this.opened.catch(() => {})
    for (const id of [...this.#waiting.keys()]) {
      const what = 'cannot tell what became of a request: the session has ended'
      this.#take(id)?.fail(lostRequest(true, what, { cause: because }))
    }
    if (this.id !== '') this.#post({ type: 'close' })
  }
}

/** A reply that cannot be read says nothing of what has happened. */
const unreadable = (thrown: unknown): unknown =>
  isFault(thrown) ? thrown : lostRequest(true, 'cannot read a reply', { cause: thrown })
