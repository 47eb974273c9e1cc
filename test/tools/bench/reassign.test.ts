import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test from 'ava'
import { Annealing } from '../../../controller/core/engine/reassign/annealing.ts'
import { usualWay } from '../../../controller/core/engine/reassign/ways.ts'
import { Fault } from '../../../shared/fault.ts'
import { judge } from '../../../tools/bench/reassign/judge.ts'
import { readReassignment } from '../../../tools/bench/reassign/model-text.ts'
import { search } from '../../../tools/bench/reassign/search.ts'

/**
 * Two machines, the first full: of its two processes the smaller one, of service 1, is to leave,
 * which costs 3 for itself, 10 for its service and 4 for the way, and saves 5 units at 10.
 */
const model = `1
0 10
2
0 0 20 8 0 2
0 1 20 8 2 0
2
1 0
1 1 0
3
0 8 9
1 5 3
0 1 1
0
1 10 2`
const home = '0 0 1'

type Files = { readonly model: string; readonly home: string }

async function files(t: { teardown: (end: () => Promise<void>) => void }, texts: Files) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'remuda-reassign-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const paths = { model: path.join(folder, 'model.txt'), home: path.join(folder, 'home.txt') }
  await writeFile(paths.model, texts.model)
  await writeFile(paths.home, texts.home)
  return paths
}

test('a model is read, judged and solved', async t => {
  const paths = await files(t, { model, home })
  const problem = await readReassignment(paths.model, paths.home)
  t.is(judge(problem, problem.home).total, 50)
  t.deepEqual(judge(problem, [0, 1, 1]), {
    ...{ objections: [], total: 17, moved: 1 },
    costs: { load: 0, balance: 0, process: 3, service: 10, machine: 4 }
  })
  const annealing = new Annealing(problem, usualWay)
  for (let slice = 0; slice < 100; slice += 1) annealing.run(20, slice / 100)
  t.deepEqual([...annealing.best], [0, 1, 1])
  t.is(annealing.bestCost, 17)
})

test('the judge says what is wrong', async t => {
  const tight = model.replace('0 1 20 8 2 0', '1 0 12 8 2 0').replace('0 10\n2', '1 10\n2')
  const paths = await files(t, { model: tight.replace('1 0\n1 1 0', '1 0\n2 1 0'), home })
  const problem = await readReassignment(paths.model, paths.home)
  t.deepEqual(judge(problem, [1, 1, 1]).objections, [
    'machine 1 holds 14 of resource 0, 12 at most',
    'service 0 has 2 processes on 1 machines',
    'service 1 is in 1 locations, 2 at least'
  ])
  t.deepEqual(judge(problem, [1, 0, 1]).objections, [
    'service 0 has 2 processes on 1 machines',
    'service 1 is in 1 locations, 2 at least',
    'service 1 is in neighbourhood 0 without service 0'
  ])
})

test('two threads find the best seats together', async t => {
  const work = await files(t, { model, home })
  const found = await search({ work, seconds: 0.5, seed: 1, clock: 'processor' })
  t.deepEqual([...found.at], [0, 1, 1])
  t.is(found.cost, 17)
})

const broken = [
  {
    title: 'that ends in the middle',
    texts: { model: model.slice(0, -4), home },
    says: /ends after/
  },
  {
    title: 'with numbers too many',
    texts: { model: `${model} 7`, home },
    says: /37 numbers, 36 expected/
  },
  { title: 'with words', texts: { model: `${model} x`, home }, says: /"x" is no whole number/ },
  {
    title: 'with another count of processes',
    texts: { model, home: '0 0' },
    says: /2 machines for 3/
  }
]
for (const { title, texts, says } of broken) {
  test(`a file ${title} is refused`, async t => {
    const paths = await files(t, texts)
    const failure = await t.throwsAsync(readReassignment(paths.model, paths.home))
    t.true(failure instanceof Fault)
    t.regex(failure!.message, says)
  })
}
