import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import test from 'ava'
import { isFault } from '#shared/fault.ts'
import { takeTurn } from '../../../tools/up/turn.ts'

const module = path.resolve(import.meta.dirname, '../../../tools/up/turn.ts')
/** Names of turns that no other run of these tests takes. */
const folderOf = (name: string): string => `/nowhere/${process.pid}/${name}`
const nobody = (): never => {
  throw new Error('had to wait')
}

test('turns of different folders do not wait for each other', async t => {
  await using _one = await takeTurn({ state: folderOf('a'), holder: 'up', waiting: nobody })
  await using _two = await takeTurn({ state: folderOf('b'), holder: 'up', waiting: nobody })
  t.pass()
})

test('a turn can be taken again when it was given back', async t => {
  for (let round = 0; round < 3; round += 1) {
    await using _turn = await takeTurn({ state: folderOf('c'), holder: 'up', waiting: nobody })
  }
  t.pass()
})

test('who comes second is told whom it waits for, and goes on when that one is done', async t => {
  const state = folderOf('d')
  const first = await takeTurn({ state, holder: 'npm run up', waiting: nobody })
  const order: string[] = []
  const second = takeTurn({
    state,
    holder: 'npm run down',
    waiting: holder => {
      order.push(holder)
      void first[Symbol.asyncDispose]().then(() => order.push('given back'))
    }
  })
  await using _turn = await second
  order.push('taken')
  t.deepEqual(order, [`npm run up, process ${process.pid}`, 'given back', 'taken'])
})

test('a holder that is killed has given its turn back', async t => {
  const state = folderOf('e')
  const script = `import { takeTurn } from ${JSON.stringify(module)}
    await takeTurn({ state: ${JSON.stringify(state)}, holder: 'up', waiting: () => {} })
    console.log('taken')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const waited: string[] = []
  await using _turn = await takeTurn({
    state,
    holder: 'down',
    waiting: holder => {
      waited.push(holder)
      child.kill('SIGKILL')
    }
  })
  t.deepEqual(waited, [`up, process ${child.pid}`])
})

test('whoever has waited long enough is told who holds the turn', async t => {
  const state = folderOf('f')
  await using _first = await takeTurn({ state, holder: 'npm run up', waiting: nobody })
  const error = await t.throwsAsync(
    takeTurn({ state, holder: 'down', waiting: () => {}, waitMs: 2_000 })
  )
  t.true(isFault(error, 'locked'))
  t.is(error.message, `cannot begin: npm run up, process ${process.pid} works on ${state}`)
})
