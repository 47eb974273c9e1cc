/**
 * Cuts the power of a random host of a lab of five, also the controller's own, again and again, and
 * measures how long it takes until its instance answers over HTTP from another host: the whole, and
 * each part. Nobody but the cloud itself does anything: it fences the host, starts its instances
 * elsewhere and switches the host on again. Nothing may be lost, nothing may have run on two hosts
 * at any look, and nobody may have been fenced who was well.
 *
 * A cut that goes wrong does not end the measurement, if the lab becomes whole again: it is told,
 * all logs are kept, and at the end it has failed.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { sentence } from '#shared/fault.ts'
import { makeChance } from '../chaos/chance.ts'
import { createResource } from '../cli/api/resources.ts'
import type { Lab } from '../lab/lab.ts'
import { openLab } from '../lab/open.ts'
import { type LabFencing, labFencings } from '../lab/plan.ts'
import { RunWatch } from '../lab/runs.ts'
import { failoverAlone } from './failover-alone.ts'
import { failOver, parts, type Round } from './failover-round.ts'
import { keepRecords } from './lab-records.ts'
import { quantile } from './measure.ts'
import { untilWhole } from './takeover-checks.ts'

const cutsDefault = 30
const instances = ['web1', 'web2', 'web3', 'web4', 'web5'] as const

/** Whose power is cut: anybody's, or always that of the host which the controller is on. */
const victims = ['any', 'controller'] as const

type Print = (line: string) => void
type Settings = {
  readonly cuts: number
  readonly seed: number
  readonly bmc: LabFencing
  readonly victims: (typeof victims)[number]
  readonly withoutDevice: boolean
}

/** Prints each round, then quantiles of each part, and what went wrong. */
export async function failoverBench(print: Print): Promise<void> {
  const settings = readSettings(process.argv)
  if (settings.withoutDevice) return await failoverAlone(print, settings)
  const folder = await mkdtemp(join(tmpdir(), 'remuda-failover-'))
  const ranges = { subnet: '10.89.0.0/24', instances: '10.90.0.0/16', management: '10.91.0.0/24' }
  const wish = { folder, hosts: 5, isBound: true, outside: false, bmc: settings.bmc, ...ranges }
  const begunAt = performance.now()
  const failures: string[] = []
  {
    await using lab = await openLab(wish)
    const spec = { image: 'tiny', memoryMib: 96, pool: 'shared' }
    for (const name of instances) {
      await createResource(lab.api, { kind: 'instance', name }, { spec })
    }
    await untilWhole(lab)
    const { rounds, wrong } = await cutAgainAndAgain(lab, settings, print)
    report(rounds, print)
    const minutes = ((performance.now() - begunAt) / 60_000).toFixed(1)
    print(`failover: ${rounds.length} of ${settings.cuts} cuts measured in ${minutes} min`)
    print(`failover: ${wrong.length} went wrong; fenced by ${settings.bmc}, seed ${settings.seed}`)
    failures.push(...wrong)
  }
  await rm(folder, { recursive: true, force: true })
  if (failures.length > 0) throw new Error(failures.join('\n'))
}

async function cutAgainAndAgain(
  lab: Lab,
  { cuts, seed, victims: whose }: Settings,
  print: Print
): Promise<{ readonly rounds: readonly Round[]; readonly wrong: readonly string[] }> {
  const chance = makeChance(seed)
  const rounds: Round[] = []
  const wrong: string[] = []
  await using watch = new RunWatch(lab)
  for (let number = 1; number <= cuts; number += 1) {
    const drawn = chance.pick(lab.plan.hosts).name
    const host = whose === 'controller' ? await untilWhole(lab).catch(() => drawn) : drawn
    const found: string[] = []
    try {
      const { round, noticed } = await failOver(lab, { host, runs: watch })
      rounds.push(round)
      found.push(...noticed)
      print(`failover: ${number}: ${describe(round)}`)
    } catch (thrown) {
      found.push(sentence(thrown))
    }
    found.push(...[...watch.doubles].map(double => `ran twice: ${double}`))
    watch.doubles.clear()
    if (found.length === 0) continue
    const kept = await mkdtemp(join(tmpdir(), 'remuda-failover-kept-'))
    await keepRecords(lab, kept)
    const [load = 0] = loadavg()
    print(`failover: ${number}: WRONG with ${host}, load ${load.toFixed(1)}; see ${kept}`)
    for (const each of found) print(`failover:   ${each}`)
    wrong.push(...found.map(each => `cut ${number}, ${host}: ${each}`))
    await lab.power(host, 'on') // where nobody does it, the measurement goes on without
  }
  await untilWhole(lab).catch(thrown => wrong.push(`at the end: ${sentence(thrown)}`))
  print(`failover: ${watch.looks} looks at what runs where`)
  return { rounds, wrong }
}

function report(rounds: readonly Round[], print: Print): void {
  if (rounds.length === 0) return
  for (const [what, some] of [
    ['all', rounds],
    ["the controller's host", rounds.filter(({ wasLeader }) => wasLeader)],
    ['other hosts', rounds.filter(({ wasLeader }) => !wasLeader)]
  ] as const) {
    if (some.length === 0) continue
    print(`failover: ${what}, ${some.length} times`)
    for (const part of parts) {
      const times = some.map(round => round[part]).filter(Number.isFinite)
      if (times.length === 0) continue
      const [half, most] = [quantile(times, 0.5), quantile(times, 0.99)].map(Math.round)
      print(`failover:   ${part.padEnd(8)} p50 ${half} ms, p99 ${most} ms`)
    }
  }
  const loads = rounds.map(({ load }) => load)
  const [least, most] = [Math.min(...loads), Math.max(...loads)].map(load => load.toFixed(1))
  print(`failover: load ${least} to ${most} on ${availableParallelism()} processors`)
}

function describe(round: Round): string {
  const { host, wasLeader, answers, started, load } = round
  const who = wasLeader ? `${host}, the controller's` : host
  const each = parts
    .filter(part => part !== 'answers' && part !== 'started' && Number.isFinite(round[part]))
    .map(part => `${part} ${Math.round(round[part])}`)
  return (
    `${who}: started after ${started} ms, answers after ${answers} ms: ` +
    `${each.join(', ')}; load ${load.toFixed(1)}`
  )
}

function readSettings(argv: readonly string[]): Settings {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  const options = {
    ...{ cuts: text, times: text, seed: text, bmc: text, victims: text },
    'without-device': flag
  }
  const args = argv.slice(argv.findIndex(word => word.startsWith('--')))
  const isGiven = argv.some(word => word.startsWith('--'))
  const { values } = parseArgs({ args: isGiven ? [...args] : [], options, strict: true })
  const number = (flag: string, given: string | undefined, otherwise: number): number => {
    const value = given === undefined ? otherwise : Number(given)
    if (Number.isInteger(value) && value > 0) return value
    throw new Error(`cannot measure so: write --${flag} and a number from 1`)
  }
  const bmc = labFencings.find(one => one === (values.bmc ?? 'lab'))
  if (!bmc) throw new Error(`cannot measure so: --bmc is one of ${labFencings.join(', ')}`)
  const whose = victims.find(one => one === (values.victims ?? 'any'))
  if (!whose) throw new Error(`cannot measure so: --victims is one of ${victims.join(', ')}`)
  return {
    victims: whose,
    withoutDevice: values['without-device'] === true,
    cuts: number('cuts', values.cuts ?? values.times, cutsDefault),
    seed: number('seed', values.seed, 1),
    bmc
  }
}
