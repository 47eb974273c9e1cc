/**
 * Whether a build would give what is there already. The stamp names every source of ours that went
 * into the last build and holds one hash over all of them, the lock file of the npm packages and
 * the builder itself. A new file only matters once one of these imports it.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs/promises'
import path from 'node:path'

/** The part of esbuild's account of a build that a stamp is made of. */
export type Account = {
  readonly inputs: Readonly<Record<string, unknown>>
  readonly outputs: Readonly<Record<string, unknown>>
}

type Stamp = {
  readonly hash: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
}

const stampName = '.stamp.json'
const always = [
  'package.json',
  'package-lock.json',
  'tools/build.ts',
  'tools/build/launcher.ts',
  'tools/build/stamp.ts',
  // The beginning of each program: built as soon as it is there.
  'tools/remuda.ts',
  'controller/main.ts',
  'agent/main.ts',
  'bootd/main.ts'
]

/** Says whether all that the last build made is there and nothing that it read has changed. */
export async function isFresh(root: string, dist: string): Promise<boolean> {
  const stamp = await readStamp(dist)
  if (stamp === undefined) return false
  const present = await Promise.all(stamp.outputs.map(file => isThere(path.join(root, file))))
  return present.every(Boolean) && stamp.hash === (await hashOf(root, stamp.inputs))
}

/** Notes what a build read and made. */
export async function writeStamp(
  root: string,
  dist: string,
  made: { readonly metafile: Account; readonly programs: readonly string[] }
): Promise<void> {
  // Those of packages are covered by the lock file.
  const own = Object.keys(made.metafile.inputs).filter(file => !file.includes('node_modules/'))
  const inputs = [...new Set([...own, ...always])].sort()
  const launchers = made.programs.map(name => path.relative(root, path.join(dist, name)))
  const outputs = [...Object.keys(made.metafile.outputs), ...launchers].sort()
  const stamp: Stamp = { hash: await hashOf(root, inputs), inputs, outputs }
  await fs.writeFile(path.join(dist, stampName), `${JSON.stringify(stamp)}\n`)
}

async function readStamp(dist: string): Promise<Stamp | undefined> {
  try {
    return JSON.parse(await fs.readFile(path.join(dist, stampName), 'utf8')) as Stamp
  } catch {
    // None, or one that was torn: build.
    return undefined
  }
}

async function hashOf(root: string, files: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const file of files) {
    const bytes = await fs.readFile(path.join(root, file)).catch(() => undefined)
    hash.update(`${file}\0${bytes?.length ?? 'none'}\0`)
    if (bytes) hash.update(bytes)
  }
  return hash.digest('hex')
}

const isThere = (file: string): Promise<boolean> =>
  fs.access(file).then(
    () => true,
    () => false
  )
