/** Hosts that are levelled by themselves, by the engine in its own thread. */
import test from 'ava'
import { silentLog } from '#shared/log.ts'
import { setBalance } from '../../../controller/core/balance/admission.ts'
import type { AutomaticBalance, Commit } from '../../../controller/core/commit.ts'
import { isRefusal } from '../../../controller/core/refusal.ts'
import { balanceByItself } from '../../../controller/io/balance/automatic.ts'
import { Yard } from '../../world/yard.ts'

const room = 8_192
const looksMax = 60

/**
 * Looks so often, or until it begins; each wait is some turns of a cloud that does what it is told.
 * Gives after how long it began.
 */
async function levelled(
  yard: Yard,
  automatic: Partial<AutomaticBalance> | null
): Promise<number | undefined> {
  const { cloud } = yard
  const set = setBalance(cloud.view, automatic, cloud.context)
  if (isRefusal(set)) throw new Error(set.refused.message)
  cloud.commit(set)
  const done = new AbortController()
  const since = cloud.context.now.monotonic
  let begun: number | undefined
  let looks = 0
  const record = async (commit: Commit) => {
    cloud.commit(commit)
    begun = cloud.context.now.monotonic - since
    done.abort()
    return cloud.view.position
  }
  const clock = {
    monotonic: () => cloud.context.now.monotonic,
    sleep: async (ms: number) => {
      looks += 1
      if (looks > looksMax) done.abort()
      for (let passed = 0; passed < ms; passed += 500) yard.turn()
    }
  }
  const reign = { view: cloud.view, now: () => cloud.context.now, record }
  await balanceByItself({ reign, clock, log: silentLog }, done.signal)
  return begun
}

function skewed(): Yard {
  const yard = new Yard({ h1: room, h2: room, h3: room, h4: room })
  yard.fill('h1', Object.fromEntries(Array.from({ length: 8 }, (_, at) => [`vm-${at}`, {}])))
  return yard
}

test('where it is wished and worth it hosts are levelled after a time of calm', async t => {
  const yard = skewed()
  const begun = await levelled(yard, { gainMin: 0.01, restMs: 120_000 })
  t.true(begun !== undefined && begun >= 120_000 && begun < 180_000, String(begun))
  t.is(yard.cloud.view.cloud?.balance?.run?.by, 'controller')
  yard.turns(40)
  for (const host of yard.names) t.is(yard.on(host).length, 2, host)
})

test('nobody is moved where that is not wished, or gains too little', async t => {
  t.is(await levelled(skewed(), { gainMin: 5, restMs: 60_000 }), undefined)
  t.is(await levelled(skewed(), null), undefined)
})

test('as long as a host is not heard nothing is begun', async t => {
  const yard = skewed()
  yard.dead.add('h3')
  t.is(await levelled(yard, { gainMin: 0.01, restMs: 60_000 }), undefined)
})
