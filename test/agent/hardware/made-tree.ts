import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'

/** A tree of files for a test, below a fresh folder; disposing removes it. */
export type MadeTree = AsyncDisposable & { readonly root: string; readonly folder: string }

/**
 * Makes files and links below a fresh root. Values that start with `->` are links, relative to the
 * root; all others are texts. `folder` is an empty folder beside the root for the agent's state.
 */
export async function makeTree(entries: Readonly<Record<string, string>>): Promise<MadeTree> {
  const home = await fs.mkdtemp(path.join(os.tmpdir(), 'remuda-hardware-'))
  const root = path.join(home, 'root')
  const folder = path.join(home, 'agent')
  await Promise.all([fs.mkdir(root), fs.mkdir(folder)])
  for (const [name, value] of Object.entries(entries)) {
    const file = path.join(root, name)
    await fs.mkdir(path.dirname(file), { recursive: true })
    if (value.startsWith('->')) {
      const target = path.join(root, value.slice(2))
      await fs.mkdir(target, { recursive: true })
      await fs.symlink(path.relative(path.dirname(file), target), file)
    } else await fs.writeFile(file, value, 'latin1')
  }
  const remove = () => fs.rm(home, { recursive: true, force: true })
  return { root, folder, [Symbol.asyncDispose]: remove }
}

/** Puts a prefix before each name. */
export const below = (prefix: string, entries: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(entries).map(([name, value]) => [`${prefix}/${name}`, value]))
