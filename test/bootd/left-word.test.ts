import test from 'ava'
import { leaveWordUntilLeft } from '../../bootd/io/left-word.ts'
import { FakeClock } from '../world/fake-clock.ts'

const full = Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'write' })

test('word that cannot be left ends nothing: it is told, and left later', async t => {
  const clock = new FakeClock()
  const problems: (string | undefined)[] = []
  let tries = 0
  const leave = async (): Promise<void> => {
    tries += 1
    if (tries < 4) throw full
  }
  const onProblem = (problem: string | undefined): void => void problems.push(problem)
  const { signal } = new AbortController()
  const { over } = await leaveWordUntilLeft(leave, { clock, onProblem }, signal)
  t.is(tries, 1)
  await clock.pass(60_000)
  await over
  t.is(tries, 4)
  const told = 'a controller on this machine may not find this bootd: cannot write a file (ENOSPC)'
  t.deepEqual(problems, [told, told, told, undefined])
})

test('word is left until bootd ends, and no longer', async t => {
  const clock = new FakeClock()
  const stop = new AbortController()
  const leave = () => Promise.reject(full)
  const { over } = await leaveWordUntilLeft(leave, { clock, onProblem: () => {} }, stop.signal)
  stop.abort()
  await over
  t.pass()
})

test('a bug is not taken for a full disk', async t => {
  const leave = () => Promise.reject(new TypeError('not a function'))
  const given = { clock: new FakeClock(), onProblem: () => {} }
  await t.throwsAsync(leaveWordUntilLeft(leave, given, new AbortController().signal), {
    instanceOf: TypeError
  })
})
