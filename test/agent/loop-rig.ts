/** An agent's loop in virtual time, with fakes for all that it stands on. */
import assert from 'node:assert/strict'
import { silentLog } from '#shared/log.ts'
import { validator } from '#shared/model/validate.ts'
import { type Order, Report } from '#shared/wire/order.ts'
import { nothingSeen } from '../../agent/core/acceptance.ts'
import type { OwnDomain } from '../../agent/core/metadata.ts'
import type { Domain } from '../../agent/core/ports.ts'
import type { OrderKeeper, Recalled } from '../../agent/io/kept-order.ts'
import { AgentLoop } from '../../agent/io/loop.ts'
import type { LoopOptions } from '../../agent/io/loop-options.ts'
import { FakeClock } from '../world/fake-clock.ts'
import { FakeHardware } from '../world/fake-hardware.ts'
import { FakeHypervisor } from '../world/fake-hypervisor.ts'
import { FakeNetwork } from '../world/fake-network.ts'
import { FakeStorage } from '../world/fake-storage.ts'

const checkReport = validator(Report)

/** What a restart of the agent finds again. */
export class FakeKeeper implements OrderKeeper {
  recalled: Recalled = { seen: nothingSeen, order: undefined, origin: 'fresh', marks: {} }
  /** Lets the disk be full. */
  fails = false
  #orders = 0

  /** How many orders were kept. */
  get orders(): number {
    return this.#orders
  }

  async recall(): Promise<Recalled> {
    return this.recalled
  }

  async keepOrder(order: Order): Promise<void> {
    if (this.fails) throw new Error('no space left on device')
    this.#orders++
    const { cloud, epoch, generation } = order
    const seen = { cloud, epoch, generation }
    this.recalled = { ...this.recalled, seen, order, origin: 'same-boot' }
  }

  async keepMarks(marks: Recalled['marks']): Promise<void> {
    if (this.fails) throw new Error('no space left on device')
    this.recalled = { ...this.recalled, marks }
  }
}

export class LoopRig implements AsyncDisposable {
  readonly clock = new FakeClock({ now: 1_000_000 })
  readonly hypervisor = new FakeHypervisor()
  readonly storage = new FakeStorage()
  readonly network = new FakeNetwork()
  readonly hardware = new FakeHardware()
  readonly keeper = new FakeKeeper()
  readonly reports: Report[] = []
  readonly forgotten: string[] = []
  /** Instances of which a console log lies here. */
  readonly remains = new Set<string>()
  /** Instances that may start before any controller is there. */
  services: ReadonlySet<string> = new Set()
  watched: readonly OwnDomain[] = []
  /** What the loop stands on beside. */
  more: Partial<LoopOptions> = {}
  loop!: AgentLoop
  #end = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #runs = 0

  /** Starts the loop. */
  async start(): Promise<void> {
    this.#end = new AbortController()
    this.loop = await this.#make()
    this.#running = this.loop.run(this.#end.signal)
    await this.clock.settle()
  }

  /** Ends the agent and starts another one; what runs on the host goes on. */
  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  /** Ends the agent. */
  async stop(): Promise<void> {
    this.#end.abort()
    const over = this.#running
    await this.clock.pass(10_000)
    await over
  }

  /** Gives an order, and lets so much time pass. */
  async order(order: Order, passMs = 0): Promise<void> {
    this.loop.takeOrder(order)
    await this.clock.pass(passMs)
  }

  async domains(): Promise<readonly Domain[]> {
    return await this.hypervisor.domains()
  }

  get report(): Report {
    return this.reports.at(-1)!
  }

  /** What libvirt was asked to do, without mere questions. */
  get deeds(): readonly string[] {
    return this.hypervisor.calls.filter(call => !['domains', 'abilities', 'stats'].includes(call))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #make(): Promise<AgentLoop> {
    const { clock, hypervisor, storage, network, hardware } = this
    return AgentLoop.open({
      hands: {
        hypervisor,
        storage,
        networks: network,
        forgetConsole: async ({ id }) => {
          this.forgotten.push(id)
          this.remains.delete(id)
        },
        findRemains: async () => [...this.remains],
        clock
      },
      hardware,
      kept: this.keeper,
      reporter: {
        host: hardware.said.uuid,
        hostname: hardware.said.hostname,
        agentVersion: '0.0.0',
        bootId: 'boot-1',
        agentRun: `run-${++this.#runs}`
      },
      facts: hardware.said,
      consoleFolder: '/state/console',
      services: () => this.services,
      send: report => {
        assert.deepEqual(checkReport(report), [], 'a report that a controller would refuse')
        this.reports.push(report)
      },
      onDomains: own => {
        this.watched = own
      },
      clock,
      log: silentLog,
      ...this.more
    })
  }
}
