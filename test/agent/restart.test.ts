import test from 'ava'
import {
  adopted,
  doneSentence,
  type Ending,
  ended,
  freshHistory,
  type RestartHistory,
  type RestartPolicy,
  setFree,
  started,
  waitSentence
} from '../../agent/core/restart.ts'

const policy = (given: Partial<RestartPolicy> = {}): RestartPolicy => ({
  policy: 'always',
  delayMsMin: 100,
  delayMsMax: 60_000,
  resetMs: 60_000,
  ...given
})

const verdicts: readonly (readonly [RestartPolicy['policy'], Ending, 'waiting' | 'done'])[] = [
  ['always', 'orderly', 'waiting'],
  ['always', 'by-force', 'waiting'],
  ['always', 'unseen', 'waiting'],
  ['on-failure', 'orderly', 'done'],
  ['on-failure', 'by-force', 'waiting'],
  ['on-failure', 'unseen', 'waiting'],
  ['never', 'orderly', 'done'],
  ['never', 'by-force', 'done'],
  ['never', 'unseen', 'done']
]
for (const [name, ending, state] of verdicts) {
  test(`under the policy ${name} an ending ${ending} leads to ${state}`, t => {
    const history = ended(started(freshHistory, { now: 0, startCount: 1 }), {
      now: 1,
      ending,
      policy: policy({ policy: name })
    })
    t.is(history.now.state, state)
  })
}

/** Waits of an instance that runs so long each time. */
function waits(ranMs: number, times: number, given: Partial<RestartPolicy> = {}): number[] {
  let history: RestartHistory = freshHistory
  let now = 0
  return Array.from({ length: times }, () => {
    history = started(history, { now, startCount: history.startCount + 1 })
    now += ranMs
    history = ended(history, { now, ending: 'by-force', policy: policy(given) })
    const waitMs = history.now.state === 'waiting' ? history.now.waitMs : -1
    now += waitMs
    return waitMs
  })
}

const tables: readonly (readonly [string, number[], number[]])[] = [
  ['the wait doubles', waits(10, 5), [100, 200, 400, 800, 1_600]],
  ['the wait has a limit', waits(10, 4, { delayMsMax: 300 }), [100, 200, 300, 300]],
  ['after a long run the wait is the first one again', waits(60_000, 3), [100, 100, 100]],
  ['a first wait of 0 grows too', waits(0, 4, { delayMsMin: 0 }), [0, 20, 40, 80]],
  ['a limit below the first wait holds', waits(0, 2, { delayMsMax: 50 }), [50, 50]]
]
for (const [title, found, wished] of tables) test(title, t => t.deepEqual(found, wished))

test('hundreds of endings in a row keep the longest wait', t => {
  t.deepEqual(waits(0, 300).slice(-1), [60_000])
})

test('the sentence says how long, which start, how often', t => {
  let history: RestartHistory = freshHistory
  for (const now of [0, 1_000, 2_000, 3_000]) {
    history = ended(started(history, { now, startCount: history.startCount + 1 }), {
      now,
      ending: 'by-force',
      policy: policy()
    })
  }
  t.is(
    waitSentence(history, 4_000, { now: 3_000, windowMs: 60_000 }),
    'waits 4 s before start 5: ended 4 times in the last 60 s'
  )
})

test('an instance that is found running is not counted as started', t => {
  const history = adopted(freshHistory, { since: -5_000, startCount: 0 })
  t.is(history.startCount, 0)
  t.deepEqual(history.now, { state: 'running', since: -5_000 })
})

test('what is set free starts with the first wait again', t => {
  const tired = ended(started(freshHistory, { now: 0, startCount: 1 }), {
    now: 1,
    ending: 'by-force',
    policy: policy()
  })
  t.deepEqual(setFree(tired).now, { state: 'idle' })
  t.is(setFree(tired).streak, 0)
})

test('the sentence of what stays off says how to start it', t => {
  t.is(
    doneSentence('orderly', policy({ policy: 'on-failure' })),
    'shut itself down, and its restart policy is on-failure; ' +
      'raise restarts by one to start it again'
  )
})
