import fs from 'node:fs/promises'
import { join } from 'node:path'
import type { VolumeFormat } from '#shared/model/volume.ts'
import { run } from '#shared/process.ts'
import type { Mib } from '#shared/units.ts'
import type { StoredVolume } from '../../core/ports.ts'
import { type Qcow2Header, qcow2HeaderBytes, readQcow2Header } from '../../core/qcow2-header.ts'
import { pathIn } from './files.ts'

/** Where a volume is: a file with the format as its ending, or a folder for a tree. */
export const volumePath = (folder: string, volume: { id: string; format: VolumeFormat }): string =>
  pathIn(folder, volume.id, volume.format === 'tree' ? '' : `.${volume.format}`)

/** Where is written down how large a tree was ordered, which the tree itself does not show. */
export const treeSizePath = (folder: string, id: string): string => pathIn(folder, id, '.size')

type Named = { readonly id: string; readonly format: VolumeFormat }

/** Tells the volumes of a pool's folder by their names alone. */
export async function listVolumes(folder: string): Promise<readonly Named[]> {
  const entries = await fs.readdir(folder, { withFileTypes: true })
  return entries.flatMap((entry): readonly Named[] => {
    const [, id, format] = /^([A-Za-z0-9][A-Za-z0-9_-]*)(?:\.(qcow2|raw))?$/.exec(entry.name) ?? []
    if (id === undefined) return []
    if (format === undefined) return entry.isDirectory() ? [{ id, format: 'tree' }] : []
    return entry.isFile() ? [{ id, format: format as 'qcow2' | 'raw' }] : []
  })
}

/** Measures one volume; undefined: it is not there. */
export async function readVolume(
  folder: string,
  volume: { readonly id: string; readonly pool: string; readonly format: VolumeFormat },
  measureTree: (path: string) => Promise<Mib>
): Promise<StoredVolume | undefined> {
  const { id, pool, format } = volume
  const path = volumePath(folder, volume)
  const stat = await fs.stat(path).catch(() => undefined)
  if (!stat) return undefined
  const base = { id, pool, format, path }
  switch (format) {
    case 'raw':
      return { ...base, sizeMib: wholeMib(stat.size), usedMib: wholeMib(stat.blocks * 512) }
    case 'qcow2': {
      const size = (await readHeader(path))?.sizeBytes ?? 0
      return { ...base, sizeMib: wholeMib(size), usedMib: wholeMib(stat.blocks * 512) }
    }
    case 'tree': {
      const text = await fs.readFile(treeSizePath(folder, id), 'utf8').catch(() => '0')
      return { ...base, sizeMib: (Number(text) || 0) as Mib, usedMib: await measureTree(path) }
    }
    default:
      return format satisfies never
  }
}

/** Reads the header of a qcow2 file; undefined: it has none that can be read. */
export async function readHeader(path: string): Promise<Qcow2Header | undefined> {
  return (await readStart(path)).header
}

/** Reads which file a qcow2 volume is backed by; undefined: by none. */
async function readBacking(path: string): Promise<string | undefined> {
  return (await readStart(path)).backing
}

async function readStart(
  path: string
): Promise<{ readonly header: Qcow2Header | undefined; readonly backing: string | undefined }> {
  const file = await fs.open(path, 'r')
  try {
    const start = await file.read(Buffer.alloc(qcow2HeaderBytes))
    const header = readQcow2Header(start.buffer.subarray(0, start.bytesRead))
    if (!header?.backing) return { header, backing: undefined }
    const { offset, length } = header.backing
    const name = await file.read(Buffer.alloc(length), 0, length, offset)
    return { header, backing: name.buffer.toString('utf8', 0, name.bytesRead) }
  } finally {
    await file.close()
  }
}

/** Paths of all files that volumes in these folders are backed by. */
export async function backingFiles(folders: readonly string[]): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  for (const folder of folders) {
    for (const volume of await listVolumes(folder)) {
      if (volume.format !== 'qcow2') continue
      const backing = await readBacking(join(folder, `${volume.id}.qcow2`))
      if (backing !== undefined) found.add(backing)
    }
  }
  return found
}

const measureMsMax = 60_000

/** Room that a tree takes up, by its blocks; about that, while files in it come and go. */
export async function measureTree(path: string): Promise<Mib> {
  const args = ['--summarize', '--one-file-system', '--block-size=1M', '--', path]
  const { stdout } = await run('du', args, { deadlineMs: measureMsMax, exitCodes: [0, 1] })
  return Number(stdout.split('\t')[0]) as Mib
}

const wholeMib = (bytes: number): Mib => Math.ceil(bytes / 2 ** 20) as Mib
