import test from 'ava'
import {
  formatTime,
  median,
  quantile,
  summary,
  timeMs,
  timesMs
} from '../../../tools/bench/measure.ts'

test('the median is the middle, and of an even count the mean of the two', t => {
  t.is(median([5, 1, 3]), 3)
  t.is(median([4, 1, 3, 2]), 2.5)
  t.is(median([7]), 7)
  t.true(Number.isNaN(median([])))
})

test('a quantile is interpolated between its neighbours', t => {
  t.is(quantile([0, 10], 0.95), 9.5)
  t.is(quantile([3, 1, 2], 0), 1)
  t.is(quantile([3, 1, 2], 1), 3)
})

test('times are written with the digits that count', t => {
  t.deepEqual([0.07123, 1.234, 99.95, 145.4].map(formatTime), [
    '0.0712 ms',
    '1.23 ms',
    '100 ms',
    '145 ms'
  ])
})

test('a summary says how often it was measured', t => {
  t.is(summary('a call', [1, 2, 3]), 'a call: median 2 ms, p95 2.9 ms, worst 3 ms (3 times)')
})

test('calls are measured one after another', async t => {
  let running = 0
  const times = await timesMs(3, async () => {
    running += 1
    await Promise.resolve()
    t.is(running, 1)
    running -= 1
  })
  t.is(times.length, 3)
  t.true((await timeMs(() => {})) >= 0)
})
