/**
 * Folders in which versions of the host image are built, beside those that are whole. The name of
 * one holds the process that builds in it: who is killed cannot remove hundreds of MiB any more, so
 * whoever looks there next does.
 */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { exists } from './files.ts'
import type { Ms } from './units.ts'

const prefix = '.building-'

/** Makes a draft of this process; the caller renames or removes it. */
export const makeImageDraft = (folder: string): Promise<string> =>
  mkdtemp(join(folder, `${prefix}${process.pid}-`))

/**
 * Removes drafts whose process is gone, and gives their names. With `untouchedMs`, those alone in
 * which nothing was written for so long: for who does not see all processes of the machine.
 */
export async function sweepImageDrafts(
  folder: string,
  given: { readonly untouchedMs: Ms; readonly wall: Ms }
): Promise<readonly string[]> {
  const removed: string[] = []
  for (const name of await readdir(folder)) {
    if (!name.startsWith(prefix) || (await isBuilt(name))) continue
    const path = join(folder, name)
    if (given.wall - (await writtenAt(path)) < untouchedMsOf(name, given.untouchedMs)) continue
    await rm(path, { recursive: true, force: true })
    removed.push(name)
  }
  return removed
}

/** Nothing says of a name without a process whether somebody is at it; a build takes minutes. */
const namelessMs: Ms = 86_400_000
const processOf = (name: string): string | undefined => /^\.building-([1-9]\d*)-/.exec(name)?.[1]
const isBuilt = async (name: string): Promise<boolean> => {
  const pid = processOf(name)
  return pid !== undefined && (await exists(`/proc/${pid}`))
}
const untouchedMsOf = (name: string, untouchedMs: Ms): Ms =>
  processOf(name) === undefined ? Math.max(namelessMs, untouchedMs) : untouchedMs

/** When something in it was written last; 0: it has gone meanwhile. */
async function writtenAt(folder: string): Promise<Ms> {
  let last: Ms = 0
  const names = await readdir(folder).catch(() => [])
  for (const path of [folder, ...names.map(name => join(folder, name))]) {
    last = Math.max(last, (await stat(path).catch(() => undefined))?.mtimeMs ?? 0)
  }
  return last
}
