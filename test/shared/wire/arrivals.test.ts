import test from 'ava'
import { Arrivals, resyncMs, runsMax, windowMs } from '#shared/wire/arrivals.ts'
import type { Header } from '#shared/wire/frame.ts'

const header = (number: number, sentAtMs: number, run = 'run'): Header => ({
  version: 1,
  bootId: 'boot',
  run,
  number,
  epoch: 1,
  sentAtMs,
  validMs: 3_000
})

/** The sender's clock reads 1000 less than ours; the quickest way takes 1 ms. */
const offset = 1_001

test('a message that has come before is a repetition, and so is an older one', t => {
  const arrivals = new Arrivals()
  t.is(arrivals.judge(header(7, 0), offset), 'fresh')
  t.is(arrivals.judge(header(7, 0), offset), 'repeated')
  t.is(arrivals.judge(header(6, 0), offset), 'repeated')
  t.is(arrivals.judge(header(9, 0), offset), 'fresh')
})

test('each run of a sender counts for itself', t => {
  const arrivals = new Arrivals()
  t.is(arrivals.judge(header(7, 0, 'a'), offset), 'fresh')
  t.is(arrivals.judge(header(1, 0, 'b'), offset), 'fresh')
  t.is(arrivals.judge(header(7, 0, 'a'), offset), 'repeated')
})

for (const [waitedMs, arrival] of [
  [0, 'fresh'],
  [3_000, 'fresh'],
  [3_001, 'late']
] as const) {
  test(`a message good for 3000 ms that waited ${waitedMs} ms is ${arrival}`, t => {
    const arrivals = new Arrivals()
    arrivals.judge(header(1, 0), offset)
    t.is(arrivals.judge(header(2, 500), 500 + offset + waitedMs), arrival)
  })
}

test('what waited in a cut connection is late when it heals, and what follows is fresh', t => {
  const arrivals = new Arrivals()
  arrivals.judge(header(1, 0), offset)
  t.is(arrivals.judge(header(2, 500), 10_000 + offset), 'late')
  t.is(arrivals.judge(header(3, 1_000), 10_000 + offset), 'late')
  t.is(arrivals.judge(header(4, 9_999), 10_000 + offset), 'fresh')
})

test('a repetition of a late message is a repetition', t => {
  const arrivals = new Arrivals()
  arrivals.judge(header(1, 0), offset)
  t.is(arrivals.judge(header(2, 500), 10_000 + offset), 'late')
  t.is(arrivals.judge(header(2, 500), 10_000 + offset), 'repeated')
})

test('when all messages have been late for long, it was a clock that jumped', t => {
  const arrivals = new Arrivals()
  arrivals.judge(header(1, 0), offset)
  const jumpMs = 600_000
  let number = 2
  for (let sentAt = 500; sentAt < 500 + resyncMs; sentAt += 500) {
    t.is(arrivals.judge(header(number++, sentAt), sentAt + offset + jumpMs), 'late')
  }
  for (let sentAt = 500 + resyncMs; sentAt < 20_000; sentAt += 500) {
    t.is(arrivals.judge(header(number++, sentAt), sentAt + offset + jumpMs), 'fresh')
  }
})

for (const [what, rate] of [
  ['slower', 1.01],
  ['faster', 0.99]
] as const) {
  test(`a sender whose clock runs 1 % ${what} than ours is fresh for hours`, t => {
    const arrivals = new Arrivals()
    const hoursMs = 4 * 3_600_000
    let number = 1
    let late = 0
    for (let sentAt = 0; sentAt < hoursMs; sentAt += 500) {
      if (arrivals.judge(header(number++, sentAt), sentAt * rate + offset) !== 'fresh') late++
    }
    t.is(late, 0)
    t.is(arrivals.judge(header(number, hoursMs), hoursMs * rate + offset + 5_000), 'late')
  })
}

test('the quickest way of long ago is forgotten', t => {
  const arrivals = new Arrivals()
  arrivals.judge(header(1, 0), offset - 2_500)
  t.is(arrivals.judge(header(2, 1_000), 1_000 + offset), 'fresh')
  t.is(arrivals.judge(header(3, 2_000), 2_000 + offset + 2_000), 'late')
  for (let step = 1; step <= 3; step++) {
    arrivals.judge(header(3 + step, step * windowMs), step * windowMs + offset)
  }
  const after = 3 * windowMs + 1_000
  t.is(arrivals.judge(header(9, after), after + offset + 2_000), 'fresh')
})

test('runs are remembered up to a bound, the one not heard for longest goes', t => {
  const arrivals = new Arrivals()
  for (let run = 0; run <= runsMax; run++) {
    arrivals.judge(header(5, 0, `run-${run}`), offset)
    arrivals.judge(header(6 + run, 0, 'steady'), offset)
  }
  t.is(arrivals.judge(header(6, 0, 'steady'), offset), 'repeated')
  t.is(arrivals.judge(header(5, 0, `run-${runsMax}`), offset), 'repeated')
  t.is(arrivals.judge(header(5, 0, 'run-0'), offset), 'fresh')
})
