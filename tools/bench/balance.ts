/**
 * Levels a lab of five hosts, of which one has four VMs, another one one, and the rest none
 * (`--spread 7,3` makes others), by live moves, while each VM is asked all the time at the switch.
 * What is measured is how even the hosts are before and after, and the longest gap between two
 * answers of each VM, beside the longest one of a time in which nothing happened. No service may
 * have a gap that is longer than that by more than a bound (`--bound`, in ms).
 */
import { mkdtemp } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Fault } from '#shared/fault.ts'
import { createResource, patchResource, readJson, readResource } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import { openLab } from '../lab/open.ts'
import { qemuForMoves } from '../qemu/home.ts'
import {
  Answers,
  addressesOf,
  hostShare,
  judgeGaps,
  lightSpec,
  reportGaps,
  untilTrue
} from './drain-answers.ts'

const hosts = ['h1', 'h2', 'h3', 'h4', 'h5']
/** All VMs on two threads. */
const vcpusPerThread = 16
/** How long nothing happens, for comparison. Unit: ms. */
const quietMs = 20_000
/** How often it is said how far it is. Unit: ms. */
const tellMs = 3_000

type Said = {
  readonly unevenness: number
  readonly run?: { readonly moves: readonly { readonly state: string }[] }
  readonly last?: { readonly message: string; readonly failed: number }
}

/** Prints the plan, how it went on, and the gaps. Throws when a move came to nothing. */
export async function balanceBench(print: (line: string) => void): Promise<void> {
  const text = { type: 'string' } as const
  const options = { spread: text, bound: text, parallel: text } as const
  const { values } = parseArgs({ options, allowPositionals: true })
  const names = namesOf(values.spread ?? '4,1')
  const boundMs = Number(values.bound ?? '2000')
  const parallel = Number(values.parallel ?? '2')
  const folder = await mkdtemp(join(tmpdir(), 'remuda-bench-'))
  const ranges = { subnet: '10.87.0.0/24', instances: '10.88.0.0/24' }
  const qemu = await qemuForMoves()
  const wish = {
    folder,
    hosts: 5,
    solo: true,
    isBound: true,
    outside: false,
    ...ranges,
    qemu,
    share: hostShare
  }
  await using lab = await openLab(wish)
  const addresses = await fill(lab, names)
  const load = () => `load ${loadavg()[0]!.toFixed(1)}`
  print(`balance: ${addresses.length} instances of 96 MiB answer, ${load()}`)
  await using answers = await Answers.start(lab, addresses)
  await untilTrue(async () => addresses.every(address => answers.of(`${address}/page`).length > 2))
  const quiet = await answers.during(addresses, () => sleep(quietMs))
  const before = await said(lab)
  const begun = performance.now()
  const levelled = await answers.during(addresses, () => level(lab, parallel, print))
  const tookMs = Math.round(performance.now() - begun)
  const after = await said(lab)
  print(`balance: ${after.last!.message}; ${tookMs} ms, ${load()}`)
  print(`balance: unevenness ${before.unevenness.toFixed(4)} → ${after.unevenness.toFixed(4)}`)
  print(`balance: instances by host: ${await spread(lab, names)}`)
  const compared = { names, quiet, found: levelled }
  reportGaps(line => print(`balance: ${line}`), { ...compared, during: 'while levelled' })
  if (after.last!.failed > 0) throw new Fault('conflict', 'cannot call every move made')
  judgeGaps(compared, boundMs)
  print(`balance: no page was missing for more than ${boundMs} ms longer than in quiet`)
}

async function said(lab: Lab): Promise<Said> {
  const doing = 'read the balance'
  const answer = await lab.api.ask({ method: 'GET', path: '/v1/balance', doing })
  return readJson(answer, doing) as Said
}

/** Levels the hosts and says how far it is. */
async function level(lab: Lab, parallel: number, print: (line: string) => void): Promise<void> {
  const doing = 'level the hosts'
  const body = { parallel }
  const asked = { method: 'POST', path: '/v1/balance/apply', body, doing } as const
  const plan = readJson(await lab.api.ask(asked), doing) as {
    readonly moves: readonly {
      readonly instance: string
      readonly from: string
      readonly to: string
    }[]
    readonly before: number
    readonly after: number
  }
  const moves = plan.moves.map(({ instance, from, to }) => `${instance} ${from} → ${to}`)
  print(
    `balance: planned ${plan.before.toFixed(4)} → ${plan.after.toFixed(4)}: ${moves.join(', ')}`
  )
  let told = performance.now()
  await untilTrue(async () => {
    const { run } = await said(lab)
    if (run && performance.now() - told > tellMs) {
      const done = run.moves.filter(({ state }) => state === 'done').length
      print(`balance:   ${done} of ${run.moves.length} moves made`)
      told = performance.now()
    }
    return run === undefined
  })
}

async function spread(lab: Lab, names: readonly string[]): Promise<string> {
  const all = await Promise.all(names.map(name => readResource(lab.api, instance(name))))
  const places = all.map(({ status }) => status['host'])
  return hosts.map(host => `${host} ${places.filter(place => place === host).length}`).join(', ')
}

/** As many for each host as a list says, such as `7,3`: what is made there begins with its name. */
const namesOf = (spread: string): readonly string[] =>
  spread
    .split(',')
    .flatMap((count, host) =>
      Array.from({ length: Number(count) }, (_, at) => `${hosts[host]}-web${at + 1}`)
    )
const instance = (name: string) => ({ kind: 'instance' as const, name })

/** All are made while only their host is open, and answer. */
async function fill(lab: Lab, names: readonly string[]): Promise<readonly string[]> {
  const set = (name: string, spec: Readonly<Record<string, unknown>>) =>
    patchResource(lab.api, { kind: 'host', name }, { spec })
  for (const name of hosts) await set(name, { vcpusPerThread })
  for (const host of hosts) {
    const here = names.filter(each => each.startsWith(`${host}-`))
    if (here.length === 0) continue
    for (const name of hosts) await set(name, { schedulable: name === host })
    for (const name of here) await createResource(lab.api, instance(name), { spec: lightSpec })
  }
  const addresses = await addressesOf(lab, names)
  for (const name of hosts) await set(name, { schedulable: true })
  return addresses
}
