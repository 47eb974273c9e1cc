import test from 'ava'
import fc from 'fast-check'
import { isFault } from '#shared/fault.ts'
import { freeAddress, rangeOf } from '../../../controller/core/addresses.ts'
import { parseFilter } from '../../../controller/core/query/filter.ts'
import { pager, parseSort } from '../../../controller/core/query/page.ts'

const document = {
  id: 'i-1',
  name: 'web-1',
  labels: { app: 'shop', 'a.b/c': 'x' },
  spec: { memoryMib: 512, ports: [{ network: 'a' }] },
  status: { phase: 'running', addresses: ['10.0.0.1', '10.0.0.2'] }
}

for (const [filter, expected] of [
  ['status.phase=running', true],
  ['status.phase!=running', false],
  ['name~web', true],
  ['name~db', false],
  ['spec.memoryMib>=512', true],
  ['spec.memoryMib>512', false],
  ['spec.memoryMib<1000', true],
  ['labels.app=shop and name~web', true],
  ['labels.app=other or name~web', true],
  ['not (labels.app=shop)', false],
  ['not labels.app=shop or name=web-1', true],
  ['labels.a.b/c=x', true],
  ['status.addresses=10.0.0.2', true],
  ['status.nothing=1', false],
  ['status.nothing!=1', true],
  ['name="web-1"', true],
  ['__proto__.x=1', false]
] as const) {
  test(`the filter ${filter} ${expected ? 'takes' : 'leaves'} the document`, t => {
    t.is(parseFilter(filter)(document), expected)
  })
}

for (const [filter, why] of [
  ['name', /after name one of/],
  ['name=', /after name= a value is due/],
  ['=x', /"=" is no field/],
  ['(name=x', /a "\)" is missing/],
  ['name=x)', /"\)" is not expected there/],
  ['name=x name=y', /"name" is not expected there/],
  ['', /it ends where a field is due/],
  ['not '.repeat(40), /nested deeper than 32/],
  ['x'.repeat(3_000), /3000 characters, at most 2048/]
] as const) {
  test(`the filter "${filter.slice(0, 20)}" is refused with the reason`, t => {
    const fault = t.throws(() => parseFilter(filter))
    t.true(isFault(fault, 'invalid') && why.test(fault.reasons.join()), String(fault))
  })
}

test('any text is a filter or a Fault, never a crash', t => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), text => {
      try {
        parseFilter(text)(document)
      } catch (thrown) {
        t.true(isFault(thrown, 'invalid'), String(thrown))
      }
    })
  )
  t.pass()
})

test('pages hold every item once, in order, whatever is created in between', t => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat(10_000), { maxLength: 200 }),
      fc.constantFrom('', 'spec.size', '-spec.size,name', '-createdAt'),
      fc.integer({ min: 1, max: 50 }),
      (numbers, sort, limit) => {
        const items = numbers.map(number => ({
          id: `i-${number}`,
          name: `n${number % 7}`,
          createdAt: String(number % 3),
          spec: number % 5 === 0 ? {} : { size: number % 11 }
        }))
        const all: string[] = []
        let next: string | undefined
        for (let pages = 0; pages < 300; pages += 1) {
          const wish = { sort: parseSort(sort), limit, ...(next !== undefined && { next }) }
          const page = pager<(typeof items)[number]>(wish)
          for (const item of items) page.add(item)
          const done = page.page()
          all.push(...done.items.map(({ id }) => id))
          next = done.next
          if (next === undefined) break
        }
        t.deepEqual([...all].sort(), items.map(({ id }) => id).sort())
        t.is(new Set(all).size, all.length)
      }
    ),
    { numRuns: 100 }
  )
})

test('a cursor of another list is refused', t => {
  const fault = t.throws(() => pager({ sort: [], limit: 1, next: 'nonsense' }))
  t.true(isFault(fault, 'invalid'))
})

test('addresses are given from the first free one on, never the gateway', t => {
  const range = rangeOf({ network: 'n', cidr: '10.0.0.0/29', dns: [] })
  if ('fault' in range) return t.fail(range.fault)
  const given = new Set<string>()
  for (;;) {
    const address = freeAddress(range, { taken: text => given.has(text) })
    if (address === undefined) break
    given.add(address)
  }
  t.deepEqual([...given], ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6'])
})
