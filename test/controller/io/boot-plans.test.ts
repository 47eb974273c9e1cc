/** When bootds are told how machines boot. */
import test from 'ava'
import { BootPlans } from '../../../controller/io/boot-plans.ts'
import { FakeClock } from '../../world/fake-clock.ts'
import { promotedCloud } from '../core/boot/boot-world.ts'

test('a plan is told once, and again by and by where it was refused', async t => {
  const { view } = promotedCloud()
  const clock = new FakeClock()
  let sent = 0
  const plans = new BootPlans({
    ...{ view, clock, epoch: () => 1, mayAct: () => true, durable: async () => {} },
    send: () => {
      sent += 1
      return true
    }
  })
  const tell = async (afterMs: number): Promise<number> => {
    await clock.pass(afterMs)
    await plans.tell(['c1'])
    return sent
  }
  t.is(await tell(0), 1)
  t.is(await tell(11_000), 1)
  plans.refused('c1')
  t.is(await tell(100), 1, 'who refuses is not asked at once')
  t.is(await tell(11_000), 2)
  t.is(await tell(11_000), 2)
})
