import { spawn } from 'node:child_process'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test from 'ava'
import { isFault } from '#shared/fault.ts'
import { findNeighbours, readCommandLine, refuseOthers } from '../../../tools/up/neighbours.ts'

const agent = { part: 'agent', state: '/srv/cloud', program: '/a/dist/remuda-agent.js' } as const
const controller = {
  ...agent,
  part: 'controller',
  program: '/a/dist/remuda-controller.js'
} as const

for (const [line, expected] of [
  ['/usr/bin/node /a/dist/remuda-agent.js --state /srv/cloud', agent],
  ['node /a/dist/remuda-controller.js --state /srv/cloud', controller],
  ['node --enable-source-maps /a/dist/remuda.js --state /srv/cloud status', undefined],
  ['node /a/dist/remuda-agent.js', undefined],
  ['node /a/dist/remuda-agent.js --state', undefined],
  ['vi /a/dist/remuda-agent.js', undefined],
  ['', undefined]
] as const) {
  test(`"${line}" is ${expected ? `the ${expected.part} of a cloud` : 'no daemon'}`, t => {
    t.deepEqual(readCommandLine(line.split(' ')), expected)
  })
}

test('a daemon in our network is found, whoever has started it', async t => {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'remuda-neighbours-'))
  const program = path.join(folder, 'remuda-controller.js')
  await fs.writeFile(program, 'console.log("runs"); setInterval(() => {}, 1000)')
  const child = spawn(process.execPath, [program, '--state', folder], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await fs.rm(folder, { recursive: true })
  })
  await new Promise(resolve => child.stdout.once('data', resolve))
  const found = (await findNeighbours()).filter(({ state }) => state === folder)
  t.deepEqual(found, [{ part: 'controller', pid: child.pid!, state: folder, program }])
})

test('beside the agent of another cloud nothing is begun, and it is named', t => {
  const error = t.throws(() => refuseOthers([{ ...agent, pid: 7 }], '/var/lib/remuda'))
  t.true(isFault(error, 'conflict'))
  t.deepEqual(isFault(error) && error.reasons, [
    'the agent of the one in /srv/cloud runs, process 7',
    'bridges and packet filter are one for both'
  ])
  t.deepEqual(isFault(error) && error.next, [
    'use that one: remuda --state /srv/cloud status',
    'or stop it first: REMUDA_STATE=/srv/cloud npm run down'
  ])
})

test('our own daemons and a controller elsewhere stand in nobody’s way', t => {
  const found = [
    { ...agent, pid: 7 },
    { ...controller, pid: 8, state: '/tmp/bench' }
  ]
  t.notThrows(() => refuseOthers(found, '/srv/cloud'))
})
