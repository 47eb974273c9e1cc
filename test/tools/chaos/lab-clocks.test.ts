import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { LabClocks } from '../../../tools/chaos/lab-clocks.ts'

test('lines that a moved clock wrote are of the true time, all others as they say', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-clocks-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const logOf = (host: string, daemon: string) => join(folder, `${host}-${daemon}.log`)
  const write = (text: string) =>
    Promise.all(['controller', 'agent'].map(name => writeFile(logOf('h1', name), text)))
  const moves: number[] = []
  const moveClock = async (_host: string, byMs: number) => void moves.push(byMs)
  await write('before\n')
  const clocks = new LabClocks({ logOf, moveClock }, 0)
  const begunAt = Date.now()
  await clocks.moved('h1', 90_000, () => write('before\nmeanwhile\n').then(() => {}))
  await write('before\nmeanwhile\nafter\n')
  t.deepEqual(moves, [90_000, -90_000])
  const of = (host: string, offset: number, time: number) =>
    clocks.trueTime({ host, daemon: 'agent', offset, time })
  t.is(of('h1', 0, begunAt + 90_000), begunAt + 90_000, 'the line before')
  t.is(of('h1', 7, begunAt + 90_000), begunAt, 'the line meanwhile')
  t.is(of('h1', 7, begunAt), begunAt, 'one that did not see the jump yet')
  t.is(of('h1', 17, begunAt + 90_000), begunAt + 90_000, 'the line after')
  t.is(of('h2', 7, begunAt + 90_000), begunAt + 90_000, 'on another host')
})
