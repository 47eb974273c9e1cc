import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test from 'ava'
import { isFault } from '#shared/fault.ts'
import { refuseStrange, removeBelongings } from '../../../tools/up/belongings.ts'

/** A folder with these files; a name that ends with a slash is a folder with a file in it. */
async function makeFolder(names: readonly string[]) {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'remuda-belongings-'))
  for (const name of names) {
    const file = path.join(folder, name.endsWith('/') ? `${name}inner` : name)
    await fs.mkdir(path.dirname(file), { recursive: true })
    await fs.writeFile(file, '')
  }
  const remove = () => fs.rm(folder, { recursive: true, force: true })
  return { folder, [Symbol.asyncDispose]: remove }
}

for (const [what, names] of [
  ['an empty folder', []],
  ['what a start left that was ended at once', ['log/', 'run/', 'outside.json.new']],
  ['a state folder in which somebody keeps a note', ['admin.token', 'log/', 'note.txt']],
  ['a file system of its own', ['lost+found/']]
] as const) {
  test(`${what} is taken as state folder`, async t => {
    await using place = await makeFolder(names)
    await t.notThrowsAsync(refuseStrange(place.folder))
  })
}

test('a folder that is not there yet is taken as state folder', async t => {
  await t.notThrowsAsync(refuseStrange(path.join(os.tmpdir(), 'remuda-nowhere')))
})

test('a folder that holds something else is refused, even if it has names like ours', async t => {
  await using place = await makeFolder(['etc/', 'run/', 'log/'])
  const error = await t.throwsAsync(refuseStrange(place.folder))
  t.true(isFault(error, 'conflict'))
  t.is(error.message, `cannot use ${place.folder} as state folder: it holds something else`)
  t.deepEqual(isFault(error) && error.reasons, ['such as etc'])
})

test('a file is refused as state folder', async t => {
  const error = await t.throwsAsync(refuseStrange(import.meta.filename))
  t.true(isFault(error, 'conflict'))
})

test('what is ours goes with its folder', async t => {
  await using place = await makeFolder(['admin.token', 'agent/', 'controller/', 'run/', 'log/'])
  t.is(await removeBelongings(place.folder), 'removed')
  await t.throwsAsync(fs.stat(place.folder), { code: 'ENOENT' })
})

test('what somebody else put there stays, and is named', async t => {
  await using place = await makeFolder(['admin.token', 'agent/', 'note.txt'])
  t.deepEqual(await removeBelongings(place.folder), { left: ['note.txt'] })
  t.deepEqual(await fs.readdir(place.folder), ['note.txt'])
})

test('what is to be kept stays', async t => {
  await using place = await makeFolder(['admin.token', 'outside.json', 'run/'])
  const kept = ['outside.json', 'run'].map(name => path.join(place.folder, name))
  t.deepEqual(await removeBelongings(place.folder, kept), { left: ['outside.json', 'run'] })
})

test('behind a link the folder is emptied, and the link stays', async t => {
  await using place = await makeFolder(['real/admin.token'])
  const link = path.join(place.folder, 'link')
  await fs.symlink(path.join(place.folder, 'real'), link)
  t.is(await removeBelongings(link), 'emptied')
  t.deepEqual(await fs.readdir(path.join(place.folder, 'real')), [])
})
