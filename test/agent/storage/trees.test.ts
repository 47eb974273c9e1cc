import fs from 'node:fs/promises'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import test from 'ava'
import { Fault } from '#shared/fault.ts'
import type { StoredVolume } from '../../../agent/core/ports.ts'
import { samplePool, sampleVolume } from '../../contracts/storage-samples.ts'
import { type Entry, makeArchive } from './archive.ts'
import { Store, sampleContent } from './store.ts'

const never = new AbortController().signal

async function unpack(store: Store, archive: Uint8Array, number = 1): Promise<StoredVolume> {
  await store.storage.openPool(samplePool)
  const image = store.offer(archive, 'tar')
  await store.storage.fetchImage(image, never)
  const options = { pool: samplePool, image }
  return store.storage.createVolume(sampleVolume(number, 'tree'), options, never)
}

for (const [name, pack] of [
  ['plain', (bytes: Uint8Array) => bytes],
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync]
] as const) {
  test(`a ${name} archive becomes a tree with its owners and modes`, async t => {
    await using store = await Store.make()
    const { path, usedMib } = await unpack(store, pack(await sampleContent('tar')))
    const stat = await fs.stat(`${path}/etc/hay`)
    t.is(await fs.readFile(`${path}/etc/hay`, 'utf8'), 'hay\n')
    t.deepEqual([stat.uid, stat.gid, stat.mode & 0o7777], [1234, 1234, 0o640])
    t.is((await fs.stat(path)).mode & 0o777, 0o755)
    t.is(usedMib, 1)
  })
}

test('trees of one archive are copies of each other that live their own lives', async t => {
  await using store = await Store.make()
  const archive = await sampleContent('tar')
  const [one, two] = [await unpack(store, archive, 1), await unpack(store, archive, 2)]
  await fs.writeFile(`${one.path}/etc/hay`, 'straw\n')
  t.is(await fs.readFile(`${two.path}/etc/hay`, 'utf8'), 'hay\n')
  const third = await unpack(store, archive, 3)
  t.is(await fs.readFile(`${third.path}/etc/hay`, 'utf8'), 'hay\n')
  t.is((await store.list('trees')).length, 1)
  t.is((await fs.stat(store.path('trees'))).mode & 0o777, 0o700)
  await store.storage.keepOnlyImages([])
  t.deepEqual(await store.list('trees'), [])
})

const hostile: readonly (readonly [string, readonly Entry[]])[] = [
  ['an absolute name', [{ name: '/OUTSIDE', content: 'bad' }]],
  ['a name with ..', [{ name: 'a/../../OUTSIDE', content: 'bad' }]],
  [
    'a name below a symbolic link that leads outside',
    [
      { name: 'link', type: '2', target: '/FOLDER' },
      { name: 'link/OUTSIDE', content: 'bad' }
    ]
  ],
  [
    'a name below a relative symbolic link that leads outside',
    [
      { name: 'link', type: '2', target: '../../../../../../../../../../FOLDER' },
      { name: 'link/OUTSIDE', content: 'bad' }
    ]
  ],
  [
    'a file written through a symbolic link',
    [
      { name: 'link', type: '2', target: '/FOLDER/VICTIM' },
      { name: 'link', content: 'bad' }
    ]
  ],
  [
    'a hard link to a file outside',
    [
      { name: 'link', type: '1', target: '/FOLDER/VICTIM' },
      { name: 'link', content: 'bad' }
    ]
  ],
  [
    'a hard link with .. to a file outside',
    [
      { name: 'link', type: '1', target: '../../../../../../../../../../FOLDER/VICTIM' },
      { name: 'link', content: 'bad' }
    ]
  ]
]
for (const [title, entries] of hostile) {
  test(`an archive with ${title} changes nothing outside of its tree`, async t => {
    await using store = await Store.make()
    const victim = `${store.state}/VICTIM`
    await fs.writeFile(victim, 'good')
    const real = (text: string) => text.replace('FOLDER', store.state.slice(1))
    const named = entries.map(entry => ({
      ...entry,
      name: entry.name === '/OUTSIDE' ? `${store.state}/OUTSIDE` : entry.name,
      ...(entry.target !== undefined && { target: real(entry.target) })
    }))
    await unpack(store, makeArchive(named)).catch(thrown => t.true(thrown instanceof Fault))
    t.is(await fs.readFile(victim, 'utf8'), 'good')
    t.is((await fs.stat(victim)).nlink, 1)
    const outside = await Promise.all(
      [store.state, store.path(), store.path('trees'), store.path('pools', 'local')].map(folder =>
        fs.readdir(folder)
      )
    )
    t.false(outside.flat().includes('OUTSIDE'))
  })
}

test('an archive brings no devices', async t => {
  await using store = await Store.make()
  const { path } = await unpack(
    store,
    makeArchive([
      { name: 'dev/', type: '5', mode: 0o755 },
      { name: 'dev/memory', type: '3', mode: 0o666 },
      { name: 'dev/file', content: 'hay' }
    ])
  )
  t.deepEqual(await fs.readdir(`${path}/dev`), ['file'])
})

test('an archive that is none leaves nothing behind', async t => {
  await using store = await Store.make()
  const unpacking = unpack(store, Buffer.alloc(10_000, 'hay'))
  const fault = await t.throwsAsync(unpacking, { instanceOf: Fault })
  t.is(fault?.code, 'storage')
  t.deepEqual(await store.list('trees'), [])
  t.deepEqual(await store.storage.volumes(samplePool), [])
})

test("files go into a container's tree, private and whole", async t => {
  await using store = await Store.make()
  const tree = await unpack(store, await sampleContent('tar'))
  await fs.symlink('/nowhere', `${tree.path}/etc/resolv.conf`)
  const files = new Map([
    ['etc/resolv.conf', 'nameserver 10.66.1.1\n'],
    ['var/lib/cloud/seed/nocloud/user-data', '#cloud-config\n'],
    ['top', 'top\n']
  ])
  await store.storage.writeTreeFiles(tree, files)
  for (const [path, content] of files) {
    const stat = await fs.lstat(`${tree.path}/${path}`)
    t.true(stat.isFile())
    t.is(stat.mode & 0o777, 0o600)
    t.is(await fs.readFile(`${tree.path}/${path}`, 'utf8'), content)
  }
  t.deepEqual((await fs.readdir(`${tree.path}/etc`)).sort(), ['hay', 'resolv.conf'])
})

test("a folder of a container's tree that leads elsewhere is not followed", async t => {
  await using store = await Store.make()
  const tree = await unpack(store, await sampleContent('tar'))
  await fs.mkdir(`${store.state}/elsewhere`)
  await fs.symlink(`${store.state}/elsewhere`, `${tree.path}/var`)
  for (const [path, why] of [
    ['var/lib/cloud', /: var is no folder in it$/],
    ['etc/hay/below', /: hay is no folder in it$/],
    ['../out', /it is no plain relative path$/],
    ['/etc/out', /it is no plain relative path$/],
    ['etc/', /it is no plain relative path$/]
  ] as const) {
    const writing = store.storage.writeTreeFiles(tree, new Map([[path, 'x']]))
    const fault = await t.throwsAsync(writing, { instanceOf: Fault })
    t.is(fault?.code, 'storage')
    t.regex(fault!.message, why)
  }
  t.deepEqual(await fs.readdir(`${store.state}/elsewhere`), [])
})
