/**
 * Stories of a whole cloud in virtual time. Each has a folder: README.md tells it, fleet.json says
 * which machines there are, commands.json what happens when, and log.expect holds every decision
 * that follows, with its reason. `UPDATE=1` rewrites log.expect; review it as code. Where there is
 * a file candidates.json, those candidates stand for election instead of one controller alone.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { isFault } from '#shared/fault.ts'
import type { InstanceSpec } from '#shared/model/instance.ts'
import type { Commit } from '../../controller/core/commit.ts'
import { documentOf } from '../../controller/core/documents.ts'
import { CandidateCloud, type WorldNews } from '../world/candidate-cloud.ts'
import { type HostWish, WholeCloud } from '../world/whole-cloud.ts'
import { actOnCandidates, type CandidateDeed, isCandidateDeed } from './candidate-deeds.ts'
import { actOnCrashes, type CrashDeed, isCrashDeed } from './crash-deeds.ts'
import { actOnDuty, type DutyDeed, isDutyDeed } from './duty-deeds.ts'
import {
  actOnMachines,
  anotherMillisecond,
  equip,
  isMachineDeed,
  type MachineDeed,
  type MachineWish
} from './machine-deeds.ts'
import { actOnOrder, isOrderDeed, type OrderDeed } from './order-deeds.ts'

type Deed =
  | { readonly do: 'create'; readonly name: string; readonly spec: object }
  | { readonly do: 'power'; readonly name: string; readonly power: InstanceSpec['desiredPower'] }
  | { readonly do: 'restart' | 'delete' | 'look'; readonly name: string }
  | { readonly do: 'pull-plug' | 'shut-down-inside'; readonly name: string; readonly host: string }
  | { readonly do: 'add-host'; readonly host: HostWish }
  | {
      readonly do: 'cut' | 'mend' | 'stop-agent' | 'start-agent' | 'add-foreign' | 'count-starts'
      readonly host: string
    }
  | { readonly do: 'stop-controller' | 'start-controller' | 'disk-full' | 'disk-heals' }
  | { readonly do: 'copy-journal' | 'put-journal-back' }
  | { readonly do: 'cut-power'; readonly hosts: readonly string[] }
  | { readonly do: 'stand'; readonly candidates: readonly string[] }
  | CandidateDeed
  | CrashDeed
  | DutyDeed
  | MachineDeed
  | OrderDeed

type Command = Deed & { readonly at: number }

const folder = import.meta.dirname
const read = (story: string, name: string): string =>
  readFileSync(join(folder, story, name), 'utf8')

for (const entry of readdirSync(folder, { withFileTypes: true })) {
  if (!entry.isDirectory()) continue
  const story = entry.name
  const [title = story] = read(story, 'README.md').split('\n')
  test(`${story}: ${title.replace(/^# /, '')}`, async t => {
    t.timeout(600_000)
    const log = await play(story)
    const path = join(folder, story, 'log.expect')
    if (process.env['UPDATE'] === '1') writeFileSync(path, log)
    t.true(existsSync(path), `${path} is missing: run again with UPDATE=1 and review it`)
    t.is(log, readFileSync(path, 'utf8'))
  })
}

async function play(story: string): Promise<string> {
  const fleet = JSON.parse(read(story, 'fleet.json')) as readonly MachineWish[]
  const commands = JSON.parse(read(story, 'commands.json')) as readonly Command[]
  const lines: string[] = []
  let hasBegun = false
  const say = (text: string): void => {
    // How all such stories begin is told by the others.
    if (room && !hasBegun) return
    lines.push(`${(cloud.clock.monotonic() / 1000).toFixed(2).padStart(8)} s  ${text}`)
  }
  let epochTold = 1
  const onCommit = (commit: Commit, epoch: number): void => {
    if (names.length > 0 && epoch !== epochTold) say(`epoch ${epoch} begins`)
    epochTold = epoch
    for (const decision of commit.decisions) {
      const { subjects, verb, by, because } = decision
      const what = subjects.length > 1 ? `${subjects.length} resources` : subjects[0]
      const alarm = room && isAlarm(commit, decision) ? 'ALARM ' : ''
      say(`${alarm}${what}  ${verb} by ${by}: ${timeless(because)}`)
    }
  }
  const onNews = (news: WorldNews): void => {
    if (news.type === 'entry') onCommit(news.entry.commit, news.entry.epoch)
    else say(`${news.name}  ended, to start again: ${news.because}`)
  }
  const path = join(folder, story, 'candidates.json')
  const names = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as string[]) : []
  await using cloud = names.length > 0 ? new CandidateCloud(onNews) : new WholeCloud(onCommit)
  // Where machines have switches they can be fenced, and the story is about that.
  const room = fleet.some(({ bmc }) => bmc !== undefined) ? cloud.furnish() : undefined
  for (const name of room ? bootdsOf(names) : []) await room?.startBootd(name)
  if (cloud instanceof CandidateCloud) {
    if (room) cloud.settle(names)
    await cloud.startController(names)
  } else await cloud.startController()
  for (const host of fleet) await cloud.addHost(host)
  if (room) for (const host of fleet) await equip(cloud, host)
  await cloud.addImage('tiny', { format: 'qcow2' })
  await cloud.addImage('tiny-container', { type: 'container', format: 'tar' })
  for (const command of commands) {
    await cloud.clock.pass(Math.max(0, command.at - cloud.clock.monotonic()))
    const { at: _, ...deed } = command
    hasBegun = true
    say(`> ${JSON.stringify(deed)}`)
    try {
      const seen = await (room && isMachineDeed(command)
        ? actOnMachines({ cloud, room }, command)
        : act(cloud, command as Exclude<Deed, MachineDeed>))
      for (const line of seen) say(`  ${line}`)
    } catch (thrown) {
      if (!isFault(thrown)) throw thrown
      say(`  refused (${thrown.code}): ${[thrown.message, ...thrown.reasons].join('; ')}`)
    }
  }
  await cloud.clock.pass(5_000)
  return `${lines.join('\n')}\n`
}

/** Beside one controller alone, or beside each of several candidates. */
const bootdsOf = (candidates: readonly string[]): readonly string[] =>
  candidates.length > 0 ? candidates : ['controller']

/** Whether a decision goes to operators as an alarm. */
const isAlarm = ({ changes }: Commit, { verb, because }: Commit['decisions'][number]): boolean =>
  changes.some(
    change =>
      change.op === 'put' &&
      change.resource.kind === 'event' &&
      change.resource.spec.severity === 'alarm' &&
      change.resource.spec.reason === verb &&
      change.resource.spec.message === because
  )

async function act(
  cloud: WholeCloud,
  deed: Exclude<Deed, MachineDeed>
): Promise<readonly string[]> {
  if (isCandidateDeed(deed)) return await actOnCandidates(cloud, deed)
  if (isDutyDeed(deed)) return await actOnDuty(cloud, deed)
  if (isOrderDeed(deed)) return await actOnOrder(cloud, deed)
  if (isCrashDeed(deed)) return await actOnCrashes(cloud, deed)
  switch (deed.do) {
    case 'create': {
      const spec = cloud.specOf('instance', { image: 'tiny', memoryMib: 128, ...deed.spec })
      await cloud.wish({ verb: 'create', kind: 'instance', name: deed.name, spec })
      await anotherMillisecond()
      return []
    }
    case 'power':
      await cloud.wish({ verb: 'power', id: instanceOf(cloud, deed.name).id, power: deed.power })
      return []
    case 'restart':
      await cloud.wish({ verb: 'restart', id: instanceOf(cloud, deed.name).id })
      return []
    case 'delete': {
      const { id } = instanceOf(cloud, deed.name)
      await cloud.wish({ verb: 'delete', kind: 'instance', id })
      return []
    }
    case 'look':
      return look(cloud, deed.name)
    case 'pull-plug':
      await domainOf(cloud, deed, (hypervisor, key) =>
        hypervisor.kill(key, { detail: 'destroyed' })
      )
      return []
    case 'shut-down-inside':
      await domainOf(cloud, deed, (hypervisor, key) => hypervisor.shutDownFromInside(key))
      return []
    case 'add-host':
      await cloud.addHost(deed.host)
      return []
    default:
      return await actOnParts(cloud, deed)
  }
}

async function actOnParts(
  cloud: WholeCloud,
  deed: Exclude<
    Deed,
    | { name: string }
    | { do: 'add-host' }
    | CandidateDeed
    | CrashDeed
    | DutyDeed
    | MachineDeed
    | OrderDeed
  >
): Promise<readonly string[]> {
  switch (deed.do) {
    case 'cut':
      cloud.net.cut(cloud.host(deed.host).id)
      return []
    case 'mend':
      cloud.net.mend(cloud.host(deed.host).id)
      return []
    case 'stop-agent': {
      const over = cloud.host(deed.host).stop()
      await cloud.clock.pass(10)
      await over
      return []
    }
    case 'start-agent':
      await cloud.host(deed.host).start(cloud)
      return []
    case 'add-foreign':
      cloud.host(deed.host).hypervisor.addForeign({ name: 'somebody-elses', driver: 'qemu' })
      return []
    case 'count-starts': {
      const calls = cloud.host(deed.host).hypervisor.calls
      const count = (method: string) => calls.filter(call => call.startsWith(method)).length
      return [`${count('create')} starts, ${count('destroy')} ended by force`]
    }
    case 'stop-controller':
      await cloud.stopController()
      return []
    case 'cut-power': {
      const over = deed.hosts.map(host => cloud.host(host).powerCut())
      await cloud.clock.pass(10)
      await Promise.all(over)
      return []
    }
    case 'stand':
      cloud.cards = deed.candidates.map(name => ({
        name,
        apiUrl: `http://${name}:7410`,
        meshKey: name.padEnd(40, 'm'),
        doorEndpoint: `tcp://${name}:7412`,
        doorKey: name.padEnd(40, 'd')
      }))
      return []
    case 'start-controller':
      await cloud.startController()
      return []
    case 'disk-full':
      cloud.disk.failNext('refused')
      return []
    case 'disk-heals':
      cloud.disk.heal()
      return []
    case 'copy-journal':
      cloud.disk.copy()
      return []
    case 'put-journal-back':
      cloud.disk.putBack()
      return []
    default:
      deed satisfies never
      return []
  }
}

function instanceOf(cloud: WholeCloud, name: string) {
  const instance = cloud.reign.view.named('instance', name, 'default')
  if (!instance) throw new Error(`there is no instance ${name}`)
  return instance
}

function look(cloud: WholeCloud, name: string): readonly string[] {
  const { view } = cloud.reign
  const instance = view.named('instance', name, 'default')
  if (!instance) return [`${name} is not there`]
  const { status, conditions } = documentOf(view, instance, cloud.reign.now())
  const said = conditions.map(
    ({ type, status: is, message }) => `${type} ${is}: ${timeless(message)}`
  )
  return [`${name} is ${String(status['phase'])}`, ...said]
}

async function domainOf(
  cloud: WholeCloud,
  deed: { readonly name: string; readonly host: string },
  change: (
    hypervisor: ReturnType<WholeCloud['host']>['hypervisor'],
    key: { readonly driver: 'qemu' | 'lxc'; readonly uuid: string }
  ) => void
): Promise<void> {
  const { hypervisor } = cloud.host(deed.host)
  const domains = await hypervisor.domains()
  const domain = domains.find(({ name }) => name === `default.${deed.name}`)
  if (!domain) throw new Error(`no domain of ${deed.name} on ${deed.host}`)
  change(hypervisor, domain)
}

/** Moments of the wall clock stand in sentences; the story's own clock is before each line. */
const timeless = (text: string): string =>
  text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'T').replace(/\b(h|fe)-[0-9a-f-]{36}/g, '$1-ID')
