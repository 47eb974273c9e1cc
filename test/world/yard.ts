/**
 * A cloud in a view whose hosts do what they are told, at once or not at all: for core tests of
 * instances that go from host to host. Nothing here waits; `turn` is one round of everything.
 */
import type { Instance, MovePace } from '#shared/model/instance.ts'
import type { Report, ReportInstance } from '#shared/wire/order.ts'
import type { Commit } from '../../controller/core/commit.ts'
import { decide } from '../../controller/core/decide.ts'
import { documentOf } from '../../controller/core/documents.ts'
import { orderFor } from '../../controller/core/orders.ts'
import { subjectOf } from '../../controller/core/subject.ts'
import { instanceIntent, type SampleCloud, sampleCloud, wishOf } from './sample-cloud.ts'

const orderContext = { epoch: 1, imageUrl: () => 'http://c/i' }

export class Yard {
  readonly cloud: SampleCloud
  /** Where each instance runs, by its id. */
  /** Why no instance can go on before all of its memory has come; undefined: they can. */
  noPostCopy: string | undefined
  readonly runs = new Map<string, string>()
  /** Names of instances that cannot be sent. */
  readonly failing = new Set<string>()
  /** Names of hosts that say nothing and do nothing. */
  readonly dead = new Set<string>()
  /** Stands in for what hosts find of instances that run there, by name of the instance. */
  readonly powers = new Map<string, ReportInstance['power']>()
  readonly boots = new Map<string, string>()
  /** Told of each commit once it is folded. */
  onCommit: (commit: Commit) => void = () => {}
  #number = 1_000

  /** Hosts with so much memory each, and a pool that all of them see. */
  constructor(hosts: Readonly<Record<string, number>>) {
    const rooms = Object.entries(hosts).map(([name, memoryMib]) => [name, { memoryMib }])
    this.cloud = sampleCloud(Object.fromEntries(rooms))
    const spec = wishOf('pool', { path: '/far', shared: true })
    this.cloud.done({ verb: 'create', kind: 'pool', name: 'far', spec })
    this.report()
  }

  get names(): readonly string[] {
    return [...this.cloud.view.all('host').values()].map(({ name }) => name)
  }

  /** Makes instances while only this host is open, so that they come to be there. */
  fill(host: string, wishes: Readonly<Record<string, object>>): void {
    const others = this.names.filter(name => name !== host)
    for (const name of others) this.#open(name, false)
    for (const [name, spec] of Object.entries(wishes)) {
      this.cloud.done(instanceIntent(name, { pool: 'far', ...spec }))
    }
    for (const name of others) this.#open(name, true)
    this.turns(3)
  }

  #open(name: string, schedulable: boolean): void {
    const { id, spec, labels } = this.cloud.host(name)
    const wish = { ...spec, schedulable }
    this.cloud.done({ verb: 'change', kind: 'host', id, labels, spec: wish })
  }

  instance(name: string): Instance {
    return this.cloud.view.named('instance', name, 'default')!
  }

  /** Names of the instances of a host, in order. */
  on(host: string): readonly string[] {
    const all = [...this.cloud.view.all('instance').values()]
    return all.filter(({ decided }) => decided.host === host).map(({ name }) => name)
  }

  /** Instances on their way, as `web h1>h2 live`. */
  moving(): readonly string[] {
    return [...this.cloud.view.all('instance').values()].flatMap(({ name, decided }) => {
      const { host, moving } = decided
      return moving ? [`${name} ${host}>${moving.to} ${moving.live ? 'live' : 'cold'}`] : []
    })
  }

  drain(
    host: string,
    wish: { readonly parallel?: number; readonly cold?: boolean; readonly pace?: MovePace } = {}
  ): void {
    const { id } = this.cloud.host(host)
    this.cloud.done({ verb: 'drain', id, parallel: 2, cold: false, ...wish })
  }

  resume(host: string, back = false): void {
    this.cloud.done({ verb: 'resume-host', id: this.cloud.host(host).id, back })
  }

  /** Decides until nothing more comes of it; gives verb and subject of each decision. */
  decide(): readonly string[] {
    const said: string[] = []
    for (let round = 0; round < 20; round += 1) {
      let commits = 0
      for (const commit of decide(this.cloud.view, this.cloud.context)) {
        if (!commit) continue
        commits += 1
        this.cloud.commit(commit)
        this.onCommit(commit)
        for (const { verb, subjects } of commit.decisions) said.push(`${verb} ${subjects[0]}`)
      }
      if (commits === 0) return said
    }
    throw new Error(`it is decided for ever: ${said.slice(-5).join(', ')}`)
  }

  /** Time passes, hosts do what they are told and say so, and the controller decides. */
  turn(ms = 500): readonly string[] {
    this.pass(ms)
    this.report()
    return this.decide()
  }

  turns(count: number, ms = 500): readonly string[] {
    return Array.from({ length: count }, () => this.turn(ms)).flat()
  }

  pass(ms: number): void {
    const { monotonic, wall } = this.cloud.context.now
    const now = { monotonic: monotonic + ms, wall: wall + ms }
    Object.assign(this.cloud.context, { now })
    this.cloud.view.fold({ type: 'turn', at: now })
  }

  /** All hosts do what they are told and say so. */
  report(): void {
    for (const name of this.names) if (!this.dead.has(name)) this.#report(name)
  }

  #report(name: string): void {
    const { view, host, report } = this.cloud
    const order = orderFor(view, host(name), orderContext)
    const instances = order.instances.map(one => this.#obey(name, one))
    this.#number += 1
    const pools = ['local', 'far'].map(pool => ({
      ...{ name: pool, phase: 'ready' as const, message: '' },
      ...{ capacityMib: 100_000, freeMib: 90_000 }
    }))
    const address = `10.0.0.${name.slice(1)}`
    const postCopy = this.noPostCopy && { works: false, because: this.noPostCopy }
    const door = { uri: `qemu+tls://${address}/system`, address, folder: '/f' }
    const migration = { ...door, ...(postCopy && { postCopy }) }
    const { generation } = order
    const bootId = this.boots.get(name) ?? 'boot'
    const said = { number: this.#number, pools, migration, instances, generation, bootId }
    report(name, said)
  }

  #obey(host: string, order: ReturnType<typeof orderFor>['instances'][number]): ReportInstance {
    const { id, leaving, arriving, desiredPower } = order
    const way = leaving ?? arriving
    if (!way && desiredPower !== 'stopped') this.runs.set(id, host)
    if (!way && desiredPower === 'stopped') this.runs.delete(id)
    const move = way && { move: way.move, step: way.step, ...this.#moves(host, order) }
    const isHere = this.runs.get(id) === host
    const power = isHere ? (this.powers.get(order.name) ?? 'running') : 'stopped'
    const message = `${order.name} is ${power}`
    return {
      ...{ id, generation: order.generation, power, reason: power, message, startCount: 1 },
      restartNeeded: false,
      ...(move && { move })
    }
  }

  #moves(
    host: string,
    order: ReturnType<typeof orderFor>['instances'][number]
  ): Pick<NonNullable<ReportInstance['move']>, 'stand' | 'message' | 'downtimeMs'> {
    const { id, name, leaving } = order
    const isHere = this.runs.get(id) === host
    if (!leaving) {
      return isHere
        ? { stand: 'here', message: `${host} has it`, downtimeMs: 40 }
        : { stand: 'ready', message: `${host} is ready` }
    }
    if (leaving.go && this.failing.has(name)) return { stand: 'failed', message: 'the line broke' }
    if (leaving.go && isHere) {
      if (leaving.live) this.runs.set(id, leaving.to)
      else this.runs.delete(id)
      return { stand: 'gone', message: `${host} has it no more` }
    }
    return isHere
      ? { stand: 'stays', message: `${host} has it` }
      : { stand: 'gone', message: `${host} has it no more` }
  }

  /** The newest sentence of a verb in the history of a host. */
  because(host: string, verb: string): string {
    const history = this.cloud.view.history(subjectOf(this.cloud.host(host)))
    return history.findLast(one => one.verb === verb)?.because ?? ''
  }

  status(host: string): Readonly<Record<string, unknown>> {
    const { view, context } = this.cloud
    return documentOf(view, this.cloud.host(host), context.now).status
  }

  /** What the condition `ready` of a host says. */
  ready(host: string): string {
    const { view, context } = this.cloud
    return documentOf(view, this.cloud.host(host), context.now).conditions[0]?.message ?? ''
  }

  duty(host: string): string {
    return this.cloud.host(host).decided.duty?.state ?? 'in use'
  }

  /** A report of a host with something else in it. */
  tell(host: string, changes: Partial<Report>): void {
    const before = this.cloud.view.heard(host).report!
    this.#number += 1
    this.cloud.report(host, { ...before, number: this.#number, ...changes })
  }
}
