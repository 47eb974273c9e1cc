import test from 'ava'
import type { AdmissionRules } from '../../../../controller/core/engine/admission.ts'
import { afterLosses, tiersOf } from '../../../../controller/core/engine/capacity.ts'
import type { Problem } from '../../../../controller/core/engine/problem.ts'
import { capacityBounds } from '../../../../tools/bench/admission/capacity-bound.ts'

const hosts = 5

/** Hosts of 64, of which they take one themselves, with these on them. */
function problemOf(seated: readonly (readonly [memory: number, host: number])[]): Problem {
  const all = (value: number) => Array.from({ length: hosts }, () => value)
  const none = seated.map(() => 0)
  return {
    ...{ open: all(1), first: seated.map(([, host]) => host), second: none.map(() => -1) },
    ...{ pair: none, fixed: none, groups: seated.map(() => []), levels: [] },
    dimensions: [
      {
        ...{ name: 'memory', weight: 1, both: false, hard: true },
        ...{ capacity: all(64), taken: all(1), limit: all(64) },
        amount: seated.map(([memory]) => memory)
      }
    ],
    ...{ closedSeatWeight: 4, closedFirstWeight: 16 }
  }
}

const alone = Array.from({ length: hosts }, (_, host) => host)
const rulesWith = (losses: AdmissionRules['losses']): AdmissionRules => ({
  ...{ places: 500, order: 'pack', losses }
})

test('the largest come in first, and smaller ones fill what they leave', t => {
  // Three of 16 a host of 63, on four of five hosts; then what is left takes 8, 4, 2 and 1.
  const sizes = [16, 8, 4, 2, 1].map(memory => ({ amounts: [memory] }))
  const tiers = tiersOf(problemOf([]), rulesWith([alone]), sizes)
  t.deepEqual(
    tiers.map(({ count }) => count),
    [12, 4, 4, 4, 4]
  )
  t.true(tiers.every(({ because }) => because === 'reserve'))
})

test('without a reserve all hosts are filled', t => {
  const [tier] = tiersOf(problemOf([]), rulesWith([]), [{ amounts: [16] }])
  t.deepEqual(tier, { count: 15, because: 'room' })
})

test('after losses there is room for as many fewer, and nobody is left over', t => {
  const problem = problemOf([
    [32, 0],
    [16, 0],
    [32, 1]
  ])
  const one = afterLosses(problem, rulesWith([alone]), [0])
  t.deepEqual(one.stranded, [])
  t.true(Array.from(one.problem.first).every(host => host > 0))
  const [tier] = tiersOf(one.problem, rulesWith([alone]), [{ amounts: [1] }])
  // Three hosts' room may be used, of which 80 is taken.
  t.is(tier!.count, 3 * 63 - 80)
  const two = afterLosses(problem, rulesWith([alone]), [0, 1])
  t.deepEqual(two.stranded, [])
  t.true(Array.from(two.problem.first).every(host => host > 1))
})

test('who fits nowhere after a loss is named', t => {
  const problem = problemOf(alone.map(host => [60, host] as const))
  t.deepEqual(afterLosses(problem, rulesWith([alone]), [2]).stranded, [2])
})

test('the bound counts whole ones, and those that take whole ones away', t => {
  // 63, 63, 63, 48 and 47 are free; of 16 that is 3, 3, 3, 3 and 2. The last one's 16 needs one.
  const problem = problemOf([
    [15, 3],
    [16, 4]
  ])
  t.deepEqual(capacityBounds(problem, [16]), { loose: 13, tight: 11 })
})
