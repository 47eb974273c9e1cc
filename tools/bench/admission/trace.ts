/**
 * Replays a trace of VMs that come and go on equal hosts, with room kept for the loss of one, and
 * finds how many hosts it takes. Those who come at one moment are placed together. A trace is a CSV
 * file, gzipped: arrival_s, id, batch, vcpu, mem_mib, lifetime_s; who has no lifetime stays to the
 * end.
 */
import { readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { Admission, type Asked } from '../../../controller/core/engine/admission.ts'
import type { Problem } from '../../../controller/core/engine/problem.ts'
import { threadMs } from './churn.ts'

type Event = { readonly at: number; readonly comes: boolean; readonly vm: number }

/** A trace, ready to be replayed. */
export type Trace = {
  readonly asked: readonly Asked[]
  readonly events: readonly Event[]
  /** The most that is taken at one time: memory, processors, VMs. */
  readonly peak: readonly [number, number, number]
}

/** Equal hosts. */
export type HostShape = { readonly vcpus: number; readonly memoryMib: number }

/** Reads a trace. */
export function readTrace(file: string): Trace {
  const lines = gunzipSync(readFileSync(file)).toString().trimEnd().split('\n').slice(1)
  const vms = lines.map(line => {
    const [at, , , vcpus, memoryMib, lifetime] = line.split(',')
    const ends = lifetime === '' ? Number.POSITIVE_INFINITY : Number(at) + Number(lifetime)
    return { at: Number(at), ends, asked: { amounts: [Number(memoryMib), Number(vcpus)] } }
  })
  const events = vms
    .flatMap(({ at, ends }, vm): readonly Event[] => [
      { at, comes: true, vm },
      { at: Math.max(ends, at + 1), comes: false, vm }
    ])
    .sort((a, b) =>
      a.at === b.at ? Number(a.comes) - Number(b.comes) || a.vm - b.vm : a.at - b.at
    )
  const [now, peak] = [[0, 0, 0], [0, 0, 0] as [number, number, number]]
  for (const { comes, vm } of events) {
    const amounts = [...vms[vm]!.asked.amounts, 1]
    for (const [d, amount] of amounts.entries()) {
      now[d]! += comes ? amount : -amount
      peak[d] = Math.max(peak[d]!, now[d]!)
    }
  }
  return { asked: vms.map(({ asked }) => asked), events, peak }
}

/** No fewer hosts can hold what there is at the peak. */
export const hostsBound = ({ peak }: Trace, { vcpus, memoryMib }: HostShape): number =>
  Math.max(Math.ceil(peak[0] / memoryMib), Math.ceil(peak[1] / vcpus))

/** Replays it on so many hosts. */
export function replay(trace: Trace, shape: HostShape, hosts: number) {
  const losses = [Array.from({ length: hosts }, (_, host) => host)]
  const places = trace.peak[2] + 1
  const admission = new Admission(hostsOf(shape, hosts), { places, order: 'pack', losses })
  const place = new Int32Array(trace.asked.length).fill(-1)
  const started = process.threadCpuUsage()
  let [placed, refused] = [0, 0]
  for (let at = 0; at < trace.events.length; ) {
    const { comes, vm } = trace.events[at]!
    if (!comes) {
      if (place[vm]! >= 0) admission.remove(place[vm]!)
      at += 1
      continue
    }
    const together = arrivalsFrom(trace.events, at)
    const wishes = together.map(one => trace.asked[one]!)
    for (const [k, answer] of admission.admitAll(wishes, { whole: false }).entries()) {
      if ('place' in answer) place[together[k]!] = answer.place
      if ('place' in answer) placed += 1
      else refused += 1
    }
    at += together.length
  }
  return { placed, refused, rate: (placed / threadMs(started)) * 1_000 }
}

/** Who comes at one moment, from an event on. */
function arrivalsFrom(events: readonly Event[], from: number): readonly number[] {
  let until = from
  while (events[until]?.comes && events[until]!.at === events[from]!.at) until += 1
  return events.slice(from, until).map(({ vm }) => vm)
}

function hostsOf({ vcpus, memoryMib }: HostShape, hosts: number): Problem {
  const each = (value: number) => Array.from({ length: hosts }, () => value)
  const dimension = (name: string, most: number) => ({
    ...{ name, weight: 1, both: false, hard: true, amount: [], taken: each(0) },
    ...{ capacity: each(most), limit: each(most) }
  })
  return {
    ...{ open: each(1), first: [], second: [], pair: [], fixed: [], groups: [], levels: [] },
    dimensions: [dimension('memory', memoryMib), dimension('vcpus', vcpus)],
    ...{ closedSeatWeight: 4, closedFirstWeight: 16 }
  }
}
