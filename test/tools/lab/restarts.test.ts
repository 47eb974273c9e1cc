import test from 'ava'
import { afterEnd, deposedCode, noRestarts } from '../../../tools/lab/keeper/restarts.ts'

const waits = (code: number, ranMs: number, count: number): readonly number[] => {
  let restarts = noRestarts
  return Array.from({ length: count }, () => {
    restarts = afterEnd(restarts, { code, ranMs })
    return restarts.waitMs
  })
}

test('one that ends at once again and again waits twice as long each time, up to 5000 ms', t => {
  t.deepEqual(waits(1, 50, 7), [200, 400, 800, 1_600, 3_200, 5_000, 5_000])
})

test('one that has run well starts after 200 ms, each time', t => {
  t.deepEqual(waits(1, 60_000, 3), [200, 200, 200])
})

test('a controller that was deposed starts at once', t => {
  t.deepEqual(waits(deposedCode, 60_000, 3), [0, 0, 0])
})

test('one that is deposed at its very start waits from the fourth time on', t => {
  t.deepEqual(waits(deposedCode, 10, 5), [0, 0, 0, 1_600, 3_200])
})
