import fs from 'node:fs/promises'
import test from 'ava'
import { Fault } from '#shared/fault.ts'
import type { OrderImage } from '#shared/wire/order.ts'
import { samplePool, sampleVolume } from '../../contracts/storage-samples.ts'
import { type Answer, makeQcow2, Store, sampleContent } from './store.ts'

const never = new AbortController().signal
const disk = Buffer.alloc(3 * 1024 * 1024, 'hay')

const bad: readonly (readonly [string, Partial<OrderImage>, Answer | undefined, string, RegExp])[] =
  [
    [
      'whose bytes have another hash',
      { sha256: 'a'.repeat(64) },
      undefined,
      'corrupt',
      /^cannot use image an-image: its SHA-256 is [0-9a-f]{64}, and should be a{64}$/
    ],
    [
      'that is longer than it should be',
      { sizeBytes: 1000 },
      undefined,
      'corrupt',
      /it is longer than the 1000 bytes that it should have$/
    ],
    [
      'that ends early',
      {},
      (response, content) => response.end(content.subarray(0, 1000)),
      'unavailable',
      /it ended after 1000 of 3145728 bytes$/
    ],
    [
      'whose connection breaks',
      {},
      (response, content) => {
        response.writeHead(200, { 'content-length': content.byteLength })
        response.write(content.subarray(0, 1000), () => response.destroy())
      },
      'unavailable',
      /^cannot fetch image an-image: the connection failed$/
    ],
    [
      'that the server refuses',
      {},
      response => response.writeHead(403).end('no'),
      'unavailable',
      /^cannot fetch image an-image: 127\.0\.0\.1:\d+ answered 403$/
    ],
    [
      'that would fill the disk',
      { sizeBytes: 2 ** 52 },
      undefined,
      'capacity',
      /^cannot write 4096 TiB to .*: .* are free, of which 128 MiB must/
    ]
  ]
for (const [title, change, answer, code, sentence] of bad) {
  test(`an image ${title} is refused, and nothing of it stays`, async t => {
    await using store = await Store.make()
    const image = { ...store.offer(disk, 'raw', answer), ...change }
    const fault = await t.throwsAsync(store.storage.fetchImage(image, never), { instanceOf: Fault })
    t.is(fault?.code, code as never)
    t.regex(fault!.message, sentence)
    t.false(`${fault!.message} ${fault!.cause}`.includes(new URL(image.url).pathname))
    t.deepEqual(await store.list('images'), ['ids'])
    t.deepEqual(await store.storage.images(), [])
  })
}

test('an image whose fetch stands still is given up', async t => {
  await using store = await Store.make(200)
  const image = store.offer(disk, 'raw', (response, content) =>
    response.write(content.subarray(0, 1000))
  )
  const fault = await t.throwsAsync(store.storage.fetchImage(image, never), { instanceOf: Fault })
  t.is(fault?.code, 'unavailable')
  t.is(fault?.message, 'cannot fetch image an-image: nothing came for 200 ms')
  t.deepEqual(await store.list('images'), ['ids'])
})

test('after a failed fetch the next one succeeds', async t => {
  await using store = await Store.make()
  let failures = 1
  const image = store.offer(disk, 'raw', (response, content) => {
    if (failures-- > 0) response.writeHead(500).end()
    else response.end(content)
  })
  await t.throwsAsync(store.storage.fetchImage(image, never), { instanceOf: Fault })
  await store.storage.fetchImage(image, never)
  t.deepEqual(await store.storage.images(), [image.id])
})

test('an image is fetched once for all who ask, and for all of one content', async t => {
  await using store = await Store.make()
  const image = store.offer(disk, 'raw')
  const twin = { ...image, id: `${image.id}-twin` }
  const asked = [image, image, twin, image].map(each => store.storage.fetchImage(each, never))
  await Promise.all(asked)
  t.is(store.requests.length, 1)
  t.deepEqual([...(await store.storage.images())].sort(), [image.id, twin.id])
  t.deepEqual(await store.list('images'), [`${image.sha256}.raw`, 'ids'])
  await store.storage.keepOnlyImages([twin.id])
  t.deepEqual(await store.storage.images(), [twin.id])
  t.deepEqual(await store.list('images'), [`${image.sha256}.raw`, 'ids'])
})

test('who gives up does not stop the fetch for the others; the last one does', async t => {
  await using store = await Store.make()
  const asked = Promise.withResolvers<() => void>()
  const closed = Promise.withResolvers<void>()
  const image = store.offer(disk, 'raw', (response, content) => {
    response.write(content.subarray(0, 1000))
    response.on('close', () => closed.resolve())
    asked.resolve(() => response.end(content.subarray(1000)))
  })
  const [one, two] = [new AbortController(), new AbortController()]
  const first = store.storage.fetchImage(image, one.signal)
  const second = store.storage.fetchImage(image, two.signal)
  const finish = await asked.promise
  one.abort()
  t.is((await t.throwsAsync(first, { instanceOf: Fault }))?.code, 'aborted')
  finish()
  await second
  t.deepEqual(await store.storage.images(), [image.id])

  const other = store.offer(Buffer.from('other'), 'raw', (response, content) => {
    response.writeHead(200, { 'content-length': content.byteLength })
    response.write(content.subarray(0, 1), () => two.abort())
    response.on('close', () => closed.resolve())
  })
  const given = store.storage.fetchImage(other, two.signal)
  t.is((await t.throwsAsync(given, { instanceOf: Fault }))?.code, 'aborted')
  await closed.promise
  t.deepEqual(await store.list('images'), [`${image.sha256}.raw`, 'ids'])
})

test('an image that was cut short or changed on the disk is fetched again', async t => {
  await using store = await Store.make()
  const image = store.offer(disk, 'raw')
  const path = store.path('images', `${image.sha256}.raw`)
  await store.storage.fetchImage(image, never)
  await fs.truncate(path, 1000)
  t.deepEqual(await store.storage.images(), [])
  await store.storage.fetchImage(image, never)
  t.deepEqual(await store.storage.images(), [image.id])
  await fs.writeFile(path, Buffer.alloc(disk.length, 'straw'))
  await store.storage.fetchImage({ ...image, id: `${image.id}-twin` }, never)
  t.true((await fs.readFile(path)).equals(disk))
  t.is(store.requests.length, 3)
})

for (const [title, change] of [
  ['names a backing file', (bytes: Buffer) => bytes.writeBigUInt64BE(512n, 8)],
  ['names an external data file', (bytes: Buffer) => bytes.writeBigUInt64BE(4n, 72)],
  ['is encrypted', (bytes: Buffer) => bytes.writeUInt32BE(2, 32)],
  ['is no qcow2 file', (bytes: Buffer) => bytes.write('hay!')]
] as const) {
  test(`a qcow2 image that ${title} is refused`, async t => {
    await using store = await Store.make()
    const bytes = Buffer.from(await makeQcow2(disk))
    change(bytes)
    const image = store.offer(bytes, 'qcow2')
    const fault = await t.throwsAsync(store.storage.fetchImage(image, never), { instanceOf: Fault })
    t.is(fault?.code, 'corrupt')
    t.is(fault?.message, `cannot use image an-image: it ${title}`)
    t.deepEqual(await store.list('images'), ['ids'])
  })
}

test('qemu may read a disk image, and only root an archive', async t => {
  await using store = await Store.make()
  for (const [format, mode] of [
    ['qcow2', 0o644],
    ['tar', 0o600]
  ] as const) {
    const image = store.offer(await sampleContent(format), format)
    await store.storage.fetchImage(image, never)
    const stat = await fs.stat(store.path('images', `${image.sha256}.${format}`))
    t.is(stat.mode & 0o777, mode)
  }
  t.is((await fs.stat(store.path('images'))).mode & 0o777, 0o711)
})

test('no image goes while a pool that may need it cannot be seen', async t => {
  await using store = await Store.make()
  const away = { ...samplePool, name: 'away', path: `${store.state}/away` }
  const image = store.offer(await sampleContent('qcow2'), 'qcow2')
  await store.storage.openPool(away)
  await store.storage.fetchImage(image, never)
  await store.storage.createVolume(sampleVolume(1, 'qcow2'), { pool: away, image }, never)
  await fs.rename(away.path, `${store.state}/elsewhere`)
  await store.reopen()
  const fault = await t.throwsAsync(store.storage.keepOnlyImages([]), { instanceOf: Fault })
  t.is(fault?.code, 'unavailable')
  t.deepEqual(await store.storage.images(), [image.id])
  await fs.rename(`${store.state}/elsewhere`, away.path)
  await store.storage.keepOnlyImages([])
  t.deepEqual(await store.storage.images(), [image.id])
})

test('what a crash left unfinished is removed at the next start', async t => {
  await using store = await Store.make()
  await store.storage.openPool(samplePool)
  const folders = [
    ['images'],
    ['images', 'ids'],
    ['trees'],
    ['seeds'],
    ['pools', 'local', 'volumes']
  ]
  for (const names of folders)
    await fs.mkdir(store.path(...names, '.tmp-left-behind', 'inside'), { recursive: true })
  await store.reopen()
  await store.storage.openPool(samplePool)
  for (const names of folders) {
    const left = (await store.list(...names)).filter(name => name.startsWith('.'))
    t.deepEqual(left, [], names.join('/'))
  }
})
