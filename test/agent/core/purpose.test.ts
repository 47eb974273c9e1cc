import test from 'ava'
import { purposeOf, type Step, stepFingerprint } from '../../../agent/core/steps.ts'

const fetching = (url: string): Step =>
  ({
    type: 'fetch-image',
    image: { id: 'm-1', name: 'tiny', format: 'raw', sizeBytes: 1, sha256: 'a'.repeat(64), url },
    because: 'it is ordered and not here'
  }) as Step

test('a start is the same whichever order it is of, so that its failures still count', t => {
  const start = { type: 'create-domain', plan: { startCount: 1 }, because: 'it is wished' }
  const of = (generation: number): Step =>
    ({ ...start, orderedBy: { epoch: 1, generation } }) as unknown as Step
  t.is(stepFingerprint(of(7)), stepFingerprint(of(8)))
})

for (const [title, url, isSame] of [
  ['the fetching of an image goes on when the ticket is new', 'http://10.0.0.1:7410/i?t=2', true],
  ['it is given up when the image is to come from elsewhere', 'http://10.0.0.2:7410/i?t=1', false]
] as const) {
  test(title, t => {
    const before = purposeOf(fetching('http://10.0.0.1:7410/i?t=1'))
    t.is(purposeOf(fetching(url)) === before, isSame)
  })
}
