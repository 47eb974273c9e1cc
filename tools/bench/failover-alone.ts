/**
 * The same as failover.ts where hosts have no fence device: each has a watchdog of its own, armed,
 * and fences itself. Power is cut, a host is cut off from all others, or stands still. What ran
 * there starts elsewhere only once it must have ended, which the limit and the watchdog's time say;
 * what is measured is what comes on top. One instance also writes to a disk that all hosts share,
 * which is read at the end: no two of one may ever have written at once.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { sentence } from '#shared/fault.ts'
import type { Ms } from '#shared/units.ts'
import { expiryMs } from '../../controller/core/timing.ts'
import { makeChance } from '../chaos/chance.ts'
import { makeWriter } from '../chaos/disk.ts'
import { judgeDisk, readRecords } from '../chaos/disk-log.ts'
import { createResource, patchResource } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import { openLab } from '../lab/open.ts'
import { RunWatch } from '../lab/runs.ts'
import {
  type AloneRound,
  failAlone,
  faults,
  type HostFault,
  parts,
  untilArmed
} from './failover-alone-round.ts'
import { keepRecords } from './lab-records.ts'
import { quantile } from './measure.ts'
import { untilWhole } from './takeover-checks.ts'

/** The shortest limit, and a watchdog that forgives a busy machine. */
const limitMs: Ms = 15_000
const watchdogMs: Ms = 5_000
/** After its last lease nothing runs on a host that others could start. */
const endMs = expiryMs({ limitMs, watchdogMs, kept: true })
/** For so many cuts one host is cut off, and one stands still. */
const cutsPerOther = 4
const instances = ['web1', 'web2', 'web3', 'web4', 'web5'] as const
/** The disk of the writer has room for so long. Unit: min. */
const writerMinutes = 120

type Print = (line: string) => void
type Settings = {
  readonly cuts: number
  readonly seed: number
  /** Who is struck: anybody, or always the host which the controller is on. */
  readonly victims: 'any' | 'controller'
}
type Bed = {
  readonly lab: Lab
  readonly watch: RunWatch
  readonly print: Print
}

/** Prints each round, then quantiles of each part for each fault, and what went wrong. */
export async function failoverAlone(print: Print, settings: Settings): Promise<void> {
  const { seed } = settings
  const folder = await mkdtemp(join(tmpdir(), 'remuda-failover-alone-'))
  const ranges = { subnet: '10.109.0.0/24', instances: '10.110.0.0/16' }
  const wish = { folder, hosts: 5, isBound: true, outside: false, isFenced: false, ...ranges }
  const begunAt = performance.now()
  const failures: string[] = []
  {
    await using lab = await openLab({ ...wish, watchdogMs })
    const writer = await furnish(lab)
    await using _disk = writer.watch
    await using watch = new RunWatch(lab)
    const { rounds, wrong } = await strikeAll({ lab, watch, print }, settings)
    report(rounds, print)
    const { violations, records, lives } = judgeDisk(readRecords(await readFile(writer.watch.path)))
    const minutes = ((performance.now() - begunAt) / 60_000).toFixed(1)
    print(`failover: ${records} records of ${lives.length} boots on a disk that all hosts see`)
    print(`failover: ${watch.looks} looks at what runs where; seed ${seed}, ${minutes} min`)
    failures.push(...wrong, ...violations.map(text => `disk: ${text}`))
    print(`failover: ${failures.length} went wrong`)
  }
  await rm(folder, { recursive: true, force: true })
  if (failures.length > 0) throw new Error(failures.join('\n'))
}

/** Arms all hosts, and starts what is to answer and to write. */
async function furnish(lab: Lab) {
  for (const { name } of lab.plan.hosts) {
    await patchResource(lab.api, { kind: 'host', name }, { spec: { selfFence: { limitMs } } })
  }
  // Containers answer as soon as they are started: how long a guest boots is measured elsewhere.
  const spec = { image: 'tiny-container', type: 'container', size: 'tiny', pool: 'shared' }
  for (const name of instances) {
    await createResource(lab.api, { kind: 'instance', name }, { spec })
  }
  const writer = await makeWriter(lab, { name: 'log', pool: 'shared', minutes: writerMinutes })
  await untilArmed(lab)
  return writer
}

type Strike = { readonly fault: HostFault; readonly host: string }

/** Drawn before anything happens, so that a seed gives the same faults of the same hosts. */
function planOf({ cuts, seed }: Settings): readonly Strike[] {
  const chance = makeChance(seed)
  const others = Math.max(1, Math.round(cuts / cutsPerOther))
  const wanted = faults.flatMap(fault =>
    Array.from({ length: fault === 'cut' ? cuts : others }, () => fault)
  )
  return chance.shuffled(wanted).map(fault => {
    return { fault, host: `h${chance.pick([1, 2, 3, 4, 5])}` }
  })
}

async function strikeAll(
  { lab, watch, print }: Bed,
  settings: Settings
): Promise<{ readonly rounds: readonly AloneRound[]; readonly wrong: readonly string[] }> {
  const rounds: AloneRound[] = []
  const wrong: string[] = []
  for (const [index, { fault, host: drawn }] of planOf(settings).entries()) {
    const isDrawn = settings.victims === 'any'
    const host = isDrawn ? drawn : await untilWhole(lab).catch(() => drawn)
    const found: string[] = []
    try {
      const { round, noticed } = await failAlone(lab, { host, fault, runs: watch })
      rounds.push(round)
      found.push(...noticed)
      print(`failover: ${index + 1}: ${describe(round)}`)
    } catch (thrown) {
      found.push(sentence(thrown))
    }
    found.push(...[...watch.doubles].map(double => `ran twice: ${double}`))
    watch.doubles.clear()
    if (found.length === 0) continue
    const kept = await mkdtemp(join(tmpdir(), 'remuda-failover-kept-'))
    await keepRecords(lab, kept)
    print(`failover: ${index + 1}: WRONG, ${fault} of ${host}; see ${kept}`)
    for (const each of found) print(`failover:   ${each}`)
    wrong.push(...found.map(each => `${index + 1}, ${fault} of ${host}: ${each}`))
    await lab.heal()
    await lab.power(host, 'on') // the measurement goes on without this one
  }
  await untilArmed(lab).catch(thrown => wrong.push(`at the end: ${sentence(thrown)}`))
  return { rounds, wrong }
}

function report(rounds: readonly AloneRound[], print: Print): void {
  print(`failover: limit ${limitMs} ms, watchdog ${watchdogMs} ms: ended for certain ${endMs} ms`)
  print('failover: after its last lease; "beyond": what came on top until it was started')
  for (const fault of faults) {
    const own = rounds.filter(round => round.fault === fault)
    for (const [who, some] of [
      ["the controller's host", own.filter(({ wasLeader }) => wasLeader)],
      ['other hosts', own.filter(({ wasLeader }) => !wasLeader)]
    ] as const) {
      if (some.length === 0) continue
      print(`failover: ${fault}, ${who}, ${some.length} times`)
      for (const part of parts) {
        const times = some.map(round => round[part])
        tell(part, times.filter(Number.isFinite), print)
      }
      const beyond = some.map(({ started }) => started - endMs).filter(Number.isFinite)
      if (fault !== 'still') tell('beyond', beyond, print)
    }
  }
  const loads = rounds.map(({ load }) => load)
  const [least, most] = [Math.min(...loads), Math.max(...loads)].map(load => load.toFixed(1))
  print(`failover: load ${least} to ${most} on ${availableParallelism()} processors`)
}

function tell(part: string, times: readonly number[], print: Print): void {
  if (times.length === 0) return
  const all = [quantile(times, 0.5), quantile(times, 0.99), Math.max(...times)]
  const [half, nearly, most] = all.map(Math.round)
  print(`failover:   ${part.padEnd(8)} p50 ${half} ms, p99 ${nearly} ms, most ${most} ms`)
}

function describe(round: AloneRound): string {
  const { fault, host, wasLeader, load } = round
  const each = parts
    .filter(part => Number.isFinite(round[part]))
    .map(part => `${part} ${Math.round(round[part])}`)
  const who = wasLeader ? `${host}, the controller's` : host
  return `${fault} of ${who}: ${each.join(', ')}; load ${load.toFixed(1)}`
}
