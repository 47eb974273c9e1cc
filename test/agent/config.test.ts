import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Fault } from '#shared/fault.ts'
import { stateDefault } from '#shared/state-folder.ts'
import { readConfig } from '../../agent/io/config.ts'

test('without anything said the defaults hold', async t => {
  const { state, address, port, logLevel } = await readConfig(['--state', '/nowhere'], {})
  t.deepEqual(
    { state, address, port, logLevel },
    { state: '/nowhere', address: '127.0.0.1', port: 7411, logLevel: 'info' }
  )
  t.is(stateDefault, '/var/lib/remuda')
})

test('flags come before the environment, that before the file', async t => {
  const state = await mkdtemp(join(tmpdir(), 'remuda-config-'))
  t.teardown(() => rm(state, { recursive: true, force: true }))
  await mkdir(join(state, 'agent'))
  const file = { address: '10.0.0.1', port: 1, logLevel: 'warn' }
  await writeFile(join(state, 'agent/agent.json'), JSON.stringify(file))
  const environment = {
    REMUDA_STATE: state,
    REMUDA_AGENT_PORT: '2',
    REMUDA_AGENT_ADDRESS: '10.0.0.2'
  }
  const config = await readConfig(['--address', '10.0.0.3'], environment)
  t.deepEqual([config.address, config.port, config.logLevel], ['10.0.0.3', 2, 'warn'])
})

const faults: readonly (readonly [string, string[], RegExp])[] = [
  ['a port that is none', ['--port', 'seven'], /port must be/],
  ['a port that is too high', ['--port', '70000'], /port must be between 0 and 65535/],
  ['a folder that is not absolute', ['--state', 'here'], /state/],
  ['a door without its key', ['--door', 'tcp://10.0.0.1:7412'], /door and doorKey belong together/],
  ['a door that is no address', ['--door', 'http://x', '--door-key', 'k'.repeat(40)], /door/],
  ['a level that does not exist', ['--log-level', 'loud'], /logLevel must be/]
]
for (const [title, args, said] of faults) {
  test(`${title} is refused with the field that is at fault`, async t => {
    const fault = await t.throwsAsync(readConfig(args, {}), { instanceOf: Fault })
    t.is(fault?.code, 'invalid')
    t.regex(fault?.reasons.join('; ') ?? '', said)
  })
}

test('a flag that does not exist is refused with those that do', async t => {
  const fault = await t.throwsAsync(readConfig(['--stat', '/x'], {}), { instanceOf: Fault })
  t.regex(fault?.next[0] ?? '', /--state/)
})

test('a file that was asked for must be there and hold an object', async t => {
  await t.throwsAsync(readConfig(['--config', '/nowhere.json'], {}), { code: 'invalid' })
  const folder = await mkdtemp(join(tmpdir(), 'remuda-config-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'a.json')
  for (const text of ['', '[]', '"x"', '{"unknown":1}']) {
    await writeFile(path, text)
    await t.throwsAsync(readConfig(['--config', path], {}), { code: 'invalid' })
  }
})
