/** Thousands of hosts that a new controller hears one after the other, as its calls get through. */
import test from 'ava'
import type { Host } from '#shared/model/host.ts'
import type { Report } from '#shared/wire/order.ts'
import type { Change } from '../../../controller/core/commit.ts'
import { fencings } from '../../../controller/core/fencing.ts'
import { View } from '../../../controller/core/view.ts'
import { chanceOf } from '../../simulation/randomness.ts'
import { sampleCloud } from '../../world/sample-cloud.ts'

const hosts = 2_000
/** Each looks for so many others, those after it in a ring. */
const peersEach = 3
const stepMs = 500
const endMs = 30_000

const { view: sample, context, host: named } = sampleCloud()
const { report: sampleReport } = sample.heard('h1')

const nameOf = (index: number): string => `m${String(index % hosts).padStart(4, '0')}`

function hostOf(index: number): Host {
  const [name, one] = [nameOf(index), named('h1')]
  const device = { type: 'lab' as const, socket: '/run/keeper.sock', host: name }
  const decided = { ...one.decided, uuid: `uuid-${name}`, bootId: `boot-${name}` }
  const id = `${one.id.slice(0, -4)}${index.toString(16).padStart(4, '0')}` as Host['id']
  return { ...one, id, name, spec: { ...one.spec, fence: [{ devices: [device] }] }, decided }
}

/** What a host says that reaches all of its peers but those that are dead. */
function reportOf(index: number, dead: number, number: number): Report {
  const peers = Array.from({ length: peersEach }, (_, at) => {
    const peer = (index + 1 + at) % hosts
    const host = `uuid-${nameOf(peer)}`
    return peer === dead
      ? { host, reached: false, sign: 'silent' as const, missedMs: 9_000 + number, ageMs: 0 }
      : { host, reached: true, ageMs: 0 }
  })
  return { ...sampleReport!, number, bootId: `boot-${nameOf(index)}`, peers }
}

/** The hosts as they are recorded, and a controller that knows no more. */
function newcomer(): View {
  const view = new View()
  for (const key of sample.keys()) view.load(key, sample.valueOf(key))
  view.loaded(sample.position)
  const puts = Array.from({ length: hosts }, (_, index): Change => {
    return { op: 'put', resource: hostOf(index) }
  })
  const gone: Change = { op: 'remove', kind: 'host', id: named('h1').id, subject: 'host/h1' }
  const commit = { changes: [gone, ...puts], decisions: [] }
  view.fold({ type: 'commit', position: view.position + 1, commit })
  return view
}

/** Whom it takes for dead in half a minute, where hosts are heard after so long each. */
function takenForDead(heardAfterMs: readonly number[], dead: number): readonly string[] {
  const view = newcomer()
  const begun = context.now
  const taken: string[] = []
  for (let after = 0; after <= endMs; after += stepMs) {
    const now = { monotonic: begun.monotonic + after, wall: begun.wall + after }
    view.fold({ type: 'turn', at: now })
    for (const [index, at] of heardAfterMs.entries()) {
      if (index === dead || after < at) continue
      const host = nameOf(index)
      const isFirst = view.heard(host).heardAt === undefined
      if (isFirst) view.fold({ type: 'link', host, connected: true, because: 'it answers' })
      if (isFirst || after % 2_000 === 0) {
        view.fold({ type: 'report', host, report: reportOf(index, dead, after + 1), at: now })
      } else view.fold({ type: 'heartbeat', host, loopLagMs: 0, at: now })
    }
    for (const commit of fencings(view, { ...context, now })) {
      view.fold({ type: 'commit', position: view.position + 1, commit })
      for (const { verb, subjects } of commit.decisions) {
        if (verb === 'fencing') taken.push(...subjects)
      }
    }
  }
  return taken
}

for (const { withinMs, order } of [
  { withinMs: 2_000, order: 'in any order' },
  { withinMs: 3_500, order: 'one neighbour after the other' },
  { withinMs: 8_000, order: 'in any order' },
  { withinMs: 19_000, order: 'one neighbour after the other' }
] as const) {
  test(`of 2,000 hosts heard ${order} within ${withinMs} ms the dead one alone is fenced`, t => {
    const chance = chanceOf(withinMs)
    const dead = Math.floor(hosts / 2)
    const heardAfterMs = Array.from({ length: hosts }, (_, index) =>
      order === 'in any order' ? chance() * withinMs : (index / hosts) * withinMs
    )
    t.deepEqual(takenForDead(heardAfterMs, dead), [`host/${nameOf(dead)}`])
  })
}
