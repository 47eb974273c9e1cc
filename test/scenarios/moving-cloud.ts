/**
 * A cloud in virtual time with a VM on its way, for tests that let things go wrong meanwhile. It
 * watches that the VM never runs twice, at each moment at which one may begin to.
 */
import { isFault } from '#shared/fault.ts'
import type { MovePace } from '#shared/model/instance.ts'
import { subjectOf } from '../../controller/core/subject.ts'
import { WholeCloud } from '../world/whole-cloud.ts'

/** A run that ends lets its steps go on for so long. Unit: ms. */
const endMs = 8_500

export class MovingCloud implements AsyncDisposable {
  readonly cloud = new WholeCloud()
  /** What was wrong; empty: nothing. */
  readonly faults: string[] = []
  readonly #down = new Map<string, Promise<void>>()
  #controllerRuns = false

  /** Two hosts, a shared pool and a VM on the first of them. */
  static async make(spec: object = {}): Promise<MovingCloud> {
    const moving = new MovingCloud()
    const { cloud } = moving
    await cloud.startController()
    moving.#controllerRuns = true
    for (const name of ['h1', 'h2']) await cloud.addHost({ name, memoryMib: 8_192 })
    await cloud.addImage('tiny', { type: 'vm', format: 'qcow2' })
    await cloud.addImage('tiny-container', { type: 'container', format: 'tar' })
    const pool = cloud.specOf('pool', { path: '/shared', shared: true })
    await cloud.wish({ verb: 'create', kind: 'pool', name: 'shared', spec: pool })
    await cloud.clock.pass(2_000)
    const wish = { image: 'tiny', memoryMib: 128, pool: 'shared', ...spec }
    const instance = cloud.specOf('instance', wish)
    await cloud.wish({ verb: 'create', kind: 'instance', name: 'web', spec: instance })
    await cloud.clock.pass(3_000)
    for (const { hypervisor } of cloud.hosts.values()) {
      for (const method of ['create', 'resume', 'migrate'] as const) {
        const act = hypervisor[method].bind(hypervisor) as (...args: never[]) => Promise<void>
        const watched = async (...args: never[]) => {
          await act(...args).finally(() => moving.look(`${method} on a host`))
        }
        Object.assign(hypervisor, { [method]: watched })
      }
    }
    return moving
  }

  get web() {
    return this.cloud.reign.view.named('instance', 'web', 'default')!
  }

  /** Verbs of its history that tell of moves. */
  get verbs(): readonly string[] {
    const history = this.cloud.reign.view.history(subjectOf(this.web))
    return history.map(({ verb }) => verb).filter(verb => /^mov/.test(verb))
  }

  /** The reasons that stand beside those verbs. */
  get reasons(): readonly string[] {
    const history = this.cloud.reign.view.history(subjectOf(this.web))
    return history.filter(({ verb }) => /^mov/.test(verb)).map(({ because }) => because)
  }

  get because(): string {
    return this.cloud.reign.view.history(subjectOf(this.web)).at(-1)?.because ?? ''
  }

  /** Where it is and how: `h1 running`, one for each domain. */
  async copies(): Promise<readonly string[]> {
    const found: string[] = []
    for (const { name, hypervisor } of this.cloud.hosts.values()) {
      for (const domain of await hypervisor.domains()) found.push(`${name} ${domain.state}`)
    }
    return found
  }

  /** Notes when it runs twice. */
  async look(when: string): Promise<void> {
    const running = (await this.copies()).filter(copy => copy.endsWith('running'))
    if (running.length > 1) this.faults.push(`${when}: ${running.join(', ')}`)
  }

  async move(
    to = 'h2',
    {
      live,
      pace
    }: { readonly live?: boolean | undefined; readonly pace?: MovePace | undefined } = {}
  ): Promise<void> {
    const { id } = this.web
    const how = { ...(live !== undefined && { live }), ...(pace && { pace }) }
    await this.cloud.wish({ verb: 'move', id, to, ...how })
  }

  /** It is called back; where it crosses that is refused, and it goes on. */
  async cancel(): Promise<void> {
    if (!this.#controllerRuns || this.web.decided.moving === undefined) return
    try {
      await this.cloud.wish({ verb: 'cancel-move', id: this.web.id })
    } catch (thrown) {
      if (!isFault(thrown, 'conflict')) throw thrown
    }
  }

  /** The agent of a host dies; its libvirt and what it does go on. */
  killAgent(host: string): void {
    if (!this.#down.has(host)) this.#down.set(host, this.cloud.host(host).stop())
  }

  /** The host loses its power. */
  cutPower(host: string): void {
    this.cloud.host(host).hypervisor.powerCut()
    if (!this.#down.has(host)) this.#down.set(host, this.cloud.host(host).powerCut())
  }

  /** The line between the two hosts breaks, or is whole again; the controller reaches both. */
  cutLine(isCut: boolean): void {
    for (const { name, hypervisor } of this.cloud.hosts.values()) {
      for (const other of ['h1', 'h2'].filter(each => each !== name)) {
        hypervisor.lines.cut(`qemu+tls://${other}/system`, isCut)
      }
    }
  }

  /** Agents that died are started again. */
  async startAgents(): Promise<void> {
    if (this.#down.size === 0) return
    await this.cloud.clock.pass(endMs)
    for (const [host, over] of this.#down) {
      await over
      await this.cloud.host(host).start(this.cloud)
    }
    this.#down.clear()
  }

  async killController(): Promise<void> {
    if (!this.#controllerRuns) return
    this.#controllerRuns = false
    await this.cloud.stopController()
  }

  async startController(): Promise<void> {
    if (this.#controllerRuns) return
    await this.cloud.startController()
    this.#controllerRuns = true
  }

  /** All is well again, and time enough passes for everything to come to its end. */
  async heal(): Promise<void> {
    for (const { id } of this.cloud.hosts.values()) this.cloud.net.mend(id)
    this.cutLine(false)
    this.cloud.pace = async () => {}
    await this.startAgents()
    await this.startController()
    await this.cloud.clock.pass(60_000)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cloud[Symbol.asyncDispose]()
  }
}
