/**
 * Cuts the power of the controller's host again and again while clients write, and measures how
 * long it takes until a write is acknowledged by another controller. At the end everything that was
 * acknowledged must be there, and nobody may have followed two controllers at once.
 */
import { mkdtemp } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Lab } from '../lab/lab.ts'
import { openLab } from '../lab/open.ts'
import { quantile } from './measure.ts'
import {
  counts,
  disorder,
  livesOf,
  settle,
  until,
  untilWhole,
  zooKeeperLeader
} from './takeover-checks.ts'
import { Writers } from './takeover-writers.ts'

const timesDefault = 20
const writersCount = 6
/** A new controller may take so much longer than a session. Unit: ms. */
const besideSessionMs = 1_500
/** Electing a ZooKeeper leader comes first where that one died too. Unit: ms. */
const ensembleMs = 1_000
/** Writes before each power cut. */
const writesBefore = 30

type Round = {
  readonly tookMs: number
  readonly withEnsemble: boolean
  readonly load: number
  readonly noticed: readonly string[]
}

/** Prints each round, then quantiles, what was lost and what was out of order. */
export async function takeoverBench(print: (line: string) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-takeover-'))
  const ranges = { subnet: '10.93.0.0/24', instances: '10.94.0.0/16' }
  await using lab = await openLab({ folder, hosts: 3, isBound: true, outside: false, ...ranges })
  await settle(lab)
  const rounds: Round[] = []
  await using writers = new Writers(lab, { writers: writersCount, instance: 'on-h1' })
  for (let number = 1; number <= timesWanted(); number += 1) {
    const round = await takeOver(lab, writers)
    rounds.push(round)
    print(`takeover: ${number}: ${describe(round, lab)}`)
  }
  await writers[Symbol.asyncDispose]()
  await report({ lab, writers, rounds }, print)
}

async function takeOver(lab: Lab, writers: Writers): Promise<Round> {
  const leader = await untilWhole(lab)
  const withEnsemble = (await zooKeeperLeader(lab)) === leader
  const lives = await livesOf(lab, [leader])
  const count = writers.count + writesBefore
  const { epoch } = await writers.acknowledged(() => writers.count >= count)
  const load = loadavg()[0]!
  const begun = performance.now()
  const off = lab.power(leader, 'off')
  const first = await writers.acknowledged(one => one.epoch > epoch)
  await off
  let now: Readonly<Record<string, string>> = {}
  const names = Object.keys(lives)
  await until('the new controller has heard the others', async () => {
    now = await livesOf(lab, [leader])
    return names.every(name => now[name] !== undefined && !now[name].startsWith('undefined'))
  })
  const noticed = names.filter(name => now[name] !== lives[name])
  await lab.power(leader, 'on')
  return {
    ...{ tookMs: first.at - begun, withEnsemble, load },
    noticed: noticed.map(name => `${name} was ${lives[name]}, is ${now[name]}`)
  }
}

async function report(
  given: { readonly lab: Lab; readonly writers: Writers; readonly rounds: readonly Round[] },
  print: (line: string) => void
): Promise<void> {
  const { lab, writers, rounds } = given
  await untilWhole(lab)
  for (const withEnsemble of [false, true]) {
    const some = rounds.filter(round => round.withEnsemble === withEnsemble)
    if (some.length === 0) continue
    const times = some.map(({ tookMs }) => tookMs)
    const bound = boundOf(lab, withEnsemble)
    const late = times.filter(time => time > bound).length
    print(
      `takeover: ${some.length} times ${withEnsemble ? 'with' : 'without'} the ZooKeeper leader: ` +
        `p50 ${Math.round(quantile(times, 0.5))} ms, ` +
        `p99 ${Math.round(quantile(times, 0.99))} ms, ` +
        `bound ${bound} ms, ${late} later`
    )
  }
  const loads = rounds.map(({ load }) => load)
  print(`takeover: load ${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}`)
  const { orders, epochs } = await counts(lab)
  const missing = await writers.missing()
  const wrong = await disorder(lab)
  const noticed = rounds.flatMap(round => round.noticed)
  print(`takeover: ${writers.count} writes acknowledged, ${missing.length} lost`)
  print(`takeover: ${epochs} epochs, ${orders} orders taken on, ${wrong.length} out of order`)
  print(`takeover: ${noticed.length} instances on other hosts noticed`)
  const failures = [...missing.map(name => `lost: ${name}`), ...wrong, ...noticed]
  if (failures.length > 0) throw new Error(failures.slice(0, 20).join('\n'))
}

const boundOf = (lab: Lab, withEnsemble: boolean): number =>
  lab.plan.sessionMs + besideSessionMs + (withEnsemble ? ensembleMs : 0)

function describe({ tookMs, withEnsemble, load }: Round, lab: Lab): string {
  const also = withEnsemble ? ', the ZooKeeper leader with it' : ''
  const bound = boundOf(lab, withEnsemble)
  return `${Math.round(tookMs)} ms of ${bound} ms${also}, load ${load.toFixed(1)}`
}

/** `--times COUNT` on the command line. */
function timesWanted(): number {
  const at = process.argv.indexOf('--times')
  const times = at < 0 ? timesDefault : Number(process.argv[at + 1])
  if (Number.isInteger(times) && times > 0) return times
  throw new Error('cannot measure that often: write --times and a number from 1')
}
