import test from 'ava'
import { runProgram } from '../../../tools/check/program.ts'

async function run(script: string, deadlineMs = 60_000) {
  const [out, err]: [string[], string[]] = [[], []]
  const code = await runProgram('/bin/sh', ['-c', script], {
    deadlineMs,
    stdout: line => out.push(line),
    stderr: line => err.push(line)
  })
  return { code, out, err }
}

test('output comes line by line, also a last line without an end', async t => {
  t.deepEqual(await run('echo a; printf "b\\r\\nc"; echo d >&2; exit 3'), {
    code: 3,
    out: ['a', 'b', 'c'],
    err: ['d']
  })
})

test('a program that takes too long is ended and says so', async t => {
  const { code, err } = await run('exec sleep 60', 100)
  t.is(code, undefined)
  t.deepEqual(err, ['/bin/sh was ended: not done in 100 ms'])
})

test('something left behind that holds the output does not hold us', async t => {
  const { code, out } = await run('sleep 60 & echo $!; exit 0')
  t.is(code, 0)
  process.kill(Number(out[0]), 'SIGKILL')
})

test('a program that is not there is said', async t => {
  const err: string[] = []
  const code = await runProgram('/nowhere/program', [], {
    deadlineMs: 60_000,
    stdout: () => {},
    stderr: line => err.push(line)
  })
  t.is(code, undefined)
  t.regex(err.join('\n'), /^\/nowhere\/program did not start: .*ENOENT/)
})
