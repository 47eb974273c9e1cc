/** A roll to another version of the host image, over hosts that boot what they are told to. */
import test from 'ava'
import type { ResourceDocument } from '#shared/model/index.ts'
import { bootOf, first, manifestOf, second } from '../../controller/core/boot/boot-world.ts'
import { type FakeAnswer, FakeApi } from '../../world/fake-api.ts'
import { typeLine } from './type-line.ts'

const third = '3'.repeat(16)

/** How the boot of a host ends with a version. */
type Ending = 'joined' | 'late' | 'failed' | 'fallback' | 'other'

/** Hosts that are empty, have a fence device, and boot at once. */
class BootingHosts {
  readonly api: FakeApi
  readonly promoted: string[] = []
  /** How a pin of a host to something is refused; undefined: it is taken. */
  refuses: (name: string, image: unknown) => FakeAnswer | undefined = () => undefined
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
    api.intercept = asked => this.#answer(asked)
  }

  image(name: string): unknown {
    return this.#host(name).spec['image']
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
    this.#number += 1
    if (ending === 'late') {
      // As often as that it did not boot what it was to boot before this.
      const had = { uuid: `uuid-${name}`, name, boot: `b-${this.#number}`, failures: 3 }
      this.#boots.set(name, { ...bootOf('dhcp', had), bootd: 'c1' })
      this.#asks = () => this.#boot(name, wished, 'joined')
      return
    }
    const version = ending === 'other' ? first : wished
    this.#boots.set(name, {
      ...bootOf(ending === 'failed' ? 'failed' : 'joined', {
        ...{ uuid: `uuid-${name}`, name, boot: `b-${this.#number}`, version },
        ...(ending === 'failed' && { because: 'it hangs', failures: 1 }),
        isFallback: ending === 'fallback'
      }),
      bootd: 'c1'
    })
    const { bootId: _, ...status } = this.#host(name).status
    const isBack = ending === 'joined' || ending === 'other'
    this.#put(name, { status: { ...status, ...(isBack && { bootId: `b-${this.#number}` }) } })
  }

  #answer({ method, path, body }: FakeApi['asked'][number]): FakeAnswer | undefined {
    if (path === '/v1/cluster') return { status: 200, body: { candidates: [], ensemble: [] } }
    if (path === '/v1/boots') {
      const seen = [...this.#boots.values()]
      this.#asks?.()
      this.#asks = undefined
      return list(seen)
    }
    if (path === '/v1/host-images') {
      const more = { role: 'none', bootds: ['c1'], problems: [], wanted: [], running: [] }
      const broken = { ...more, bootds: [], problems: ['c1: vmlinuz is cut short'] }
      return list([
        { ...manifestOf(first), ...more },
        { ...manifestOf(second), ...more },
        { ...manifestOf(third), ...broken }
      ])
    }
    const promoted = /^\/v1\/host-images\/(\w+)\/promote$/.exec(path)?.[1]
    if (promoted !== undefined) {
      this.promoted.push(promoted)
      return { status: 200, body: {} }
    }
    const [, name, verb] = /^\/v1\/hosts\/(h\d)(?:\/(\w+))?$/.exec(path) ?? []
    if (name === undefined || method === 'GET') return undefined
    const said = JSON.parse(body.toString() || '{}') as { readonly spec?: { image?: unknown } }
    const refused = verb === undefined ? this.refuses(name, said.spec?.image) : undefined
    return refused ?? { status: 200, body: this.#do(name, verb ?? 'patch', said) }
  }

  #do(name: string, verb: string, said: { readonly spec?: object }): ResourceDocument {
    const duty = { state: 'maintenance', total: 0, done: 0, instances: [] }
    const { status, spec } = this.#host(name)
    if (verb === 'drain')
      return this.#put(name, { status: { ...status, phase: 'maintenance', duty } })
    if (verb === 'resume') {
      const { duty: _, ...rest } = status
      return this.#put(name, { status: { ...rest, phase: 'online' } })
    }
    if (verb === 'reboot') this.#boot(name, String(spec['image']), this.#endings[name]!)
    if (verb === 'power') this.#boot(name, first, 'joined')
    if (verb === 'patch') {
      const kept = Object.entries({ ...spec, ...said.spec }).filter(([, value]) => value !== null)
      this.api.resources.put({ kind: 'host', name }, { spec: Object.fromEntries(kept) })
    }
    return this.#host(name)
  }
}

const list = (items: readonly object[]): FakeAnswer => ({
  status: 200,
  body: { kind: 'list', items }
})

const verbs = (api: FakeApi): readonly string[] =>
  api.asked
    .filter(({ method, path }) => method !== 'GET' && path.startsWith('/v1/hosts/'))
    .map(({ method, path }) =>
      (method === 'PATCH' ? `${path}/patch` : path).slice('/v1/hosts/'.length)
    )

test('what a machine did not boot before the roll is no failure of the roll', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'late', h2: 'joined' })
  const { code, errors } = await typeLine('host roll --image 2', { server: api.url })
  t.is(code, 0, errors)
  t.deepEqual(hosts.promoted, [second])
})

test('hosts boot the version one after another, and then it becomes the current one', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'joined', h2: 'joined' })
  const { code, output, errors } = await typeLine('host roll --image 2', { server: api.url })
  t.is(code, 0, errors)
  t.regex(output, /h1 has booted image 2{16} .*h2 has booted image 2{16} /s)
  t.regex(output, /2 hosts in/)
  const one = (name: string) =>
    ['drain', 'patch', 'reboot', 'resume'].map(verb => `${name}/${verb}`)
  t.deepEqual(verbs(api), [...one('h1'), ...one('h2'), 'h1/patch', 'h2/patch'])
  t.deepEqual(hosts.promoted, [second])
  t.deepEqual([hosts.image('h1'), hosts.image('h2')], [undefined, undefined], 'needs no pins')
})

for (const [ending, because] of [
  ['failed', /host does not boot image 2{16}.*it hangs/s],
  ['fallback', /host does not boot image 2{16}/],
  ['other', /host h1 runs image 1{16}.*it was to boot 2{16}/s]
] as const) {
  test(`at a boot that ends as "${ending}" a roll ends, and its host boots as before`, async t => {
    t.timeout(120_000)
    await using api = await FakeApi.start()
    const hosts = new BootingHosts(api, { h1: ending, h2: 'joined' })
    const { code, errors } = await typeLine('host roll --image 2 --back', { server: api.url })
    t.is(code, 4, errors)
    t.regex(errors, because)
    t.regex(errors, /h1 is back with the image that it had/)
    t.regex(errors, /0 of 2 hosts are done, 1 not begun: h2/)
    t.regex(errors, /remuda host resume h1 && remuda host roll h1 h2 --back --image 2/)
    t.deepEqual(verbs(api), ['h1/drain', 'h1/patch', 'h1/reboot', 'h1/patch', 'h1/power'])
    t.is(hosts.image('h1'), undefined)
    t.deepEqual(hosts.promoted, [], 'no broken version becomes the current one')
  })
}

const unheard: FakeAnswer = {
  status: 503,
  body: { code: 'unavailable', detail: 'cannot have host boot it: no bootd is heard' }
}
const stale: FakeAnswer = { status: 409, body: { code: 'conflict', detail: 'not now' } }

test('pins that cannot be taken back keep none of the others, and are told', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'joined', h2: 'joined', h3: 'failed' })
  api.resources.put({ kind: 'host', name: 'h1' }, { spec: { image: third } })
  hosts.refuses = (name, image) => {
    if (name === 'h1' && image === third) return unheard
    return name === 'h2' && image === null ? stale : undefined
  }
  const { code, errors } = await typeLine('host roll --image 2 --back', { server: api.url })
  t.is(code, 4, errors)
  t.regex(errors, /h1 was pinned to image 3{16}, and gets the current one: .*no bootd is heard/)
  t.regex(errors, /h2 is still pinned as in this roll: .*not now/)
  t.regex(errors, /h3 is back with the image that it had/)
  t.is(hosts.image('h1'), undefined)
  t.is(hosts.image('h2'), second)
  t.is(hosts.image('h3'), undefined)
})

test('a host that stays pinned to what has failed is not booted anew', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'failed' })
  hosts.refuses = (_, image) => (image === null ? stale : undefined)
  const { code, errors } = await typeLine('host roll --image 2', { server: api.url })
  t.is(code, 4, errors)
  t.regex(errors, /h1 is not booted anew.*h1 is still pinned as in this roll: .*not now/s)
  t.false(verbs(api).includes('h1/power'))
})

test('a pin that stays once the version is the current one is told', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'joined', h2: 'joined' })
  hosts.refuses = (name, image) => (name === 'h1' && image === null ? stale : undefined)
  const { code, errors } = await typeLine('host roll --image 2', { server: api.url })
  t.is(code, 4, errors)
  t.deepEqual(hosts.promoted, [second])
  t.regex(errors, /image 2{16} is the current one, but hosts are still pinned/)
  t.regex(errors, /h1 is still pinned as in this roll: .*not now/)
  t.deepEqual([hosts.image('h1'), hosts.image('h2')], [second, undefined])
})

for (const [what, line, code, says] of [
  ['nobody has', 'host roll --image 9', 3, /no one version begins "9"/],
  ['nobody can serve', 'host roll --image 3', 4, /no bootd can serve it.*vmlinuz is cut short/s]
] as const) {
  test(`a roll to a version that ${what} begins with no host`, async t => {
    await using api = await FakeApi.start()
    new BootingHosts(api, { h1: 'joined' })
    const typed = await typeLine(line, { server: api.url })
    t.is(typed.code, code, typed.errors)
    t.regex(typed.errors, says)
    t.deepEqual(verbs(api), [])
  })
}
