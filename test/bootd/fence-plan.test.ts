import test from 'ava'
import fc from 'fast-check'
import type { Power } from '#shared/wire/fence.ts'
import {
  beginFence,
  type FenceEffect,
  type FencePlan,
  nextTickAt,
  stepFence,
  withdrawFence
} from '../../bootd/core/fence-plan.ts'
import { type Answer, type FenceGoal, fenceSettings } from '../../bootd/core/fence-switch.ts'

type Call = Extract<FenceEffect, { readonly type: 'switch' | 'read' }>
/** What a device of a table answers to its calls, in turn; the last one for ever. */
type Script = { readonly told: readonly string[]; readonly reads: readonly string[] }

const doneBy = (word: string): Answer =>
  word === 'done'
    ? { done: true }
    : word.startsWith('!')
      ? { failure: word.slice(1) }
      : { power: word as Power }

/** Plays devices against a plan until it is proven, or it gives up the given number of times. */
function play(
  goal: FenceGoal,
  levels: readonly (readonly Script[])[],
  attempts = 1,
  from = 0
): { readonly plan: FencePlan; readonly calls: readonly string[]; readonly now: number } {
  const names = levels.map((level, index) => level.map((_, each) => `d${index + 1}${each + 1}`))
  let now = 1_000
  let { plan, effects } = beginFence(
    { goal, host: 'h2', levels: names, settings: fenceSettings, from },
    now
  )
  const calls: string[] = []
  const counts = new Map<string, number>()
  let queue: FenceEffect[] = [...effects]
  for (let count = 0; count < 10_000; count++) {
    if (plan.stage.phase === 'proven') break
    if (plan.stage.phase === 'waiting' && plan.attempt >= attempts) break
    const next = queue.shift()
    if (next === undefined) {
      now = Math.max(now, nextTickAt(plan)!)
      ;({ plan, effects } = stepFence(plan, { type: 'tick' }, now))
      queue = [...effects]
      continue
    }
    if (next.type === 'found') continue
    if (next.type === 'abandon') {
      queue = queue.filter(each => each.type === 'found' || each.call !== next.call)
      continue
    }
    const { call, at, type } = next
    const script = levels[at.level]![at.device]![type === 'switch' ? 'told' : 'reads']
    const key = `${type} d${at.level + 1}${at.device + 1}`
    const index = counts.get(key) ?? 0
    counts.set(key, index + 1)
    calls.push(key)
    now += 10
    const answer = doneBy(script[Math.min(index, script.length - 1)]!)
    ;({ plan, effects } = stepFence(plan, { type: 'answer', call, answer }, now))
    queue.push(...effects)
  }
  return { plan, calls, now }
}

const honest: Script = { told: ['done'], reads: ['off'] }
const liar: Script = { told: ['done'], reads: ['on'] }
const silent: Script = { told: ['!no answer'], reads: ['!no answer'] }

type Row = readonly [
  title: string,
  levels: readonly (readonly Script[])[],
  verdict: string,
  story: RegExp
]
const rows: readonly Row[] = [
  ['a device that obeys proves it with its second reading', [[honest]], 'off-confirmed', /twice/],
  [
    'a device that refuses because the host is off already proves it too',
    [[{ told: ['!already off'], reads: ['off'] }]],
    'off-confirmed',
    /d11 \(2 readings; it had refused: already off\) read off twice/
  ],
  [
    'a device that takes its time proves it once it reads off twice in a row',
    [[{ told: ['done'], reads: ['on', 'unknown', 'on', 'off', 'on', 'off', 'off'] }]],
    'off-confirmed',
    /d11 \(7 readings\)/
  ],
  [
    'a device that says done and stays on is a liar',
    [[liar]],
    'unknown',
    /d11 says that it is off, but still reads on after 15\.\d s and \d+ readings/
  ],
  [
    'a device that refuses twice and stays on has failed at once',
    [[{ told: ['!wrong user'], reads: ['on'] }]],
    'unknown',
    /d11 refuses \(wrong user\), but still reads on after 10 ms and 2 readings/
  ],
  [
    'a device that refuses once is told again',
    [[{ told: ['!busy', 'done'], reads: ['on', 'on', 'off'] }]],
    'off-confirmed',
    /read off twice/
  ],
  ['a silent device is given up', [[silent]], 'unknown', /d11 gives no answer that can be used/],
  [
    'a device that cannot say how the power is proves nothing',
    [[{ told: ['done'], reads: ['unknown'] }]],
    'unknown',
    /d11 says that it is off, but still reads unknown/
  ],
  [
    'a device that reads on and off by turns proves nothing',
    [[{ told: ['done'], reads: Array.from({ length: 99 }, (_, at) => (at % 2 ? 'on' : 'off')) }]],
    'unknown',
    /reads off and otherwise by turns/
  ],
  [
    'one lost answer does not spoil it',
    [[{ told: ['done'], reads: ['!lost', 'off'] }]],
    'off-confirmed',
    /\(2 readings\)/
  ],
  [
    'all devices of a level must prove it',
    [[honest, liar]],
    'unknown',
    /d12 says that it is off, but still reads on/
  ],
  [
    'a device that no longer reads off is no longer proven',
    [
      [
        { told: ['done'], reads: ['off', 'off', 'on'] },
        { ...liar, reads: ['on', 'on', 'on', 'off'] }
      ]
    ],
    'unknown',
    /d11 says that it is off, but reads off and otherwise by turns/
  ],
  ['the next level is tried when one fails', [[silent], [honest]], 'off-confirmed', /level 2 of 2/],
  ['a host without devices is never proven off', [], 'unknown', /h2 has no device/]
]

for (const [title, levels, verdict, story] of rows) {
  test(title, t => {
    const { plan } = play('off', levels)
    t.is(plan.found?.verdict, verdict as 'unknown')
    t.regex(plan.story.join('\n'), story)
    t.is(plan.stage.phase, verdict === 'unknown' ? 'waiting' : 'proven')
  })
}

test('a level that works is not followed by another', t => {
  const { calls, plan } = play('off', [[honest], [honest]])
  t.deepEqual(calls, ['switch d11', 'read d11', 'read d11'])
  t.regex(plan.found!.because, /^h2 is off: attempt 1, level 1 of 2: d11/)
})

test('to bring a host on, levels are gone through from the last to the first, which decides', t => {
  const on: Script = { told: ['done'], reads: ['on'] }
  const { calls, plan } = play('on', [[on], [silent], [on]])
  t.deepEqual(calls, [
    ...['switch d31', 'read d31', 'read d31'],
    ...['switch d21', 'read d21'],
    ...['switch d11', 'read d11', 'read d11']
  ])
  t.is(plan.found?.verdict, 'on-confirmed')
  t.is(play('on', [[silent], [on]]).plan.found?.verdict, 'unknown')
})

test('what was in vain is tried again from the start, each time later, up to a limit', t => {
  const waits: number[] = []
  for (let attempts = 1; attempts <= 9; attempts++) {
    const { plan, now } = play('off', [[silent]], attempts)
    t.is(plan.attempt, attempts)
    waits.push(nextTickAt(plan)! - now)
    t.regex(
      plan.found!.because,
      new RegExp(`h2 is not proven off after ${attempts} attempts; next in`)
    )
  }
  t.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
})

test('a story keeps its latest sentences only', t => {
  const { plan } = play('off', [[silent], [silent]], 40)
  t.is(plan.story.length, 24)
  t.regex(plan.story.at(-1)!, /^attempt 40, level 2 of 2: d21 gives no answer/)
})

test('a fence that begins at a later level asks none before it, in no attempt', t => {
  const cut = play('off', [[honest], [honest], [honest]], 1, 1)
  t.deepEqual(cut.calls, ['switch d21', 'read d21', 'read d21'])
  t.regex(cut.plan.found!.because, /attempt 1, level 2 of 3: d21 \(2 readings\) read off twice/)
  const vain = play('off', [[honest], [silent], [silent]], 3, 1)
  t.deepEqual([vain.plan.found?.verdict, vain.plan.attempt], ['unknown', 3])
  t.false(vain.calls.some(call => call.endsWith('d11')))
  t.is(play('off', [[honest]], 1, 3).plan.found?.verdict, 'off-confirmed', 'there is always a last')
  t.deepEqual(play('on', [[{ told: ['done'], reads: ['on'] }]], 1, 3).calls[0], 'switch d11')
})

test('an answer to a call that nobody waits for changes nothing', t => {
  const { plan } = beginFence(
    { goal: 'off', host: 'h2', levels: [['d']], settings: fenceSettings },
    0
  )
  for (const call of [0, 2, 99]) {
    const step = stepFence(plan, { type: 'answer', call, answer: { power: 'off' } }, 5)
    t.deepEqual(step, { plan, effects: [] })
  }
  t.deepEqual(withdrawFence(plan), [{ type: 'abandon', call: 1 }])
})

/** What a device says by chance: each answer, and how long it takes. */
const chance = fc.record({
  told: fc.constantFrom<readonly Answer[]>([{ done: true }], [{ failure: 'busy' }]),
  reads: fc.array(
    fc.constantFrom<Answer>(
      { power: 'off' },
      { power: 'on' },
      { power: 'unknown' },
      { failure: 'x' }
    ),
    { minLength: 1, maxLength: 12 }
  ),
  slowMs: fc.integer({ min: 1, max: 9_000 })
})
const chances = fc.array(fc.array(chance, { minLength: 1, maxLength: 3 }), {
  minLength: 1,
  maxLength: 3
})

type Running = { readonly effect: Call; readonly at: number }

test('whatever devices say, a verdict has two readings behind it, and nothing gets stuck', t => {
  fc.assert(
    fc.property(chances, fc.constantFrom<FenceGoal>('off', 'on'), (levels, goal) => {
      const names = levels.map((level, at) => level.map((_, each) => `d${at}${each}`))
      let now = 0
      const started = { goal, host: 'h2', levels: names, settings: fenceSettings }
      let { plan, effects } = beginFence(started, now)
      const running = new Map<number, Running>()
      const counts = new Map<string, number>()
      /** The last things that each device said since it was told. */
      const said = new Map<string, readonly string[]>()
      for (let count = 0; count < 400 && plan.stage.phase !== 'proven'; count++) {
        for (const effect of effects) {
          if (effect.type === 'abandon') running.delete(effect.call)
          if (effect.type !== 'switch' && effect.type !== 'read') continue
          const { level, device } = effect.at
          running.set(effect.call, { effect, at: now + levels[level]![device]!.slowMs })
        }
        const due = [...running.values()].toSorted((a, b) => a.at - b.at)[0]
        const tickAt = nextTickAt(plan)
        if (due === undefined && tickAt === undefined) return false
        if (due === undefined || (tickAt !== undefined && tickAt < due.at)) {
          now = Math.max(now, tickAt!)
          ;({ plan, effects } = stepFence(plan, { type: 'tick' }, now))
          continue
        }
        now = due.at
        const { call, at, type } = due.effect
        running.delete(call)
        const key = `${at.level}/${at.device}`
        const script = levels[at.level]![at.device]!
        const index = counts.get(key) ?? 0
        counts.set(key, index + (type === 'read' ? 1 : 0))
        const answer =
          type === 'switch' ? script.told[0]! : script.reads[index % script.reads.length]!
        const word = 'power' in answer ? answer.power : type
        said.set(key, type === 'switch' ? [] : [...(said.get(key) ?? []), word])
        ;({ plan, effects } = stepFence(plan, { type: 'answer', call, answer }, now))
      }
      if (plan.stage.phase !== 'proven') return true
      const { level } = plan.stage
      return levels[level]!.every((_, device) => {
        const last = said.get(`${level}/${device}`)!.slice(-2)
        return last.length === 2 && last.every(each => each === goal)
      })
    }),
    { numRuns: 2_000 }
  )
  t.pass()
})
