import { spawnSync } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { Fault } from '#shared/fault.ts'
import { openLevelJournal } from '../../../controller/io/journal/level.ts'
import { numbered } from '../../world/numbered-commits.ts'
import { Child } from './child.ts'
import { makeFolder } from './folder.ts'

/** Mounting wants root and a kernel that lets us; in some containers there is neither. */
const canMount = spawnSync('unshare', ['-m', 'true']).status === 0
const testOnMounts = canMount ? test : test.skip

testOnMounts('a full disk stops the journal, and room lets it go on where it was', async t => {
  await using folder = await makeFolder()
  const stage = `mount -t tmpfs -o size=56m tmpfs ${folder.path}; exec "$@"`
  await using child = new Child('fillDisk', folder.path, { within: stage })
  const steps = new Map<unknown, Readonly<Record<string, unknown>>>()
  for await (const line of child.lines()) steps.set(line['step'], line)

  const full = steps.get('full')
  t.is(full?.['code'], 'unavailable')
  t.regex(
    String(full?.['message']),
    /^cannot write to the journal in .*; \d+ of 56 MiB are free there$/
  )
  t.regex(String(full?.['next']), /free at least 32 MiB on the file system of/)
  const stillFull = steps.get('still full')
  t.is(stillFull?.['code'], 'unavailable')
  t.regex(String(stillFull?.['message']), /^cannot open the journal in .*; \d+ of 56 MiB are free/)
  const recovered = steps.get('recovered')
  t.true((recovered?.['head'] as number) >= (recovered?.['acknowledged'] as number))
  const read = steps.get('read')
  t.deepEqual(read?.['missing'], [])
  t.true((read?.['acknowledged'] as number) > 100)
  t.is(read?.['cut'], undefined)
})

testOnMounts('a read-only folder is said to be one', async t => {
  await using folder = await makeFolder()
  {
    await using journal = await openLevelJournal(folder.path)
    await journal.append(numbered(1), { epoch: await journal.raiseEpoch() })
  }
  const bind = `mount --bind ${folder.path} ${folder.path}`
  const stage = `${bind}; mount -o remount,ro,bind ${folder.path}; exec "$@"`
  await using child = new Child('openOnly', folder.path, { within: stage })
  const [said] = await Array.fromAsync(child.lines())
  t.is(said?.['code'], 'unavailable')
  t.regex(String(said?.['message']), /^cannot open the journal in /)
  t.regex(String(said?.['reasons']), /read-only file system/)
  t.regex(String(said?.['next']), /look with "dmesg" and "mount"/)
  await using journal = await openLevelJournal(folder.path)
  t.deepEqual(journal.opening, { head: 1, epoch: 1, cut: undefined })
})

test('a second process is told which one has the journal', async t => {
  await using folder = await makeFolder()
  await using child = new Child('hold', folder.path)
  for await (const said of child.lines()) {
    t.deepEqual(said, { opened: 0 })
    break
  }
  const refused = await t.throwsAsync(openLevelJournal(folder.path), { instanceOf: Fault })
  t.is(refused?.code, 'locked')
  t.true(refused?.message.includes(`process ${child.process.pid} (`), refused?.message)
  t.false((await readdir(folder.path)).includes('quarantine'))
  await child.kill()
  await using journal = await openLevelJournal(folder.path)
  t.is(journal.opening.cut, undefined)
})

test('a second opening in the same process does not cost the first one its lock', async t => {
  await using folder = await makeFolder()
  await using journal = await openLevelJournal(folder.path)
  for (const path of [folder.path, `${folder.path}/.`, join(folder.path, 'store', '..')]) {
    const refused = await t.throwsAsync(openLevelJournal(path), { instanceOf: Fault })
    t.is(refused?.code, 'locked')
  }
  await using child = new Child('openOnly', folder.path)
  const [said] = await Array.fromAsync(child.lines())
  t.is(said?.['code'], 'locked')
  t.true(String(said?.['message']).includes(`process ${process.pid} (`))
  t.is(await journal.raiseEpoch(), 1)
})
