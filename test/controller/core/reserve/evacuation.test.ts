/** What admission has promised is kept by what decides after the loss. */
import test from 'ava'
import fc from 'fast-check'
import { whyItStays } from '../../../../controller/core/evacuation.ts'
import { isRefusal } from '../../../../controller/core/refusal.ts'
import { RandomCloud, randomHost, randomInstance } from './random-cloud.ts'

const healing = fc.constantFrom(
  { reserveHosts: 1 },
  { reserveHosts: 2 },
  { reserveDomain: 'rack' },
  { reserveHosts: 1, reserveDomain: 'rack' }
)

test('after any loss that room was kept for, everything that can go elsewhere runs there', t => {
  const { evacuated } = losses(({ random, lost }) => {
    const { stranded, leaving } = loseAll(random, lost)
    if (stranded.length > 0) throw new Error(`${stranded} after the loss of ${lost}`)
    return leaving
  })
  t.true(evacuated > 100, `${evacuated} instances started elsewhere`)
})

test('also when its hosts are proven off one after another, but for one in many hundreds', t => {
  const left: string[] = []
  const { evacuated } = losses(
    ({ random, lost }) => {
      const { stranded, leaving } = loseAll(random, lost, { inTurn: true })
      left.push(...stranded)
      return leaving
    },
    { numRuns: 400, seed: 3 }
  )
  t.true(evacuated > 100, `${evacuated} instances started elsewhere`)
  // Not all plans are tried: in clouds as full as these about one in 1,800 is left. Of just these
  // it would be nine if nobody left room for others.
  t.true(left.length <= 2, `of ${evacuated} these have no place: ${left}`)
})

/** Loses hosts of some clouds in which room was kept for that. */
function losses(
  lose: (given: { readonly random: RandomCloud; readonly lost: readonly string[] }) => number,
  how: { readonly numRuns: number; readonly seed?: number } = { numRuns: 80 }
) {
  let evacuated = 0
  const property = fc.property(
    fc.array(randomHost, { minLength: 3, maxLength: 6 }),
    healing,
    fc.array(randomInstance, { minLength: 20, maxLength: 40 }),
    fc.nat({ max: 1_000 }),
    (hosts, wish, instances, chance) => {
      const random = new RandomCloud(hosts, wish)
      let refused = 0
      for (const instance of instances) {
        const verdict = random.cloud.judged(random.wish(instance))
        if (isRefusal(verdict)) refused += 1
        else random.cloud.commit(verdict.commit)
        if (refused >= 8) break
      }
      const lost = lossIn(random, wish, chance)
      evacuated += lose({ random, lost: chance % 3 === 0 ? lost.toReversed() : lost })
    }
  )
  fc.assert(property, { ...how, includeErrorInReport: true })
  return { evacuated }
}

/** Some hosts that may be lost, as chance has it. */
function lossIn(
  random: RandomCloud,
  wish: { readonly reserveHosts?: number; readonly reserveDomain?: string },
  chance: number
): readonly string[] {
  const hosts = [...random.cloud.view.all('host').values()]
  const { labels } = hosts[chance % hosts.length]!
  const byDomain = wish.reserveHosts === undefined || (wish.reserveDomain && chance % 2 === 0)
  if (byDomain) {
    return hosts.filter(host => host.labels['rack'] === labels['rack']).map(({ name }) => name)
  }
  const from = Math.floor(chance / 7)
  const some = Array.from(
    { length: wish.reserveHosts! },
    (_, at) => hosts[(from + at * 2) % hosts.length]!
  )
  return [...new Set(some.map(({ name }) => name))]
}

/** Gives how many could start elsewhere, and who of them has found no place. */
function loseAll(random: RandomCloud, lost: readonly string[], { inTurn = false } = {}) {
  const { cloud } = random
  const { view } = cloud
  const leaving = [...view.all('instance').values()].filter(
    instance => lost.includes(instance.decided.host!) && whyItStays(view, instance) === undefined
  )
  for (let passed = 0; passed < 8; passed += 1) random.pass(1_000, lost)
  for (const name of lost) {
    cloud.done({ verb: 'confirm-off', id: cloud.host(name).id })
    if (inTurn) random.decide()
  }
  random.decide()
  const stranded = leaving.flatMap(({ id, name }) => {
    const { host } = view.get('instance', id)!.decided
    return host === undefined || lost.includes(host) ? [name] : []
  })
  return { stranded, leaving: leaving.length }
}
