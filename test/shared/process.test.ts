import { spawn } from 'node:child_process'
import fs from 'node:fs/promises'
import os from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { Fault } from '#shared/fault.ts'
import { isInstalled, run } from '#shared/process.ts'

const processModule = new URL('../../shared/process.ts', import.meta.url).href
const quick = { deadlineMs: 20_000 }

/** Waits until a process is gone or a zombie; false: it stays. */
async function ends(pid: number): Promise<boolean> {
  const until = performance.now() + 10_000
  while (performance.now() < until) {
    const stat = await fs.readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
    if (stat === undefined || /\) [ZX] /.test(stat)) return true
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  return false
}

test('a program gets its input and gives what it wrote', async t => {
  const { stdout, stderr } = await run('cat', [], { ...quick, input: 'hay\n' })
  t.is(stdout, 'hay\n')
  t.is(stderr, '')
})

test('arguments never pass through a shell', async t => {
  const { stdout } = await run('printf', ['%s', '$(id); `id` * "'], quick)
  t.is(stdout, '$(id); `id` * "')
})

test('a program gets a minimal environment in the C locale', async t => {
  const { stdout } = await run('env', [], quick)
  const names = stdout
    .trim()
    .split('\n')
    .map(line => line.split('=')[0])
  t.deepEqual(names.sort(), ['LC_ALL', 'PATH'])
  t.true(stdout.includes('LC_ALL=C\n'))
})

test('a program gets the variables that are added to those few', async t => {
  const environment = { IPMI_PASSWORD: 'sesame' }
  const { stdout } = await run('printenv', ['IPMI_PASSWORD', 'LC_ALL'], { ...quick, environment })
  t.is(stdout, 'sesame\nC\n')
})

test('a failure says the exit code and the last lines of what it complained of', async t => {
  const failing = run('sh', ['-c', 'for n in 1 2 3 4 5; do echo line $n >&2; done; exit 7'], quick)
  const fault = await t.throwsAsync(failing, { instanceOf: Fault })
  t.is(fault?.code, 'command')
  t.regex(fault!.message, /^cannot run sh -c .*: exit code 7: line 3; line 4; line 5$/)
})

test('an exit code may be declared to be no failure', async t => {
  const { stdout } = await run('sh', ['-c', 'echo hay; exit 1'], { ...quick, exitCodes: [0, 1] })
  t.is(stdout, 'hay\n')
  const failing = run('sh', ['-c', 'exit 2'], { ...quick, exitCodes: [0, 1] })
  t.regex((await t.throwsAsync(failing))!.message, /: exit code 2$/)
})

test('a program that is missing is named with its package', async t => {
  const fault = await t.throwsAsync(run('no-such-program', [], quick), { instanceOf: Fault })
  t.is(fault?.message, 'cannot run no-such-program: it is not installed')
  t.is(fault?.code, 'command')
  t.false(isInstalled('no-such-program'))
  t.true(isInstalled('cat'))
})

test('a program over its deadline is killed with all that it started', async t => {
  const folder = await fs.mkdtemp(join(os.tmpdir(), 'remuda-process-'))
  t.teardown(() => fs.rm(folder, { recursive: true }))
  const script = `sleep 600 & echo $! > ${folder}/pid; wait`
  const failing = run('sh', ['-c', script], { deadlineMs: 3_000 })
  const fault = await t.throwsAsync(failing, { instanceOf: Fault })
  t.is(fault?.code, 'deadline')
  t.regex(fault!.message, /not done in 3000 ms$/)
  t.true(await ends(Number(await fs.readFile(`${folder}/pid`, 'utf8'))))
})

test('a program that nobody wants any more is killed', async t => {
  const abort = new AbortController()
  const failing = run('sleep', ['600'], { deadlineMs: 600_000, signal: abort.signal })
  abort.abort(new Error('enough'))
  const fault = await t.throwsAsync(failing, { instanceOf: Fault })
  t.is(fault?.code, 'aborted')
  const late = run('sleep', ['600'], { deadlineMs: 600_000, signal: abort.signal })
  t.is((await t.throwsAsync(late, { instanceOf: Fault }))?.code, 'aborted')
})

test('a program that writes without end is killed', async t => {
  const failing = run('yes', [], { ...quick, outputBytesMax: 100_000 })
  const fault = await t.throwsAsync(failing, { instanceOf: Fault })
  t.is(fault?.code, 'command')
  t.regex(fault!.message, /it wrote more than 100000 bytes$/)
})

test('a program does not outlive whoever runs it', async t => {
  const code = `
    const { run } = await import(${JSON.stringify(processModule)})
    void run('sh', ['-c', 'echo $$ >&2; exec sleep 600 2>&1'], { deadlineMs: 600_000 })
    setInterval(() => {}, 1000)`
  const runner = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    stdio: 'ignore'
  })
  const pid = await childOf(runner.pid!)
  t.truthy(pid)
  runner.kill('SIGKILL')
  t.true(await ends(pid!))
})

async function childOf(pid: number): Promise<number | undefined> {
  const until = performance.now() + 20_000
  while (performance.now() < until) {
    const path = `/proc/${pid}/task/${pid}/children`
    const children = (await fs.readFile(path, 'utf8')).trim().split(' ').filter(Boolean)
    for (const child of children) {
      const command = await fs.readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '')
      if (command.startsWith('sleep\0')) return Number(child)
    }
    await new Promise(resolve => setTimeout(resolve, 5))
  }
  return undefined
}
