import test from 'ava'
import { Problems } from '../../../bootd/core/problems.ts'

test('a problem is as old as the trouble, however its words change', t => {
  const problems = new Problems<'logs' | 'firmware'>()
  t.deepEqual(problems.report(), {})
  t.true(problems.set('logs', '1 line is lost', 1_000))
  t.false(problems.set('logs', '1 line is lost', 2_000))
  t.true(problems.set('logs', '2 lines are lost', 3_000))
  const problemSince = '1970-01-01T00:00:01.000Z'
  t.deepEqual(problems.report(), { problem: '2 lines are lost', problemSince })
})

test('another problem is news, and one that comes back is', t => {
  const problems = new Problems<'logs' | 'firmware'>()
  problems.set('logs', 'the disk is full', 1_000)
  problems.set('firmware', 'snponly.efi is missing', 5_000)
  const problem = 'the disk is full; snponly.efi is missing'
  t.deepEqual(problems.report(), { problem, problemSince: '1970-01-01T00:00:05.000Z' })
  t.true(problems.set('firmware', undefined, 6_000))
  t.true(problems.set('logs', undefined, 6_000))
  problems.set('logs', 'the disk is full', 7_000)
  t.like(problems.report(), { problemSince: '1970-01-01T00:00:07.000Z' })
})
