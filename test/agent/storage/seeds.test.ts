import fs from 'node:fs/promises'
import test from 'ava'
import { Fault } from '#shared/fault.ts'
import { run } from '#shared/process.ts'
import { Store } from './store.ts'

const files = new Map([
  ['meta-data', 'instance-id: i-1\n'],
  ['user-data', '#cloud-config\npassword: secret\n'],
  ['network-config', 'version: 2\n']
])

test('a seed is an ISO image with the label cidata that holds the files', async t => {
  await using store = await Store.make()
  const path = await store.storage.writeSeed('i-1', files)
  t.is((await fs.stat(path)).mode & 0o777, 0o600)
  const bytes = await fs.readFile(path)
  t.is(bytes.toString('latin1', 0x8001, 0x8006), 'CD001')
  t.is(bytes.toString('latin1', 0x8028, 0x8048).trim(), 'cidata')
  await fs.mkdir(`${store.state}/out`)
  const args = ['-no_rc', '-osirrox', 'on', '-indev', path, '-extract', '/', `${store.state}/out`]
  await run('xorriso', args, { deadlineMs: 60_000 })
  t.deepEqual((await fs.readdir(`${store.state}/out`)).sort(), [...files.keys()].sort())
  for (const [name, content] of files) {
    t.is(await fs.readFile(`${store.state}/out/${name}`, 'utf8'), content)
  }
  t.deepEqual(await store.list('seeds'), ['i-1.iso'])
})

test('the same files give the same bytes, and the seed is left alone', async t => {
  await using store = await Store.make()
  const path = await store.storage.writeSeed('i-1', files)
  const before = await fs.stat(path)
  await store.storage.writeSeed('i-1', files)
  t.is((await fs.stat(path)).ino, before.ino)
  const twin = await store.storage.writeSeed('i-2', files)
  t.true((await fs.readFile(twin)).equals(await fs.readFile(path)))
  await store.storage.writeSeed('i-1', new Map([...files, ['user-data', 'other\n']]))
  t.not((await fs.stat(path)).ino, before.ino)
  await store.storage.removeSeed('i-1')
  t.deepEqual(await store.list('seeds'), ['i-2.iso'])
})

for (const name of ['../user-data', 'a/b', '.hidden', '-volid']) {
  test(`a seed has no file named ${name}`, async t => {
    await using store = await Store.make()
    const writing = store.storage.writeSeed('i-1', new Map([[name, 'x']]))
    const fault = await t.throwsAsync(writing, { instanceOf: Fault })
    t.is(fault?.message, `cannot put "${name}" into a seed: it is no plain file name`)
    t.deepEqual(await store.list('seeds'), [])
  })
}
