import fs from 'node:fs/promises'
import os from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import {
  type DaemonSpec,
  daemonRuns,
  findDaemon,
  signalDaemon,
  startDaemon,
  stopDaemon
} from '#shared/daemon.ts'
import { Fault } from '#shared/fault.ts'

const script = `
import fs from 'node:fs'
const [ready, lock] = process.argv.slice(2)
if (lock && fs.existsSync(lock)) { console.error('somebody is here already'); process.exit(3) }
if (lock) fs.writeFileSync(lock, String(process.pid))
process.on('SIGTERM', () => { if (lock) fs.rmSync(lock); process.exit(0) })
setInterval(() => {}, 1000)
fs.writeFileSync(ready, '')
`

async function makeSpec(t: ExecutionContext, extra: readonly string[] = []): Promise<DaemonSpec> {
  const folder = await fs.mkdtemp(join(os.tmpdir(), 'remuda-daemon-'))
  await fs.writeFile(join(folder, 'daemon.mjs'), script)
  const spec: DaemonSpec = {
    name: 'a test daemon',
    command: process.execPath,
    args: [join(folder, 'daemon.mjs'), join(folder, 'ready'), ...extra.map(e => join(folder, e))],
    recordFile: join(folder, 'record.json'),
    logFile: join(folder, 'log'),
    readyFile: join(folder, 'ready')
  }
  t.teardown(async () => {
    await stopDaemon(spec)
    await fs.rm(folder, { recursive: true })
  })
  return spec
}

test('what was started is found again by its record, and not once it has ended', async t => {
  const spec = await makeSpec(t)
  t.is(await findDaemon(spec), undefined)
  const daemon = await startDaemon(spec)
  t.deepEqual(await findDaemon(spec), daemon)
  t.true(await daemonRuns(daemon))
  await stopDaemon(spec)
  t.false(await daemonRuns(daemon))
  t.is(await findDaemon(spec), undefined)
  await stopDaemon(spec)
})

test('a start that was cut off before it was written down is found by its arguments', async t => {
  const spec = await makeSpec(t)
  const daemon = await startDaemon(spec)
  await fs.writeFile(spec.recordFile, '"starting"\n')
  t.deepEqual(await findDaemon(spec), daemon)
  await fs.writeFile(spec.recordFile, '{"pid"')
  t.deepEqual(await findDaemon(spec), daemon)
})

test('a process that got the number of ours is not taken for ours', async t => {
  const spec = await makeSpec(t)
  const daemon = await startDaemon(spec)
  const record = await fs.readFile(spec.recordFile, 'utf8')
  await stopDaemon(spec)
  await fs.writeFile(spec.recordFile, record.replace(`${daemon.pid}`, `${process.pid}`))
  t.is(await findDaemon(spec), undefined)
  t.false(await signalDaemon({ ...daemon, pid: process.pid }, 'SIGKILL'))
})

test('one of which no record is left makes way for its successor', async t => {
  // It takes its lock away as it ends.
  const spec = { ...(await makeSpec(t, ['lock'])), stopMsMax: 20_000 }
  const stray = await startDaemon(spec)
  await fs.rm(spec.recordFile)
  const daemon = await startDaemon(spec)
  t.not(daemon.pid, stray.pid)
  t.false(await daemonRuns(stray))
  t.true(await daemonRuns(daemon))
})

test('one of which no record is left is stopped nevertheless', async t => {
  const spec = await makeSpec(t)
  const stray = await startDaemon(spec)
  await fs.rm(spec.recordFile)
  await stopDaemon(spec)
  t.false(await daemonRuns(stray))
})

test('one that ends at once is a failure with its last words', async t => {
  const spec = await makeSpec(t, ['lock'])
  await fs.writeFile(spec.args[2]!, 'foreign')
  const fault = await t.throwsAsync(startDaemon(spec), { instanceOf: Fault })
  t.is(fault?.code, 'command')
  t.is(fault?.message, 'cannot start a test daemon: it ended at once: somebody is here already')
})
