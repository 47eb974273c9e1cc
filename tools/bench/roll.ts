/**
 * Rolls over a whole lab of five hosts, three of them candidates with servers of the ensemble: each
 * host is emptied by live moves, boots anew and gets back what it had, by `remuda host roll
 * --reboot --back`, while each VM is asked all the time. What is measured is the longest gap
 * between two answers of each VM, beside the longest one of a time in which nothing happened. No
 * service may have a gap that is longer than that by more than a bound (`--bound`, in ms).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Fault } from '#shared/fault.ts'
import { createResource, patchResource, readResource } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import { openLab } from '../lab/open.ts'
import { qemuForMoves } from '../qemu/home.ts'
import {
  Answers,
  addressesOf,
  type GapsCompared,
  hostShare,
  judgeGaps,
  lightSpec,
  reportGaps,
  untilTrue
} from './drain-answers.ts'

const hosts = ['h1', 'h2', 'h3', 'h4', 'h5']
/** All VMs on two threads, and as many on their way. */
const vcpusPerThread = 16
/** How long nothing happens, for comparison. Unit: ms. */
const quietMs = 20_000
/** Sessions with the ensemble are longer than what a busy machine holds up. Unit: ms. */
const sessionMs = 10_000

/** Prints what the command says, and the gaps. Throws when one is too long or a VM began anew. */
export async function rollBench(print: (line: string) => void): Promise<void> {
  const text = { type: 'string' } as const
  const options = { vms: text, bound: text } as const
  const { values } = parseArgs({ options, allowPositionals: true })
  const names = Array.from({ length: Number(values.vms ?? '5') }, (_, at) => `web${at + 1}`)
  const boundMs = Number(values.bound ?? '2000')
  const folder = await mkdtemp(join(tmpdir(), 'remuda-bench-'))
  const ranges = { subnet: '10.89.0.0/24', instances: '10.90.0.0/24' }
  const qemu = await qemuForMoves()
  const wish = { folder, hosts: hosts.length, isBound: true, outside: false, sessionMs }
  await using lab = await openLab({ ...wish, ...ranges, qemu, share: hostShare })
  const addresses = await fill(lab, names)
  const starts = await startsOf(lab, names)
  const load = () => `load ${loadavg()[0]!.toFixed(1)}`
  print(`roll: ${names.length} instances of 96 MiB answer, one on each host, ${load()}`)
  await using answers = await Answers.start(lab, addresses)
  await untilTrue(async () => addresses.every(address => answers.of(`${address}/page`).length > 2))
  const quiet = await answers.during(addresses, () => sleep(quietMs))
  const begun = performance.now()
  const found = await answers.during(addresses, () => roll(lab, print))
  print(`roll: ${Math.round(performance.now() - begun)} ms in all, ${load()}`)
  const compared: GapsCompared = { names, quiet, found }
  reportGaps(line => print(`roll: ${line}`), { ...compared, during: 'while rolled over' })
  const after = await startsOf(lab, names)
  const restarted = names.filter((_, at) => starts[at] !== after[at])
  if (restarted.length > 0) {
    throw new Fault('conflict', 'cannot call every service moved while it ran', {
      reasons: [`started anew: ${restarted.join(', ')}`]
    })
  }
  judgeGaps(compared, boundMs)
  print(`roll: no page was missing for more than ${boundMs} ms longer than in quiet`)
}

/** How often each was started: a move is no start. */
async function startsOf(lab: Lab, names: readonly string[]): Promise<readonly unknown[]> {
  return await Promise.all(
    names.map(async name => {
      const { status } = await readResource(lab.api, { kind: 'instance', name })
      return status['startCount']
    })
  )
}

/** Runs the command itself, as an operator does, against all candidates. */
async function roll(lab: Lab, print: (line: string) => void): Promise<void> {
  const program = join(import.meta.dirname, '../remuda.ts')
  const child = spawn(process.execPath, [program, 'host', 'roll', '--reboot', '--back'], {
    env: { ...process.env, REMUDA_LAB: lab.folder },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  createInterface({ input: child.stdout }).on('line', line => print(`roll:   ${line}`))
  const [code] = (await once(child, 'close')) as [number | null]
  if (code !== 0) throw new Fault('command', `cannot roll over the lab: exit code ${code}`)
}

/** One instance on each host in turn, which answers. */
async function fill(lab: Lab, names: readonly string[]): Promise<readonly string[]> {
  const set = (name: string, spec: Readonly<Record<string, unknown>>) =>
    patchResource(lab.api, { kind: 'host', name }, { spec })
  for (const name of hosts) await set(name, { vcpusPerThread })
  for (const [at, name] of names.entries()) {
    const here = hosts[at % hosts.length]
    for (const host of hosts) await set(host, { schedulable: host === here })
    await createResource(lab.api, { kind: 'instance', name }, { spec: lightSpec })
    await untilTrue(async () => {
      const { status } = await readResource(lab.api, { kind: 'instance', name })
      return status['host'] === here
    })
  }
  const addresses = await addressesOf(lab, names)
  for (const name of hosts) await set(name, { schedulable: true })
  return addresses
}
