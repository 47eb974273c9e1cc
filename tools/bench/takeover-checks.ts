/** What is looked at in a lab while its controllers come and go. */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { sentence } from '#shared/fault.ts'
import { createResource, listResources } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import { say } from './takeover-writers.ts'

/** Nothing that is waited for takes nearly as long. Unit: ms. */
const waitMsMax = 120_000

/** When a line of a log was written by the kernel's clock, where the host's own was moved. */
export type TrueTime = (given: {
  readonly host: string
  readonly daemon: 'controller' | 'agent'
  /** Where the line begins. Unit: bytes. */
  readonly offset: number
  /** As the line says. Unit: ms. */
  readonly time: number
}) => number

type Line = {
  readonly time: number
  readonly message: string
  readonly epoch?: number
  readonly generation?: number
  readonly position?: number
}
type Status = {
  readonly state: string
  readonly because: string
  readonly epoch: number
  readonly position: number
  readonly leader?: { readonly name: string }
  readonly session?: { readonly server?: string }
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
  let lacks: readonly string[] = []
  const look = async (): Promise<boolean> => {
    leader = (await leaderOf(lab)) ?? ''
    const seen = leader === '' ? ['nobody leads'] : lacking(lab, leader)
    lacks = await Promise.resolve(seen).catch(thrown => [sentence(thrown)])
    return lacks.length === 0
  }
  await until('the lab is whole', look).catch(cause => {
    throw new Error(`${cause.message}: ${lacks.join(', ')}`, { cause })
  })
  return leader
}

/** What of a lab is not as it should be, in words. */
async function lacking(lab: Lab, leader: string): Promise<readonly string[]> {
  const status = await statusAt(lab, leader)
  const phases = await lab.hostPhases()
  const { items } = await listResources(lab.api, 'instance', { tenant: '*' })
  const standing = status?.candidates.filter(({ stands }) => stands) ?? []
  return [
    ...(standing.length === 3 ? [] : [`${standing.map(({ name }) => name).join(' ')} stand`]),
    ...lab.plan.hosts
      .filter(({ name }) => phases.get(name) !== 'online')
      .map(({ name }) => `host ${name} is ${phases.get(name)}`),
    ...items
      .filter(item => item.status['phase'] !== 'running')
      .map(item => `instance ${item.name} is ${item.status['phase']}`),
    ...((await zooKeeperLeader(lab)) === undefined ? ['not all servers of the ensemble serve'] : [])
  ]
}

/** Host of the ZooKeeper server that leads, where all servers answer; else undefined. */
export async function zooKeeperLeader(lab: Lab): Promise<string | undefined> {
  const modes = await Promise.all(
    lab.plan.hosts
      .filter(({ server }) => server !== undefined)
      .map(async ({ name, address }) => {
        const script = `exec 3<>/dev/tcp/${address}/2181; printf srvr >&3; timeout 15 cat <&3`
        // With a socket for its input bash would think itself remote, and read its user's files.
        const { stdout } = await lab.run(name, ['bash', '--norc', '-c', script], {
          deadlineMs: 30_000
        })
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
export async function disorder(
  lab: Lab,
  trueTime: TrueTime = ({ time }) => time
): Promise<readonly string[]> {
  const wrong: string[] = []
  const led: Line[] = []
  const taken: Line[] = []
  for (const { name } of lab.plan.hosts) {
    led.push(...(await linesOf(lab, { host: name, daemon: 'controller', trueTime })))
    const orders = await linesOf(lab, { host: name, daemon: 'agent', trueTime })
    wrong.push(...backwards(orders).map(text => `agent of ${name}: ${text}`))
    taken.push(...orders)
  }
  const byTime = (a: Line, b: Line): number => a.time - b.time
  const reigns = led.toSorted(byTime).map(({ epoch = 0 }) => epoch)
  for (const [at, epoch] of reigns.entries()) {
    if (at > 0 && epoch <= reigns[at - 1]!) wrong.push(`epoch ${epoch} after ${reigns[at - 1]}`)
  }
  let highest = 0
  for (const { time, epoch = 0 } of taken.toSorted(byTime)) {
    const at = new Date(time).toISOString()
    if (epoch < highest) wrong.push(`order of epoch ${epoch} taken on at ${at}, after ${highest}`)
    highest = Math.max(highest, epoch)
  }
  return wrong
}

/** In which epoch each controller has led, and after which entry of the journal that began. */
export async function reignsOf(
  lab: Lab
): Promise<
  readonly { readonly host: string; readonly epoch: number; readonly position: number }[]
> {
  const all = await Promise.all(
    lab.plan.hosts.map(async ({ name: host }) => {
      const lines = await linesOf(lab, { host, daemon: 'controller' })
      return lines.map(({ epoch = 0, position = 0 }) => ({ host, epoch, position }))
    })
  )
  return all.flat().sort((a, b) => a.epoch - b.epoch)
}

/** How many orders all agents have taken on, and in how many epochs there was a controller. */
export async function counts(
  lab: Lab
): Promise<{ readonly orders: number; readonly epochs: number }> {
  let [orders, epochs] = [0, 0]
  for (const { name: host } of lab.plan.hosts) {
    orders += (await linesOf(lab, { host, daemon: 'agent' })).length
    epochs += (await linesOf(lab, { host, daemon: 'controller' })).length
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

/** What is looked for in the log of each daemon. */
const messages = { controller: 'leading', agent: 'order taken on' } as const

async function linesOf(
  lab: Lab,
  given: {
    readonly host: string
    readonly daemon: 'controller' | 'agent'
    readonly trueTime?: TrueTime
  }
): Promise<readonly Line[]> {
  const { host, daemon, trueTime = ({ time }) => time } = given
  const message = messages[daemon]
  const text = await readFile(lab.logOf(host, daemon), 'utf8').catch(() => '')
  const lines: Line[] = []
  let offset = 0
  for (const line of text.split('\n')) {
    const read = line.includes(message) ? parsed(line) : undefined
    if (read?.message === message) {
      const time = trueTime({ host, daemon, offset, time: Date.parse(read.time) })
      lines.push({ ...read, time })
    }
    offset += Buffer.byteLength(line) + 1
  }
  return lines
}

/** Undefined: a power cut ended it half-way. */
function parsed(line: string): (Omit<Line, 'time'> & { readonly time: string }) | undefined {
  try {
    return JSON.parse(line) as Omit<Line, 'time'> & { readonly time: string }
  } catch {
    return undefined
  }
}
