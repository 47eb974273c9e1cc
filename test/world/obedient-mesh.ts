/**
 * A mesh whose agents do at once whatever they are ordered, and report it. For tests of the
 * controller and its API without any hypervisor.
 */

import type { HostId } from '#shared/ids.ts'
import type { ToAgent } from '#shared/wire/messages.ts'
import type { Order, Report } from '#shared/wire/order.ts'
import type { Mesh, MeshMessage, Peer } from '../../controller/core/ports.ts'
import { sampleFacts } from './sample-cloud.ts'

export type Obedience = {
  /** What the next reports say otherwise than obedience would. */
  readonly twist?: (report: Report) => Report
  readonly memoryMib?: number
  /** Why consoles are closed as soon as they are open. */
  readonly noConsole?: string
  /** Bytes that a console says without being asked to go on. */
  readonly flood?: number
}

export class ObedientMesh implements Mesh {
  readonly #queue: MeshMessage[] = []
  readonly #orders = new Map<HostId, Order>()
  readonly #numbers = new Map<HostId, number>()
  #peers: readonly Peer[] = []
  #wake: () => void = () => {}
  obedience: Obedience
  /** Orders that were sent, newest last. */
  readonly sent: Order[] = []

  constructor(obedience: Obedience = {}) {
    this.obedience = obedience
  }

  setPeers(peers: readonly Peer[]): void {
    const known = new Set(this.#peers.map(({ host }) => host))
    this.#peers = peers
    for (const { host } of peers) {
      if (known.has(host)) continue
      this.#say({ type: 'connected', host })
      this.report(host)
    }
  }

  send(host: HostId, message: ToAgent): void {
    if (message.type === 'question') {
      const { number } = message
      const bytes = new TextEncoder().encode('login: ')
      this.#say({ type: 'message', host, message: { type: 'answer', number, message: '', bytes } })
    }
    if (message.type === 'console-open') {
      const { channel } = message
      const { noConsole: because, flood } = this.obedience
      const bytes = flood ? new Uint8Array(flood) : new TextEncoder().encode('welcome\r\n')
      this.#say({ type: 'message', host, message: { type: 'channel-data', channel, bytes } })
      if (because !== undefined) {
        this.#say({ type: 'message', host, message: { type: 'channel-close', channel, because } })
      }
    }
    if (message.type === 'channel-data') {
      const { channel, bytes } = message
      const taken = { type: 'channel-taken' as const, channel, bytes: bytes.length }
      this.#say({ type: 'message', host, message: taken })
      if (bytes.length === 0) return
      this.#say({ type: 'message', host, message: { type: 'channel-data', channel, bytes } })
    }
    if (message.type !== 'order') return
    this.sent.push(message)
    this.#orders.set(host, message)
    this.report(host)
  }

  /** Says once more how this host stands. */
  report(host: HostId): void {
    const number = (this.#numbers.get(host) ?? 0) + 1
    this.#numbers.set(host, number)
    const report = reportOf(host, this.#orders.get(host), number, this.obedience.memoryMib ?? 8_192)
    this.#say({ type: 'message', host, message: this.obedience.twist?.(report) ?? report })
  }

  /** Loses the line to a host. */
  lose(host: HostId): void {
    this.#say({ type: 'disconnected', host, because: 'the connection was lost' })
  }

  /** Refuses the order that it was sent last, as one who has seen this epoch. */
  refuse(host: HostId, epoch: number): void {
    const refusal = { type: 'refusal' as const, epoch, generation: 0, because: 'it is an old one' }
    this.#say({ type: 'message', host, message: refusal })
  }

  async *messages(signal: AbortSignal): AsyncIterable<MeshMessage> {
    signal.addEventListener('abort', () => this.#wake())
    while (!signal.aborted) {
      const next = this.#queue.shift()
      if (next) yield next
      else
        await new Promise<void>(resolve => {
          this.#wake = resolve
        })
    }
  }

  counters(): Readonly<Record<string, number>> {
    return {}
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#wake()
  }

  #say(message: MeshMessage): void {
    this.#queue.push(message)
    this.#wake()
  }
}

const reportOf = (
  host: HostId,
  order: Order | undefined,
  number: number,
  memoryMib: number
): Report => ({
  type: 'report',
  host,
  hostname: host,
  agentVersion: '0',
  bootId: 'boot',
  agentRun: 'run',
  number,
  epoch: order?.epoch ?? 0,
  generation: order?.generation ?? 0,
  settledGeneration: order?.generation ?? 0,
  facts: sampleFacts(host, memoryMib),
  memoryFreeMib: memoryMib,
  images: order?.images.map(({ id }) => id) ?? [],
  pools: [{ name: 'local', phase: 'ready', message: '', capacityMib: 99_999, freeMib: 88_888 }],
  networks: order?.networks.map(({ id }) => ({ id, phase: 'ready' as const, message: '' })) ?? [],
  volumes:
    order?.volumes.map(({ id, desired, sizeMib }) => ({
      id,
      phase: desired === 'present' ? ('ready' as const) : ('absent' as const),
      message: '',
      sizeMib,
      usedMib: 1
    })) ?? [],
  instances:
    order?.instances.map(({ id, generation, desiredPower }) => ({
      id,
      generation,
      power: desiredPower,
      reason: desiredPower,
      message: 'as desired',
      startCount: 1,
      acceleration: 'tcg' as const,
      restartNeeded: false
    })) ?? [],
  foreign: [],
  notices: []
})
