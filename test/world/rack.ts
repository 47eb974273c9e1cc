/** A rack of three hosts in a view, of which a test lets some be heard and time pass. */
import type { FenceState } from '#shared/wire/fence.ts'
import { documentOf } from '../../controller/core/documents.ts'
import { decidedBy, instanceIntent, sampleCloud, wishOf } from './sample-cloud.ts'

/** Three hosts with a switch each, a shared pool, and an instance on h1. */
export class Rack {
  readonly cloud = sampleCloud({
    h1: { memoryMib: 8_192 },
    h2: { memoryMib: 4_608 },
    h3: { memoryMib: 4_608 }
  })
  #number = 10

  constructor(spec: object = {}, hosts: object = {}) {
    const { cloud } = this
    const pool = wishOf('pool', { path: '/shared', shared: true })
    cloud.done({ verb: 'create', kind: 'pool', name: 'far', spec: pool })
    for (const name of ['h1', 'h2', 'h3']) {
      const host = cloud.host(name)
      const devices = [{ type: 'lab', socket: '/run/keeper.sock', host: name }]
      const wish = { ...host.spec, fence: [{ devices }], ...hosts }
      cloud.done({ verb: 'change', kind: 'host', id: host.id, labels: {}, spec: wish })
    }
    this.pass(0)
    cloud.done(instanceIntent('web', { pool: 'far', ...spec }))
    this.decide()
  }

  /** Time passes; only these hosts are heard in it, and miss all others. */
  pass(ms: number, heard: readonly string[] = ['h1', 'h2', 'h3'], changes: object = {}): void {
    const { cloud } = this
    for (let left = ms; left >= 0; left -= 500) {
      const by = Math.min(500, left)
      const { monotonic, wall } = cloud.context.now
      Object.assign(cloud.context, { now: { monotonic: monotonic + by, wall: wall + by } })
      cloud.view.fold({ type: 'turn', at: cloud.context.now })
      for (const name of heard) this.#report(name, heard, changes)
      if (left === 0) break
    }
  }

  #report(name: string, heard: readonly string[], changes: object): void {
    const pools = ['local', 'far'].map(pool => ({
      ...{ name: pool, phase: 'ready' as const, message: '' },
      ...{ capacityMib: 10_000, freeMib: 9_000 }
    }))
    const peers = ['h1', 'h2', 'h3']
      .filter(peer => peer !== name)
      .map(peer => ({
        host: this.cloud.host(peer).decided.uuid,
        reached: heard.includes(peer),
        ageMs: 0
      }))
    this.#number += 1
    this.cloud.report(name, { number: this.#number, pools, peers, ...changes })
  }

  decide(): readonly string[] {
    const verbs: string[] = []
    for (let round = 0; round < 5; round += 1) {
      const commits = decidedBy(this.cloud)
      if (commits.length === 0) return verbs
      verbs.push(...commits.flatMap(({ decisions }) => decisions.map(one => one.verb)))
    }
    return verbs
  }

  /** What bootd says of the fence of a host. */
  said(name: string, verdict: 'off-confirmed' | 'unknown', fence?: string, level = 1): void {
    const { uuid, recovery } = this.cloud.host(name).decided
    const at = new Date(this.cloud.context.now.wall).toISOString()
    const id = fence ?? recovery?.id ?? ''
    const state: FenceState = {
      ...{ host: uuid, name, want: 'off', fence: id, epoch: 1, phase: 'proven', since: at },
      ...{ attempt: 1, level, story: ['it was switched off'] },
      devices: this.cloud.view.fence(name)?.devices ?? [],
      verdict: { verdict, fence: id, epoch: 1, at, tookMs: 10, because: 'read off twice' }
    }
    this.cloud.view.fold({ type: 'fences', states: [state], at: this.cloud.context.now })
  }

  /** What bootd says of the devices of a host that it only watches. */
  saidDevices(name: string, devices: FenceState['devices']): void {
    const { uuid } = this.cloud.host(name).decided
    const since = new Date(this.cloud.context.now.wall).toISOString()
    const state: FenceState = {
      ...{ host: uuid, name, want: 'watch', epoch: 1, phase: 'idle', since },
      ...{ attempt: 0, level: 0, story: [], devices }
    }
    this.cloud.view.fold({ type: 'fences', states: [state], at: this.cloud.context.now })
  }

  host(instance = 'web'): string | undefined {
    return this.cloud.view.named('instance', instance, 'default')?.decided.host
  }

  phase(name: string): unknown {
    return this.status(name)['phase']
  }

  status(name: string): Readonly<Record<string, unknown>> {
    const { view, host, context } = this.cloud
    return documentOf(view, host(name), context.now).status
  }

  message(name: string): string {
    const { view, host, context } = this.cloud
    return documentOf(view, host(name), context.now).conditions[0]?.message ?? ''
  }
}
