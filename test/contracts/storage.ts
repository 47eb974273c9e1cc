/** What every StorageDriver promises, the fake and the real one. */
import test, { type ExecutionContext } from 'ava'
import { isFault } from '#shared/fault.ts'
import type { VolumeFormat } from '#shared/model/volume.ts'
import type { OrderImage } from '#shared/wire/order.ts'
import type { StorageDriver } from '../../agent/core/ports.ts'
import { samplePool, sampleVolume } from './storage-samples.ts'

export type StorageRig = AsyncDisposable & {
  readonly storage: StorageDriver
  /** Opens another driver over the same folders, as a new agent does. */
  readonly reopen: () => Promise<StorageDriver>
  /** An image that can be fetched: a disk of 1 MiB, or an archive with the file etc/hay. */
  readonly offer: (format: OrderImage['format']) => Promise<OrderImage>
}

const formats: readonly VolumeFormat[] = ['qcow2', 'raw', 'tree']
const never = new AbortController().signal
const empty = { pool: samplePool, image: undefined }

type Behaves = (
  title: string,
  body: (t: ExecutionContext, rig: StorageRig) => Promise<void>
) => void

/** Registers the suite's tests; each gets a rig of its own. */
export function storageSuite(name: string, makeRig: () => Promise<StorageRig>): void {
  const behaves: Behaves = (title, body) => {
    test(`${name}: ${title}`, async t => {
      await using rig = await makeRig()
      await body(t, rig)
    })
  }
  keepsVolumes(behaves)
  keepsImages(behaves)
  keepsSeeds(behaves)
}

function keepsVolumes(behaves: Behaves): void {
  behaves('a pool opens, is measured, and is empty', async (t, { storage }) => {
    const pool = await storage.openPool(samplePool)
    t.is(pool.failure, undefined)
    t.is(pool.name, 'local')
    t.true(pool.path.startsWith('/'))
    t.true(pool.freeMib > 0 && pool.capacityMib >= pool.freeMib)
    t.deepEqual(await storage.volumes(samplePool), [])
    t.deepEqual({ ...(await storage.openPool(samplePool)), freeMib: 0 }, { ...pool, freeMib: 0 })
  })

  for (const format of formats) {
    behaves(`a ${format} volume is created once, listed, and removed`, async (t, rig) => {
      const { storage } = rig
      await storage.openPool(samplePool)
      const volume = sampleVolume(1, format)
      const made = await storage.createVolume(volume, empty, never)
      t.is(made.id, volume.id)
      t.is(made.pool, 'local')
      t.is(made.format, format)
      t.is(made.sizeMib, 4)
      t.deepEqual(await storage.createVolume(volume, empty, never), made)
      const [listed, ...others] = await storage.volumes(samplePool)
      t.deepEqual({ ...listed, usedMib: 0 }, { ...made, usedMib: 0 })
      t.deepEqual(others, [])
      const reopened = await rig.reopen()
      t.deepEqual((await reopened.volumes(samplePool))[0]?.path, made.path)
      for (let round = 0; round < 2; round += 1) {
        await reopened.removeVolume(volume, samplePool)
        t.deepEqual(await reopened.volumes(samplePool), [])
      }
    })

    behaves(`a ${format} volume grows and never shrinks`, async (t, { storage }) => {
      await storage.openPool(samplePool)
      for (const [orderedMib, expectedMib] of [
        [4, 4],
        [9, 9],
        [2, 9]
      ] as const) {
        const volume = sampleVolume(1, format, { sizeMib: orderedMib })
        t.is((await storage.createVolume(volume, empty, never)).sizeMib, expectedMib)
        t.deepEqual(
          (await storage.volumes(samplePool)).map(each => each.sizeMib),
          [expectedMib]
        )
      }
    })
  }

  behaves('requests for one volume at the same time make one volume', async (t, { storage }) => {
    await storage.openPool(samplePool)
    const volume = sampleVolume(1, 'qcow2')
    const made = await Promise.all([1, 2, 3].map(() => storage.createVolume(volume, empty, never)))
    t.is(new Set(made.map(each => each.path)).size, 1)
    t.is((await storage.volumes(samplePool)).length, 1)
  })
}

function keepsImages(behaves: Behaves): void {
  behaves('an image is here once it was fetched', async (t, rig) => {
    const image = await rig.offer('raw')
    t.deepEqual(await rig.storage.images(), [])
    await Promise.all([1, 2, 3].map(() => rig.storage.fetchImage(image, never)))
    t.deepEqual(await rig.storage.images(), [image.id])
    await rig.storage.fetchImage(image, never)
    t.deepEqual(await (await rig.reopen()).images(), [image.id])
  })

  behaves('a volume of an image that is not here is refused and not made', async (t, rig) => {
    const image = await rig.offer('raw')
    await rig.storage.openPool(samplePool)
    const options = { pool: samplePool, image }
    const creating = rig.storage.createVolume(sampleVolume(1, 'raw'), options, never)
    const thrown = await t.throwsAsync(creating)
    t.true(isFault(thrown, 'not-found'), String(thrown))
    t.deepEqual(await rig.storage.volumes(samplePool), [])
  })

  for (const [format, from] of [
    ['qcow2', 'qcow2'],
    ['qcow2', 'raw'],
    ['raw', 'qcow2'],
    ['raw', 'raw'],
    ['tree', 'tar']
  ] as const) {
    behaves(`a ${format} volume can start as a copy of a ${from} image`, async (t, rig) => {
      const image = await rig.offer(from)
      await rig.storage.openPool(samplePool)
      await rig.storage.fetchImage(image, never)
      const volume = sampleVolume(1, format, { imageId: image.id })
      const made = await rig.storage.createVolume(volume, { pool: samplePool, image }, never)
      t.is(made.sizeMib, 4)
      t.deepEqual(
        (await rig.storage.volumes(samplePool)).map(each => each.path),
        [made.path]
      )
    })
  }

  behaves('images that nobody names or is backed by are removed', async (t, rig) => {
    const [kept, backing, left] = [
      await rig.offer('raw'),
      await rig.offer('qcow2'),
      await rig.offer('tar')
    ]
    await rig.storage.openPool(samplePool)
    for (const image of [kept, backing, left]) await rig.storage.fetchImage(image, never)
    const volume = sampleVolume(1, 'qcow2', { imageId: backing.id })
    await rig.storage.createVolume(volume, { pool: samplePool, image: backing }, never)
    await rig.storage.keepOnlyImages([kept.id])
    t.deepEqual([...(await rig.storage.images())].sort(), [kept.id, backing.id].sort())
    await rig.storage.removeVolume(volume, samplePool)
    await rig.storage.keepOnlyImages([])
    t.deepEqual(await rig.storage.images(), [])
  })
}

function keepsSeeds(behaves: Behaves): void {
  const files = new Map([
    ['user-data', '#cloud-config\n'],
    ['meta-data', 'instance-id: i-1\n']
  ])

  behaves('a seed has its place, and may be removed twice', async (t, { storage }) => {
    const path = await storage.writeSeed('i-1', files)
    t.true(path.startsWith('/'))
    t.is(await storage.writeSeed('i-1', files), path)
    t.not(await storage.writeSeed('i-2', files), path)
    await storage.removeSeed('i-1')
    await storage.removeSeed('i-1')
  })

  behaves("files can be put into a container's tree again and again", async (t, { storage }) => {
    await storage.openPool(samplePool)
    const tree = await storage.createVolume(sampleVolume(1, 'tree'), empty, never)
    const inside = new Map([['var/lib/cloud/seed/nocloud/user-data', '#cloud-config\n']])
    await storage.writeTreeFiles(tree, inside)
    await t.notThrowsAsync(storage.writeTreeFiles(tree, inside))
  })
}
