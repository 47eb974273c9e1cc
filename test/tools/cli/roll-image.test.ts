/** A roll to another version of the host image, over hosts that boot what they are told to. */
import test from 'ava'
import { second } from '../../controller/core/boot/boot-world.ts'
import { type FakeAnswer, FakeApi, problem } from '../../world/fake-api.ts'
import { BootingHosts, stale, third, verbs } from './booting-hosts.ts'
import { typeLine } from './type-line.ts'

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
  ['failed', /host h1 does not boot image 2{16}.*it hangs/s],
  ['fallback', /host h1 does not boot image 2{16}/],
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

test('a host that could not be pinned is not emptied for it', async t => {
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'joined', h2: 'joined' })
  const detail = 'cannot have host h1 boot image 2: the bootd of c2 lacks it'
  hosts.refuses = () => problem(409, 'conflict', detail)
  const { code, errors } = await typeLine('host roll --image 2', { server: api.url })
  t.is(code, 4, errors)
  t.regex(errors, /the bootd of c2 lacks it/)
  t.regex(errors, /0 of 2 hosts are done/)
  t.false(verbs(api).includes('h1/drain'))
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
