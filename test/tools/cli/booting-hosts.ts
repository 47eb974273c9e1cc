/** Hosts that boot what they are told to, behind a fake of the API, for tests of rolls. */
import type { ResourceDocument } from '#shared/model/index.ts'
import { bootOf, first, manifestOf, second } from '../../controller/core/boot/boot-world.ts'
import { type FakeAnswer, type FakeApi, problem } from '../../world/fake-api.ts'

/** A version that no bootd has whole. */
export const third = '3'.repeat(16)
/** Refuses whatever was asked. */
export const stale: FakeAnswer = problem(409, 'conflict', 'not now')

/**
 * How the boot of a host ends with a version; `slow`: it has not begun at the first look;
 * `unsaid`: no boots are told of for a moment; `unheard`: bootd went by an older plan.
 */
export type Ending =
  | 'joined'
  | 'late'
  | 'slow'
  | 'unsaid'
  | 'hangs'
  | 'failed'
  | 'fallback'
  | 'other'
  | 'unheard'

type Asked = FakeApi['asked'][number]

/** Hosts that are empty, have a fence device, and boot at once. */
export class BootingHosts {
  readonly api: FakeApi
  readonly promoted: string[] = []
  /** How a pin of a host to something is refused; undefined: it is taken. */
  refuses: (name: string, image: unknown) => FakeAnswer | undefined = () => undefined
  /** How a verb is refused; undefined: it is done. */
  refusesVerb: (name: string, verb: string) => FakeAnswer | undefined = () => undefined
  /** How the drain of a host goes; `later`: until `empty` is called. */
  drains: (name: string) => 'done' | 'stuck' | 'later' = () => 'done'
  /** How a promotion is refused; undefined: it is done. */
  refusesPromotion: FakeAnswer | undefined
  /** What hosts without a pin are given, which is what they ran before if it is left out. */
  current: string | undefined
  /** Sees whatever is asked, before it is answered. */
  onAsked: (asked: Asked) => void = () => {}
  /** At so many looks from now on nobody has told of any boot. */
  unsaid = 0
  /** Hosts that do not come back when their power is cycled. */
  readonly dead = new Set<string>()
  readonly #endings: Readonly<Record<string, Ending>>
  readonly #boots = new Map<string, object>()
  #number = 0
  /** What comes of a machine that has not asked yet what to boot, once it was looked at. */
  #asks: (() => void) | undefined

  constructor(api: FakeApi, endings: Readonly<Record<string, Ending>>) {
    this.api = api
    this.#endings = endings
    for (const name of Object.keys(endings)) this.#put(name, { status: { phase: 'online' } })
    for (const name of Object.keys(endings)) this.#boot(name, first, 'joined')
    api.intercept = asked => {
      this.onAsked(asked)
      return this.#answer(asked)
    }
  }

  image(name: string): unknown {
    return this.#host(name).spec['image']
  }

  /** Pins a host, as an operator or another roll does. */
  pin(name: string, image: string): void {
    this.api.resources.put({ kind: 'host', name }, { spec: { ...this.#host(name).spec, image } })
  }

  /** Has booted the version before instead of the one that it was to, and has joined. */
  fellBack(name: string): void {
    this.#boot(name, first, 'fallback')
  }

  /** Has nothing on it any more. */
  empty(name: string): void {
    const { status } = this.#host(name)
    const duty = { state: 'maintenance', total: 1, done: 1, instances: [] }
    this.#put(name, { status: { ...status, phase: 'maintenance', duty } })
  }

  #host(name: string): ResourceDocument {
    return this.api.resources.find({ kind: 'host', name })!
  }

  #put(name: string, parts: Pick<ResourceDocument, 'status'>): ResourceDocument {
    const before = this.api.resources.find({ kind: 'host', name })
    const conditions = [
      { type: 'libvirt', status: 'true', message: '', since: '2026-11-20T10:00:00.000Z' }
    ] as unknown as ResourceDocument['conditions']
    return this.api.resources.put(
      { kind: 'host', name },
      {
        spec: { fence: [{ devices: [{}] }], ...before?.spec },
        conditions,
        status: { uuid: `uuid-${name}`, bootId: before?.status['bootId'] ?? 'b', ...parts.status }
      }
    )
  }

  #boot(name: string, wished: string, ending: Ending): void {
    if (ending === 'slow') {
      this.#asks = () => this.#boot(name, wished, 'joined')
      return
    }
    this.#number += 1
    if (ending === 'late') {
      // As often as that it did not boot what it was to boot before this.
      const had = { uuid: `uuid-${name}`, name, boot: `b-${this.#number}`, failures: 3 }
      this.#boots.set(name, { ...bootOf('dhcp', had), bootd: 'c1' })
      this.#asks = () => this.#boot(name, wished, 'joined')
      return
    }
    if (ending === 'unsaid') this.unsaid = 2
    const version = ending === 'other' || ending === 'unheard' ? first : wished
    const stage = ending === 'failed' ? 'failed' : ending === 'hangs' ? 'kernel' : 'joined'
    this.#boots.set(name, {
      ...bootOf(stage, {
        ...{ uuid: `uuid-${name}`, name, boot: `b-${this.#number}`, version },
        wish: `image ${ending === 'unheard' ? first : wished}`,
        ...(ending === 'failed' && { because: 'it hangs', failures: 1 }),
        isFallback: ending === 'fallback'
      }),
      bootd: 'c1'
    })
    const { bootId: _, ...status } = this.#host(name).status
    const isBack = ['joined', 'unsaid', 'other', 'unheard'].includes(ending)
    this.#put(name, { status: { ...status, ...(isBack && { bootId: `b-${this.#number}` }) } })
  }

  #answer({ method, path, query, body }: Asked): FakeAnswer | undefined {
    if (path === '/v1/cluster') return { status: 200, body: { candidates: [], ensemble: [] } }
    if (path === '/v1/boots') return this.#told()
    if (path === '/v1/host-images') {
      const more = { role: 'none', bootds: ['c1'], problems: [], wanted: [], running: [] }
      const broken = { ...more, bootds: [], problems: ['c1: vmlinuz is cut short'] }
      return list([
        { ...manifestOf(first), ...more },
        { ...manifestOf(second), ...more, ...(this.current === second && { role: 'current' }) },
        { ...manifestOf(third), ...broken }
      ])
    }
    const promoted = /^\/v1\/host-images\/(\w+)\/promote$/.exec(path)?.[1]
    if (promoted !== undefined) {
      if (this.refusesPromotion) return this.refusesPromotion
      this.promoted.push(promoted)
      return { status: 200, body: {} }
    }
    const [, name, verb] = /^\/v1\/hosts\/(h\d)(?:\/([\w-]+))?$/.exec(path) ?? []
    if (name === undefined || method === 'GET') return undefined
    const said = JSON.parse(body.toString() || '{}') as { readonly spec?: { image?: unknown } }
    const refused =
      verb === undefined ? this.refuses(name, said.spec?.image) : this.refusesVerb(name, verb)
    if (!refused && query.get('dryRun') === '1') {
      return { status: 200, body: { dryRun: true, changed: true, resource: this.#host(name) } }
    }
    return refused ?? { status: 200, body: this.#do(name, verb ?? 'patch', said) }
  }

  #told(): FakeAnswer {
    if (this.unsaid > 0) {
      this.unsaid -= 1
      return list([])
    }
    const seen = [...this.#boots.values()]
    this.#asks?.()
    this.#asks = undefined
    return list(seen)
  }

  #do(name: string, verb: string, said: { readonly spec?: object }): ResourceDocument {
    const { status, spec } = this.#host(name)
    if (verb === 'drain') this.#drain(name)
    if (verb === 'resume') {
      const { duty: _, ...rest } = status
      return this.#put(name, { status: { ...rest, phase: 'online' } })
    }
    if (verb === 'reboot') this.#boot(name, String(spec['image']), this.#endings[name]!)
    if (verb === 'power' && !this.dead.has(name)) {
      this.#boot(name, String(spec['image'] ?? this.current ?? first), 'joined')
    }
    if (verb === 'patch') {
      const kept = Object.entries({ ...spec, ...said.spec }).filter(([, value]) => value !== null)
      this.api.resources.put({ kind: 'host', name }, { spec: Object.fromEntries(kept) })
    }
    return this.#host(name)
  }

  #drain(name: string): void {
    const goes = this.drains(name)
    if (goes === 'done') {
      this.empty(name)
      return
    }
    const state = goes === 'stuck' ? 'held' : 'leaving'
    const because = 'none of 3 hosts can take it'
    const instances = [{ tenant: 'default', name: 'db', state, because }]
    const duty = { state: 'draining', total: 1, done: 0, instances }
    this.#put(name, { status: { ...this.#host(name).status, phase: 'draining', duty } })
  }
}

const list = (items: readonly object[]): FakeAnswer => ({
  status: 200,
  body: { kind: 'list', items }
})

/** What was asked of hosts, such as `h1/drain`, in order. */
export const verbs = (api: FakeApi): readonly string[] =>
  api.asked
    .filter(({ method, path }) => method !== 'GET' && path.startsWith('/v1/hosts/'))
    .filter(({ query }) => query.get('dryRun') === null)
    .map(({ method, path }) =>
      (method === 'PATCH' ? `${path}/patch` : path).slice('/v1/hosts/'.length)
    )
