import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { KeptPlan, writeBoots } from '../../../bootd/io/boot/plan-file.ts'
import { FakeClock } from '../../world/fake-clock.ts'
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

test('boots that cannot be written are a problem, in the same words each time', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-kept-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'boots.json')
  await mkdir(join(path, 'in its place'), { recursive: true })
  const write = () => writeBoots(path, [], new FakeClock())
  const problem = await write()
  t.regex(problem ?? '', /^how far machines have booted is lost when bootd ends: .*\(E[A-Z]+\)$/)
  t.is(await write(), problem)
  await rm(path, { recursive: true })
  t.is(await write(), undefined)
})
