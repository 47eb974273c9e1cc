import test from 'ava'
import fc from 'fast-check'
import { differing, reportedIn } from '../../../controller/core/reported.ts'

type One = { readonly id: string; readonly phase: string; readonly at?: number }

const one: fc.Arbitrary<One> = fc.record(
  {
    id: fc.integer({ min: 0, max: 20 }).map(number => `v-${number}`),
    phase: fc.constantFrom('ready', 'absent'),
    at: fc.integer({ min: 0, max: 1 })
  },
  { requiredKeys: ['id', 'phase'] }
)
const list = fc.uniqueArray(one, { selector: ({ id }) => id, maxLength: 20 })

test('what a report says of an id is found, however long it is', t => {
  fc.assert(
    fc.property(list, all => {
      for (let number = 0; number <= 20; number++) {
        const id = `v-${number}`
        t.is(
          reportedIn(all, id),
          all.find(each => each.id === id)
        )
      }
    })
  )
})

test('what is new, gone or otherwise differs, and nothing else does', t => {
  fc.assert(
    fc.property(list, list, (before, after) => {
      const text = (each: One | undefined) =>
        each && JSON.stringify([each.id, each.phase, each.at ?? 'none'])
      const ids = new Set([...before, ...after].map(({ id }) => id))
      const expected = [...ids].filter(id => {
        const [a, b] = [before, after].map(all => text(all.find(each => each.id === id)))
        return a !== b
      })
      t.deepEqual([...differing(before, after)].sort(), expected.sort())
    })
  )
})
