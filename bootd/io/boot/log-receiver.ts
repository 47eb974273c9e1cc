/**
 * Takes what hosts send of their log by UDP. A datagram counts only if it comes from the address of
 * a machine that has booted here: it becomes part of the log of that machine's last boot. Of one
 * machine only so much is taken (see host-log-allowance.ts), and what was left out is told in its
 * log, so that a host that cries all day fills no disk and drowns no other. What its kernel says by
 * itself is counted apart, so that its last words are heard behind however long a journal.
 *
 * Addresses that are not known wait together for one look at the table of neighbours, at most once
 * a second; who is known waits for nobody.
 */
import { createSocket, type Socket } from 'node:dgram'
import { readFile } from 'node:fs/promises'
import type { Clock } from '#shared/clock.ts'
import { Fault, sentence } from '#shared/fault.ts'
import type { Log } from '#shared/log.ts'
import type { Ms } from '#shared/units.ts'
import {
  allow,
  freshAllowance,
  type LogAllowance,
  type LogBounds
} from '../../core/host-log-allowance.ts'
import {
  bytesOfHostLog,
  type HostLogLine,
  hostLogDatagramMax,
  readHostLog
} from '../../core/host-log-line.ts'
import { droppedAt } from '../../core/socket-drops.ts'
import type { HostLogs } from './host-logs.ts'
import type { LogOwner } from './log-owners.ts'

/** How much a host may say. */
export type HostLogBounds = { readonly journal: LogBounds; readonly kernel: LogBounds }

/** A whole boot at once, and after that what no healthy host says; of the kernel itself less. */
export const hostLogBounds: HostLogBounds = {
  journal: { burstBytes: 4 * 1024 * 1024, bytesPerS: 64 * 1024 },
  kernel: { burstBytes: 512 * 1024, bytesPerS: 8 * 1024 }
}
/** The kernel keeps so much until it is read, where net.core.rmem_max allows it. Unit: bytes. */
const receiveBytes = 16 * 1024 * 1024
/** Addresses that are remembered; of more, those are forgotten that were remembered first. */
const addressesMax = 16_384
/** An address that is nobody's is looked up again after so long. Unit: ms. */
const strangerMs: Ms = 5_000
/** Between two looks at the table of neighbours. Unit: ms. */
const lookMs: Ms = 1_000
/** So much waits for such a look: what comes then is left out. Unit: bytes. */
export const strangerBytesMax = 8 * 1024 * 1024
/** What waits takes so much memory beside its bytes. Unit: bytes. */
const besideBytes = 512

/** Between two looks at what the kernel dropped, and for how long it is told. Unit: ms. */
const [dropsMs, problemMs]: readonly [Ms, Ms] = [10_000, 60_000]

/** Which boot of which host an address belongs to, or a MAC behind it; undefined: to none. */
export type WhoseAddress = (address: string, mac?: string) => LogOwner | undefined

/** What it works with. */
export type LogReceiverOptions = {
  readonly address: string
  readonly port: number
  readonly whose: WhoseAddress
  /** MACs that the kernel knows, by address. */
  readonly neighbours: () => Promise<ReadonlyMap<string, string>>
  readonly logs: Pick<HostLogs, 'add'>
  readonly bounds?: HostLogBounds
  readonly clock: Clock
  readonly log: Log
}

type Waiting = { readonly bytes: Uint8Array; readonly address: string }

/** Takes what comes until it is disposed of. */
export class LogReceiver implements AsyncDisposable {
  readonly #options: LogReceiverOptions
  readonly #socket: Socket
  readonly #allowances = new Map<string, LogAllowance>()
  readonly #strangers = new Map<string, Ms>()
  /** What has come from addresses that are not known, in the order in which it came. */
  #waiting: Waiting[] = []
  #waitingBytes = 0
  #looking: Promise<void> | undefined
  #table: { readonly at: Ms; readonly macs: ReadonlyMap<string, string> } | undefined

  #dropped = 0
  #droppedAt: Ms | undefined
  readonly #closing = new AbortController()
  readonly #watching: Promise<void>

  private constructor(options: LogReceiverOptions, socket: Socket) {
    this.#options = options
    this.#socket = socket
    socket.on('message', (bytes, { address }) => this.#take(bytes, address))
    socket.on('error', thrown => options.log.warn('logs of hosts', { because: sentence(thrown) }))
    this.#watching = this.#watch()
  }

  /** Listens. Fault `network`: it cannot there. */
  static async open(options: LogReceiverOptions): Promise<LogReceiver> {
    const { address, port } = options
    const socket = createSocket({ type: 'udp4' })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.once('error', reject)
    socket.bind({ address, port, exclusive: true }, resolve)
    try {
      await promise
    } catch (cause) {
      socket.close()
      throw new Fault('network', `cannot take logs of hosts at ${address}:${port}`, { cause })
    }
    socket.removeAllListeners('error')
    // The kernel gives as much of it as it allows (net.core.rmem_max).
    socket.setRecvBufferSize(receiveBytes)
    return new LogReceiver(options, socket)
  }

  /** Port that it has. */
  get port(): number {
    return this.#socket.address().port
  }

  /** Why lines were lost lately. */
  get problem(): string | undefined {
    const at = this.#droppedAt
    if (at === undefined || this.#options.clock.monotonic() - at > problemMs) return undefined
    return 'cannot keep all that hosts say: datagrams were dropped before they could be read'
  }

  async #watch(): Promise<void> {
    const { address, clock, log } = this.#options
    const { signal } = this.#closing
    const { port } = this
    while (!signal.aborted) {
      await clock.sleep(dropsMs, signal).catch(() => undefined)
      const table = await readFile('/proc/net/udp', 'utf8').catch(() => '')
      const dropped = droppedAt(table, { address, port }) ?? 0
      if (dropped <= this.#dropped) continue
      if (this.problem === undefined) log.warn('datagrams of hosts were dropped', { dropped })
      this.#dropped = dropped
      this.#droppedAt = clock.monotonic()
    }
  }

  #take(bytes: Uint8Array, address: string): void {
    if (bytes.length > hostLogDatagramMax) return
    const { clock, whose } = this.#options
    const owner = whose(address)
    if (owner) {
      this.#keep(owner, bytes)
      return
    }
    const strangerAt = this.#strangers.get(address)
    if (strangerAt !== undefined && clock.monotonic() - strangerAt < strangerMs) return
    const needed = bytes.length + besideBytes
    if (this.#waitingBytes + needed > strangerBytesMax) return
    this.#waitingBytes += needed
    this.#waiting.push({ bytes, address })
    this.#looking ??= this.#lookUp()
  }

  /** Keeps all that waits in one go: lines of one address stay in their order. */
  async #lookUp(): Promise<void> {
    const { clock, whose } = this.#options
    const macs = await this.#macs()
    const waiting = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    this.#looking = undefined
    for (const { bytes, address } of waiting) {
      const owner = whose(address, macs.get(address))
      if (owner) this.#keep(owner, bytes)
      else put(this.#strangers, address, clock.monotonic())
    }
  }

  async #macs(): Promise<ReadonlyMap<string, string>> {
    const { clock, neighbours } = this.#options
    if (!this.#table || clock.monotonic() - this.#table.at >= lookMs) {
      this.#table = { macs: await neighbours(), at: clock.monotonic() }
    }
    return this.#table.macs
  }

  #keep(owner: LogOwner, bytes: Uint8Array): void {
    const { bounds = hostLogBounds, clock, logs } = this.#options
    const lines = readHostLog(bytes)
    const [first] = lines
    if (first === undefined) return
    const source = first.source === 'kernel' ? 'kernel' : 'journal'
    const [bound, key, now] = [bounds[source], `${owner.host} ${source}`, clock.monotonic()]
    const before = this.#allowances.get(key) ?? freshAllowance(bound, now)
    const asked = { bytes: bytesOfHostLog(lines), lines: lines.length, now }
    const { kept, leftOut, after } = allow(before, asked, bound)
    put(this.#allowances, key, after)
    if (!kept) return
    const most = `${bound.bytesPerS / 1_024} KiB`
    const text = `${leftOut} lines of the ${source} left out: more than ${most} came each second`
    const gap: readonly HostLogLine[] = leftOut > 0 ? [{ source: 'bootd', text }] : []
    logs.add(owner, [...gap, ...lines])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>(resolve => this.#socket.close(() => resolve()))
    await closed
    await this.#looking
    this.#closing.abort()
    await this.#watching
  }
}

/** Puts it last, and lets the first ones go where there are too many. */
function put<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key)
  map.set(key, value)
  const [first] = map.keys()
  if (map.size > addressesMax && first !== undefined) map.delete(first)
}
