/** The agent as a program, with no controller and no libvirt to be found. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'

const main = join(import.meta.dirname, '../../agent/main.ts')
const patienceMs = 60_000

/** Starts an agent; it ends with the test. */
async function start(t: ExecutionContext, args: readonly string[] = []) {
  const state = await mkdtemp(join(tmpdir(), 'remuda-agent-'))
  const all = [
    main,
    '--state',
    state,
    '--port',
    '0',
    '--libvirt-socket',
    join(state, 'none'),
    ...args
  ]
  const child = spawn(process.execPath, all, { stdio: ['ignore', 'ignore', 'pipe'] })
  const log: string[] = []
  child.stderr.setEncoding('utf8').on('data', text => void log.push(text))
  t.teardown(async () => {
    await end(child, 'SIGKILL')
    await rm(state, { recursive: true, force: true })
  })
  return { state, child, log: () => log.join('') }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill(signal)
    await once(child, 'exit')
  }
  return child.exitCode
}

async function until(condition: () => boolean, log: () => string): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`it did not come about: ${log()}`)
    await sleep(20)
  }
}

const ask = (state: string, path: string) =>
  new Promise<Record<string, unknown>>((resolve, reject) => {
    const asking = request({ socketPath: join(state, 'run/agent.sock'), path }, async response => {
      resolve(JSON.parse((await response.toArray()).join('')))
    })
    asking.once('error', reject)
    asking.end()
  })

test('it answers at its own socket, says what it lacks, and ends cleanly when told to', async t => {
  const { state, child, log } = await start(t)
  await until(() => existsSync(join(state, 'run/agent.ready')), log)
  const status = await ask(state, '/status')
  t.is(status['epoch'], 0)
  t.like(status['libvirt'], { state: 'unknown' })
  t.regex(String((await ask(state, '/desired'))['detail']), /no order has ever come/)
  t.deepEqual(await ask(state, '/diff'), [])
  t.is(await end(child, 'SIGTERM'), 0)
  t.false(existsSync(join(state, 'run/agent.ready')))
  t.false(existsSync(join(state, 'run/agent.sock')))
  for (const line of log().trim().split('\n')) t.is(JSON.parse(line).part, 'agent')
})

test('a configuration that is at fault ends it with the reasons', async t => {
  const { child, log } = await start(t, ['--log-level', 'loud'])
  await once(child, 'exit')
  t.is(child.exitCode, 1)
  t.like(JSON.parse(log()), { level: 'error', code: 'invalid' })
  t.regex(log(), /logLevel must be/)
})
