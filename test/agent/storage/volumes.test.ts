import fs from 'node:fs/promises'
import test from 'ava'
import { Fault } from '#shared/fault.ts'
import { run } from '#shared/process.ts'
import type { OrderPool, OrderVolume } from '#shared/wire/order.ts'
import type { StoredVolume } from '../../../agent/core/ports.ts'
import { samplePool, sampleVolume } from '../../contracts/storage-samples.ts'
import { makeQcow2, Store, sampleContent } from './store.ts'

const never = new AbortController().signal
const disk = Buffer.alloc(1024 * 1024, 'hay')

async function start(store: Store, format: 'qcow2' | 'raw' | 'tar') {
  await store.storage.openPool(samplePool)
  const image = store.offer(await sampleContent(format), format)
  await store.storage.fetchImage(image, never)
  return image
}

async function read({ path, format }: StoredVolume): Promise<Buffer> {
  await run('qemu-img', ['convert', '-f', format, '-O', 'raw', path, `${path}.read`], {
    deadlineMs: 60_000
  })
  const bytes = await fs.readFile(`${path}.read`)
  await fs.rm(`${path}.read`)
  return bytes
}

for (const from of ['qcow2', 'raw'] as const) {
  for (const format of ['qcow2', 'raw'] as const) {
    test(`a ${format} volume holds what its ${from} image does, and then nothing`, async t => {
      await using store = await Store.make()
      const image = await start(store, from)
      const volume = sampleVolume(1, format)
      const made = await store.storage.createVolume(volume, { pool: samplePool, image }, never)
      const bytes = await read(made)
      t.is(bytes.length, 4 * 1024 * 1024)
      t.true(bytes.subarray(0, disk.length).equals(disk))
      t.true(bytes.subarray(disk.length).every(byte => byte === 0))
      t.is((await fs.stat(made.path)).uid, 0)
      t.deepEqual(await store.list('pools', 'local', 'volumes'), [`${volume.id}.${format}`])
    })
  }

  test(`a qcow2 volume takes up no room for what is in its ${from} image`, async t => {
    await using store = await Store.make()
    const image = await start(store, from)
    const options = { pool: samplePool, image }
    const made = await store.storage.createVolume(sampleVolume(1, 'qcow2'), options, never)
    t.is(made.usedMib, 1)
    const { stdout } = await run('qemu-img', ['info', '--output=json', made.path], {
      deadlineMs: 60_000
    })
    const shown = JSON.parse(stdout)
    t.is(shown['backing-filename'], store.path('images', `${image.sha256}.${from}`))
    t.is(shown['backing-filename-format'], from)
    t.is(shown['virtual-size'], 4 * 1024 * 1024)
  })
}

test('a volume that is smaller than its image is refused with numbers', async t => {
  await using store = await Store.make()
  await store.storage.openPool(samplePool)
  for (const format of ['raw', 'qcow2'] as const) {
    const content = Buffer.alloc(5 * 1024 * 1024 + 512, 'hay')
    const bytes = format === 'raw' ? content : await makeQcow2(content)
    const image = store.offer(bytes, format)
    await store.storage.fetchImage(image, never)
    for (const kind of ['raw', 'qcow2'] as const) {
      const options = { pool: samplePool, image }
      const creating = store.storage.createVolume(sampleVolume(1, kind), options, never)
      const fault = await t.throwsAsync(creating, { instanceOf: Fault })
      t.is(fault?.code, 'storage')
      t.is(
        fault?.message,
        'cannot create volume volume1: its 4 MiB are less than the 6 MiB of image an-image'
      )
    }
  }
  t.deepEqual(await store.list('pools', 'local', 'volumes'), [])
})

test('a tree is no disk, and a disk no tree', async t => {
  await using store = await Store.make()
  for (const [format, from, why] of [
    ['tree', 'raw', 'a disk and no root directory'],
    ['qcow2', 'tar', 'a root directory and no disk']
  ] as const) {
    const image = await start(store, from)
    const options = { pool: samplePool, image }
    const creating = store.storage.createVolume(sampleVolume(1, format), options, never)
    const fault = await t.throwsAsync(creating, { instanceOf: Fault })
    t.is(fault?.message, `cannot create volume volume1: image an-image holds ${why}`)
  }
})

test('a volume grows with its content', async t => {
  await using store = await Store.make()
  const image = await start(store, 'qcow2')
  for (const format of ['raw', 'qcow2'] as const) {
    for (const sizeMib of [4, 8]) {
      const volume = sampleVolume(1, format, { sizeMib })
      const made = await store.storage.createVolume(volume, { pool: samplePool, image }, never)
      t.is(made.sizeMib, sizeMib)
      t.true((await read(made)).subarray(0, disk.length).equals(disk))
    }
  }
})

for (const id of ['../v-1', '..', '.hidden', 'a/b', '', 'v-1\0', 'v-1.qcow2']) {
  test(`an id such as ${JSON.stringify(id)} leads nowhere`, async t => {
    await using store = await Store.make()
    await store.storage.openPool(samplePool)
    const volume: OrderVolume = { ...sampleVolume(1, 'raw'), id }
    const options = { pool: samplePool, image: undefined }
    const wrong = { instanceOf: Fault, code: 'storage' as never, message: /it is no id$/ }
    await t.throwsAsync(store.storage.createVolume(volume, options, never), wrong)
    await t.throwsAsync(store.storage.removeVolume(volume, samplePool), wrong)
    await t.throwsAsync(store.storage.writeSeed(id, new Map()), wrong)
    await t.throwsAsync(store.storage.removeSeed(id), wrong)
  })
}

for (const path of ['relative', '/', '/STATE/../pool', '//STATE/pool', '/STATE/./pool']) {
  test(`a pool at ${path} is not used`, async t => {
    await using store = await Store.make()
    const pool: OrderPool = { ...samplePool, path: path.replace('/STATE', store.state) }
    const { failure } = await store.storage.openPool(pool)
    t.is(failure, `cannot use pool local: "${pool.path}" is no plain absolute path`)
    const options = { instanceOf: Fault, code: 'unavailable' as never }
    await t.throwsAsync(store.storage.volumes(pool), options)
  })
}

test('a pool whose mount is gone is not taken for an empty one', async t => {
  await using store = await Store.make()
  const pool: OrderPool = { ...samplePool, path: `${store.state}/mount` }
  const options = { pool, image: undefined }
  t.is((await store.storage.openPool(pool)).failure, undefined)
  await store.storage.createVolume(sampleVolume(1, 'raw'), options, never)
  await fs.rename(`${store.state}/mount`, `${store.state}/unmounted`)
  await fs.mkdir(`${store.state}/mount`)
  for (let round = 0; round < 2; round += 1) {
    const { failure } = await store.storage.openPool(pool)
    t.regex(failure ?? '', /is not what it was when it was first opened; is it mounted\?/)
    await t.throwsAsync(store.storage.volumes(pool), { instanceOf: Fault })
    await t.throwsAsync(store.storage.createVolume(sampleVolume(2, 'raw'), options, never))
    t.deepEqual(await fs.readdir(`${store.state}/mount`), [])
    await store.reopen()
  }
  await fs.rmdir(`${store.state}/mount`)
  await fs.rename(`${store.state}/unmounted`, `${store.state}/mount`)
  t.is((await store.storage.volumes(pool)).length, 1)
})

test('a shared pool is not made where nothing is, and its volumes carry their images', async t => {
  await using store = await Store.make()
  const pool: OrderPool = { ...samplePool, shared: true, path: `${store.state}/shared` }
  t.regex((await store.storage.openPool(pool)).failure ?? '', /ENOENT/)
  await fs.mkdir(pool.path!)
  t.is((await store.storage.openPool(pool)).failure, undefined)
  const image = store.offer(await sampleContent('qcow2'), 'qcow2')
  await store.storage.fetchImage(image, never)
  const volume = sampleVolume(1, 'qcow2')
  const made = await store.storage.createVolume(volume, { pool, image }, never)
  await store.storage.keepOnlyImages([])
  t.deepEqual(await store.storage.images(), [])
  t.true((await read(made)).subarray(0, disk.length).equals(disk))
  const theirs = `${pool.path}/volumes/.tmp-other-host`
  await fs.writeFile(theirs, '')
  await store.reopen()
  await store.storage.openPool(pool)
  await t.notThrowsAsync(fs.access(theirs))
})

test('hosts that open a shared pool for the first time at once all know it again', async t => {
  const stores = await Promise.all(Array.from({ length: 8 }, () => Store.make()))
  await using opened = new AsyncDisposableStack()
  for (const store of stores) opened.use(store)
  for (let round = 0; round < 10; round += 1) {
    const path = `${stores[0]!.state}/shared-${round}`
    await fs.mkdir(path)
    const pool: OrderPool = { ...samplePool, name: `far-${round}`, shared: true, path }
    await Promise.all(stores.map(store => store.storage.openPool(pool)))
    const again = await Promise.all(stores.map(store => store.storage.openPool(pool)))
    t.deepEqual(
      again.flatMap(({ failure }) => failure ?? []),
      []
    )
  }
})

test('what takes too long for the caller is given up and leaves nothing', async t => {
  await using store = await Store.make()
  const image = await start(store, 'tar')
  const options = { pool: samplePool, image }
  for (const format of ['qcow2', 'raw', 'tree'] as const) {
    const over = AbortSignal.abort()
    const from = format === 'tree' ? options : { ...options, image: undefined }
    const creating = store.storage.createVolume(sampleVolume(1, format), from, over)
    if (format === 'raw') await creating
    else t.is((await t.throwsAsync(creating, { instanceOf: Fault }))?.code, 'aborted')
  }
  const left = await store.list('pools', 'local', 'volumes')
  t.deepEqual(
    left.filter(name => !name.endsWith('.size') && !name.endsWith('.raw')),
    []
  )
})
