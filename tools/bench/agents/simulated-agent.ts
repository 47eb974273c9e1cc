/**
 * An agent with a real end of the mesh and nothing behind it: its hypervisor is a list that is at
 * once as it was ordered. So thousands fit into one process, and what is measured is the mesh.
 */
import { randomUUID } from 'node:crypto'
import { realClock } from '#shared/clock.ts'
import type { HostId } from '#shared/ids.ts'
import { silentLog } from '#shared/log.ts'
import { AnsweringEnd } from '#shared/wire/answering-end.ts'
import { makeKeys } from '#shared/wire/keys.ts'
import type { Question } from '#shared/wire/messages.ts'
import type { Order, Report, ReportInstance } from '#shared/wire/order.ts'
import type { Peer } from '../../../controller/core/ports.ts'

const anyPort = 'tcp://127.0.0.1:0'

/** Takes every order on, says so, and answers every question. */
export class SimulatedAgent implements AsyncDisposable {
  readonly peer: Peer
  readonly #mesh: AnsweringEnd
  readonly #run = randomUUID()
  readonly #closing = new AbortController()
  readonly #hearing: Promise<void>
  #instances: readonly ReportInstance[] = []
  #order: Pick<Order, 'epoch' | 'generation'> = { epoch: 0, generation: 0 }
  #number = 0
  #told = 0
  /** How many messages had left when it last reported. */
  #sentBefore = -1
  /** Orders that have come in. */
  orders = 0

  private constructor(host: HostId, mesh: AnsweringEnd, publicKey: string) {
    this.#mesh = mesh
    this.peer = { host, endpoint: mesh.endpoint, publicKey }
    this.#hearing = this.#hear()
  }

  /** Listens on a free port for who has one of these keys. */
  static async open(host: HostId, admitted: readonly string[]): Promise<SimulatedAgent> {
    const keys = makeKeys()
    const mesh = await AnsweringEnd.open({
      endpoint: anyPort,
      keys,
      sender: { bootId: 'simulated', run: randomUUID() },
      admitted,
      seen: () => ({ epoch: 0, generation: 0 }),
      clock: realClock,
      log: silentLog
    })
    return new SimulatedAgent(host, mesh, keys.publicKey)
  }

  get generation(): number {
    return this.#order.generation
  }

  /** Whether its last message has left, so that another report would not just replace it. */
  get isIdle(): boolean {
    return this.#sent() !== this.#sentBefore
  }

  #sent(): number {
    return this.#mesh.counters()['sent'] ?? 0
  }

  /** Says in full what it holds. */
  report(): void {
    this.#sentBefore = this.#sent()
    this.#number += 1
    const { epoch, generation } = this.#order
    const said = { agentRun: this.#run, number: this.#number, epoch, generation }
    this.#mesh.send(reportOf(this.peer.host, said, this.#instances))
  }

  async #hear(): Promise<void> {
    for await (const message of this.#mesh.messages(this.#closing.signal)) {
      if (message.type === 'order') this.#obey(message)
      else if (message.type === 'question') this.#answer(message)
      if (this.#mesh.epochSeen === this.#told) continue
      // Whoever begins to lead wants to know everything.
      this.#told = this.#mesh.epochSeen
      this.report()
    }
  }

  #obey(order: Order): void {
    this.orders += 1
    this.#order = order
    this.#instances = order.instances.map(({ id, generation }) => runningInstance(id, generation))
  }

  #answer({ number }: Question): void {
    this.#mesh.send({ type: 'answer', number, message: '', bytes: answerBytes })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort()
    await this.#mesh[Symbol.asyncDispose]()
    await this.#hearing
  }
}

/** A report of a host with these instances. */
export const reportOf = (
  host: HostId,
  said: Pick<Report, 'agentRun' | 'number' | 'epoch' | 'generation'>,
  instances: readonly ReportInstance[]
): Report => ({
  type: 'report',
  host,
  hostname: 'simulated',
  agentVersion: '0.0.0',
  bootId: 'simulated',
  ...said,
  settledGeneration: said.generation,
  memoryFreeMib: 1_024,
  images: [],
  pools: [],
  networks: [],
  volumes: [],
  instances,
  foreign: [],
  notices: []
})

/** The same instance as in the orders of the bench, running. */
export const runningInstance = (id: string, generation: number): ReportInstance => ({
  id,
  generation,
  power: 'running',
  reason: 'running',
  message: 'runs',
  startCount: 1,
  restartNeeded: false
})

const answerBytes = Buffer.alloc(128, 'x')
