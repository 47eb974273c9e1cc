/**
 * The engine on one file, in a process of its own: reads the cluster, plans, and writes the moves
 * and how much processor time was taken as JSON. `node ours.ts FILE balance`, `… evacuate NODE`,
 * `… plans`. The first time is that of a process that has just started; the others are those of
 * one that has planned before, as a controller has.
 */
import { readFileSync } from 'node:fs'
import { descend } from '../../../controller/core/engine/descent.ts'
import { planEvacuation } from '../../../controller/core/engine/evacuation.ts'
import { Layout } from '../../../controller/core/engine/layout.ts'
import { LossPlans } from '../../../controller/core/engine/loss-plans.ts'
import type { Move } from '../../../controller/core/engine/problem.ts'
import { problemOf } from './ganeti-problem.ts'
import { readCluster } from './ganeti-text.ts'

/** hbal's own rule of when to stop. */
const until = { movesMax: Infinity, contentAt: 0.1, gainMin: 0.01 }
const warmRuns = 9
const changes = 5_000

/** What this process writes. */
export type Ours = {
  readonly moves: readonly Move[]
  /** Reading and planning, in a process that has just started. */
  readonly firstMs: number
  /** Planning again. */
  readonly warmMs: readonly number[]
  readonly stranded: number
  /** After one change of a standing plan. */
  readonly changeMs?: { readonly mean: number; readonly worst: number }
}

function main([file = '', what = '', node = '']: readonly string[]): Ours {
  const before = process.cpuUsage()
  const cluster = readCluster(readFileSync(file, 'utf8'))
  const problem = problemOf(cluster)
  const plan = planner(
    what,
    cluster.nodes.findIndex(({ name }) => name === node)
  )
  const first = plan(new Layout(problem))
  const firstMs = msSince(before)
  const warmMs = Array.from({ length: warmRuns }, () => {
    const layout = new Layout(problem)
    const started = process.threadCpuUsage()
    plan(layout)
    return threadMsSince(started)
  })
  const layout = new Layout(problem)
  return { ...first, firstMs, warmMs, ...(what === 'plans' ? { changeMs: change(layout) } : {}) }
}

type Planned = { readonly moves: readonly Move[]; readonly stranded: number }

function planner(what: string, host: number): (layout: Layout) => Planned {
  switch (what) {
    case 'balance':
      return layout => ({ moves: descend(layout, until), stranded: 0 })
    case 'evacuate':
      return layout => {
        const { moves, stranded } = planEvacuation(layout, [host])
        return { moves, stranded: stranded.length }
      }
    default:
      return layout => ({ moves: [], stranded: new LossPlans(layout).stranded })
  }
}

/** Moves one after another to some host, and follows each with the plans. */
function change(layout: Layout) {
  const plans = new LossPlans(layout)
  let state = 1
  const next = (below: number): number => {
    state = (state * 48271) % 2147483647
    return state % below
  }
  const times = Array.from({ length: changes }, () => {
    const [demand, host] = [next(layout.demands), next(layout.hosts)]
    const started = performance.now()
    if (host !== layout.second[demand]) layout.place(demand, host, layout.second[demand]!)
    plans.follow(demand)
    return performance.now() - started
  })
  const sum = times.reduce((total, each) => total + each, 0)
  return {
    mean: sum / changes,
    worst: times.toSorted((a, b) => a - b)[Math.floor(changes * 0.99)]!
  }
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
