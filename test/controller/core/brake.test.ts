/** Who counts as missing at once, and how many of them are fenced all the same. */
import test from 'ava'
import { setHealing } from '../../../controller/core/admission/healing.ts'
import { missingHosts } from '../../../controller/core/brake.ts'
import type { Commit, Healing } from '../../../controller/core/commit.ts'
import { healingStatus } from '../../../controller/core/healing.ts'
import { suspicionOf } from '../../../controller/core/suspicion.ts'
import { View } from '../../../controller/core/view.ts'
import { decidedBy, type SampleCloud, sampleCloud } from '../../world/sample-cloud.ts'

const names = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `h${at + 1}`)

/** So many hosts, all heard once. */
function cloudOf(count: number, healing: Healing = {}): SampleCloud {
  const cloud = sampleCloud(
    Object.fromEntries(names(count).map(name => [name, { memoryMib: 4_608 }]))
  )
  if (Object.keys(healing).length > 0) {
    cloud.commit(setHealing(cloud.view, healing, cloud.context) as Commit)
  }
  for (const [at, name] of names(count).entries()) {
    const { id, spec } = cloud.host(name)
    const device = { type: 'lab', socket: '/run/keeper.sock', host: name }
    const labels = { rack: `r${at % 2}` }
    const wish = { ...spec, fence: [{ devices: [device] }] }
    cloud.done({ verb: 'change', kind: 'host', id, labels, spec: wish } as never)
  }
  pass(cloud, 500, names(count))
  return cloud
}

let number = 100

/** Time passes; only these are heard, and they say how the others are. */
function pass(
  cloud: SampleCloud,
  ms: number,
  heard: readonly string[],
  sign?: 'refuses' | 'silent'
): void {
  const all = [...cloud.view.all('host').values()]
  for (let left = ms; left > 0; left -= 500) {
    const { monotonic, wall } = cloud.context.now
    Object.assign(cloud.context, { now: { monotonic: monotonic + 500, wall: wall + 500 } })
    cloud.view.fold({ type: 'turn', at: cloud.context.now })
    for (const name of heard) {
      const peers = all
        .filter(host => host.name !== name)
        .map(host => {
          const reached = heard.includes(host.name)
          const seen = reached || sign === undefined ? {} : { sign }
          return { host: host.decided.uuid, reached, ageMs: 0, ...seen }
        })
      number += 1
      cloud.report(name, { number, peers })
    }
  }
}

const without = (count: number, ...lost: readonly string[]): readonly string[] =>
  names(count).filter(name => !lost.includes(name))

function judge(cloud: SampleCloud, name: string): string {
  const { view, context } = cloud
  const said = suspicionOf(view, cloud.host(name), context.now.monotonic)
  return said.verdict === 'held' ? `${said.hold}: ${said.because}` : said.verdict
}

test('one that is missing for long does not keep another from being healed', t => {
  const cloud = cloudOf(5)
  // The agent of h5 has ended: what runs there goes on, and nobody ever fences it.
  pass(cloud, 90_000, without(5, 'h5'), 'refuses')
  t.is(judge(cloud, 'h5'), 'waits')
  pass(cloud, 6_000, without(5, 'h5', 'h2'), 'silent')
  t.is(judge(cloud, 'h2'), 'suspect')
  const { brake } = missingHosts(cloud.view, cloud.context.now.monotonic)
  t.like(brake, { together: ['h2'], total: 4, before: ['h5'] })
})

test('those that were lost together are held for as long as they are missing', t => {
  const cloud = cloudOf(5)
  pass(cloud, 4_000, without(5, 'h1'))
  pass(cloud, 30_000, without(5, 'h1', 'h2'))
  pass(cloud, 4_000, without(5, 'h1', 'h2', 'h3'))
  for (const ms of [0, 120_000, 600_000]) {
    pass(cloud, ms, without(5, 'h1', 'h2', 'h3'))
    for (const name of ['h1', 'h2', 'h3']) t.regex(judge(cloud, name), /^brake: .*3 of 5 hosts/)
  }
})

test('who is lost after those of whom the brake holds waits with them', t => {
  const cloud = cloudOf(9)
  const lost = ['h1', 'h2', 'h3', 'h4']
  pass(cloud, 90_000, without(9, ...lost))
  pass(cloud, 4_000, without(9, ...lost, 'h5'))
  for (const name of [...lost, 'h5']) {
    t.regex(judge(cloud, name), /^brake: .*4 of 9 hosts.*more than 3/)
  }
})

test('the brake does not let go of the last ones in the moment in which others come back', t => {
  const cloud = cloudOf(6)
  const lost = ['h4', 'h5', 'h6']
  pass(cloud, 30_000, without(6, ...lost))
  for (const name of lost) t.regex(judge(cloud, name), /^brake/)
  pass(cloud, 500, without(6, 'h5', 'h6'))
  for (const name of ['h5', 'h6']) {
    t.regex(judge(cloud, name), /^brake: .*3 of 6 hosts.*; heard again only now: h4$/)
  }
  pass(cloud, 5_000, without(6, 'h6'))
  t.regex(judge(cloud, 'h6'), /^brake: .*3 of 6 hosts.*; heard again only now: h4, h5$/)
  const { missing } = healingStatus(cloud.view, cloud.context.now).brake
  t.deepEqual(missing, ['h6'])
  pass(cloud, 9_500, without(6, 'h6'))
  t.regex(judge(cloud, 'h6'), /^brake/)
  pass(cloud, 1_000, without(6, 'h6'))
  t.is(judge(cloud, 'h6'), 'suspect')
})

test('who was missed only because we did not listen ourselves is not held', t => {
  const cloud = cloudOf(6)
  const { monotonic, wall } = cloud.context.now
  Object.assign(cloud.context, { now: { monotonic: monotonic + 2_000, wall: wall + 2_000 } })
  for (let host = 1; host <= 6; host += 1) cloud.report(`h${host}`)
  for (let host = 1; host <= 6; host += 1) t.is(cloud.view.heard(`h${host}`).back, undefined)
})

test('nor does it under a controller that had never heard them', t => {
  const before = cloudOf(6)
  const view = new View()
  for (const key of before.view.keys()) view.load(key, before.view.valueOf(key))
  view.loaded(before.view.position)
  const { monotonic, wall } = before.context.now
  Object.assign(before.context, { now: { monotonic: monotonic + 2_000, wall: wall + 2_000 } })
  view.fold({ type: 'turn', at: before.context.now, epoch: 2 })
  const report: SampleCloud['report'] = (host, changes) => {
    const said = { ...before.view.heard(host).report!, ...changes }
    view.fold({ type: 'report', host, report: said, at: before.context.now })
  }
  const cloud: SampleCloud = { ...before, view, report, host: name => view.named('host', name)! }
  pass(cloud, 30_000, without(6, 'h4', 'h5', 'h6'))
  for (const name of ['h4', 'h5', 'h6']) t.regex(judge(cloud, name), /^brake: .*not heard by this/)
  pass(cloud, 500, without(6, 'h5', 'h6'))
  t.regex(judge(cloud, 'h6'), /^brake: .*3 of 6 hosts.*; heard again only now: h4$/)
  pass(cloud, 15_000, without(6, 'h6'))
  pass(cloud, 500, without(6, 'h6'))
  t.is(judge(cloud, 'h6'), 'suspect')
})

test('a host that is back of itself holds nobody up', t => {
  const cloud = cloudOf(6)
  pass(cloud, 3_000, without(6, 'h4', 'h5'))
  pass(cloud, 3_000, without(6, 'h6'))
  t.is(judge(cloud, 'h6'), 'suspect')
})

test('of hosts that were lost one by one, long ago, none holds another up', t => {
  const cloud = cloudOf(9)
  const lost: string[] = []
  for (const name of ['h1', 'h2', 'h3', 'h4']) {
    lost.push(name)
    pass(cloud, 70_000, without(9, ...lost), 'refuses')
  }
  pass(cloud, 4_000, without(9, ...lost, 'h5'), 'silent')
  t.is(judge(cloud, 'h5'), 'suspect')
  pass(cloud, 4_000, without(9, ...lost, 'h5', 'h6'), 'silent')
  t.regex(judge(cloud, 'h6'), /^brake: .*2 of 5 hosts.*missing for longer: h1, h2, h3, h4/)
})

for (const [healing, count, most] of [
  [{}, 3, 1],
  [{}, 5, 1],
  [{}, 6, 2],
  [{}, 9, 3],
  [{ reserveHosts: 2 }, 5, 2],
  [{ reserveHosts: 2 }, 4, 1],
  [{ reserveHosts: 2 }, 3, 1],
  [{ brakePercent: 50 }, 6, 3],
  [{ brakePercent: 10 }, 6, 1],
  [{ brakePercent: 10, reserveHosts: 2 }, 20, 2]
] as const) {
  test(`with ${JSON.stringify(healing)} of ${count} hosts ${most} may be missing at once`, t => {
    const lost = names(count).slice(0, most)
    const cloud = cloudOf(count, healing)
    pass(cloud, 4_000, without(count, ...lost))
    for (const name of lost) t.not(judge(cloud, name).split(':')[0], 'brake')
    const more = names(count).slice(0, most + 1)
    pass(cloud, 4_000, without(count, ...more))
    t.regex(judge(cloud, `h${most + 1}`), new RegExp(`^brake: .*${most + 1} of ${count}`))
  })
}

test('hosts of a rack are fenced one after another, and none waits for one without proof', t => {
  // h1 and h3 are in one rack.
  const cloud = cloudOf(7)
  pass(cloud, 4_000, without(7, 'h1', 'h3'))
  decidedBy(cloud)
  t.is(cloud.host('h1').decided.recovery?.phase, 'fencing')
  t.regex(judge(cloud, 'h3'), /^rack: .*h1 of the same rack r0 is being fenced/)
  pass(cloud, 25_000, without(7, 'h1', 'h3'))
  t.is(judge(cloud, 'h3'), 'suspect', 'the device of h1 says nothing')
})

test('as many of a rack are fenced at once as it is told', t => {
  const cloud = cloudOf(9, { fencesPerRack: 2 })
  pass(cloud, 4_000, without(9, 'h1', 'h3', 'h5'))
  decidedBy(cloud)
  decidedBy(cloud)
  const fencing = names(9).filter(name => cloud.host(name).decided.recovery)
  t.deepEqual(fencing, ['h1', 'h3'])
  t.regex(judge(cloud, 'h5'), /^rack: .*h1, h3 of the same rack r0 are being fenced/)
})
