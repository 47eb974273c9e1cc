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
      evacuated += loseAll(random, lost)
    }
  )
  fc.assert(property, { numRuns: 80, includeErrorInReport: true })
  t.true(evacuated > 100, `${evacuated} instances started elsewhere`)
})

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

/** Gives how many started elsewhere; throws when one that could has found no place. */
function loseAll(random: RandomCloud, lost: readonly string[]): number {
  const { cloud } = random
  const { view } = cloud
  const leaving = [...view.all('instance').values()].filter(
    instance => lost.includes(instance.decided.host!) && whyItStays(view, instance) === undefined
  )
  random.pass(8_000, lost)
  for (const name of lost) cloud.done({ verb: 'confirm-off', id: cloud.host(name).id })
  random.decide()
  for (const { id, name } of leaving) {
    const { host } = view.get('instance', id)!.decided
    if (host === undefined || lost.includes(host)) {
      throw new Error(`${name} is on ${host} after the loss of ${lost.join(' ')}`)
    }
  }
  return leaving.length
}
