/** A real lab of three hosts; its controller is cut off, stopped and killed while clients write. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import {
  disorder,
  leaderOf,
  livesOf,
  reignsOf,
  settle,
  statusAt,
  untilWhole
} from '../../../tools/bench/takeover-checks.ts'
import { say, Writers } from '../../../tools/bench/takeover-writers.ts'
import { judgeJournal } from '../../../tools/chaos/lab-checker.ts'
import { LabJournal } from '../../../tools/chaos/lab-journal.ts'
import type { Lab } from '../../../tools/lab/lab.ts'
import { openLab } from '../../../tools/lab/open.ts'
import type { DaemonStatus } from '../../../tools/lab/protocol.ts'
import { eventually } from '../cloud/waiting.ts'

const test = anyTest.serial as TestFn
let lab: Lab
let writers: Writers
let journal: LabJournal

test.before('a lab of three candidates comes up, and clients write', async t => {
  t.timeout(300_000)
  const folder = await mkdtemp(join(tmpdir(), 'remuda-faults-'))
  const ranges = { subnet: '10.95.0.0/24', instances: '10.96.0.0/16' }
  lab = await openLab({ folder, hosts: 3, outside: false, isBound: true, ...ranges })
  await settle(lab)
  journal = await LabJournal.open(lab)
  writers = new Writers(lab, { writers: 3, instance: 'on-h1' })
})

test.after.always('the lab is taken away', async t => {
  t.timeout(300_000)
  await writers?.[Symbol.asyncDispose]()
  await journal?.[Symbol.asyncDispose]()
  if (lab === undefined) return
  await lab[Symbol.asyncDispose]()
  await rm(lab.folder, { recursive: true, force: true })
})

test('the host of the controller loses power: another one goes on', async t => {
  t.timeout(300_000)
  await takenFrom(t, async leader => {
    const lives = await livesOf(lab, [leader])
    await lab.power(leader, 'off')
    return async () => {
      const names = Object.keys(lives)
      const now = await eventually('the new controller has heard the others', async () => {
        const seen = await livesOf(lab, [leader])
        return names.every(name => seen[name]?.startsWith('20')) ? seen : undefined
      })
      t.like(now, lives)
      await lab.power(leader, 'on')
    }
  })
})

test('a controller that is cut off from the ensemble, and not from its hosts, ends', async t => {
  t.timeout(300_000)
  await takenFrom(t, async leader => {
    await lab.cutFrom([leader], 'zookeeper')
    return () => lab.heal()
  })
})

test('a controller that is cut off from its hosts goes on to record what is wished', async t => {
  t.timeout(300_000)
  const leader = await untilWhole(lab)
  const { epoch } = await nextWrite()
  await lab.cutFrom([leader], 'agents')
  const { count } = writers
  const later = await writers.acknowledged(() => writers.count >= count + 20)
  t.true(later.epoch >= epoch)
  // It may have had to raise its epoch itself, over a server that was slow.
  const since = (await reignsOf(lab)).filter(reign => reign.epoch > epoch)
  t.true(since.every(({ host }) => host === leader))
  t.is(await eventually('somebody leads', () => leaderOf(lab)), leader)
  await lab.heal()
})

test('with two of three servers gone all is read, nothing written, and nothing lost', async t => {
  t.timeout(300_000)
  await untilWhole(lab)
  await nextWrite()
  for (const host of ['h1', 'h2']) await lab.pause(host, 'zookeeper')
  const refused = await eventually('a write is refused for want of servers', async () => {
    const wish = { method: 'POST', path: '/v1/tenants', body: { name: 'too-late', spec: {} } }
    const said = await say(lab.adminSocket('h3'), { ...wish, key: 'too-late' })
    // A server that elects another leader may not answer at the first look.
    return said?.status === 503 && said.text.includes('1 of 3 servers') ? said.text : undefined
  })
  const { detail, reasons, next } = JSON.parse(refused) as Record<string, unknown>
  const nobody = 'cannot POST /v1/tenants: nobody leads at the moment'
  t.is(detail, `${nobody}: 1 of 3 servers of the ensemble answer, 2 must`)
  const [one, other] = ['h1', 'h2'].map(host => `cannot ask ${serverOf(host)}: no answer within`)
  t.deepEqual(reasons, [`${one} 500 ms`, `${other} 500 ms`])
  t.deepEqual((next as string[])[0], 'start the servers that are down')
  for (const { name } of lab.plan.hosts) {
    await eventually(`${name} answers reads`, async () => {
      const said = await say(lab.adminSocket(name), { method: 'GET', path: '/v1/tenants' })
      return said?.status === 200 ? true : undefined
    })
  }
  for (const host of ['h1', 'h2']) await lab.resume(host, 'zookeeper')
  await nextWrite()
  t.deepEqual(await writers.missing(), [])
})

test('a controller that stood still for longer than its session gets nothing through', async t => {
  t.timeout(300_000)
  const known = (await reignsOf(lab)).length
  let before: DaemonStatus | undefined
  const leader = await takenFrom(t, async host => {
    before = await controllerOf(host)
    await lab.pause(host, 'controller')
    return () => lab.resume(host, 'controller')
  })
  const after = await eventually('it runs again', async () => {
    const now = await controllerOf(leader)
    return now.starts > before!.starts && now.state === 'running' ? now : undefined
  })
  t.is(after.lastCode, 75)
  const reigns = await reignsOf(lab)
  t.true(reigns.length > known)
  const told = [...writers.told]
  await journal.reaches(Math.max(...told.map(({ position }) => position)))
  const { entries } = journal
  t.deepEqual(judgeJournal({ entries, reigns, told, ofServers: new Map() }), [])
})

test('after all of it nothing is lost, and nobody followed two controllers at once', async t => {
  t.timeout(300_000)
  await untilWhole(lab)
  await writers[Symbol.asyncDispose]()
  t.deepEqual(await writers.missing(), [])
  t.deepEqual(await disorder(lab), [])
  const ofServers = await journal.lastOfServers()
  await journal.reaches(Math.max(...[...ofServers.values()].map(all => all.at(-1)?.position ?? 0)))
  const reigns = await reignsOf(lab)
  const { entries } = journal
  t.deepEqual(judgeJournal({ entries, reigns, told: writers.told, ofServers }), [])
})

/** Takes the lead from the controller in some way, sees that another one writes, and mends it. */
async function takenFrom(
  t: ExecutionContext,
  strike: (leader: string) => Promise<() => Promise<void>>
): Promise<string> {
  const leader = await untilWhole(lab)
  const { epoch } = await nextWrite()
  const mend = await strike(leader)
  await writers.acknowledged(one => one.epoch > epoch)
  const next = await eventually('somebody leads', () => leaderOf(lab))
  t.not(next, leader)
  await mend()
  await eventually(`${leader} is a candidate again`, async () => {
    return (await statusAt(lab, leader))?.state === 'follows' ? true : undefined
  })
  return leader
}

/** Where the server of a host listens. */
const serverOf = (host: string): string =>
  `${lab.plan.hosts.find(({ name }) => name === host)!.address}:2181`

async function nextWrite() {
  const { count } = writers
  return await writers.acknowledged(() => writers.count > count)
}

async function controllerOf(host: string): Promise<DaemonStatus> {
  const { hosts } = await lab.status()
  const { daemons } = hosts.find(({ name }) => name === host)!
  return daemons.find(({ name }) => name === 'controller')!
}
