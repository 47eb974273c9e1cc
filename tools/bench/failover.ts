/**
 * Cuts the power of a random host of a lab of five, also the controller's own, again and again, and
 * measures how long it takes until its instance answers over HTTP from another host: the whole, and
 * each part. Nobody but the cloud itself does anything: it fences the host, starts its instances
 * elsewhere and switches the host on again. At the end nothing may be lost, nothing may have run
 * twice at any look, and nobody may have been fenced who was well.
 */
import { mkdtemp } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createResource, listResources, readResource, sayVerb } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import { openLab } from '../lab/open.ts'
import { AnswerWatch } from './answer-watch.ts'
import { quantile } from './measure.ts'
import { until, untilWhole } from './takeover-checks.ts'

const timesDefault = 30
const instances = ['web1', 'web2', 'web3', 'web4', 'web5'] as const
/** Between two looks at which domains run where. Unit: ms. */
const lookMs = 500

/** The parts of one failover. Unit: ms. */
type Round = {
  readonly host: string
  readonly wasLeader: boolean
  readonly detect: number
  readonly fence: number
  readonly place: number
  readonly start: number
  readonly boot: number
  /** All but the boot, and all. */
  readonly started: number
  readonly answers: number
  readonly load: number
}

type Recorded = {
  readonly at: string
  readonly verb: string
  readonly because: string
  readonly by: string
}

/** Prints each round, then quantiles of each part, and what went wrong. */
export async function failoverBench(print: (line: string) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-failover-'))
  const ranges = { subnet: '10.89.0.0/24', instances: '10.90.0.0/16' }
  await using lab = await openLab({ folder, hosts: 5, isBound: true, outside: false, ...ranges })
  const spec = { image: 'tiny', memoryMib: 96, pool: 'shared' }
  for (const name of instances) await createResource(lab.api, { kind: 'instance', name }, { spec })
  await untilWhole(lab)
  const random = randomFrom(wanted('--seed', 1))
  const rounds: Round[] = []
  const doubles = new Set<string>()
  for (let number = 1; number <= wanted('--times', timesDefault); number += 1) {
    const round = await failOver(lab, random, doubles)
    rounds.push(round)
    print(`failover: ${number}: ${describe(round)}`)
  }
  await report({ lab, rounds, doubles }, print)
}

async function failOver(
  lab: Lab,
  random: (below: number) => number,
  doubles: Set<string>
): Promise<Round> {
  const leader = await untilWhole(lab)
  const host = lab.plan.hosts[random(lab.plan.hosts.length)]!.name
  const { name, address } = await instanceOn(lab, host)
  await using watch = await AnswerWatch.start(lab, address)
  await watch.answersAfter(0)
  const load = loadavg()[0]!
  const looking = new AbortController()
  const looks = lookForDoubles(lab, doubles, looking.signal)
  await using stack = new AsyncDisposableStack()
  stack.defer(async () => {
    looking.abort()
    await looks
  })
  const cutAt = Date.now()
  await lab.power(host, 'off')
  await until(`${name} is started elsewhere`, async () => {
    const { status } = await readResource(lab.api, { kind: 'instance', name })
    return status['host'] !== host && status['phase'] === 'running'
  })
  const answeredAt = await watch.answersAfter(cutAt + 1_000)
  const ofHost = await historyOf(lab, 'hosts', host)
  const ofInstance = await historyOf(lab, 'instances', name)
  const at = (all: readonly Recorded[], verb: string): number =>
    Date.parse(all.findLast(one => one.verb === verb)?.at ?? '')
  const [fencing, fenced] = [at(ofHost, 'fencing'), at(ofHost, 'fenced')]
  const [placed, started] = [at(ofInstance, 'placed'), at(ofInstance, 'instance-started')]
  return {
    ...{ host, wasLeader: host === leader, load },
    detect: fencing - cutAt,
    fence: fenced - fencing,
    place: placed - fenced,
    start: started - placed,
    boot: answeredAt - started,
    started: started - cutAt,
    answers: answeredAt - cutAt
  }
}

/** An instance on a host; where there is none, one is moved there. */
async function instanceOn(
  lab: Lab,
  host: string
): Promise<{ readonly name: string; readonly address: string }> {
  const { items } = await listResources(lab.api, 'instance')
  let found = items.find(({ status }) => status['host'] === host)
  if (!found) {
    found = items[0]!
    const one = { kind: 'instance' as const, name: found.name }
    await sayVerb(lab.api, one, 'migrate', { body: { to: host, live: true } })
    await until(`${found.name} is on ${host}`, async () => {
      const { status } = await readResource(lab.api, one)
      return status['host'] === host && status['move'] === undefined
    })
  }
  return { name: found.name, address: String((found.status['addresses'] as string[])[0]) }
}

async function historyOf(lab: Lab, plural: string, name: string): Promise<readonly Recorded[]> {
  const path = `/v1/${plural}/${name}/history`
  const answer = await lab.api.ask({ method: 'GET', path, doing: `read the history of ${name}` })
  return (JSON.parse(answer.bytes.toString()) as { readonly items: readonly Recorded[] }).items
}

/** Looks again and again which hypervisor runs what. */
async function lookForDoubles(lab: Lab, doubles: Set<string>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const seen = new Map<string, string>()
    const { hosts } = await lab.status()
    for (const { name, power } of hosts) {
      if (power !== 'on') continue
      const command = ['virsh', '-c', 'qemu:///system', 'list', '--name', '--state-running']
      const { stdout } = await lab.run(name, command, { deadlineMs: 5_000 }).catch(() => noOutput)
      for (const domain of stdout.split('\n').filter(Boolean)) {
        const other = seen.get(domain)
        if (other !== undefined) doubles.add(`${domain} on ${other} and ${name}`)
        seen.set(domain, name)
      }
    }
    await sleep(lookMs, undefined, { signal }).catch(() => {})
  }
}

const noOutput = { stdout: '' }

async function report(
  given: {
    readonly lab: Lab
    readonly rounds: readonly Round[]
    readonly doubles: ReadonlySet<string>
  },
  print: (line: string) => void
): Promise<void> {
  const { lab, rounds, doubles } = given
  await untilWhole(lab)
  const parts = ['detect', 'fence', 'place', 'start', 'boot', 'started', 'answers'] as const
  for (const [what, some] of [
    ['all', rounds],
    ["the controller's host", rounds.filter(({ wasLeader }) => wasLeader)],
    ['other hosts', rounds.filter(({ wasLeader }) => !wasLeader)]
  ] as const) {
    if (some.length === 0) continue
    print(`failover: ${what}, ${some.length} times`)
    for (const part of parts) {
      const times = some.map(round => round[part])
      const [half, most] = [quantile(times, 0.5), quantile(times, 0.99)].map(Math.round)
      print(`failover:   ${part}: p50 ${half} ms, p99 ${most} ms`)
    }
  }
  const loads = rounds.map(({ load }) => load)
  print(`failover: load ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}`)
  let fences = 0
  for (const { name } of lab.plan.hosts) {
    const history = await historyOf(lab, 'hosts', name)
    fences += history.filter(({ verb }) => verb === 'fencing').length
  }
  const { items } = await listResources(lab.api, 'instance')
  const lost = items.filter(({ status }) => status['phase'] !== 'running').map(({ name }) => name)
  print(`failover: ${fences} fences for ${rounds.length} power cuts`)
  print(`failover: ${lost.length} of ${items.length} instances lost, ${doubles.size} ran twice`)
  const failures = [...lost.map(name => `lost: ${name}`), ...doubles]
  if (fences !== rounds.length) failures.push(`${fences} fences for ${rounds.length} power cuts`)
  if (failures.length > 0) throw new Error(failures.join('\n'))
}

function describe(round: Round): string {
  const { host, wasLeader, detect, fence, place, start, boot, answers, load } = round
  const who = wasLeader ? `${host}, the controller's` : host
  return (
    `${who}: answers after ${answers} ms: detect ${detect}, fence ${fence}, place ${place}, ` +
    `start ${start}, boot ${boot}; load ${load.toFixed(1)}`
  )
}

/** A number on the command line. */
function wanted(flag: string, otherwise: number): number {
  const at = process.argv.indexOf(flag)
  const value = at < 0 ? otherwise : Number(process.argv[at + 1])
  if (Number.isInteger(value) && value > 0) return value
  throw new Error(`cannot measure so: write ${flag} and a number from 1`)
}

/** Whole numbers below a bound, the same for the same seed (mulberry32). */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}
