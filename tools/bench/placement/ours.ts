/**
 * The engine on one file, in a process of its own: reads the cluster, plans, and writes the moves
 * and how much processor time was taken as JSON: `node ours.ts FILE balance`, `… refine`,
 * `… evacuate NODE,…`, `… plans`, `… reboots live`, `… reboots offline`. The first time is that of
 * a process that has just started; the other is that of one that has planned before, as a
 * controller has.
 */
import { readFileSync } from 'node:fs'
import { descend } from '../../../controller/core/engine/descent.ts'
import { planEvacuation } from '../../../controller/core/engine/evacuation.ts'
import { Layout } from '../../../controller/core/engine/layout.ts'
import { LossPlans } from '../../../controller/core/engine/loss-plans.ts'
import type { Move, Problem } from '../../../controller/core/engine/problem.ts'
import { type Batch, planReboots } from '../../../controller/core/engine/reboots.ts'
import { refine } from '../../../controller/core/engine/refine.ts'
import { quantile } from '../measure.ts'
import { problemOf } from './ganeti-problem.ts'
import { readCluster } from './ganeti-text.ts'

/** hbal's own rule of when to stop. */
const until = { movesMax: Infinity, contentAt: 0.1, gainMin: 0.01 }
const runsBefore = 3
/** What takes so long is warm after one run. */
const slowMs = 5_000
const runsMost = 200
const enoughMs = 1_000
const changes = 5_000
/** Changes that a refinement tries. */
const trials = 60_000_000

/** What this process writes. */
export type Ours = {
  readonly moves: readonly Move[]
  /** Reading and planning, in a process that has just started. */
  readonly firstMs: number
  /** Planning again, the mean of many times: the processor's clock is too coarse for one. */
  readonly warmMs: number
  readonly stranded: number
  readonly batches?: readonly Batch[]
  /** After one change of a standing plan: the mean, and what 99 in 100 take at most by the wall. */
  readonly changeMs?: { readonly mean: number; readonly most: number }
}

function main([file = '', what = '', which = '']: readonly string[]): Ours {
  const before = process.cpuUsage()
  const cluster = readCluster(readFileSync(file, 'utf8'))
  const problem = problemOf(cluster)
  const names = which.split(',')
  const hosts = [...cluster.nodes.keys()].filter(each => names.includes(cluster.nodes[each]!.name))
  const plan = planner(what, problem, { hosts, live: which === 'live' })
  const first = plan()
  const firstMs = msSince(before)
  const warmMs = what === 'refine' ? firstMs : repeat(plan, firstMs > slowMs ? 0 : runsBefore)
  const changed = what === 'plans' ? { changeMs: change(new Layout(problem)) } : {}
  return { ...first, firstMs, warmMs, ...changed }
}

type Planned = Pick<Ours, 'moves' | 'stranded' | 'batches'>
type Scope = { readonly hosts: readonly number[]; readonly live: boolean }

function planner(what: string, problem: Problem, { hosts, live }: Scope): () => Planned {
  const layout = new Layout(problem)
  switch (what) {
    case 'balance':
      return () => ({ moves: descend(new Layout(problem), until), stranded: 0 })
    case 'refine':
      return () => {
        const fresh = new Layout(problem)
        const steps = descend(fresh, until)
        const effort = { movesMax: Math.floor(1.5 * steps.length), trials, seed: 1 }
        return { moves: refine(fresh, problem.first, effort) ?? steps, stranded: 0 }
      }
    case 'evacuate':
      return () => {
        const { moves, stranded } = planEvacuation(layout, hosts)
        return { moves, stranded: stranded.length }
      }
    case 'reboots':
      return () => ({ moves: [], stranded: 0, batches: planReboots(problem, { live, last: 0 })! })
    default:
      return () => ({ moves: [], stranded: new LossPlans(layout).stranded })
  }
}

/** The mean time of one, once the first few have made it warm. Unit: ms. */
function repeat(plan: () => unknown, before: number): number {
  for (let run = 0; run < before; run += 1) plan()
  const started = process.threadCpuUsage()
  let runs = 0
  while (runs < runsMost && threadMsSince(started) < enoughMs) {
    plan()
    runs += 1
  }
  return threadMsSince(started) / runs
}

/** Moves one after another to some host, and follows each with the plans. */
function change(layout: Layout) {
  const plans = new LossPlans(layout)
  let state = 1
  const next = (below: number): number => {
    state = (state * 48271) % 2147483647
    return state % below
  }
  const started = process.threadCpuUsage()
  const times = Array.from({ length: changes }, () => {
    const [demand, host] = [next(layout.demands), next(layout.hosts)]
    const startedAt = performance.now()
    if (host !== layout.second[demand]) layout.place(demand, host, layout.second[demand]!)
    plans.follow(demand)
    return performance.now() - startedAt
  })
  const mean = threadMsSince(started) / changes
  return { mean, most: quantile(times, 0.99) }
}

function msSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}

function threadMsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1_000
}

if (process.argv[1] === import.meta.filename) {
  process.stdout.write(JSON.stringify(main(process.argv.slice(2))))
}
