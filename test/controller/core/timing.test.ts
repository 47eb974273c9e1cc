import test from 'ava'
import {
  expiryMs,
  limitMsMin,
  limitProblem,
  timingChain,
  timingProblems,
  withoutControllerMs
} from '../../../controller/core/timing.ts'

test('each link of the chain is longer than those that it stands on', t => {
  const of = new Map(timingChain({ sessionMs: 6_000 }).map(({ name, ms }) => [name, ms]))
  const order = ['heartbeat', 'late', 'suspect', 'lease', 'session', 'take-over', 'limit']
  for (const [at, name] of order.slice(1).entries()) {
    t.true(of.get(name)! > of.get(order[at]!)!, `${order[at]} < ${name}`)
  }
  t.is(of.get('limit'), limitMsMin)
})

test('what is waited for has the clocks differ, and counts the watchdog twice', t => {
  t.is(expiryMs({ limitMs: 15_000, watchdogMs: 10_000 }), 36_700)
  t.true(withoutControllerMs(6_000) <= limitMsMin)
})

test('settings that do not hold are told with their numbers', t => {
  for (const [sessionMs, words] of [
    [6_000, undefined],
    [1_000, undefined],
    [900, /a session of 900 ms leaves a lease of 382 ms; it must be 400 ms at least/]
  ] as const) {
    const [problem] = timingProblems({ sessionMs })
    if (words) t.regex(problem ?? '', words)
    else t.is(problem, undefined)
  }
  t.is(limitProblem(15_000, 6_000), undefined)
  t.regex(limitProblem(15_000, 20_000) ?? '', /15 s is shorter than a take-over may last: 28.4 s/)
})
