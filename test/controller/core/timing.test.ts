import test from 'ava'
import { endsAfterMs } from '#shared/self-fence-times.ts'
import {
  expiryMs,
  limitMsMin,
  limitProblem,
  timingChain,
  timingProblems,
  timingRules,
  withoutControllerMs
} from '../../../controller/core/timing.ts'

test('each link of the chain is longer than those that it stands on', t => {
  const of = new Map(timingChain({ sessionMs: 6_000 }).map(({ name, ms }) => [name, ms]))
  const order = ['heartbeat', 'late', 'suspect', 'lease', 'session', 'take-over', 'limit']
  for (const [at, name] of order.slice(1).entries()) {
    t.true(of.get(name)! > of.get(order[at]!)!, `${order[at]} < ${name}`)
  }
  t.is(of.get('limit'), 17_000)
})

test('what is waited for has the clocks differ, and is the limit where the watchdog can', t => {
  const times = { limitMs: 15_000, watchdogMs: 10_000, kept: true }
  t.is(expiryMs(times), 16_300)
  t.is(
    expiryMs({ ...times, watchdogMs: 30_000 }),
    36_700,
    'pet while its lease is younger than 5 s'
  )
  t.is(expiryMs({ ...times, kept: false }), 36_700, 'it counts twice if its agent holds it itself')
  t.true(withoutControllerMs(4_000) <= endsAfterMs(limitMsMin))
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
  t.is(limitProblem(17_000, 6_000), undefined)
  t.regex(
    limitProblem(15_000, 20_000) ?? '',
    /limit of 15 s .* after 13 s, sooner than a change of the controller may last: 28.9 s/
  )
})

test('each rule says its numbers, and all of them hold for what clouds go by', t => {
  const limits = [{ host: 'h1', limitMs: 17_000, watchdogMs: 10_000, kept: true }]
  const rules = timingRules({ sessionMs: 6_000, limits })
  t.deepEqual(
    rules.filter(({ holds }) => !holds),
    []
  )
  const of = new Map(rules.map(({ name, left, right }) => [name, [left.ms, right.ms]]))
  t.deepEqual(of.get('brake'), [2_250, 2_500])
  t.deepEqual(of.get('two controllers'), [5_488, 6_000])
  t.deepEqual(of.get('limit of h1'), [14_620, 14_875])
  t.deepEqual(of.get('end of h1'), [17_840, 18_340])
  t.deepEqual(of.get('watchdog of h1'), [1_000, 10_000])
  const [quick] = timingRules({
    sessionMs: 6_000,
    limits: [{ host: 'h1', limitMs: 17_000, watchdogMs: 900 }]
  }).filter(({ holds }) => !holds)
  t.is(quick?.name, 'watchdog of h1')
})

test('a limit that is shorter than a take-over is told, with what would come of it', t => {
  const limits = [{ host: 'h1', limitMs: 15_000 }]
  const [problem] = timingProblems({ sessionMs: 20_000, limits })
  t.regex(
    problem ?? '',
    /limit of h1: without a controller \(28.9 s\) exceeds until it ends what .* \(13 s\)/
  )
})

test('a controller that is alone has no session, and so no rules of one', t => {
  const rules = timingRules({ sessionMs: undefined })
  t.true(rules.length > 0)
  t.deepEqual(
    rules.filter(({ name }) => name === 'lease' || name === 'two controllers'),
    []
  )
})
