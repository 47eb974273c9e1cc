/** Boots of a roll: several at once, those that nobody tells of yet, and those that hang. */
import test from 'ava'
import { second } from '../../controller/core/boot/boot-world.ts'
import { FakeApi } from '../../world/fake-api.ts'
import { BootingHosts, verbs } from './booting-hosts.ts'
import { typeLine } from './type-line.ts'

test('all hosts whose boot fails are told of, and have their power cycled', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'failed', h2: 'other', h3: 'failed', h4: 'joined' })
  const line = 'host roll --image 2 --parallel-hosts 3'
  const { code, errors } = await typeLine(line, { server: api.url })
  t.is(code, 4, errors)
  for (const name of ['h1', 'h2', 'h3']) {
    t.true(verbs(api).includes(`${name}/power`), name)
    t.regex(errors, new RegExp(`${name} is back with the image that it had`))
    t.regex(errors, new RegExp(`${name} is maintenance now, and stays so`))
    t.is(hosts.image(name), undefined)
  }
  t.regex(errors, /h2 runs image 1{16}/)
  t.regex(errors, /0 of 4 hosts are done, 1 not begun: h4/)
  t.regex(errors, /to go on: (remuda host resume h[123] && ){3}remuda host roll (h[123] ){3}h4 --/)
})

test('a host that is empty only once the version has failed does not boot it', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'failed', h2: 'joined' })
  hosts.drains = name => (name === 'h2' ? 'later' : 'done')
  const watch = (output: string) => {
    if (output.includes('h1 does not')) hosts.empty('h2')
  }
  const line = 'host roll --image 2 --parallel-hosts 2'
  const { code, errors } = await typeLine(line, { server: api.url, watch })
  t.is(code, 4, errors)
  t.false(verbs(api).includes('h2/reboot'))
  t.false(verbs(api).includes('h2/power'))
  t.regex(errors, /h2: cannot go on with host h2: image 2{16} has failed on h1/)
  t.regex(errors, /to go on: remuda host resume h1 && remuda host resume h2 && /)
})

test('who waits no longer for a host that is to come back is told how all stands', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'failed', h2: 'joined' })
  hosts.dead.add('h1')
  const stop = new AbortController()
  hosts.onAsked = ({ path }) => path === '/v1/hosts/h1/power' && setTimeout(() => stop.abort(), 50)
  const options = { server: api.url, interrupted: stop.signal }
  const { code, errors } = await typeLine('host roll --image 2', options)
  t.is(code, 4, errors)
  t.notRegex(errors, /AbortError|\n {4}at /)
  t.regex(errors, /h1 is not back after [\d.]+ m?s: its power was cycled; interrupted/)
  t.regex(errors, /to go on: remuda host resume h1 && remuda host roll h1 h2 --image 2/)
  t.is(hosts.image('h1'), undefined)
})

test('a good boot that no bootd has told of yet is waited for', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'unsaid' })
  const { code, errors } = await typeLine('host roll --image 2', { server: api.url })
  t.is(code, 0, errors)
  t.false(verbs(api).includes('h1/power'))
  t.deepEqual(hosts.promoted, [second])
})

test('the boot before is not taken for the one that was asked for', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'slow' })
  hosts.fellBack('h1')
  hosts.unsaid = 1
  const { code, errors } = await typeLine('host roll --image 2', { server: api.url })
  t.is(code, 0, errors)
  t.deepEqual(hosts.promoted, [second])
})

test('a host that has got the version before instead has the wished one tried anew', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'joined', h2: 'joined' })
  hosts.fellBack('h1')
  const { code, errors } = await typeLine('host roll --image 2', { server: api.url })
  t.is(code, 0, errors)
  const asked = verbs(api)
  t.is(asked[asked.indexOf('h1/reboot') - 1], 'h1/boot-once')
  t.false(asked.includes('h2/boot-once'))
})
