/**
 * A world of plain values in which steps can be applied without any waiting: what the diff decides
 * is done at once, and time moves only when the diff says when to look again.
 */
import assert from 'node:assert/strict'
import { uuidOf } from '#shared/ids.ts'
import type { Order } from '#shared/wire/order.ts'
import { diff, type Plan } from '../../agent/core/diff.ts'
import { type DomainPlan, domainName, metadataOf } from '../../agent/core/domain-plan.ts'
import {
  freshMemory,
  type Memory,
  rememberDomains,
  rememberEvent,
  rememberOrder
} from '../../agent/core/memory.ts'
import { pruneRetries, rememberBegun, rememberDone } from '../../agent/core/memory-steps.ts'
import { readMetadata, writeMetadata } from '../../agent/core/metadata.ts'
import type { Moment } from '../../agent/core/moment.ts'
import { timestamp } from '../../agent/core/moment.ts'
import { nothingObserved, type Observed, withResult } from '../../agent/core/observed.ts'
import { sortDomains } from '../../agent/core/own-domains.ts'
import type { Domain, Driver } from '../../agent/core/ports.ts'
import type { OrderOrigin, Situation } from '../../agent/core/situation.ts'
import type { Step, StepResult } from '../../agent/core/steps.ts'
import { host, order } from './samples.ts'

const wallAtZero = Date.UTC(2026, 0, 1)

export class ModelWorld {
  order: Order
  origin: OrderOrigin = 'fresh'
  memory: Memory = freshMemory
  observed: Observed = { ...nothingObserved, images: [], domains: { state: 'fresh', list: [] } }
  host = host()
  services: ReadonlySet<string> = new Set()
  inFlight: Step[] = []
  /** Whether guests shut down when they are asked to. */
  obedient = true
  /** Looks at each step before it is begun; throws when it is wrong. */
  onStep: (step: Step) => void = () => {}
  readonly done: Step[] = []
  #now = 1_000_000

  constructor(given: Order = order()) {
    this.order = given
    this.take(given)
  }

  get now(): Moment {
    return { monotonic: this.#now, wall: wallAtZero + this.#now }
  }

  get domains(): readonly Domain[] {
    return this.observed.domains.state === 'unknown' ? [] : this.observed.domains.list
  }

  set domains(list: readonly Domain[]) {
    this.observed = { ...this.observed, domains: { state: 'fresh', list } }
  }

  get situation(): Situation {
    const { order, origin, observed, memory, host, inFlight, now } = this
    return { order, origin, services: this.services, observed, memory, host, inFlight, now }
  }

  take(order: Order): void {
    this.order = order
    this.memory = rememberOrder(this.memory, order)
  }

  pass(ms: number): void {
    this.#now += ms
  }

  /** Looks at the domains, as the loop does before each decision. */
  look(): Plan {
    const sorted = sortDomains(this.domains, this.order.cloud)
    this.memory = rememberDomains(this.memory, sorted, this)
    const plan = diff(this.situation)
    this.memory = pruneRetries(this.memory, plan.wanted)
    return plan
  }

  /** Ends a domain behind the agent's back, with what libvirt says of it. */
  end(uuid: string, detail: string): void {
    const domain = this.domains.find(each => each.uuid === uuid)
    if (domain === undefined) return
    this.domains = this.domains.filter(each => each !== domain)
    const { name, driver } = domain
    this.memory = rememberEvent(this.memory, { uuid, name, driver, event: 'stopped', detail })
  }

  /** Decides and does, until nothing is left or only time can tell; then lets so much time pass. */
  run({ forMs = 0 }: { readonly forMs?: number } = {}): Plan {
    const until = this.#now + forMs
    for (let round = 0; round < 1_000; round++) {
      const plan = this.look()
      for (const step of plan.steps) this.apply(step)
      if (plan.steps.length > 0) continue
      const next = plan.lookAgainAt ?? Infinity
      assert(next > this.#now, 'the diff wants to be asked again at once, and does nothing')
      if (next > until) {
        this.#now = until
        return this.look()
      }
      this.#now = next
    }
    throw new assert.AssertionError({ message: 'the diff does not come to rest in 1000 rounds' })
  }

  apply(step: Step): void {
    this.begin(step)
    this.finish(step)
  }

  /** A step is under way from now on. */
  begin(step: Step): void {
    this.onStep(step)
    this.memory = rememberBegun(this.memory, step, this.now)
    this.inFlight.push(step)
  }

  /** A step that is under way is done. */
  finish(step: Step): void {
    this.inFlight = this.inFlight.filter(each => each !== step)
    const result = this.#act(step)
    this.observed = withResult(this.observed, { step, result, now: this.#now })
    this.memory = rememberDone(this.memory, step, this.now)
    this.done.push(step)
  }

  #act(step: Step): StepResult {
    switch (step.type) {
      case 'open-pool': {
        const room = { capacityMib: 100_000, freeMib: 50_000, failure: undefined }
        return { pool: { name: step.pool.name, path: '/pool', ...room }, poolVolumes: [] }
      }
      case 'create-volume':
      case 'grow-volume': {
        const { id, pool, format, sizeMib } = step.volume
        return { volume: { id, pool, format, sizeMib, path: `/pool/${id}`, usedMib: 1 } }
      }
      case 'apply-networks':
        return {
          networks: step.networks.map(({ id }) => ({ id, bridge: `b-${id}`, failure: undefined }))
        }
      case 'create-domain':
        this.domains = [...this.domains, domainOf(step.plan, timestamp(this.now.wall))]
        return {}
      case 'shutdown':
        if (this.obedient) this.#remove(step.domain.uuid, step.domain.driver)
        return {}
      case 'destroy':
        this.#remove(step.domain.uuid, step.domain.driver)
        return {}
      case 'suspend':
      case 'resume': {
        const state = step.type === 'suspend' ? 'paused' : 'running'
        this.domains = this.domains.map(each =>
          each.uuid === step.domain.uuid ? { ...each, state, reason: 'user' } : each
        )
        return {}
      }
      case 'keep-images':
        this.observed = {
          ...this.observed,
          images: this.observed.images?.filter(id => step.ids.includes(id))
        }
        return {}
      default:
        return {}
    }
  }

  #remove(uuid: string, driver: Driver): void {
    const domain = this.domains.find(each => each.uuid === uuid && each.driver === driver)
    assert(domain && readMetadata(domain.metadata), 'only a domain of ours may be ended')
    this.domains = this.domains.filter(each => each !== domain)
  }
}

/** A domain as libvirt would show it after a start. */
export const domainOf = (plan: DomainPlan, startedAt: string): Domain => ({
  uuid: uuidOf(plan.instance.id),
  name: domainName(plan.instance),
  driver: plan.driver,
  state: 'running',
  reason: 'booted',
  metadata: writeMetadata(metadataOf(plan, startedAt)),
  memoryMib: plan.instance.memoryMib,
  vcpus: plan.instance.vcpus,
  ...(plan.devices && { devices: plan.devices }),
  ...(plan.cell && { cell: plan.cell.index })
})

/** A domain that is not ours. */
export const foreignDomain = (given: Partial<Domain> = {}): Domain => ({
  uuid: '99999999-0000-4000-8000-000000000001',
  name: 'somebodys',
  driver: 'qemu',
  state: 'running',
  reason: 'booted',
  metadata: undefined,
  memoryMib: 256,
  vcpus: 1,
  ...given
})
