/**
 * The victim of the crash test: makes and removes volumes without end, until it is killed.
 * Arguments: the state folder, and the images as JSON.
 */
import fs from 'node:fs/promises'
import { silentLog } from '#shared/log.ts'
import type { OrderImage } from '#shared/wire/order.ts'
import { DirectoryStorage } from '../../../agent/io/storage/directory.ts'
import { samplePool, sampleVolume } from '../../contracts/storage-samples.ts'

const [state = '', json = '{}'] = process.argv.slice(2)
const { disk, archive } = JSON.parse(json) as { disk: OrderImage; archive: OrderImage }
const signal = new AbortController().signal
const storage = await DirectoryStorage.open({ state, log: silentLog })
await storage.openPool(samplePool)
await fs.writeFile(`${state}/ready`, '')
for (;;) {
  await Promise.all([storage.fetchImage(disk, signal), storage.fetchImage(archive, signal)])
  const works = (['qcow2', 'raw', 'tree'] as const).map(async (format, index) => {
    const image = format === 'tree' ? archive : disk
    const volume = sampleVolume(index, format, { sizeMib: 8 })
    await storage.createVolume(volume, { pool: samplePool, image }, signal)
    const larger = { ...volume, sizeMib: 16 }
    await storage.createVolume(larger, { pool: samplePool, image }, signal)
    await storage.writeSeed(`i-${index}`, new Map([['user-data', `${Math.random()}`]]))
    await storage.removeVolume(larger, samplePool)
  })
  await Promise.all(works)
  await storage.keepOnlyImages([])
}
