/**
 * A file tree as a value. The initramfs, the virtual machine's root and the container's root are
 * each such a list, so that one description serves three formats and the outcome depends neither on
 * who builds nor when.
 */
import assert from 'node:assert/strict'

/** One file, folder or link of a tree; paths are relative to its root, without a leading slash. */
export type Entry =
  | { readonly type: 'directory'; readonly path: string; readonly mode: number }
  | {
      readonly type: 'file'
      readonly path: string
      readonly mode: number
      readonly content: Buffer
    }
  | { readonly type: 'symlink'; readonly path: string; readonly target: string }

/** A regular file; the path is relative to the root, without a leading slash. */
export const file = (path: string, content: Buffer | string, mode = 0o644): Entry => ({
  type: 'file',
  path,
  mode,
  content: typeof content === 'string' ? Buffer.from(content) : content
})

/** A folder; those above what a tree holds are added by `complete` where they are left out. */
export const directory = (path: string, mode = 0o755): Entry => ({ type: 'directory', path, mode })

/** A symbolic link; its target is text that is kept as it is, and may point to nothing. */
export const symlink = (path: string, target: string): Entry => ({ type: 'symlink', path, target })

/**
 * Orders a tree so that each folder stands before what it holds, and adds the folders that were
 * left out. Of two entries with one path the later wins.
 */
export function complete(entries: readonly Entry[]): readonly Entry[] {
  const byPath = new Map<string, Entry>()
  for (const entry of entries) {
    assert(!entry.path.startsWith('/') && !entry.path.endsWith('/'), entry.path)
    byPath.set(entry.path, entry)
  }
  for (const entry of entries) {
    const parts = entry.path.split('/')
    for (let depth = 1; depth < parts.length; depth++) {
      const parent = parts.slice(0, depth).join('/')
      if (!byPath.has(parent)) byPath.set(parent, directory(parent))
    }
  }
  // By parts, not by text: `a.b` sorts before `a/b`, and a folder must come before what it holds.
  return [...byPath.values()].sort((one, other) => comparePaths(one.path, other.path))
}

function comparePaths(one: string, other: string): number {
  const [ones, others] = [one.split('/'), other.split('/')]
  for (const [index, part] of ones.entries()) {
    const counterpart = others[index]
    if (counterpart === undefined) return 1
    if (part !== counterpart) return part < counterpart ? -1 : 1
  }
  return ones.length - others.length
}
