/** Whether what ran beside the instances of a host is there again, before the next host goes. */
import test from 'ava'
import type { Api } from '../../../tools/cli/api/client.ts'
import { missingOf, untilWhole } from '../../../tools/cli/run/roll-whole.ts'

const before = ['candidate c1', 'candidate c2', 'server 10.0.0.1:2181']

test('what stood before and does not now is missing; what has come since is not asked for', t => {
  t.deepEqual(missingOf(before, [...before, 'candidate c3']), [])
  t.deepEqual(missingOf(before, ['candidate c2', 'candidate c3']), [
    'candidate c1',
    'server 10.0.0.1:2181'
  ])
})

/** Each answer names those that stand. */
function apiWith(answers: readonly (readonly string[])[]): Api {
  let asked = 0
  const ask = async () => {
    const stands = answers[Math.min(asked++, answers.length - 1)]!
    const candidates = stands.map(name => ({ name, stands: true }))
    return { bytes: Buffer.from(JSON.stringify({ candidates, ensemble: [] })), status: 200 }
  }
  return { ask } as unknown as Api
}

test('the next host waits until the candidate of the last one stands again', async t => {
  const said: string[] = []
  const api = apiWith([['c2'], ['c2'], ['c1', 'c2']])
  const options = { timeoutMs: 60_000, signal: new AbortController().signal }
  const say = (words: string): void => void said.push(words)
  await untilWhole(api, ['candidate c1', 'candidate c2'], { ...options, say })
  t.deepEqual([...new Set(said)], ['waits for candidate c1'])
})

test('a candidate that does not come back ends the waiting, and is named', async t => {
  const signal = AbortSignal.timeout(1)
  const options = { timeoutMs: 60_000, signal, say: () => {} }
  const waiting = untilWhole(apiWith([['c2']]), ['candidate c1'], options)
  const fault = await t.throwsAsync(waiting, { message: /not as whole as it was/ })
  t.deepEqual((fault as unknown as { reasons: readonly string[] }).reasons, [
    'waits for candidate c1'
  ])
})
