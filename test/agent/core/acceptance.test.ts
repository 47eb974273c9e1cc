import test from 'ava'
import fc from 'fast-check'
import { judgeOrder, nothingSeen, type Seen } from '../../../agent/core/acceptance.ts'

const seen: Seen = { cloud: 'c-1', epoch: 3, generation: 40 }
const order = (cloud: string, epoch: number, generation: number) => ({ cloud, epoch, generation })

for (const [what, before, next] of [
  ['the first order of all', nothingSeen, order('c-1', 1, 0)],
  ['the next order', seen, order('c-1', 3, 41)],
  ['the same order again', seen, order('c-1', 3, 40)],
  ['an order of a higher epoch', seen, order('c-1', 4, 41)],
  ['an order of a higher epoch with a lower generation', seen, order('c-1', 4, 7)]
] as const) {
  test(`${what} is taken on, and is what has been seen then`, t => {
    t.deepEqual(judgeOrder(before, next, 'boot-2'), { verdict: 'accepted', seen: next })
  })
}

for (const [what, next, because] of [
  [
    'an older order of the same epoch',
    order('c-1', 3, 39),
    'cannot take an order of generation 39: generation 40 of the same epoch 3 has been taken on'
  ],
  [
    'an order of a lower epoch',
    order('c-1', 2, 99),
    'cannot take an order of epoch 2: epoch 3 has been seen, so another controller has taken over'
  ],
  [
    'an order of another cloud',
    order('c-2', 9, 99),
    'cannot take an order of cloud c-2: this host belongs to cloud c-1'
  ]
] as const) {
  test(`${what} is refused: ${because}`, t => {
    t.deepEqual(judgeOrder(seen, next, 'boot-2'), {
      verdict: 'refused',
      refusal: { type: 'refusal', epoch: 3, generation: 40, because }
    })
  })
}

test('an order that was made for this boot is taken on, one for another boot never', t => {
  const next = order('c-1', 4, 41)
  const own = judgeOrder(seen, { ...next, boot: 'boot-2' }, 'boot-2')
  t.deepEqual(own, { verdict: 'accepted', seen: next })
  const because = 'cannot take an order that was made for boot boot-1: this is boot boot-2'
  t.deepEqual(judgeOrder(seen, { ...next, boot: 'boot-1' }, 'boot-2'), {
    verdict: 'refused',
    refusal: { type: 'refusal', epoch: 3, generation: 40, because }
  })
})

test('whatever orders come, the epoch never falls, nor the generation within one epoch', t => {
  const orders = fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.nat(5), fc.nat(5)))
  fc.assert(
    fc.property(orders, all => {
      let now = nothingSeen
      for (const [cloud, epoch, generation] of all) {
        const judged = judgeOrder(now, { cloud, epoch, generation }, 'boot-2')
        if (judged.verdict === 'refused') continue
        if (now.cloud !== undefined && judged.seen.cloud !== now.cloud) return false
        if (judged.seen.epoch < now.epoch) return false
        if (judged.seen.epoch === now.epoch && judged.seen.generation < now.generation) return false
        now = judged.seen
      }
      return true
    })
  )
  t.pass()
})
