import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { realClock } from '#shared/clock.ts'
import { isFault } from '#shared/fault.ts'
import { silentLog } from '#shared/log.ts'
import type { HostLogLine } from '../../../bootd/core/host-log-line.ts'
import { HostLogs, type HostLogsOptions } from '../../../bootd/io/boot/host-logs.ts'

const host = '4c4c4544-0042-3510-8052-b4c04f4e3132'
const bounds = { fileBytesMax: 2_000, bootsMax: 3, strangersMax: 2, bytesMax: 100_000 }
const of = (boot: string, hasJoined = true) => ({ host, boot, hasJoined })

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'remuda-logs-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

const open = (folder: string, options: Partial<HostLogsOptions> = {}) =>
  HostLogs.open({
    ...{ folder: join(folder, 'logs'), bounds, clock: realClock, log: silentLog },
    ...{ isPlanned: () => true, ...options }
  })

const said = (from: number, to: number): readonly HostLogLine[] =>
  Array.from({ length: to - from }, (_, index) => ({
    source: 'journal',
    text: `line ${from + index}`
  }))

const textsOf = ({ items }: { readonly items: readonly { readonly text: string }[] }) =>
  items.map(({ text }) => text)

test('the last lines are told, and what comes behind them', async t => {
  const folder = await folderOf(t)
  await using logs = await open(folder)
  logs.add(of('b1'), said(0, 10))
  const last = await logs.read({ host, boot: 'b1', linesMax: 3 })
  t.deepEqual(textsOf(last), ['line 7', 'line 8', 'line 9'])
  t.true(last.isCut)
  const none = await logs.read({ host, boot: 'b1', linesMax: 3, after: last.next })
  t.deepEqual([textsOf(none), none.next], [[], last.next])
  logs.add(of('b1'), said(10, 15))
  const some = await logs.read({ host, boot: 'b1', linesMax: 2, after: last.next })
  t.deepEqual(textsOf(some), ['line 10', 'line 11'])
  const rest = await logs.read({ host, boot: 'b1', linesMax: 50, after: some.next })
  t.deepEqual(textsOf(rest), ['line 12', 'line 13', 'line 14'])
  t.false(rest.isCut)
})

test('a log is found again after a start, at the same places', async t => {
  const folder = await folderOf(t)
  let place = 0
  {
    await using logs = await open(folder)
    logs.add(of('b1'), said(0, 40))
    logs.add(of('b1'), said(40, 80))
    logs.add(of('b1'), said(80, 120))
    place = (await logs.read({ host, boot: 'b1', linesMax: 5 })).next
  }
  await using logs = await open(folder)
  logs.add(of('b1'), said(120, 122))
  t.deepEqual(textsOf(await logs.read({ host, boot: 'b1', linesMax: 9, after: place })), [
    'line 120',
    'line 121'
  ])
  const all = await logs.read({ host, boot: 'b1', linesMax: 500, after: 0 })
  t.true(all.isCut, 'its beginning was given up')
  t.is(textsOf(all).at(-1), 'line 121')
  t.notRegex(textsOf(all).join('\n'), /line 0\n/)
  const files = await readdir(join(folder, 'logs', host))
  t.true(files.length <= 2)
  for (const name of files) {
    t.is((await stat(join(folder, 'logs', host, name))).mode & 0o777, 0o600)
  }
})

test('of a host the last boots are kept, and their files go with the others', async t => {
  const folder = await folderOf(t)
  let now = Date.now()
  // Boots are told apart by when they began.
  const clock = { ...realClock, wall: () => now }
  await using logs = await open(folder, { clock })
  for (const boot of ['b1', 'b2', 'b3', 'b4', 'b5']) {
    logs.add(of(boot), said(0, 2))
    now += 1
  }
  await logs.read({ host, boot: 'b5', linesMax: 1 })
  t.deepEqual(
    (await logs.boots(host)).boots.map(({ boot }) => boot),
    ['b3', 'b4', 'b5']
  )
  t.is((await readdir(join(folder, 'logs', host))).length, 3)
  const gone = await t.throwsAsync(logs.read({ host, boot: 'b1', linesMax: 1 }))
  t.true(isFault(gone, 'not-found'))
})

test('only what came since a time is told where that is asked for', async t => {
  await using logs = await open(await folderOf(t))
  logs.add(of('b1'), said(0, 3))
  const all = { host, boot: 'b1', linesMax: 10 }
  t.is((await logs.read({ ...all, since: '2026-01-01T00:00:00Z' })).items.length, 3)
  t.is((await logs.read({ ...all, since: '2999-01-01T00:00:00Z' })).items.length, 0)
})

test('who is no host has no log, and strange files are left alone', async t => {
  const folder = await folderOf(t)
  {
    await using logs = await open(folder)
    logs.add({ ...of('b1'), host: '../../etc' }, said(0, 1))
    t.deepEqual((await logs.boots('../../etc')).boots, [])
    logs.add(of('b1'), said(0, 1))
  }
  await writeFile(join(folder, 'logs', host, 'notes.txt'), 'mine')
  await writeFile(join(folder, 'logs', 'stray'), 'mine')
  await using logs = await open(folder)
  t.is((await logs.boots(host)).boots.length, 1)
})

test('what cannot be written is left out, and what comes after that is read', async t => {
  const folder = await folderOf(t)
  await using logs = await open(folder)
  logs.add(of('b1'), said(0, 2))
  await logs.read({ host, boot: 'b1', linesMax: 1 })
  const own = join(folder, 'logs', host)
  await rm(own, { recursive: true })
  await writeFile(own, 'this is no folder')
  logs.add(of('b1'), said(2, 4))
  await logs.read({ host, boot: 'b1', linesMax: 9 }).catch(() => undefined)
  await rm(own)
  await chmod(folder, 0o700)
  logs.add(of('b1'), said(4, 6))
  const read = await logs.read({ host, boot: 'b1', linesMax: 9 })
  const gap = '2 lines left out: they could not be written'
  t.deepEqual(textsOf(read), [gap, 'line 4', 'line 5'])
})

test('where there is no room nothing that was kept is given up, and then it goes on', async t => {
  const folder = await folderOf(t)
  await using logs = await open(folder)
  const flush = () => logs.read({ host, boot: 'b1', linesMax: 1 })
  for (const from of [0, 80, 160]) {
    logs.add(of('b1'), said(from, from + 80))
    await flush()
  }
  const before = await logs.read({ host, boot: 'b1', linesMax: 500, after: 0 })
  const own = join(folder, 'logs', host)
  const names = (await readdir(own)).toSorted()
  const kept = (await logs.boots(host)).boots[0]!.bytes
  // Nothing can be made where the next file would be.
  const last = Math.max(...names.map(name => Number(name.split('.')[2])))
  const next = last + (await stat(join(own, names.find(name => name.includes(`.${last}.`))!))).size
  const [begunAt] = names[0]!.split('.')
  const inTheWay = join(own, `${begunAt}.b1.${next}.log`)
  await mkdir(inTheWay)
  for (const from of [240, 320, 400]) {
    logs.add(of('b1'), said(from, from + 80))
    await flush()
  }
  t.regex(logs.problem ?? '', /cannot write logs of hosts/)
  t.deepEqual((await readdir(own)).toSorted(), [...names, `${begunAt}.b1.${next}.log`].toSorted())
  t.is((await logs.boots(host)).boots[0]!.bytes, kept)
  t.deepEqual(await logs.read({ host, boot: 'b1', linesMax: 500, after: 0 }), before)
  await rm(inTheWay, { recursive: true })
  logs.add(of('b1'), said(480, 482))
  const after = await logs.read({ host, boot: 'b1', linesMax: 3 })
  const gap = '240 lines left out: they could not be written'
  t.deepEqual(textsOf(after), [gap, 'line 480', 'line 481'])
})

test('a log is read while lines keep coming', async t => {
  t.timeout(60_000)
  await using logs = await open(await folderOf(t))
  logs.add(of('b1'), said(0, 1))
  let isRead = false
  const reading = logs.read({ host, boot: 'b1', linesMax: 1 }).then(page => {
    isRead = true
    return page
  })
  for (let from = 1; !isRead; from += 1) {
    logs.add(of('b1'), said(from, from + 1))
    await sleep(1)
  }
  t.is((await reading).items.length, 1)
})

test('a long log is told in parts, of which none is read further than it may be long', async t => {
  t.timeout(60_000)
  const large = { ...bounds, fileBytesMax: 2_000_000, bytesMax: 9_000_000 }
  await using logs = await open(await folderOf(t), { bounds: large })
  const long = (line: number): HostLogLine => ({
    source: 'journal',
    text: `${line} ${'ä'.repeat(900)}`
  })
  for (let line = 0; line < 1_000; line += 1) logs.add(of('b1'), [long(line)])
  const numbers: number[] = []
  let pages = 0
  for (let after = 0; numbers.length < 1_000; pages += 1) {
    const page = await logs.read({ host, boot: 'b1', linesMax: 5_000, after })
    numbers.push(...page.items.map(({ text }) => Number.parseInt(text, 10)))
    t.true(page.next > after)
    after = page.next
  }
  t.deepEqual(
    numbers,
    Array.from({ length: 1_000 }, (_, line) => line)
  )
  t.true(pages >= 3)
  const last = await logs.read({ host, boot: 'b1', linesMax: 5_000 })
  t.true(last.isCut)
  t.regex(last.items.at(-1)?.text ?? '', /^999 /)
})

test('many who read at once are answered one after another, and too many are told so', async t => {
  t.timeout(60_000)
  await using logs = await open(await folderOf(t))
  logs.add(of('b1'), said(0, 1))
  const ask = () => logs.read({ host, boot: 'b1', linesMax: 1 })
  const answers = await Promise.allSettled(Array.from({ length: 100 }, ask))
  const refused = answers.flatMap(answer => (answer.status === 'rejected' ? [answer.reason] : []))
  t.is(answers.length - refused.length, 66)
  t.true(refused.every(thrown => isFault(thrown, 'capacity')))
  t.is((await ask()).items.length, 1)
})

test('what cannot be read of one host keeps neither bootd nor the other logs', async t => {
  const folder = await folderOf(t)
  {
    await using logs = await open(folder)
    logs.add(of('b1'), said(0, 1))
  }
  await writeFile(join(folder, 'logs', host.replace('4c4c', '5c5c')), 'this is no folder')
  await using logs = await open(folder)
  t.is((await logs.boots(host)).boots.length, 1)
  t.is(logs.problem, undefined)
})

test('where no logs can be kept at all bootd goes on, and says so', async t => {
  const folder = await folderOf(t)
  await writeFile(join(folder, 'logs'), 'this is no folder')
  await using logs = await open(folder)
  t.regex(logs.problem ?? '', /cannot keep logs of hosts in /)
  logs.add(of('b1'), said(0, 1))
  const gone = await t.throwsAsync(logs.read({ host, boot: 'b1', linesMax: 1 }))
  t.true(isFault(gone, 'not-found'))
})

test('the folder of a host goes with its last file', async t => {
  const folder = await folderOf(t)
  let now = Date.now()
  const clock = { ...realClock, wall: () => now }
  await using logs = await open(folder, { clock, isPlanned: () => false })
  const hosts = [1, 2, 3, 4].map(last => `${host.slice(0, -1)}${last}`)
  for (const each of hosts) {
    logs.add({ host: each, boot: 'b1', hasJoined: false }, said(0, 1))
    now += 1
  }
  await logs.read({ host: hosts[3]!, boot: 'b1', linesMax: 1 })
  t.deepEqual((await readdir(join(folder, 'logs'))).toSorted(), hosts.slice(2))
})
