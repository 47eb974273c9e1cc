/**
 * Where bytes go that the journal could not use. What was cut off, skipped or repaired may have
 * been acknowledged, so it is put aside with a sentence that says why, and left to a person.
 */
import { mkdir, open, readdir, rm, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '#shared/fault.ts'
import { syncFile } from '#shared/files.ts'

/** torn: the last write, which nobody was told had succeeded. The other kinds may be a loss. */
export type QuarantineKind = 'torn' | 'corrupt' | 'repaired'

/** Torn writes that are kept; the oldest goes first. */
const tornKept = 16
/** Folders of the other kinds; they are never removed by us. */
const lossesMax = 64

/** Makes a folder such as `quarantine/0003-corrupt` with `why.txt` in it, and says its path. */
export async function openQuarantine(
  path: string,
  { kind, because }: { readonly kind: QuarantineKind; readonly because: string }
): Promise<string> {
  const parent = join(path, 'quarantine')
  await mkdir(parent, { recursive: true, mode: 0o700 })
  const names = (await readdir(parent)).filter(name => /^\d{4,}-/.test(name)).sort(byNumber)
  const torn = names.filter(name => name.endsWith('-torn'))
  const losses = names.length - torn.length
  if (kind !== 'torn' && losses >= lossesMax) {
    throw new Fault('unavailable', `cannot put damaged bytes aside: ${parent} is full`, {
      reasons: [`it holds ${losses} folders, at most ${lossesMax}`],
      next: ['move those that are no longer needed elsewhere']
    })
  }
  const number = Number.parseInt(names.at(-1) ?? '0', 10) + 1
  const folder = join(parent, `${String(number).padStart(4, '0')}-${kind}`)
  await mkdir(folder, { mode: 0o700 })
  await writeDurably(join(folder, 'why.txt'), [`${new Date().toISOString()} ${because}\n`])
  await syncFile(parent)
  for (const name of kind === 'torn' ? torn.slice(0, torn.length + 1 - tornKept) : []) {
    await rm(join(parent, name), { recursive: true })
  }
  return folder
}

/** Writes a file, piece by piece, that is there after a power cut; gives the count of pieces. */
export async function writeDurably(
  file: string,
  pieces: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>
): Promise<number> {
  let count = 0
  await using handle = await open(file, 'w', 0o600)
  for await (const piece of pieces) {
    await handle.appendFile(piece)
    count += 1
  }
  await handle.sync()
  await syncFile(join(file, '..'))
  return count
}

/** Free is what a process that is not root may still use; total counts what is reserved too. */
export type Room = { readonly freeMib: number; readonly totalMib: number }

/** Says how full the file system is that holds a folder; undefined where it does not say. */
export async function roomOf(folder: string): Promise<Room | undefined> {
  try {
    const { bavail, blocks, bsize } = await statfs(folder)
    return {
      freeMib: Math.floor((bavail * bsize) / mib),
      totalMib: Math.ceil((blocks * bsize) / mib)
    }
  } catch {
    return undefined
  }
}

const mib = 2 ** 20
const byNumber = (a: string, b: string): number => Number.parseInt(a, 10) - Number.parseInt(b, 10)
