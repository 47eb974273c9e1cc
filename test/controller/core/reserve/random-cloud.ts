/** A small cloud under a reserve in which anything may happen, for properties. */
import fc from 'fast-check'
import type { Host } from '#shared/model/host.ts'
import type { Instance, InstanceSpec } from '#shared/model/instance.ts'
import type { Report } from '#shared/wire/order.ts'
import type { Intent } from '../../../../controller/core/admission/admit.ts'
import type { Admitted } from '../../../../controller/core/admission/context.ts'
import type { Change, Healing } from '../../../../controller/core/commit.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import {
  decidedBy,
  instanceIntent,
  type SampleCloud,
  sampleCloud,
  sampleFacts,
  wishOf
} from '../../../world/sample-cloud.ts'

/** A host as chance makes it. */
export type RandomHost = {
  readonly memoryMib: number
  readonly vcpusPerThread: number
  readonly rack: number
  readonly lxc: boolean
}

/** An instance as chance makes it. */
export type RandomInstance = {
  readonly memoryMib: number
  readonly vcpus: number
  readonly highlyAvailable: boolean
  readonly pool: 'far' | 'near' | 'local'
  readonly type: 'vm' | 'container'
  readonly priority: number
  readonly desiredPower: 'running' | 'stopped'
  readonly affinity?: InstanceSpec['affinity']
  readonly hostLabels?: InstanceSpec['hostLabels']
}

export const randomHost: fc.Arbitrary<RandomHost> = fc.record({
  memoryMib: fc.constantFrom(1_536, 2_560, 4_608, 8_704),
  vcpusPerThread: fc.constantFrom(1, 2, 4),
  rack: fc.integer({ min: 0, max: 2 }),
  lxc: fc.boolean()
})

export const randomInstance: fc.Arbitrary<RandomInstance> = fc.record({
  memoryMib: fc.constantFrom(128, 256, 512, 768, 1_024, 1_500, 2_048),
  vcpus: fc.constantFrom(1, 1, 1, 2, 3, 4),
  highlyAvailable: fc.constantFrom(true, true, true, false),
  pool: fc.constantFrom('far', 'far', 'far', 'near', 'local'),
  type: fc.constantFrom('vm', 'vm', 'vm', 'container'),
  priority: fc.constantFrom(500, 500, 100, 900),
  desiredPower: fc.constantFrom('running', 'running', 'running', 'stopped')
})

const rule = fc.record({
  group: fc.constantFrom('a', 'b'),
  rule: fc.constantFrom('apart', 'apart', 'apart', 'with'),
  level: fc.constantFrom('host', 'host', 'rack'),
  hard: fc.constantFrom(true, true, true, false),
  max: fc.constantFrom(1, 1, 2)
})

/** The same, some of them in groups, and some for certain hosts alone. */
export const choosyInstance: fc.Arbitrary<RandomInstance> = fc
  .tuple(
    randomInstance,
    fc.option(fc.array(rule, { minLength: 1, maxLength: 2 }), { freq: 3, nil: undefined }),
    fc.constantFrom(...Array(8).fill(undefined), { rack: 'r0' }, { rack: 'r1' })
  )
  .map(([instance, affinity, hostLabels]) => ({
    ...instance,
    memoryMib: Math.min(instance.memoryMib, 768),
    ...(affinity && { affinity }),
    ...(hostLabels && { hostLabels })
  }))

/** Hosts h0, h1 … with two shared pools. */
export class RandomCloud {
  readonly cloud: SampleCloud
  readonly #hosts: readonly RandomHost[]
  #reports = 10
  #instances = 0

  constructor(hosts: readonly RandomHost[], healing: Healing) {
    this.#hosts = hosts
    this.cloud = sampleCloud(
      Object.fromEntries(hosts.map(({ memoryMib }, at) => [`h${at}`, { memoryMib }]))
    )
    for (const name of ['far', 'near']) {
      const spec = wishOf('pool', { path: `/${name}`, shared: true })
      this.cloud.done({ verb: 'create', kind: 'pool', name, spec })
    }
    for (const [at, { vcpusPerThread, rack }] of hosts.entries()) {
      const host = this.cloud.host(`h${at}`)
      this.put({ ...host, labels: { rack: `r${rack}` }, spec: { ...host.spec, vcpusPerThread } })
    }
    this.heal(healing)
    this.hear()
  }

  /** Sets the reserve. */
  heal(healing: Healing): void {
    const { cloud } = this.cloud.view
    const change: Change = { op: 'cloud-put', cloud: { ...cloud!, healing } }
    this.cloud.commit({ changes: [change], decisions: [] })
  }

  put(resource: Host | Instance): void {
    this.cloud.commit({ changes: [{ op: 'put', resource }], decisions: [] })
  }

  /** All that were not lost are heard again. */
  hear(lost: readonly string[] = []): void {
    for (const at of this.#hosts.keys()) if (!lost.includes(`h${at}`)) this.report(at)
  }

  report(at: number, failed: readonly string[] = []): void {
    const { memoryMib, lxc } = this.#hosts[at]!
    this.#reports += 1
    const pools: Report['pools'] = ['local', 'far', 'near'].map(name => ({
      name,
      phase: failed.includes(name) ? 'failed' : 'ready',
      message: '',
      capacityMib: 10_000,
      freeMib: 9_000
    }))
    this.cloud.report(`h${at}`, {
      number: this.#reports,
      pools,
      facts: {
        ...sampleFacts(`h${at}`, memoryMib),
        drivers: lxc ? ['qemu', 'lxc'] : ['qemu']
      },
      migration: { uri: 'qemu+tls://h/system', address: 'h', folder: '/f' }
    })
  }

  /** Time passes in which these say nothing. */
  pass(ms: number, silent: readonly string[]): void {
    const { monotonic, wall } = this.cloud.context.now
    Object.assign(this.cloud.context, { now: { monotonic: monotonic + ms, wall: wall + ms } })
    this.cloud.view.fold({ type: 'turn', at: this.cloud.context.now })
    this.hear(silent)
  }

  /** The wish for one more instance. */
  wish(random: RandomInstance): Intent {
    this.#instances += 1
    const image = random.type === 'vm' ? 'tiny' : 'tiny-container'
    return instanceIntent(`i${this.#instances}`, { ...random, image })
  }

  /** An instance by a number that chance gives; undefined: there is none. */
  instance(number: number): Instance | undefined {
    const all = [...this.cloud.view.all('instance').values()]
    return all.length === 0 ? undefined : all[number % all.length]
  }

  /** The name of a volume that nobody uses, in one of the pools; undefined now and then. */
  volume(number: number): string | undefined {
    if (number % 4 === 0) return undefined
    this.#instances += 1
    const name = `v${this.#instances}`
    const spec = wishOf('volume', { pool: number % 4 === 1 ? 'near' : 'far', sizeMib: 64 })
    this.cloud.done({ verb: 'create', kind: 'volume', name, spec })
    return name
  }

  hostAt(number: number): Host {
    return this.cloud.host(`h${number % this.#hosts.length}`)
  }

  /** What comes of a wish if there were no reserve; undefined: it is refused all the same. */
  unreserved(intent: Intent): Admitted | undefined {
    const healing = this.cloud.view.cloud?.healing ?? {}
    this.heal({})
    const verdict = this.cloud.judged(intent)
    this.heal(healing)
    return isRefusal(verdict) ? undefined : verdict
  }

  /** Decides until nothing is left to decide. */
  decide(): void {
    for (let round = 0; round < 20; round += 1) if (decidedBy(this.cloud).length === 0) return
  }
}
