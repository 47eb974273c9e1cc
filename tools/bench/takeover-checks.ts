/** What is looked at in a lab while its controllers come and go. */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { createResource, listResources } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import { say } from './takeover-writers.ts'

/** Nothing that is waited for takes nearly as long. Unit: ms. */
const waitMsMax = 120_000

type Line = {
  readonly time: string
  readonly message: string
  readonly epoch?: number
  readonly generation?: number
}
type Status = {
  readonly state: string
  readonly epoch: number
  readonly position: number
  readonly leader?: { readonly name: string }
  readonly candidates: readonly { readonly name: string; readonly stands: boolean }[]
}

/** Looks again and again until a condition holds. */
export async function until(what: string, look: () => Promise<boolean>): Promise<void> {
  const late = performance.now() + waitMsMax
  while (!(await look().catch(() => false))) {
    if (performance.now() > late) throw new Error(`waited ${waitMsMax} ms in vain until ${what}`)
    await sleep(100)
  }
}

/** Gives each host a container that stays there. */
export async function settle(lab: Lab): Promise<void> {
  for (const { name: host } of lab.plan.hosts) {
    const spec = { image: 'tiny-container', type: 'container', size: 'tiny', host }
    await createResource(lab.api, { kind: 'instance', name: `on-${host}` }, { spec })
  }
  await untilWhole(lab)
}

/** How the candidate of one host sees the cluster; undefined: it does not answer. */
export async function statusAt(lab: Lab, host: string): Promise<Status | undefined> {
  const said = await say(lab.adminSocket(host), { method: 'GET', path: '/v1/cluster' })
  return said?.status === 200 ? (JSON.parse(said.text) as Status) : undefined
}

/** Name of the host whose controller says of itself that it leads. */
export async function leaderOf(lab: Lab): Promise<string | undefined> {
  for (const { name } of lab.plan.hosts) {
    if ((await statusAt(lab, name))?.state === 'leads') return name
  }
  return undefined
}

/** Waits until all hosts are online, all candidates stand, and all instances run. */
export async function untilWhole(lab: Lab): Promise<string> {
  let leader = ''
  await until('the lab is whole', async () => {
    leader = (await leaderOf(lab)) ?? ''
    const status = await statusAt(lab, leader)
    const phases = await lab.hostPhases()
    const { items } = await listResources(lab.api, 'instance', { tenant: '*' })
    return (
      status?.candidates.filter(({ stands }) => stands).length === 3 &&
      lab.plan.hosts.every(({ name }) => phases.get(name) === 'online') &&
      items.every(item => item.status['phase'] === 'running') &&
      (await zooKeeperLeader(lab)) !== undefined
    )
  })
  return leader
}

/** Host of the ZooKeeper server that leads, where all servers answer; else undefined. */
export async function zooKeeperLeader(lab: Lab): Promise<string | undefined> {
  const modes = await Promise.all(
    lab.plan.hosts.map(async ({ name, address }) => {
      const script = `exec 3<>/dev/tcp/${address}/2181; printf srvr >&3; timeout 2 cat <&3`
      const { stdout } = await lab.run(name, ['bash', '-c', script], { deadlineMs: 5_000 })
      return { name, mode: /^Mode: (\w+)$/m.exec(stdout)?.[1] }
    })
  )
  if (modes.some(({ mode }) => mode === undefined)) return undefined
  return modes.find(({ mode }) => mode === 'leader')?.name
}

/** Since when each instance runs and how often it was started, but for those on some hosts. */
export async function livesOf(
  lab: Lab,
  without: readonly string[] = []
): Promise<Readonly<Record<string, string>>> {
  const { items } = await listResources(lab.api, 'instance', { tenant: '*' })
  return Object.fromEntries(
    items
      .filter(({ spec }) => !without.includes(String(spec['host'])))
      .map(({ name, status }) => [name, `${status['startedAt']}, start ${status['startCount']}`])
  )
}

/** What is wrong in the order of epochs, by the logs of controllers and agents; empty: nothing. */
export async function disorder(lab: Lab): Promise<readonly string[]> {
  const wrong: string[] = []
  const led: Line[] = []
  const taken: Line[] = []
  for (const { name } of lab.plan.hosts) {
    led.push(...(await linesOf(lab.logOf(name, 'controller'), 'leading')))
    const orders = await linesOf(lab.logOf(name, 'agent'), 'order taken on')
    wrong.push(...backwards(orders).map(text => `agent of ${name}: ${text}`))
    taken.push(...orders)
  }
  const byTime = (a: Line, b: Line): number => Date.parse(a.time) - Date.parse(b.time)
  const reigns = led.toSorted(byTime).map(({ epoch = 0 }) => epoch)
  for (const [at, epoch] of reigns.entries()) {
    if (at > 0 && epoch <= reigns[at - 1]!) wrong.push(`epoch ${epoch} after ${reigns[at - 1]}`)
  }
  let highest = 0
  for (const { time, epoch = 0 } of taken.toSorted(byTime)) {
    if (epoch < highest) wrong.push(`order of epoch ${epoch} taken on at ${time}, after ${highest}`)
    highest = Math.max(highest, epoch)
  }
  return wrong
}

/** How many orders all agents have taken on, and in how many epochs there was a controller. */
export async function counts(
  lab: Lab
): Promise<{ readonly orders: number; readonly epochs: number }> {
  let [orders, epochs] = [0, 0]
  for (const { name } of lab.plan.hosts) {
    orders += (await linesOf(lab.logOf(name, 'agent'), 'order taken on')).length
    epochs += (await linesOf(lab.logOf(name, 'controller'), 'leading')).length
  }
  return { orders, epochs }
}

function backwards(lines: readonly Line[]): readonly string[] {
  return lines.flatMap(({ epoch = 0, generation = 0 }, at) => {
    const before = lines[at - 1]
    if (!before) return []
    const { epoch: lastEpoch = 0, generation: last = 0 } = before
    const isFine = epoch > lastEpoch || (epoch === lastEpoch && generation >= last)
    return isFine ? [] : [`order ${epoch}/${generation} after ${lastEpoch}/${last}`]
  })
}

async function linesOf(path: string, message: string): Promise<readonly Line[]> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text.split('\n').flatMap(line => {
    if (!line.includes(message)) return []
    try {
      const read = JSON.parse(line) as Line
      return read.message === message ? [read] : []
    } catch {
      return [] // a power cut ended it half-way
    }
  })
}
