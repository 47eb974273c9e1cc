import test from 'ava'
import { Transfers } from '../../../bootd/io/boot/transfers.ts'

const bounds = {
  ...{ runningMax: 2, runningOfOneMax: 1, waitingMax: 6, waitingOfOneMax: 4 },
  waitMsMax: 120_000
}
const { signal } = new AbortController()

test('those that wait get their turns by address, one after another', async t => {
  const transfers = new Transfers(bounds)
  const held = [await transfers.take('x', signal), await transfers.take('y', signal)]
  const started: string[] = []
  const takes = ['a', 'a', 'a', 'b', 'c'].map(async address => {
    const giveBack = await transfers.take(address, signal)
    started.push(address)
    // Others may have been let in by then: each gives its place back in its own turn.
    giveBack()
  })
  t.is(transfers.waiting, 5)
  for (const giveBack of held) giveBack()
  await Promise.all(takes)
  t.deepEqual(started.slice(0, 3).toSorted(), ['a', 'b', 'c'])
  t.deepEqual([transfers.running, transfers.waiting], [0, 0])
})

test('an address has only so many places, and only so many that wait', async t => {
  const transfers = new Transfers(bounds)
  const giveBack = await transfers.take('a', signal)
  const gone = new AbortController()
  const waits = Array.from({ length: 4 }, () => transfers.take('a', gone.signal))
  const settled = Promise.allSettled(waits)
  await t.throwsAsync(transfers.take('a', signal), {
    message: 'cannot send a file: 4 requests wait, 4 of them from a'
  })
  const other = await transfers.take('b', signal)
  gone.abort()
  t.true((await settled).every(({ status }) => status === 'rejected'))
  t.is(transfers.waiting, 0)
  giveBack()
  giveBack()
  other()
  t.is(transfers.running, 0)
})

test('who waits too long is told so', async t => {
  const transfers = new Transfers({ ...bounds, waitMsMax: 5 })
  await transfers.take('a', signal)
  await t.throwsAsync(transfers.take('a', signal), { message: /no place within 5 ms/ })
})
