/**
 * Kernel modules without depmod: a module names in its section `.modinfo` the modules that it
 * needs, `depends=virtio,virtio_ring`. From that we take the closure of those that we want and
 * write the `modules.dep` that busybox's modprobe reads. What is built into the kernel has no file
 * and is in nobody's `depends`.
 */
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Fault } from '#shared/fault.ts'
import { type Entry, file } from './tree.ts'

/** Names, as `.modinfo` writes them, with underscores, to files. */
export type ModuleFiles = ReadonlyMap<string, string>

/** Finds all module files of an unpacked kernel package. */
export async function moduleFiles(root: string, release: string): Promise<ModuleFiles> {
  const folder = join(root, 'lib/modules', release, 'kernel')
  const found = new Map<string, string>()
  for (const path of await readdir(folder, { recursive: true })) {
    if (path.endsWith('.ko')) found.set(nameOf(path), join(folder, path))
  }
  return found
}

/**
 * The modules and all that they need as entries of a tree, with their `modules.dep`. Fault
 * `not-found` when the kernel lacks one.
 */
export async function moduleEntries(
  modules: ModuleFiles,
  release: string,
  wanted: readonly string[]
): Promise<readonly Entry[]> {
  const folder = `lib/modules/${release}`
  const contents = new Map<string, Buffer>()
  const needs = new Map<string, readonly string[]>()
  const visit = async (name: string): Promise<void> => {
    if (contents.has(name)) return
    const path = modules.get(name)
    if (!path) throw new Fault('not-found', `cannot find the module ${name} in kernel ${release}`)
    const content = await readFile(path)
    contents.set(name, content)
    needs.set(name, dependencies(content))
    for (const need of needs.get(name)!) await visit(need)
  }
  for (const name of wanted) await visit(name)
  const names = [...contents.keys()].sort()
  const lines = names.map(name => {
    const needed = closure(name, needs).map(need => `${need}.ko`)
    return `${name}.ko: ${needed.join(' ')}`.trimEnd()
  })
  return [
    ...names.map(name => file(`${folder}/${name}.ko`, contents.get(name)!)),
    file(`${folder}/modules.dep`, `${lines.join('\n')}\n`)
  ]
}

const nameOf = (path: string): string => basename(path, '.ko').replaceAll('-', '_')

/** What a module needs directly, from the field `depends` of its `.modinfo`. */
export function dependencies(module: Buffer): readonly string[] {
  const key = Buffer.from('\0depends=')
  const at = module.indexOf(key)
  if (at < 0) return []
  const begin = at + key.length
  const text = module.toString('latin1', begin, module.indexOf(0, begin))
  return text === '' ? [] : text.split(',').map(nameOf)
}

/** Everything that a module needs, nearest first: modprobe loads such a line from its end. */
function closure(name: string, needs: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const found: string[] = []
  const visit = (each: string): void => {
    for (const need of needs.get(each) ?? []) {
      // Moved to the end, so that it is loaded before everybody who needs it.
      if (found.includes(need)) found.splice(found.indexOf(need), 1)
      found.push(need)
      visit(need)
    }
  }
  visit(name)
  return found
}
