/** What `up` and `down` are told, and what they say. */
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test from 'ava'
import { Fault, isFault } from '#shared/fault.ts'
import { UsageFault } from '../../../tools/cli/failure.ts'
import { explainEnd, lastWords } from '../../../tools/up/last-words.ts'
import { layoutOf } from '../../../tools/up/layout.ts'
import { readFlags } from '../../../tools/up/program.ts'
import { writeReport } from '../../../tools/up/report.ts'
import { explainFullDisk, refuseFullDisk } from '../../../tools/up/room.ts'
import { makeSay } from '../../../tools/up/say.ts'

const down = { name: 'down', flags: ['purge'] } as const

test('a flag that is known is read', t => {
  t.deepEqual([...readFlags(down, ['--purge'])], ['purge'])
  t.deepEqual([...readFlags(down, [])], [])
})

for (const words of [['--prug'], ['purge'], ['--purge=yes'], ['--state', '/x']]) {
  test(`"${words.join(' ')}" is refused before anything is done`, t => {
    const error = t.throws(() => readFlags(down, words), { instanceOf: UsageFault })
    t.is(error?.message, `cannot run npm run down with "${words.join(' ')}"`)
    t.is(error?.next[0], 'npm run down, or npm run down -- --purge')
  })
}

const fine = JSON.stringify({ level: 'info', message: 'leading', epoch: 1 })
const failed = { level: 'error', message: 'cannot go on', code: 'unavailable' }
const taken = { because: 'cannot listen on 127.0.0.1:7410', reasons: [], next: ['use another'] }

for (const [what, log, expected] of [
  ['an error with its reasons', `${fine}\n${JSON.stringify({ ...failed, ...taken })}\n`, taken],
  [
    'an error that says no more',
    JSON.stringify(failed),
    { because: 'cannot go on', reasons: [], next: [] }
  ],
  ['nothing of an end', `${JSON.stringify({ ...failed, ...taken })}\n${fine}\n`, undefined],
  ['a line that was cut', `${fine}\n{"level":"err`, undefined],
  ['a trace of a bug', 'Error: x\n    at y\n', undefined],
  ['nothing', '', undefined],
  ['no object', 'null\n', undefined]
] as const) {
  test(`the last words of a daemon: ${what}`, t => {
    t.deepEqual(lastWords(log), expected)
  })
}

test('a daemon that could not start is explained in its own words', async t => {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'remuda-words-'))
  t.teardown(() => fs.rm(folder, { recursive: true }))
  const logFile = path.join(folder, 'controller.log')
  await fs.writeFile(logFile, `${JSON.stringify({ ...failed, ...taken })}\n`)
  const thrown = new Fault('command', 'cannot start the controller: it ended at once: {"level…')
  const fault = await explainEnd(thrown, { name: 'the controller', logFile })
  t.true(isFault(fault, 'command'))
  if (!isFault(fault)) return
  t.is(fault.message, 'cannot start the controller: cannot listen on 127.0.0.1:7410')
  t.deepEqual(fault.next, ['use another', `its log: ${logFile}`])
})

test('a disk without room is refused with the numbers', async t => {
  await t.notThrowsAsync(refuseFullDisk(os.tmpdir(), 0))
  const error = await t.throwsAsync(refuseFullDisk('/nowhere/at/all', 2 ** 50))
  t.true(isFault(error, 'unavailable'))
  t.regex(isFault(error) ? error.reasons[0]! : '', /^\d+ of \d+ MiB are free, \d+ MiB are needed$/)
})

test('a disk that became full is told as such, and nothing else is', async t => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
    code: 'ENOSPC'
  })
  const fault = await explainFullDisk(full, os.tmpdir())
  t.is(isFault(fault) && fault.message, `cannot write into ${os.tmpdir()}: its disk is full`)
  const other = new Error('other')
  t.is(await explainFullDisk(other, os.tmpdir()), other)
})

const instance = (phase: string) => ({ status: { phase } }) as never
const seen = {
  host: 'h1',
  address: '10.66.0.2',
  answer: 'name: hello\nhost: h1\n',
  tookMs: 1_234,
  instances: [instance('running'), instance('stopped')],
  url: 'https://10.0.0.1:7000'
}

test('the report counts what there is and names where it is', t => {
  const text = writeReport(layoutOf('/var/lib/remuda'), seen).join('\n')
  t.regex(text, /^The cloud is up after 1\.2 s on h1: 2 instances, 1 of them running\.$/m)
  t.regex(text, /^hello says at http:\/\/10\.66\.0\.2\/:\n {4}name: hello\n {4}host: h1$/m)
  t.regex(text, /API +https:\/\/10\.0\.0\.1:7000\/v1 /)
  t.regex(text, /^npm run down stops it all again\.$/m)
  t.notRegex(text, /REMUDA_STATE/)
})

test('for a state folder elsewhere the report says how it is named', t => {
  const lines = writeReport(layoutOf('/srv/cloud'), { ...seen, answer: undefined })
  t.true(lines.includes('  export REMUDA_STATE=/srv/cloud'))
  t.is(lines.at(-1), 'REMUDA_STATE=/srv/cloud npm run down stops it all again.')
})

/** A stream that remembers what was written to it. */
function makeOutput(isTTY: boolean) {
  const written: string[] = []
  return { isTTY, columns: 20, written, write: (text: string) => written.push(text) }
}

test('on a terminal the line of a step is written over, and never wraps', async t => {
  const output = makeOutput(true)
  const say = makeSay(output)
  await say.step('image', async tell => tell('making it out of many parts'))
  t.deepEqual(output.written.slice(0, 2), ['  … image', '\r\x1b[K  … image: making it'])
  t.true(output.written[2]!.startsWith('\r\x1b[K  ✓ image: making it out of many parts (0.'))
})

test('elsewhere a step that is quick is one line', async t => {
  const output = makeOutput(false)
  await makeSay(output).step('image', async tell => {
    tell('making')
    tell('made')
  })
  t.is(output.written.length, 1)
  t.regex(output.written[0]!, /^ {2}✓ image: made \(0\.\d s\)\n$/)
})

test('a step that fails says so and passes the failure on', async t => {
  const output = makeOutput(false)
  const work = () => Promise.reject(new Error('no'))
  await t.throwsAsync(makeSay(output).step('image', work), { message: 'no' })
  t.deepEqual(output.written, ['  ✗ image\n'])
})
