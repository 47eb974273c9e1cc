/**
 * What befalls a lab in a chaos run, one after another. Each waits until it is seen that another
 * controller writes, or the same one, as it must be, and mends what it has done.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { statusAt, until, zooKeeperLeader } from '../bench/takeover-checks.ts'
import { type Acknowledged, say, type Writers } from '../bench/takeover-writers.ts'
import type { Lab } from '../lab/lab.ts'
import type { DaemonStatus } from '../lab/protocol.ts'
import type { Chance } from './chance.ts'
import type { LabClocks } from './lab-clocks.ts'

/** Whom it befalls. */
export type Scene = {
  readonly lab: Lab
  readonly writers: Writers
  readonly clocks: LabClocks
  readonly chance: Chance
  /** Host of the controller. */
  readonly leader: string
  readonly epoch: number
}

/** What was seen. */
export type Account = {
  /** What it has befallen. */
  readonly whom: string
  /** Until somebody has written again. Unit: ms. */
  readonly tookMs: number
  /** More that is worth a line. */
  readonly also?: string
  /** Host that has lost its power, and with it its instances. */
  readonly wasOff?: string
}

/** Befalls a lab and mends it; throws what was not as it must be. */
export type LabFault = (scene: Scene) => Promise<Account>

/** A controller must stand still for so long. Unit: ms. */
const stillMs = 60_000
/** What does not take the lead away lasts so long. Unit: ms. */
const lastsMs = [4_000, 8_000] as const

/** All of them, by what is said of them. */
export const labFaults: Readonly<Record<string, LabFault>> = {
  'power cut of the controller': async ({ lab, leader, ...scene }) => {
    const tookMs = await another(scene, () => lab.power(leader, 'off'))
    await lab.power(leader, 'on')
    return { whom: leader, tookMs, wasOff: leader }
  },
  'controller without its ensemble': async ({ lab, leader, ...scene }) => {
    const tookMs = await another(scene, () => lab.cutFrom([leader], 'zookeeper'))
    await lab.heal()
    return { whom: leader, tookMs }
  },
  'controller without its agents': async ({ lab, leader, ...scene }) => {
    const tookMs = await same(scene, () => lab.cutFrom([leader], 'agents'))
    await lab.heal()
    return { whom: leader, tookMs }
  },
  'server of the controller silent': async ({ lab, leader, writers }) => {
    const server = hostOf(lab, (await statusAt(lab, leader))?.session?.server)
    const also = (await zooKeeperLeader(lab)) === server ? ', which led the ensemble' : ''
    const tookMs = await anybody(writers, () => lab.pause(server, 'zookeeper'))
    await lab.resume(server, 'zookeeper')
    return { whom: `${server}, of ${leader}${also}`, tookMs }
  },
  'leading server silent': async ({ lab, writers }) => {
    const server = (await zooKeeperLeader(lab))!
    const tookMs = await anybody(writers, () => lab.pause(server, 'zookeeper'))
    await lab.resume(server, 'zookeeper')
    return { whom: server, tookMs }
  },
  'two of three servers gone': async ({ lab, writers, chance }) => {
    const names = lab.plan.hosts.map(({ name }) => name)
    const gone = chance.shuffled(names).slice(0, 2)
    for (const host of gone) await lab.stop(host, 'zookeeper')
    const refused = await refusal(lab)
    for (const host of names) await reads(lab, host)
    const tookMs = await anybody(writers, async () => {
      for (const host of gone) await lab.start(host, 'zookeeper')
    })
    return { whom: gone.join(' and '), tookMs, also: refused }
  },
  'clock 90 s ahead': scene => clockMoved(scene, 90_000),
  'clock 90 s behind': scene => clockMoved(scene, -90_000),
  'clock an hour ahead': scene => clockMoved(scene, 3_600_000),
  'controller stands still for 60 s': async ({ lab, leader, ...scene }) => {
    const before = await controllerOf(lab, leader)
    const late = performance.now() + stillMs
    const tookMs = await another(scene, () => lab.pause(leader, 'controller'))
    await sleep(Math.max(0, late - performance.now()))
    await lab.resume(leader, 'controller')
    let after = before
    await until(`the controller of ${leader} has ended`, async () => {
      after = await controllerOf(lab, leader)
      return after.state === 'running' && after.starts > before.starts
    })
    if (after.lastCode !== 75) throw new Error(`the deposed one ended with ${after.lastCode}`)
    return { whom: leader, tookMs }
  },
  'step-down': async ({ lab, leader, ...scene }) => {
    const path = '/v1/cluster/step-down'
    const tookMs = await another(scene, async () => {
      await lab.apiOf(leader).ask({ method: 'POST', path, doing: 'hand the lead over' })
    })
    return { whom: leader, tookMs }
  }
}

/** Another one writes after that, in a later epoch. */
async function another(
  { writers, epoch }: Pick<Scene, 'writers' | 'epoch'>,
  strike: () => Promise<void>
): Promise<number> {
  const begunAt = performance.now()
  const striking = strike()
  const [first] = await Promise.all([writers.acknowledged(one => one.epoch > epoch), striking])
  return first.at - begunAt
}

/** Somebody writes what was begun after that. */
async function anybody(writers: Writers, strike: () => Promise<void>): Promise<number> {
  const begunAt = performance.now()
  await strike()
  return (await next(writers)).at - begunAt
}

/** The same one writes after that, in the same epoch, and goes on to for as long as it lasts. */
async function same(
  { writers, epoch, chance }: Pick<Scene, 'writers' | 'epoch' | 'chance'>,
  strike: () => Promise<void>
): Promise<number> {
  const tookMs = await anybody(writers, strike)
  await sleep(chance.between(...lastsMs))
  const { epoch: now } = await next(writers)
  if (now !== epoch) throw new Error(`epoch ${now} has begun: ${epoch} should have gone on`)
  return tookMs
}

/** The first write that is begun from now on and acknowledged. */
async function next(writers: Writers): Promise<Acknowledged> {
  const from = performance.now()
  return await writers.acknowledged(one => one.begunAt > from)
}

async function clockMoved(scene: Scene, byMs: number): Promise<Account> {
  const { lab, clocks, chance } = scene
  const host = chance.pick(lab.plan.hosts).name
  let tookMs = 0
  await clocks.moved(host, byMs, async () => {
    tookMs = await same(scene, async () => {})
  })
  return { whom: host, tookMs }
}

/** Waits until a write is refused, and gives what is said then. */
async function refusal(lab: Lab): Promise<string> {
  let text = ''
  await until('a write is refused', async () => {
    const wish = { method: 'POST', path: '/v1/tenants', body: { name: 'too-late', spec: {} } }
    const said = await say(lab.adminSocket(lab.plan.hosts[0]!.name), { ...wish, key: 'too-late' })
    text = said?.text ?? ''
    return said?.status === 503 && text.includes('nobody leads')
  })
  const { detail, reasons } = JSON.parse(text) as { detail: string; reasons: readonly string[] }
  return [detail, ...reasons].join('; ')
}

/** Waits until a candidate answers what was recorded, and what it knows of instances. */
async function reads(lab: Lab, host: string): Promise<void> {
  for (const path of ['/v1/tenants', '/v1/instances']) {
    await until(`${host} answers ${path}`, async () => {
      return (await say(lab.adminSocket(host), { method: 'GET', path }))?.status === 200
    })
  }
}

/** Host of a server of the ensemble, by its address. */
function hostOf({ plan }: Lab, server = ''): string {
  const host = plan.hosts.find(({ address }) => server.startsWith(`${address}:`))
  if (host) return host.name
  throw new Error(`the session of the controller is at ${server}, of no host`)
}

async function controllerOf(lab: Lab, host: string): Promise<DaemonStatus> {
  const { hosts } = await lab.status()
  const { daemons } = hosts.find(({ name }) => name === host)!
  return daemons.find(({ name }) => name === 'controller')!
}
