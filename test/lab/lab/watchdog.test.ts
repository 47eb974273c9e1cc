/** A lab whose hosts have watchdogs: one that stands still is really reset. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyTest, { type TestFn } from 'ava'
import { patchResource, readResource } from '../../../tools/cli/api/resources.ts'
import type { Lab } from '../../../tools/lab/lab.ts'
import { openLab } from '../../../tools/lab/open.ts'
import { eventually } from '../cloud/waiting.ts'

const test = anyTest.serial as TestFn
let lab: Lab

test.before('a lab of two hosts with watchdogs comes up', async t => {
  t.timeout(300_000)
  const folder = await mkdtemp(join(tmpdir(), 'remuda-watchdogs-'))
  const wish = { folder, hosts: 2, solo: true, outside: false, isBound: true, isFurnished: false }
  const ranges = { subnet: '10.107.0.0/24', instances: '10.108.0.0/16' }
  lab = await openLab({ ...wish, ...ranges, watchdogMs: 6_000 })
})

test.after.always('the lab is taken away', async t => {
  t.timeout(300_000)
  if (lab === undefined) return
  await lab[Symbol.asyncDispose]()
  await rm(lab.folder, { recursive: true, force: true })
})

test('a host that stands still is reset by its watchdog, and then armed again', async t => {
  t.timeout(300_000)
  t.like((await statusOf('h2')).watchdog, { isActive: false, bites: 0 })
  const spec = { selfFence: { limitMs: 15_000 } }
  await patchResource(lab.api, { kind: 'host', name: 'h2' }, { spec })
  t.like(await relied('h2'), { watchdog: 'lab watchdog', timeoutMs: 6_000, limitMs: 15_000 })
  const { bootId } = await statusOf('h2')
  await lab.pause('h2')
  const after = await eventually('h2 is reset', async () => {
    const now = await statusOf('h2')
    return now.bootId !== undefined && now.bootId !== bootId ? now : undefined
  })
  t.false(after.isPaused)
  t.true(after.watchdog!.bites > 0)
  await eventually('the cloud hears its new boot', async () => {
    const { status } = await readResource(lab.api, { kind: 'host', name: 'h2' })
    const isHeard = status['bootId'] === (await statusOf('h2')).bootId
    return isHeard && status['phase'] === 'online' ? true : undefined
  })
  t.like(await relied('h2'), { armed: true })
})

/** What the cloud says of the self-fence of a host, once it relies on it. */
async function relied(host: string): Promise<Readonly<Record<string, unknown>>> {
  return await eventually(`the cloud relies on the watchdog of ${host}`, async () => {
    const { status } = await readResource(lab.api, { kind: 'host', name: host })
    const said = status['selfFence'] as Readonly<Record<string, unknown>> | undefined
    return said?.['relied'] === true && (await statusOf(host)).watchdog?.isActive ? said : undefined
  })
}

const statusOf = async (host: string) =>
  (await lab.status()).hosts.find(({ name }) => name === host)!
