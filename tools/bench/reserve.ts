/**
 * What the reserve costs a wish: creations one after another in clouds of several extents, each
 * placed, judged against all losses and folded; how much of that the judgement of losses is. Times
 * are those of the processor.
 */

import { demandOf } from '../../controller/core/admission/instance-place.ts'
import type { Change, Commit } from '../../controller/core/commit.ts'
import { candidatesOf } from '../../controller/core/placement/candidates.ts'
import { place } from '../../controller/core/placement/pipeline.ts'
import { rules } from '../../controller/core/placement/rules.ts'
import { outlookOf } from '../../controller/core/reserve/outlook.ts'
import { harmOf, promiseOf, promiseSteps } from '../../controller/core/reserve/promise.ts'
import { reserveOf } from '../../controller/core/reserve/settings.ts'
import { copied } from '../../controller/core/reserve/what-if.ts'
import type { View } from '../../controller/core/view.ts'
import { formatTime } from './measure.ts'
import { benchContext, type Extent, instanceOf, reserveCloud } from './reserve-cloud.ts'

const extents: readonly Extent[] = [
  { hosts: 1_000, instances: 16_000, full: 0.7, healing: { reserveHosts: 1 } },
  { hosts: 1_000, instances: 16_000, full: 0.97, healing: { reserveHosts: 1 } },
  { hosts: 10_000, instances: 100_000, full: 0.7, healing: { reserveHosts: 1 } },
  { hosts: 10_000, instances: 100_000, full: 0.97, healing: { reserveHosts: 1 } },
  { hosts: 1_000, instances: 16_000, full: 0.7, healing: { reserveHosts: 2 } },
  { hosts: 1_000, instances: 16_000, full: 0.97, healing: { reserveHosts: 2 } },
  { hosts: 10_000, instances: 100_000, full: 0.7, healing: { reserveHosts: 2 } },
  {
    hosts: 1_000,
    instances: 16_000,
    full: 0.7,
    healing: { reserveHosts: 1, reserveDomain: 'rack' }
  },
  // Nothing is free but on a few hosts: no bound helps, and each pair of hosts is planned.
  { hosts: 200, instances: 3_152, full: 1, spare: 3, healing: { reserveHosts: 2 } }
]
const creations = 50

/** Measures and prints. */
export async function reserveBench(print: (line: string) => void): Promise<void> {
  const warm = { hosts: 100, instances: 1_600, full: 0.97, healing: { reserveHosts: 1 } }
  create(reserveCloud(warm), warm, () => undefined)
  for (const extent of extents) {
    const { hosts, instances, full, healing } = extent
    const { reserveHosts = 0, reserveDomain } = healing
    const domain = reserveDomain === undefined ? '' : ` or one ${reserveDomain}`
    const share = `${Math.round(full * 100)} % promised`
    const empty = extent.spare === undefined ? '' : `, ${extent.spare} hosts empty`
    const extentName = `${hosts} hosts, ${instances} instances, ${share}${empty}`
    print(`${extentName}; any ${reserveHosts} lost${domain}`)
    const view = reserveCloud(extent)
    const startMs = timeOfThread(() => promiseOf(view, benchContext.now))
    print(`  the first look, at all hosts and instances: ${Math.round(startMs)} ms`)
    look(view, print)
    create(view, extent, print)
  }
}

/** What `remuda capacity` looks at: whether the promise is kept, and what fits after losses. */
function look(view: View, print: (line: string) => void): void {
  const reserve = reserveOf(view)
  let ground = copied(view, benchContext.now)
  const copyMs = timeOfThread(() => {
    ground = copied(view, benchContext.now)
  })
  const promised = longest(promiseSteps(ground, reserve))
  const fits = longest(outlookOf(view, ground, reserve))
  const most = formatTime(Math.max(copyMs, promised.mostMs, fits.mostMs))
  print(
    `  shown: ${formatTime(copyMs + promised.allMs + fits.allMs)} (the promise ` +
      `${formatTime(promised.allMs)}); others wait for ${most} at a time at most`
  )
}

/** Takes all steps; how long all of them took, and the longest. Unit: ms. */
function longest(steps: Generator): { readonly allMs: number; readonly mostMs: number } {
  let [allMs, mostMs] = [0, 0]
  for (let isOver = false; !isOver; ) {
    const tookMs = timeOfThread(() => {
      isOver = steps.next().done === true
    })
    allMs += tookMs
    mostMs = Math.max(mostMs, tookMs)
  }
  return { allMs, mostMs }
}

function create(view: View, extent: Extent, print: (line: string) => void): void {
  const [placing, judging]: [number[], number[]] = [[], []]
  let refused = 0
  for (let number = 0; number < creations; number += 1) {
    const [instance, volume] = instanceOf(extent.instances + number, 'none')
    let host = ''
    placing.push(
      timeOfThread(() => {
        const { host: _, ...free } = volume.decided
        const demand = demandOf(view, { instance, volumes: [{ ...volume, decided: free }] })
        const candidates = candidatesOf(view, benchContext.now.monotonic)
        host = place(demand, candidates, rules).chosen?.name ?? ''
      })
    )
    const commit = commitOf([instance, volume].map(one => on(one, host)))
    let isHarmless = true
    judging.push(
      timeOfThread(() => {
        isHarmless = harmOf(view, commit.changes, benchContext.now) === undefined
      })
    )
    if (isHarmless) view.fold({ type: 'commit', position: view.position + 1, commit })
    else refused += 1
  }
  print(`  placed by the rules: ${meanOf(placing)} each`)
  print(`  judged for the reserve: ${meanOf(judging)} each; ${refused} of ${creations} refused`)
}

/** The processor's clock is too coarse for one. */
const meanOf = (times: readonly number[]): string =>
  formatTime(times.reduce((sum, time) => sum + time, 0) / times.length)

/** Processor time, not the wall's: the machine is shared. Unit: ms. */
function timeOfThread(call: () => unknown): number {
  const before = process.threadCpuUsage()
  call()
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1_000
}

const on = <R extends { readonly decided: object }>(resource: R, host: string): R => ({
  ...resource,
  decided: { ...resource.decided, host }
})

const commitOf = (resources: ReturnType<typeof instanceOf>[number][]): Commit => ({
  changes: resources.map((resource): Change => ({ op: 'put', resource })),
  decisions: []
})
