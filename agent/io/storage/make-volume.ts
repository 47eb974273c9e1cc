import fs from 'node:fs/promises'
import { dirname } from 'node:path'
import { Fault } from '#shared/fault.ts'
import { syncFile } from '#shared/files.ts'
import { run } from '#shared/process.ts'
import { formatMib, type Mib } from '#shared/units.ts'
import type { OrderImage, OrderVolume } from '#shared/wire/order.ts'
import { syncFileSystem } from './files.ts'
import { withinRoom } from './room.ts'
import type { TreeFolder } from './trees.ts'
import { readHeader } from './volume-files.ts'

/** An image's content on this host, for a volume to be made from. */
export type Source = {
  readonly image: OrderImage
  readonly path: string
}

/** What a volume is made of, and where. */
export type Making = {
  readonly volume: OrderVolume
  readonly source: Source | undefined
  /** Where it is made; nothing is there. */
  readonly path: string
  readonly trees: TreeFolder
  readonly signal: AbortSignal
}

const quickMsMax = 60_000
const copyMsMax = 60 * 60_000

/** Makes a volume at a temporary path, flushed to the disk. */
export async function makeVolume(making: Making): Promise<void> {
  const { volume, source, path } = making
  await refuseMismatch(making)
  switch (volume.format) {
    case 'qcow2':
      await makeQcow2(making)
      return await syncFile(path)
    case 'raw':
      await makeRaw(making)
      return await syncFile(path)
    case 'tree':
      if (source) {
        const { image } = source
        await making.trees.copy({ path: source.path, sha256: image.sha256 }, path, making.signal)
      } else {
        await fs.mkdir(path)
        await fs.chmod(path, 0o755)
      }
      return await syncFileSystem(path, making.signal)
    default:
      return volume.format satisfies never
  }
}

/** Makes a volume larger in place. Its instance must not run: qemu holds a lock on the file. */
export async function growVolume(
  volume: OrderVolume,
  path: string,
  signal: AbortSignal
): Promise<void> {
  if (volume.format === 'qcow2') {
    const args = ['resize', '-q', '-f', 'qcow2', path, sizeOf(volume)]
    await run('qemu-img', args, { deadlineMs: quickMsMax, signal })
  } else {
    await fs.truncate(path, volume.sizeMib * 2 ** 20)
  }
  await syncFile(path)
}

/** A volume smaller than its image would cut the file system in it off. */
async function refuseMismatch({ volume, source }: Making): Promise<void> {
  if (!source) return
  const { image, path } = source
  const isTree = volume.format === 'tree'
  if (isTree !== (image.format === 'tar')) {
    const holds = isTree ? 'a disk and no root directory' : 'a root directory and no disk'
    const message = `cannot create volume ${volume.name}: image ${image.name} holds ${holds}`
    throw new Fault('storage', message)
  }
  if (isTree) return
  const bytes =
    image.format === 'qcow2' ? (await readHeader(path))?.sizeBytes : (await fs.stat(path)).size
  const imageMib = Math.ceil((bytes ?? 0) / 2 ** 20) as Mib
  if (imageMib <= volume.sizeMib) return
  throw new Fault(
    'storage',
    `cannot create volume ${volume.name}: its ${formatMib(volume.sizeMib)} are less than the ` +
      `${formatMib(imageMib)} of image ${image.name}`
  )
}

/** Only what the instance writes takes up room: the rest stays in the image. */
async function makeQcow2({ volume, source, path, signal }: Making): Promise<void> {
  const backing = source ? ['-u', '-b', source.path, '-F', source.image.format] : []
  const args = ['create', '-q', '-f', 'qcow2', ...backing, path, sizeOf(volume)]
  await run('qemu-img', args, { deadlineMs: quickMsMax, signal })
}

async function makeRaw({ volume, source, path, signal }: Making): Promise<void> {
  if (source) {
    const [command, ...args] =
      source.image.format === 'qcow2'
        ? ['qemu-img', 'convert', '-q', '-f', 'qcow2', '-O', 'raw', source.path, path]
        : ['cp', '--sparse=always', '--reflink=auto', '--', source.path, path]
    await withinRoom(dirname(path), signal, end =>
      run(command!, args, { deadlineMs: copyMsMax, signal: end })
    )
  }
  const file = await fs.open(path, 'a', 0o600)
  try {
    await file.chmod(0o600)
    await file.truncate(volume.sizeMib * 2 ** 20)
  } finally {
    await file.close()
  }
}

const sizeOf = (volume: OrderVolume): string => `${volume.sizeMib}M`
