import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { KeptBoots, KeptPlan } from '../../../bootd/io/boot/plan-file.ts'
import { realClock } from '../../../shared/clock.ts'
import { plan } from './plans.ts'

test('a plan that cannot be written is a problem until it is, and the newest one is', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-kept-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'own', 'boot-plan.json')
  await mkdir(path, { recursive: true })
  const problems: (string | undefined)[] = []
  const kept = new KeptPlan(path, problem => void problems.push(problem))
  await kept.retry()
  t.deepEqual(problems, [], 'there is nothing to write')
  await kept.keep(plan)
  await Promise.all([kept.keep({ ...plan, epoch: 9 }), kept.retry()])
  t.regex(problems.at(-1) ?? '', /^the boot plan is followed, but lost when bootd ends: /)
  t.is(new Set(problems).size, 1, 'it is one trouble, however often it is tried')
  await rm(path, { recursive: true })
  await kept.retry()
  t.is(problems.at(-1), undefined)
  t.is(JSON.parse(await readFile(path, 'utf8')).epoch, 9)
  const { length } = problems
  await kept.retry()
  t.is(problems.length, length, 'it is written once')
})

test('boots that cannot be written are a problem until they are', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-kept-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'own', 'boots.json')
  await mkdir(path, { recursive: true })
  const problems: (string | undefined)[] = []
  const onProblem = (problem: string | undefined) => void problems.push(problem)
  const kept = new KeptBoots(path, { boots: () => [], clock: realClock, onProblem })
  await kept.write()
  t.deepEqual(problems, [], 'there is nothing to write')
  kept.note()
  await kept.write()
  await kept.write()
  t.regex(problems[0] ?? '', /^how far machines have come is lost when bootd ends: /)
  t.is(problems[1], problems[0], 'it is one trouble, however often it is tried')
  await rm(path, { recursive: true })
  await kept.write()
  t.is(problems.at(-1), undefined)
  t.is(await readFile(path, 'utf8'), '[]')
  await kept.write()
  t.is(problems.length, 3, 'it is written once')
})
