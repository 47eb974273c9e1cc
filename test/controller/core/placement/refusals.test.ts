import test from 'ava'
import { refusals, sortedSentences } from '../../../../controller/core/placement/pipeline.ts'

test('hosts that refuse are named as people count them, whatever order they were asked in', t => {
  const names = ['h10', 'h2', 'rack-b-1', 'h01', 'h1', 'rack-a-12', 'rack-a-3']
  const rejected = new Map(names.map(name => [name, `no room on ${name}`]))
  const expected = ['h01', 'h1', 'h2', 'h10', 'rack-a-3', 'rack-a-12', 'rack-b-1']
  t.deepEqual(
    refusals(rejected).map(({ host }) => host),
    expected
  )
  const turned = new Map([...rejected].reverse())
  t.deepEqual(sortedSentences(turned), sortedSentences(rejected))
  t.is(sortedSentences(rejected)[0], 'h01: no room on h01')
})
