import test, { type ExecutionContext } from 'ava'
import type { FenceState } from '#shared/wire/fence.ts'
import { documentOf } from '../../../controller/core/documents.ts'
import { fenceOrdersOf } from '../../../controller/core/fence-orders.ts'
import { decidedBy, instanceIntent, sampleCloud, wishOf } from '../../world/sample-cloud.ts'

/** Three hosts with a switch each, a shared pool, and an instance on h1. */
class Rack {
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
  said(name: string, verdict: 'off-confirmed' | 'unknown', fence?: string): void {
    const { uuid, recovery } = this.cloud.host(name).decided
    const at = new Date(this.cloud.context.now.wall).toISOString()
    const id = fence ?? recovery?.id ?? ''
    const state: FenceState = {
      ...{ host: uuid, name, want: 'off', fence: id, epoch: 1, phase: 'proven', since: at },
      ...{ attempt: 1, level: 1, story: ['it was switched off'], devices: [] },
      verdict: { verdict, fence: id, epoch: 1, at, tookMs: 10, because: 'read off twice' }
    }
    this.cloud.view.fold({ type: 'fences', states: [state], at: this.cloud.context.now })
  }

  host(instance = 'web'): string | undefined {
    return this.cloud.view.named('instance', instance, 'default')?.decided.host
  }

  phase(name: string): unknown {
    const { view, host, context } = this.cloud
    return documentOf(view, host(name), context.now).status['phase']
  }

  message(name: string): string {
    const { view, host, context } = this.cloud
    return documentOf(view, host(name), context.now).conditions[0]?.message ?? ''
  }
}

const lost = (t: ExecutionContext, rack: Rack): void => {
  t.is(rack.host(), 'h1')
  rack.pass(2_000, ['h2', 'h3'])
  t.deepEqual(rack.decide(), [], 'too early')
  rack.pass(1_000, ['h2', 'h3'])
}

test('a host that peers miss too is fenced, and its instances move once it is proven off', t => {
  const rack = new Rack()
  lost(t, rack)
  t.is(rack.phase('h1'), 'suspect')
  t.deepEqual(rack.decide(), ['fencing'])
  t.is(rack.phase('h1'), 'fencing')
  const [order] = fenceOrdersOf(rack.cloud.view, 1)
  t.is(order?.want, 'off')
  t.is(order?.fence, rack.cloud.host('h1').decided.recovery?.id)
  rack.pass(60_000, ['h2', 'h3'])
  t.deepEqual(rack.decide(), [], 'silence, however long, is no proof')
  rack.said('h1', 'unknown')
  t.deepEqual(rack.decide(), [])
  rack.said('h1', 'off-confirmed', 'another-fence')
  t.deepEqual(rack.decide(), [], 'what was found in another fence is no proof')
  rack.said('h1', 'off-confirmed')
  t.deepEqual(rack.decide(), ['fenced', 'evacuated', 'evacuated', 'placed'])
  t.regex(rack.host() ?? '', /^h[23]$/)
  t.is(fenceOrdersOf(rack.cloud.view, 1)[0]?.want, 'on', 'its power may come back')
})

test('who is back with another boot is in use again; with the same one the proof was wrong', t => {
  for (const bootId of ['boot', 'boot-2']) {
    const rack = new Rack()
    lost(t, rack)
    rack.decide()
    rack.said('h1', 'off-confirmed')
    rack.decide()
    rack.pass(4_000, ['h1', 'h2', 'h3'], { bootId })
    const verbs = rack.decide()
    t.is(verbs[0], bootId === 'boot' ? 'fence-lied' : 'host-back')
    t.is(rack.phase('h1'), bootId === 'boot' ? 'maintenance' : 'online')
    t.is(rack.cloud.host('h1').decided.recovery, undefined)
  }
})

test('who speaks again before the proof is not fenced, and nothing has moved', t => {
  const rack = new Rack()
  lost(t, rack)
  rack.decide()
  rack.pass(500)
  t.deepEqual(rack.decide(), ['fence-withdrawn'])
  t.is(rack.host(), 'h1')
  t.is(fenceOrdersOf(rack.cloud.view, 1)[0]?.want, 'watch')
})

test('nobody is fenced when too many are missing, when disarmed, or without a device', t => {
  const many = new Rack()
  many.pass(3_000, ['h3'])
  t.deepEqual(many.decide(), [])
  t.regex(many.message('h1'), /2 of 3 hosts are missing at once, more than 33 %/)

  const disarmed = new Rack()
  const { cloud } = disarmed.cloud.view
  const healing = { disarmed: { at: 'noon', by: 'user/ann', because: 'new switch' } }
  disarmed.cloud.commit({
    changes: [{ op: 'cloud-put', cloud: { ...cloud!, healing } }],
    decisions: []
  })
  lost(t, disarmed)
  t.deepEqual(disarmed.decide(), [])
  t.regex(disarmed.message('h1'), /disarmed since noon by user\/ann: new switch; remuda ha arm/)

  const bare = new Rack({}, { fence: [] })
  lost(t, bare)
  t.deepEqual(bare.decide(), [])
  t.regex(bare.message('h1'), /no fence device.*remuda host confirm-off h1/)
  bare.pass(3_000, ['h2', 'h3'])
  bare.cloud.done({ verb: 'confirm-off', id: bare.cloud.host('h1').id })
  t.deepEqual(bare.decide(), ['evacuated', 'evacuated', 'placed'])
})

test('a host that peers reach is not fenced, nor one whose machine says its agent ended', t => {
  const rack = new Rack()
  const peers = [{ host: rack.cloud.host('h1').decided.uuid, reached: true, ageMs: 0 }]
  rack.pass(30_000, ['h2', 'h3'], { peers })
  t.deepEqual(rack.decide(), [])
  const sign = 'refuses' as const
  rack.pass(30_000, ['h2', 'h3'], { peers: [{ ...peers[0], reached: false, sign }] })
  t.deepEqual(rack.decide(), [])
  const hung = [{ ...peers[0], reached: false, sign: 'accepts' as const }]
  rack.pass(500, ['h2', 'h3'], { peers: hung })
  t.deepEqual(rack.decide(), ['fencing'], 'a machine that only takes calls is hung after a while')
})

test('a controller that has not listened for a while fences nobody for the silence', t => {
  const rack = new Rack()
  const { monotonic, wall } = rack.cloud.context.now
  const now = { monotonic: monotonic + 10_000, wall: wall + 10_000 }
  Object.assign(rack.cloud.context, { now })
  rack.cloud.view.fold({ type: 'turn', at: now })
  rack.pass(0, ['h2', 'h3'])
  t.deepEqual(rack.decide(), [])
  t.not(rack.phase('h1'), 'suspect')
  rack.pass(3_000, ['h2', 'h3'])
  t.deepEqual(rack.decide(), ['fencing'])
})

test('what only the dead host holds waits for it, and says why', t => {
  for (const [spec, why] of [
    [{ pool: 'local' }, /its volume web-root.* is in pool local, which only that host sees/],
    [{ highlyAvailable: false }, /not highly available/]
  ] as const) {
    const rack = new Rack(spec)
    lost(t, rack)
    rack.decide()
    rack.said('h1', 'off-confirmed')
    t.deepEqual(rack.decide(), ['fenced'])
    t.is(rack.host(), 'h1')
    const { view, context } = rack.cloud
    const web = view.named('instance', 'web', 'default')!
    const ready = documentOf(view, web, context.now).conditions.at(-1)
    t.is(ready?.reason, 'host-off')
    t.regex(ready?.message ?? '', why)
  }
})
