/** What becomes of the pins of a roll that ends early, and of those of an earlier roll. */
import test from 'ava'
import { first, second } from '../../controller/core/boot/boot-world.ts'
import { FakeApi } from '../../world/fake-api.ts'
import { BootingHosts, stale, third, verbs } from './booting-hosts.ts'
import { typeLine } from './type-line.ts'

const none = [undefined, undefined, undefined, undefined]

test('hosts stay pinned after a drain that is stuck, until the next roll is done', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const endings = { h1: 'joined', h2: 'joined', h3: 'joined', h4: 'joined' } as const
  const names = Object.keys(endings)
  const hosts = new BootingHosts(api, endings)
  hosts.pin('h2', third)
  hosts.drains = name => (name === 'h3' ? 'stuck' : 'done')
  const { code, errors } = await typeLine('host roll --image 2', { server: api.url })
  t.is(code, 1, errors)
  t.regex(errors, /cannot drain host h3: 1 instance has nowhere to go/)
  t.regex(errors, /h1, h2 stay pinned to image 2{16}, and boot it whatever is promoted/)
  t.regex(errors, /to go on: remuda host resume h3 && remuda host roll h3 h4 --image 2/)
  const set = 'remuda host set h1 --image none && remuda host set h2 --image 3{16}'
  t.regex(errors, new RegExp(`to undo: ${set} && remuda host roll h1 h2 --reboot`))
  t.deepEqual(names.map(hosts.image.bind(hosts)), [second, second, undefined, undefined])
  t.deepEqual(hosts.promoted, [])

  hosts.drains = () => 'done'
  await typeLine('host resume h3', { server: api.url })
  const again = await typeLine('host roll h3 h4 --image 2', { server: api.url })
  t.is(again.code, 0, again.errors)
  t.deepEqual(hosts.promoted, [second])
  t.deepEqual(names.map(hosts.image.bind(hosts)), none, 'of the earlier roll, too')
  t.regex(again.output, /image 2{16} is the current one; no longer pinned: h1, h2, h3, h4/)
})

test('a boot that fails takes back the pins of earlier rolls, too', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'joined', h2: 'joined', h3: 'failed', h4: 'joined' })
  for (const name of ['h1', 'h3']) hosts.pin(name, second)
  const { code, errors } = await typeLine('host roll h2 h3 h4 --image 2', { server: api.url })
  t.is(code, 4, errors)
  t.regex(errors, /h1, h2 boot what they had at their next boot/)
  t.regex(errors, /remuda host roll h1 h2 --reboot/)
  t.deepEqual(['h1', 'h2', 'h3', 'h4'].map(hosts.image.bind(hosts)), none)
})

test('hosts of which nobody says whether they are pinned are spoken of as such', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'joined', h2: 'failed' })
  const answer = api.intercept
  let lists = 0
  api.intercept = asked => {
    if (asked.path === '/v1/hosts' && ++lists > 1) return stale
    return answer(asked)
  }
  const { code, errors } = await typeLine('host roll --image 2', { server: api.url })
  t.is(code, 4, errors)
  t.regex(errors, /other hosts may be pinned to image 2{16}: cannot list hosts: not now/)
  t.deepEqual([hosts.image('h1'), hosts.image('h2')], [undefined, undefined])
})

test('a boot that is interrupted goes on, and hosts stay pinned', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'joined', h2: 'hangs', h3: 'joined' })
  const stop = new AbortController()
  hosts.onAsked = ({ path }) => path === '/v1/hosts/h2/reboot' && setTimeout(() => stop.abort(), 50)
  const options = { server: api.url, interrupted: stop.signal }
  const { code, errors } = await typeLine('host roll --image 2', options)
  t.is(code, 130, errors)
  t.false(verbs(api).includes('h2/power'), 'it stays as it is')
  t.regex(errors, /h1, h2 stay pinned to image 2{16}/)
  t.regex(errors, /to go on: remuda host resume h2 && remuda host roll h2 h3 --image 2/)
  t.deepEqual([hosts.image('h1'), hosts.image('h2')], [second, second])
})

test('a roll that is interrupted between two hosts makes nothing the current version', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'joined', h2: 'joined' })
  const stop = new AbortController()
  hosts.onAsked = ({ path }) => {
    if (path === '/v1/cluster' && verbs(api).includes('h1/resume')) stop.abort()
  }
  const options = { server: api.url, interrupted: stop.signal }
  const { code, errors } = await typeLine('host roll --image 2', options)
  t.is(code, 130, errors)
  t.deepEqual(hosts.promoted, [])
  t.regex(errors, /1 of 2 hosts are done, 1 not begun: h2/)
  t.regex(errors, /h1 stays pinned to image 2{16}/)
  t.regex(errors, /to go on: remuda host roll h2 --image 2/)
})

test('a host that may not boot anew is no fault of the version, and its power stays', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'joined', h2: 'joined' })
  hosts.refusesVerb = (name, verb) => (name === 'h2' && verb === 'reboot' ? stale : undefined)
  const { code, errors } = await typeLine('host roll --image 2', { server: api.url })
  t.is(code, 4, errors)
  t.false(verbs(api).includes('h2/power'))
  t.regex(errors, /h1, h2 stay pinned to image 2{16}/)
})

test('a host that has booted the version and is not used again keeps its power', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'joined', h2: 'joined' })
  hosts.refusesVerb = (name, verb) => (name === 'h2' && verb === 'resume' ? stale : undefined)
  const { code, errors } = await typeLine('host roll --image 2', { server: api.url })
  t.is(code, 4, errors)
  t.false(verbs(api).includes('h2/power'))
  t.regex(errors, /h1, h2 boot what they had at their next boot/)
  t.deepEqual([hosts.image('h1'), hosts.image('h2')], [undefined, undefined])
})

test('a host is pinned to a version named by its beginning, and to none again', async t => {
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'joined' })
  const { code, errors } = await typeLine('host set h1 --image 2', { server: api.url })
  t.is(code, 0, errors)
  t.is(hosts.image('h1'), second)
  const unknown = await typeLine('host set h1 --image 9', { server: api.url })
  t.is(unknown.code, 3)
  t.regex(unknown.errors, /no one version begins "9"/)
  t.is((await typeLine('host set h1 --image none', { server: api.url })).code, 0)
  t.is(hosts.image('h1'), undefined)
})

test('a roll whose version cannot be promoted says who is pinned, and how to end it', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'joined', h2: 'joined' })
  hosts.refusesPromotion = stale
  const { code, errors } = await typeLine('host roll --image 2', { server: api.url })
  t.is(code, 4, errors)
  t.regex(errors, /all hosts are done; pinned to image 2{16} until it is promoted: h1, h2/)
  t.regex(errors, /remuda host-image promote 2{16}/)
  t.regex(errors, /remuda host set h2 --image none/)
})

test('where the version is the current one, hosts are pinned to what they ran before', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'joined', h2: 'failed', h3: 'joined' })
  hosts.current = second
  const { code, errors } = await typeLine('host roll --image 2', { server: api.url })
  t.is(code, 4, errors)
  t.deepEqual(['h1', 'h2', 'h3'].map(hosts.image.bind(hosts)), [first, first, undefined])
  t.regex(errors, /h2 is back with the image that it had/)
  t.regex(errors, /image 2{16} is still the current one: hosts without a pin boot it/)
  t.regex(errors, /to have no host boot it: remuda host-image rollback/)
})

test('a boot by an older plan of bootd says nothing of the version', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'joined', h2: 'unheard', h3: 'joined' })
  const { code, errors } = await typeLine('host roll --image 2', { server: api.url })
  t.not(code, 0)
  t.regex(errors, /host h2 was not told to boot image 2{16}/)
  t.regex(errors, /its bootd had not heard of that yet, and told it to boot 1{16}/)
  t.deepEqual(['h1', 'h2', 'h3'].map(hosts.image.bind(hosts)), [second, second, undefined])
  t.deepEqual(hosts.promoted, [])
  t.false(verbs(api).includes('h2/power'), 'its power is left alone')
})

test('where it cannot be told what hosts get without a pin, that is said', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'failed' })
  hosts.current = second
  const answer = api.intercept
  let lists = 0
  api.intercept = asked => {
    if (asked.path === '/v1/host-images' && ++lists > 1) return stale
    return answer(asked)
  }
  const { code, errors } = await typeLine('host roll --image 2', { server: api.url })
  t.is(code, 4, errors)
  t.regex(errors, /hosts without a pin may get image 2{16}, too: .*not now/)
})
