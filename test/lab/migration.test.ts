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
import { run } from '#shared/process.ts'
import type { Hypervisor } from '../../agent/core/ports.ts'
import { makeLibvirt } from '../../agent/io/libvirt/hypervisor.ts'
import { createResource, readResource, sayVerb } from '../../tools/cli/api/resources.ts'
import { certificateFolder } from '../../tools/lab/keeper/host-files.ts'
import type { Lab } from '../../tools/lab/lab.ts'
import { openLab } from '../../tools/lab/open.ts'
import { runsOf } from '../../tools/lab/runs.ts'
import { changesIn, isBare, type Traces, tracesOn } from '../../tools/lab/traces.ts'
import { type MigrationRig, migrationSuite } from '../contracts/migration.ts'
import { eventually } from './cloud/waiting.ts'
import { GapMeter } from './gap-meter.ts'
import { guestXml, prepareGuests } from './guests.ts'

let lab: Lab
let rig: MigrationRig
let end: () => Promise<void>
const web = { kind: 'instance' as const, name: 'web' }

test.before(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-move-'))
  const ranges = { subnet: '10.79.0.0/24', instances: '10.80.0.0/24' }
  lab = await openLab({ folder, hosts: 2, solo: true, isBound: true, outside: false, ...ranges })
  await createResource(lab.api, web, {
    spec: { image: 'tiny', memoryMib: 80, pool: 'shared' }
  })
  await eventually('web answers', async () => await page(await read()))
  const { disk, root, busy } = await prepareGuests(lab.stateOf('h1'))
  const [source, target] = ['h1', 'h2'].map(host => {
    const paths = [lab.libvirtSocket(host)]
    return makeLibvirt({ socketPaths: { qemu: paths, lxc: paths } })
  }) as [Hypervisor, Hypervisor]
  const { address } = lab.plan.hosts[1]!
  const uri = `qemu+tls://${address}/system?pkipath=${certificateFolder}`
  const way = { uri, address, folders: { here: '/', there: '/' } }
  rig = {
    source,
    target,
    way,
    blindWay: { ...way, uri: `qemu+tcp://${address}/system` },
    xml: guest => guestXml(guest, { disk, root }),
    busyXml: guest => guestXml(guest, { disk: busy, root }),
    tear: () => tear('h1'),
    slowDown: ({ uuid }) => slowDown('h1', uuid, '1')
  }
  end = async () => {
    await source[Symbol.asyncDispose]()
    await target[Symbol.asyncDispose]()
  }
})

migrationSuite('two libvirts', () => rig)

test.after.always(async () => {
  await end?.()
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

/** Runs the command line as the administrator, and gives what it wrote. */
async function remuda(...words: readonly string[]): Promise<string> {
  const program = join(import.meta.dirname, '../../tools/remuda.ts')
  const args = [program, '--state', lab.stateOf('h1'), ...words]
  return (await run(process.execPath, args, { deadlineMs: 120_000 })).stdout
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

type Recorded = { readonly at: string; readonly verb: string; readonly because: string }
type Way = { readonly from: string; readonly to: string }

const historyOf = async (): Promise<readonly Recorded[]> => {
  const path = '/v1/instances/web/history'
  const answer = await lab.api.ask({ method: 'GET', path, doing: 'read the history' })
  return (JSON.parse(answer.bytes.toString()) as { readonly items: readonly Recorded[] }).items
}

/** Where it is now, and the other host. */
async function ends(): Promise<{ from: string; to: string }> {
  const from = String((await untilStill()).status['host'])
  return { from, to: from === 'h1' ? 'h2' : 'h1' }
}

/** Lets a transfer from a host take some seconds. */
async function slowDown(host: string, domain = 'default.web', mibPerSecond = '6'): Promise<void> {
  const virsh = ['virsh', '-q', '-c', 'qemu:///system', 'migrate-setspeed']
  const line = [...virsh, domain, mibPerSecond]
  const { code, stderr } = await lab.run(host, line)
  if (code !== 0) throw new Error(stderr)
}

/** Ends the connections of a host to where others take memory in, as a line that breaks does. */
async function tear(host: string): Promise<void> {
  const filter = [
    '-4',
    '-K',
    'state',
    'established',
    'dport',
    'ge',
    '49152',
    'dport',
    'le',
    '49215'
  ]
  const { code, stderr } = await lab.run(host, ['ss', ...filter])
  if (code !== 0) throw new Error(stderr)
}

/** Lets a transfer go on at full speed; there is nothing to hasten where it has ended. */
async function hurry(host: string): Promise<void> {
  await slowDown(host, 'default.web', '1000').catch(() => undefined)
}

/** Moves it to a host, again and again: who has only just come back may not take it at once. */
async function bringTo(host: string): Promise<void> {
  await eventually(`web is on ${host}`, async () => {
    if ((await untilStill()).status['host'] === host) return true
    await sayVerb(lab.api, web, 'migrate', { body: { to: host } })
    return undefined
  })
}

/** Begins a slow move, and resolves once a part of the memory is sent. */
async function beginSlowly({ from, to }: { from: string; to: string }): Promise<void> {
  await slowDown(from)
  await sayVerb(lab.api, web, 'migrate', { body: { to, live: true } })
  await eventually('a part of it is sent', async () => {
    const move = (await read()).status['move'] as
      | { readonly totalMib?: number; readonly remainingMib?: number }
      | undefined
    const { totalMib = 0, remainingMib = 0 } = move ?? {}
    return remainingMib > 0 && remainingMib < totalMib ? true : undefined
  })
}

/** How each host looked without the instance, before anything befell it. */
const grounds = new Map<string, Traces>()

/**
 * The one copy that there is, on which host, by the machine's own list of processes, and that the
 * other one has nothing of it: no link, rule, file, lock or port.
 */
async function onlyOn(host: string): Promise<void> {
  const other = host === 'h1' ? 'h2' : 'h1'
  await eventually(`web is on ${host} alone`, async () => {
    const runs = await runsOf(lab)
    const [here = [], there = []] = [runs.get(host), runs.get(other)]
    if (here.join() !== 'default.web' || there.length > 0) {
      throw new Error(`${host} runs ${here.join()}, ${other} runs ${there.join()}`)
    }
    const traces = await tracesOn(lab, other)
    const ground = grounds.get(other)
    if (ground === undefined && !isBare(traces)) return undefined
    if (ground === undefined) grounds.set(other, traces)
    const left = changesIn(ground ?? traces, traces)
    if (left.length > 0) throw new Error(`on ${other}: ${left.join('; ')}`)
    return true
  })
}

/** What the history says since a moment, as `remuda why` does. */
async function whySince(since: number): Promise<string> {
  const news = (await historyOf()).filter(({ at }) => Date.parse(at) >= since)
  return news.map(({ verb, because }) => `${verb}: ${because}`).join('\n')
}

/** What it says once it answers: a busy machine may let a single request wait for too long. */
const pageOf = (document: ResourceDocument) =>
  eventually('web answers', async () => await page(document))
const bootsOf = async (): Promise<string | undefined> => (await pageOf(await read())).get('boots')

test.serial('a running VM moves to another host and goes on answering', async t => {
  const before = await untilStill()
  const from = String(before.status['host'])
  const to = from === 'h1' ? 'h2' : 'h1'
  const boots = await bootsOf()
  await using meter = await GapMeter.start(lab, addressOf(before))
  await sleep(500)
  const said = await remuda('instance', 'migrate', 'web', '--to', to, '--live', '--timeout', '90s')
  t.regex(said, new RegExp(`^instance/web moved: running on ${to}, `))
  const after = await read()
  await sleep(500)
  const gaps = await meter.stop()
  t.is(after.status['host'], to)
  t.deepEqual(await virshList(from), [])
  t.deepEqual(await virshList(to), ['default.web'])
  const shown = await pageOf(after)
  t.is(shown.get('boots'), boots)
  t.is(shown.get('host'), from, 'it is the same boot: it was told its host at its start')
  const moved = (await historyOf()).at(-1)
  t.log(moved?.because ?? '')
  t.log(`answers ${gaps.answers}, longest gap ${gaps.longestMs} ms, usual ${gaps.medianMs} ms`)
  t.true(gaps.answers > 0)
})

/**
 * QEMU before 9.0 may break a guest that it emulates while it is sent (docs/hosts.md): such a one
 * boots anew, by itself or started by its agent. So it is the service that is looked for here, and
 * the log says whether it is still the same boot.
 */
test.serial('a VM that moves to and fro answers after each move', async t => {
  const before = await bootsOf()
  for (const number of [1, 2, 3]) {
    const { to } = await ends()
    await sayVerb(lab.api, web, 'migrate', { body: { to, live: true } })
    const arrived = await eventually(`move ${number} is over`, async () => {
      const { status } = await untilStill()
      return status['host'] === to ? await read() : undefined
    })
    t.truthy((await pageOf(arrived)).get('boots'), `after move ${number}`)
  }
  t.log(`boots before and after: ${before}, ${await bootsOf()}`)
})

test.serial('a move that is called back leaves it where it was, and nothing elsewhere', async t => {
  const way = await ends()
  await onlyOn(way.from)
  const boots = await bootsOf()
  await beginSlowly(way)
  await sayVerb(lab.api, web, 'migrate', { body: { cancel: true } })
  t.is((await untilStill()).status['host'], way.from)
  await onlyOn(way.from)
  t.is(await bootsOf(), boots)
  t.regex((await historyOf()).at(-1)?.because ?? '', /cancelled by user\/admin/)
})

const kills = [
  { whose: 'libvirt', strike: ({ to }: Way) => lab.kill(to, 'libvirtd') },
  {
    whose: 'emulator',
    strike: async ({ to }: Way) => {
      const { code, stderr } = await lab.run(to, ['pkill', '-KILL', '-x', 'qemu-system-x86'])
      if (code !== 0) throw new Error(stderr)
    }
  }
] as const

for (const { whose, strike } of kills) {
  const title = `where the target's ${whose} is killed, it stays, says why, and leaves nothing`
  test.serial(title, async t => {
    const way = await ends()
    const boots = await bootsOf()
    const since = Date.now()
    await beginSlowly(way)
    await strike(way)
    t.is((await untilStill()).status['host'], way.from)
    await onlyOn(way.from)
    t.is(await bootsOf(), boots)
    t.regex(await whySince(since), /move-failed: stays on .*: cannot send domain/)
    await eventually('the target takes it in again', async () => {
      const asked = { body: { to: way.to, live: true }, dryRun: true }
      await sayVerb(lab.api, web, 'migrate', asked)
      return true
    })
  })
}

test.serial('a move goes on though both agents and the controller die meanwhile', async t => {
  const way = await ends()
  const boots = await bootsOf()
  await beginSlowly(way)
  await Promise.all([lab.kill('h1', 'agent'), lab.kill('h2', 'agent')])
  await lab.kill('h1', 'controller')
  await eventually('the controller sees both hosts again', async () => {
    const phases = await lab.hostPhases()
    return ['h1', 'h2'].every(host => phases.get(host) === 'online') ? true : undefined
  })
  await hurry(way.from)
  const after = await eventually('web has moved', async () => {
    const document = await read()
    return document.status['host'] === way.to ? document : undefined
  })
  await onlyOn(way.to)
  t.is((await pageOf(after)).get('boots'), boots)
})

test.serial(
  'one that crosses while the line breaks is there whole, or starts anew, and once',
  async t => {
    const way = await ends()
    const boots = await bootsOf()
    await sayVerb(lab.api, web, 'migrate', { body: { to: way.to, live: true, bandwidthMib: 4 } })
    await eventually('it can cross', async () => {
      const line = ['virsh', '-q', '-c', 'qemu:///system', 'migrate-postcopy', 'default.web']
      return (await lab.run(way.from, line)).code === 0 ? true : undefined
    })
    await eventually('the controller knows that it crosses', async () => {
      const move = (await read()).status['move'] as { readonly phase?: string } | undefined
      return move?.phase === 'crossing' ? true : undefined
    })
    await tear(way.from)
    const after = await untilStill()
    for (const { verb, because } of (await historyOf()).slice(-4)) t.log(`${verb}: ${because}`)
    const at = String(after.status['host'])
    await onlyOn(at)
    const history = await historyOf()
    t.true(history.some(({ verb }) => verb === 'move-crossing'))
    // A QEMU ends that is torn in the midst of certain words: then it starts anew where it was.
    const lost = history.findLast(({ verb }) => verb === 'move-failed' || verb === 'moved')
    t.is(lost?.verb, at === way.to ? 'moved' : 'move-failed')
    t.is(Number(await bootsOf()) - Number(boots), at === way.to ? 0 : 1)
  }
)

test.serial('where the target loses its power, it goes on where it was', async t => {
  await bringTo('h1')
  const boots = await bootsOf()
  await beginSlowly({ from: 'h1', to: 'h2' })
  await lab.power('h2', 'off')
  const after = await untilStill()
  t.is(after.status['host'], 'h1')
  t.is(await bootsOf(), boots)
  t.is((await historyOf()).at(-1)?.verb, 'move-failed')
  t.log((await historyOf()).at(-1)?.because ?? '')
  await lab.power('h2', 'on')
  // What it looks like without the instance is learnt anew: its disks are of memory.
  grounds.delete('h2')
  await onlyOn('h1')
})

test.serial('where the source loses its power, it starts anew, and once', async t => {
  await eventually('h2 is back', async () =>
    (await lab.hostPhases()).get('h2') === 'online' ? true : undefined
  )
  await hurry('h1')
  await bringTo('h2')
  const boots = Number(await bootsOf())
  await beginSlowly({ from: 'h2', to: 'h1' })
  await lab.power('h2', 'off')
  await lab.power('h2', 'on')
  grounds.delete('h2')
  const after = await untilStill()
  // Where: that depends on whether it was fenced before it was back.
  await onlyOn(String(after.status['host']))
  const said = await pageOf(after)
  t.is(Number(said.get('boots')), boots + 1)
})
