/** Quotas of tenants, as typed to a whole controller. */
import test from 'ava'
import { worldController } from '../../world/world-controller.ts'
import { typeLine } from './type-line.ts'

test('a quota is set in parts, shown beside what is there, kept, and taken away', async t => {
  t.timeout(120_000)
  await using world = await worldController()
  const server = `unix:${world.socket('admin')}`
  const typed = async (line: string) => await typeLine(line, { server })
  const set = await typed('tenant set default --memory 1GiB --vcpus 4 --disk 1GiB')
  t.is(set.code, 0, set.errors)
  t.is((await typed('tenant set default --instances 2 --vcpus none')).code, 0)
  const shown = JSON.parse((await typed('tenant show default -o json')).output) as {
    readonly spec: { readonly quota: object }
  }
  t.deepEqual(shown.spec.quota, { memoryMib: 1_024, diskMib: 1_024, instances: 2 })
  const granted = await typed('volume create a --size 1000MiB --no-wait')
  t.is(granted.code, 0, granted.errors)
  const refused = await typed('volume create b --size 100MiB --no-wait')
  t.not(refused.code, 0)
  t.regex(refused.errors, /tenant default would have more than its quota/)
  t.regex(refused.errors, /disk: it has 1000 MiB, 100 MiB more are asked for, 1024 MiB are its/)
  const made = 'tenant create acme --memory 2GiB --vcpus 3 --disk 1GiB --instances 4'
  t.is((await typed(made)).code, 0)
  const acme = JSON.parse((await typed('tenant show acme -o json')).output) as {
    readonly spec: { readonly quota: object }
  }
  const quota = { memoryMib: 2_048, vcpus: 3, diskMib: 1_024, instances: 4 }
  t.deepEqual(acme.spec.quota, quota)
  const listed = await typed('tenant list -o wide')
  t.regex(listed.output, /default +active +0 +\S.*1000/)
  for (const [line, says] of [
    ['tenant set default', /cannot set nothing in particular of a tenant/],
    ['tenant set default --vcpus many', /cannot read "many" as a count/],
    ['tenant set default --memory much', /cannot read the size "much"/]
  ] as const) {
    const { code, errors } = await typed(line)
    t.not(code, 0)
    t.regex(errors, says)
  }
})
