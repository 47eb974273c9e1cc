/**
 * A running VM goes from one real host to another: two hosts with a libvirt each, which know each
 * other by certificates, a pool that both see, and one segment for the instances of both.
 */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import type { ResourceDocument } from '#shared/model/index.ts'
import { createResource, readResource, sayVerb } from '../../tools/cli/api/resources.ts'
import type { Lab } from '../../tools/lab/lab.ts'
import { openLab } from '../../tools/lab/open.ts'
import { eventually } from './cloud/waiting.ts'
import { GapMeter } from './gap-meter.ts'

let lab: Lab
const web = { kind: 'instance' as const, name: 'web' }

test.before(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-move-'))
  const ranges = { subnet: '10.79.0.0/24', instances: '10.80.0.0/24' }
  lab = await openLab({ folder, hosts: 2, solo: true, isBound: true, outside: false, ...ranges })
  await createResource(lab.api, web, {
    spec: { image: 'tiny', memoryMib: 80, pool: 'shared' }
  })
  await eventually('web answers', async () => await page(await read()))
})

test.after.always(async () => {
  await lab?.[Symbol.asyncDispose]()
})

const read = (): Promise<ResourceDocument> => readResource(lab.api, web)
const addressOf = ({ status }: ResourceDocument) => (status['addresses'] as readonly string[])[0]!

/** What the instance says over HTTP, by field. */
async function page(document: ResourceDocument): Promise<Map<string, string> | undefined> {
  const text = await lab.http(addressOf(document))
  return text === undefined
    ? undefined
    : new Map(text.split('\n').map(line => line.split(': ') as [string, string]))
}

/** Names of the domains that libvirt shows on a host. */
async function virshList(host: string): Promise<readonly string[]> {
  const { stdout } = await lab.run(host, ['virsh', '-q', '-c', 'qemu:///system', 'list', '--name'])
  return stdout.split('\n').filter(Boolean)
}

async function untilStill(): Promise<ResourceDocument> {
  return await eventually('web is no longer on its way', async () => {
    const document = await read()
    const ready = document.conditions.find(({ type }) => type === 'ready')
    return document.status['move'] === undefined && ready?.status === 'true' ? document : undefined
  })
}

const historyOf = async (): Promise<readonly { verb: string; because: string }[]> => {
  const path = '/v1/instances/web/history'
  const answer = await lab.api.ask({ method: 'GET', path, doing: 'read the history' })
  return (JSON.parse(answer.bytes.toString()) as { items: { verb: string; because: string }[] })
    .items
}

test.serial('a running VM moves to another host and goes on answering', async t => {
  const before = await untilStill()
  const from = String(before.status['host'])
  const to = from === 'h1' ? 'h2' : 'h1'
  const boots = (await page(before))?.get('boots')
  await using meter = await GapMeter.start(lab, addressOf(before))
  await sleep(500)
  await sayVerb(lab.api, web, 'migrate', { body: { to, live: true } })
  const after = await untilStill()
  await sleep(500)
  const gaps = await meter.stop()
  t.is(after.status['host'], to)
  t.deepEqual(await virshList(from), [])
  t.deepEqual(await virshList(to), ['default.web'])
  const said = await page(after)
  t.is(said?.get('boots'), boots)
  t.is(said?.get('host'), from, 'it is the same boot: it was told its host at its start')
  const moved = (await historyOf()).at(-1)
  t.log(moved?.because ?? '')
  t.log(`answers ${gaps.answers}, longest gap ${gaps.longestMs} ms, usual ${gaps.medianMs} ms`)
  t.true(gaps.answers > 0)
})
