/**
 * Empties a host of a lab that runs ten VMs, while each of them is asked all the time from the
 * switch. Every one must answer throughout: what is measured is the longest gap between two answers
 * of each, beside the longest one of a time in which nothing happened.
 *
 * Three clocks tell where a gap comes from. QEMU counts how long a processor stood still. A port at
 * which nobody listens is called again and again: the guest's kernel refuses at once, so this is
 * how long no frame got through; what it is longer than the standstill is the network's and ours.
 * And a page is asked for over HTTP: what that takes longer is the guest's, and TCP's, which sends
 * a lost first packet again after 1 s.
 */
import { mkdtemp } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createResource, patchResource, readResource, sayVerb } from '../cli/api/resources.ts'
import { dutyOf, judgeDrained } from '../cli/run/host-duty.ts'
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
import { median } from './measure.ts'

const count = 10
const names = Array.from({ length: count }, (_, at) => `web${at + 1}`)
/** Ten VMs on two threads, and as many on their way. */
const vcpusPerThread = 16
/** How long nothing happens, for comparison. Unit: ms. */
const quietMs = 20_000
/** How often it is said how far it is. Unit: ms. */
const tellMs = 3_000

const host = (name: string) => ({ kind: 'host' as const, name })
const instance = (name: string) => ({ kind: 'instance' as const, name })

/** What is wished of the drain, and of the answers meanwhile. */
const optionsDefault = {
  /** Instances that are on their way at once. */
  parallel: '2',
  /** Most that is sent of one in a second; 0: as fast as it goes. Unit: MiB. */
  bandwidth: '0',
  /** How long one may stand still; 0: as long as one may where nobody says. Unit: ms. */
  downtime: '0',
  /** How much longer than in quiet a page may be missing. Unit: ms. */
  bound: '2000'
}

type Options = Readonly<Record<keyof typeof optionsDefault, number>>

function optionsGiven(): Options {
  const names = Object.keys(optionsDefault) as readonly (keyof Options)[]
  const options = Object.fromEntries(names.map(name => [name, { type: 'string' as const }]))
  const { values } = parseArgs({ options, allowPositionals: true })
  const given = { ...optionsDefault, ...values } as Readonly<Record<keyof Options, string>>
  return Object.fromEntries(names.map(name => [name, Number(given[name])])) as Options
}

/**
 * Prints how it went on, how long it took, and what each instance's longest gap was. Throws when
 * one was not answered for longer than may be.
 */
export async function drainBench(print: (line: string) => void): Promise<void> {
  const options = optionsGiven()
  const folder = await mkdtemp(join(tmpdir(), 'remuda-bench-'))
  const ranges = { subnet: '10.87.0.0/24', instances: '10.88.0.0/24' }
  const qemu = await qemuForMoves()
  const wish = {
    folder,
    hosts: 3,
    solo: true,
    isBound: true,
    outside: false,
    ...ranges,
    qemu,
    share: hostShare
  }
  await using lab = await openLab(wish)
  const addresses = await fill(lab)
  const load = () => `load ${loadavg()[0]!.toFixed(1)}`
  print(`drain: ${count} instances of 96 MiB answer on h1, ${load()}`)
  await using answers = await Answers.start(lab, addresses)
  await untilTrue(async () => addresses.every(address => answers.of(`${address}/page`).length > 2))
  const quiet = await answers.during(addresses, () => sleep(quietMs))
  const begun = performance.now()
  let seen: Seen | undefined
  const drained = await answers.during(addresses, async () => {
    seen = await drain(lab, options, print)
  })
  const tookMs = Math.round(performance.now() - begun)
  const { done, total, atOnce, mibPerSecond } = seen!
  print(`drain: ${done} of ${total} left in ${tookMs} ms, ${atOnce} at once, ${load()}`)
  const limit = options.bandwidth === 0 ? 'no limit' : `at most ${options.bandwidth} allowed`
  print(`drain: sent of one in a second, at the most: ${mibPerSecond} MiB (${limit})`)
  const still = await standstills(lab)
  const longest = Math.max(...still)
  print(`drain: stood still, as QEMU counts: median ${median(still)} ms, longest ${longest} ms`)
  const compared = { names, quiet, found: drained }
  reportGaps(line => print(`drain: ${line}`), { ...compared, during: 'in the drain' })
  judgeGaps(compared, options.bound)
  print(`drain: no page was missing for more than ${options.bound} ms longer than in quiet`)
}

type Seen = {
  readonly done: number
  readonly total: number
  /** Most that were on their way at a look. */
  readonly atOnce: number
  /** The most that was said to be sent of one in a second. */
  readonly mibPerSecond: number
}

/** Empties the first host, says how far it is, and what was seen meanwhile. */
async function drain(
  lab: Lab,
  { parallel, bandwidth, downtime }: Options,
  print: (line: string) => void
): Promise<Seen> {
  const body = {
    parallel,
    ...(bandwidth > 0 && { bandwidthMib: bandwidth }),
    ...(downtime > 0 && { downtimeMs: downtime })
  }
  let seen: Seen = { done: 0, total: 0, atOnce: 0, mibPerSecond: 0 }
  let told = Number.NEGATIVE_INFINITY
  await sayVerb(lab.api, host('h1'), 'drain', { body })
  await untilTrue(async () => {
    const document = await readResource(lab.api, host('h1'))
    const duty = dutyOf(document)!
    const leaving = duty.instances.filter(({ state }) => state === 'leaving')
    const speeds = leaving.map(({ mibPerSecond = 0 }) => mibPerSecond)
    seen = {
      done: duty.done,
      total: duty.total,
      atOnce: Math.max(seen.atOnce, leaving.length),
      mibPerSecond: Math.max(seen.mibPerSecond, ...speeds)
    }
    if (performance.now() - told > tellMs) {
      print(`drain:   ${judgeDrained(document).words}`)
      told = performance.now()
    }
    return duty.state === 'maintenance'
  })
  return seen
}

/** How long each stood still on its way, as its history says. Unit: ms. */
async function standstills(lab: Lab): Promise<readonly number[]> {
  const found: number[] = []
  for (const name of names) {
    const path = `/v1/instances/${name}/history`
    const answer = await lab.api.ask({ method: 'GET', path, doing: 'read the history' })
    const said = /stood still for (\d+) ms/.exec(answer.bytes.toString())?.[1]
    if (said !== undefined) found.push(Number(said))
  }
  return found.length > 0 ? found : [0]
}

/** All are made while only the first host is open, and answer. */
async function fill(lab: Lab): Promise<readonly string[]> {
  const open = (schedulable: boolean) =>
    Promise.all(
      ['h2', 'h3'].map(name => patchResource(lab.api, host(name), { spec: { schedulable } }))
    )
  for (const name of ['h1', 'h2', 'h3']) {
    await patchResource(lab.api, host(name), { spec: { vcpusPerThread } })
  }
  await open(false)
  for (const name of names) await createResource(lab.api, instance(name), { spec: lightSpec })
  const addresses = await addressesOf(lab, names)
  await open(true)
  return addresses
}
