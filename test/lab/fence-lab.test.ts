/** A lab whose hosts are fenced by real protocols: who dies is really off, then runs elsewhere. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { exists } from '#shared/files.ts'
import { fencesSince, historyOf, type Recorded } from '../../tools/bench/lab-records.ts'
import { makeWriter } from '../../tools/chaos/disk.ts'
import type { DiskWriter } from '../../tools/chaos/disk-faults.ts'
import { judgeDisk, readRecords } from '../../tools/chaos/disk-log.ts'
import { createResource, patchResource, readResource } from '../../tools/cli/api/resources.ts'
import type { Lab } from '../../tools/lab/lab.ts'
import { openLab } from '../../tools/lab/open.ts'
import { RunWatch } from '../../tools/lab/runs.ts'
import { eventually } from './cloud/waiting.ts'

const test = anyTest.serial as TestFn
let lab: Lab
let watch: RunWatch
let writer: DiskWriter

test.before('a lab of three comes up, with an instance that may run anywhere', async t => {
  t.timeout(600_000)
  const folder = await mkdtemp(join(tmpdir(), 'remuda-fences-'))
  const ranges = { subnet: '10.99.0.0/24', instances: '10.100.0.0/16' }
  const wish = { folder, hosts: 3, solo: true, outside: false, isBound: true, ...ranges }
  lab = await openLab({ ...wish, bmc: 'mixed' })
  watch = new RunWatch(lab)
  await openTo('h2')
  const spec = { image: 'tiny-container', type: 'container', size: 'tiny', pool: 'shared' }
  await createResource(lab.api, { kind: 'instance', name: 'web' }, { spec })
  // It writes to a disk of its own in the shared pool, and is struck together with web.
  writer = await makeWriter(lab, { name: 'writer', pool: 'shared', minutes: 1 })
})

test.after.always('the lab is taken away', async t => {
  t.timeout(300_000)
  await watch?.[Symbol.asyncDispose]()
  await writer?.watch[Symbol.asyncDispose]()
  if (lab === undefined) return
  await lab[Symbol.asyncDispose]()
  await rm(lab.folder, { recursive: true, force: true })
})

test('a host that loses its power is proven off by IPMI, and gets it back', async t => {
  t.timeout(600_000)
  await openTo('h3')
  const because = await fenced(t, 'h2', () => lab.power('h2', 'off'))
  t.regex(because, /IPMI at 10\.79\.0\.2 \(\d+ readings\) read off twice/)
})

test('a host that is cut off and stands still is switched off by Redfish', async t => {
  t.timeout(600_000)
  await openTo('h2')
  const { pid } = await statusOf('h3')
  const because = await fenced(t, 'h3', async () => {
    await lab.partition([['h3'], ['h1', 'h2']])
    await lab.pause('h3')
  })
  t.regex(because, /Redfish at https:\/\/10\.79\.0\.3 \(\d+ readings\) read off twice/)
  t.false(await exists(`/proc/${pid}/root/`))
})

test('the disk that all hosts see shows that no two of an instance ever wrote at once', async t => {
  t.timeout(300_000)
  const { violations, lives } = judgeDisk(readRecords(await readFile(writer.watch.path)))
  t.deepEqual(violations, [])
  t.deepEqual(
    lives.map(({ host }) => host),
    ['h2', 'h3', 'h2']
  )
})

/** Strikes the host that runs the instance: gives why it was proven off, once it runs elsewhere. */
async function fenced(
  t: ExecutionContext,
  host: string,
  strike: () => Promise<void>
): Promise<string> {
  await eventually(`web runs on ${host} alone`, async () => {
    const { status } = await web()
    return status['phase'] === 'running' && status['host'] === host ? true : undefined
  })
  const { bootId } = await statusOf(host)
  const since = Date.now()
  await strike()
  const other = await eventually('web runs elsewhere', async () => {
    const { status } = await web()
    return status['phase'] === 'running' && status['host'] !== host ? status : undefined
  })
  const { stdout } = await lab.run(String(other['host']), [
    ...['virsh', '-q', '-c', 'lxc:///system', 'list', '--name']
  ])
  t.deepEqual(stdout.split('\n').filter(Boolean), ['default.web'])
  await writer.watch.next('it writes elsewhere', record => record.host === other['host'])
  await lab.heal()
  const story = await eventually(`${host} is back`, async () => {
    const history = (await historyOf(lab, 'hosts', host)).filter(
      ({ at }) => Date.parse(at) >= since
    )
    return history.some(({ verb }) => verb === 'host-back') ? history : undefined
  })
  t.deepEqual(verbsOf(story), ['fencing', 'fenced', 'host-back'])
  t.not((await statusOf(host)).bootId, bootId)
  t.deepEqual(await fencesSince(lab, since), [host])
  t.deepEqual([...watch.doubles], [])
  return story.find(({ verb }) => verb === 'fenced')!.because
}

const verbsOf = (story: readonly Recorded[]): readonly string[] =>
  story.map(({ verb }) => verb).filter(verb => ['fencing', 'fenced', 'host-back'].includes(verb))

const web = () => readResource(lab.api, { kind: 'instance', name: 'web' })

const statusOf = async (host: string) =>
  (await lab.status()).hosts.find(({ name }) => name === host)!

/** Lets new instances come to one host alone. */
async function openTo(host: string): Promise<void> {
  for (const { name } of lab.plan.hosts) {
    await patchResource(lab.api, { kind: 'host', name }, { spec: { schedulable: name === host } })
  }
}
