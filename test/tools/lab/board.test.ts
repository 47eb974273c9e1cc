import test from 'ava'
import { Board } from '../../../tools/lab/bmc/board.ts'
import { answer } from '../../../tools/lab/bmc/chassis.ts'

/** A board with a switch that turns when it is let. */
function rig() {
  let isOn = true
  const turns: PromiseWithResolvers<void>[] = []
  const board = new Board(async to => {
    if (to === undefined) return isOn
    const turn = Promise.withResolvers<void>()
    turns.push(turn)
    await turn.promise
    isOn = to === 'on'
    return isOn
  })
  const settle = () => new Promise<void>(resolve => setImmediate(resolve))
  return { board, turns, settle }
}

test('a board says at once that it has switched, and reads on until that is so', async t => {
  const { board, turns, settle } = rig()
  await board.switch(false)
  await board.switch(false)
  t.true(await board.isRunning())
  await settle()
  t.is(turns.length, 1)
  turns[0]!.resolve()
  await settle()
  t.false(await board.isRunning())
})

test('switches turn one after another, and the last one counts', async t => {
  const { board, turns, settle } = rig()
  await board.switch(false)
  await board.switch(true)
  await settle()
  t.is(turns.length, 1)
  turns[0]!.resolve()
  await settle()
  t.is(turns.length, 2)
  turns[1]!.resolve()
  await settle()
  t.true(await board.isRunning())
})

test('a board that lies turns nothing, and reads what is', async t => {
  const { board, turns, settle } = rig()
  board.manner = 'lying'
  await board.switch(false)
  await settle()
  t.is(turns.length, 0)
  t.true(await board.isRunning())
})

test('ipmi_sim is answered what its program is asked', async t => {
  const { board, turns, settle } = rig()
  const boards = new Map([['h2', board]])
  t.is(await answer('h2 get power', boards), 'power:1')
  t.is(await answer('h2 get boot power', boards), 'boot:0\npower:1')
  t.is(await answer('h2 set power 0', boards), 'done')
  await settle()
  turns[0]!.resolve()
  await settle()
  t.is(await answer('h2 get power', boards), 'power:0')
  t.is(await answer('h2 set boot pxe', boards), 'done')
  for (const line of ['h9 get power', 'h2 eat power', '']) await t.throwsAsync(answer(line, boards))
})
