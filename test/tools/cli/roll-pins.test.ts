/** What becomes of pins to a version of the host image. */
import test from 'ava'
import { second } from '../../controller/core/boot/boot-world.ts'
import { FakeApi } from '../../world/fake-api.ts'
import { BootingHosts } from './booting-hosts.ts'
import { typeLine } from './type-line.ts'

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
