import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import test from 'ava'
import { FakeApi } from '../../world/fake-api.ts'
import { BootingHosts } from './booting-hosts.ts'

const entry = path.join(import.meta.dirname, '..', '..', '..', 'tools', 'remuda.ts')

/** Everything that a module loads before it runs; what it loads later is left out. */
function loadedWith(file: string, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  const text = fs.readFileSync(file, 'utf8')
  const imports = [
    ...text.matchAll(
      /^(?:import|export) (?!type\b)(?:[^'\n]|\n(?!import|export))*?from '([^']+)'/gm
    )
  ]
  for (const [, name = ''] of imports) {
    if (name.startsWith('.')) loadedWith(path.resolve(path.dirname(file), name), seen)
    else if (name.startsWith('#shared/')) {
      loadedWith(path.resolve(path.dirname(entry), '..', 'shared', name.slice(8)), seen)
    } else seen.add(name)
  }
  return seen
}

test('help loads neither the model nor any package nor a network module', t => {
  const cli = path.join(path.dirname(entry), 'cli')
  const loaded = new Set<string>()
  for (const file of ['start.ts', 'main.ts', 'table.ts', 'help.ts']) {
    for (const name of loadedWith(path.join(cli, file))) loaded.add(name)
  }
  const outside = [...loaded].filter(name => !name.startsWith('/')).toSorted()
  t.deepEqual(outside, ['node:path', 'node:util'])
  t.deepEqual(
    [...loaded].filter(name => name.includes('/model/') || name.includes('/run/')),
    []
  )
})

test('the program itself answers, and leaves its exit code behind', async t => {
  const environment = {
    ...process.env,
    REMUDA_STATE: '/nonexistent',
    REMUDA_SERVER: 'http://[::1]:1'
  }
  const run = promisify(execFile)
  const { stdout } = await run(process.execPath, [entry, '--help'], { env: environment })
  t.true(stdout.startsWith('Remuda turns racks'))
  const failure = await t.throwsAsync(
    run(process.execPath, [entry, 'instance', 'list'], { env: environment })
  )
  const { code, stderr } = failure as unknown as { code: number; stderr: string }
  t.is(code, 6)
  t.regex(stderr, /^error: cannot list instances: no controller listens on http:\/\/\[::1\]:1\n/)
})

test('whose terminal is closed still says how to go on', async t => {
  t.timeout(120_000)
  await using api = await FakeApi.start()
  const hosts = new BootingHosts(api, { h1: 'joined', h2: 'joined' })
  hosts.drains = () => 'later'
  const words = [entry, 'host', 'roll', '--reboot', '--server', api.url]
  const roll = spawn(process.execPath, words, { stdio: ['ignore', 'ignore', 'pipe'] })
  hosts.onAsked = ({ path }) => path === '/v1/hosts/h1/drain' && roll.kill('SIGHUP')
  const [errors, [code]] = await Promise.all([text(roll.stderr), once(roll, 'exit')])
  t.is(code, 130, errors)
  t.regex(errors, /to go on: remuda host resume h1 && remuda host roll h1 h2 --reboot/)
})
