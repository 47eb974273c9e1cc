/**
 * What in the state folder is ours. Its path comes from a variable, and a slip such as
 * `REMUDA_STATE=/` must cost nobody a file: `up` does not move into a folder that holds something
 * else, and `down` neither touches such a folder nor removes what it does not know.
 */
import { readdir, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '#shared/fault.ts'
import { codeOf } from '#shared/files.ts'

/** All that `up` and the daemons put there. */
const names: ReadonlySet<string> = new Set([
  'admin.token',
  'agent',
  'controller',
  'demo-images',
  'join.token',
  'log',
  'outside.json',
  'outside.json.new',
  'run'
])
/** No other program has these. */
const marks: readonly string[] = ['admin.token', 'outside.json']

const next = ['name a folder of its own: REMUDA_STATE=DIR']

/** Refuses a folder that belongs to something else. Fault `conflict`. */
export async function refuseStrange(state: string): Promise<void> {
  const found: readonly string[] = await readdir(state).catch(cause => {
    if (codeOf(cause) === 'ENOENT') return []
    throw new Fault('conflict', `cannot use ${state} as state folder`, { cause, next })
  })
  if (marks.some(mark => found.includes(mark))) return
  const strange = found.filter(name => !names.has(name) && name !== 'lost+found')
  if (strange.length === 0) return
  throw new Fault('conflict', `cannot use ${state} as state folder: it holds something else`, {
    reasons: [`such as ${strange.slice(0, 3).join(', ')}`],
    next
  })
}

/** How the state folder was left: gone, empty as it cannot be removed, or with files of others. */
export type Removal = 'removed' | 'emptied' | { readonly left: readonly string[] }

/** Removes what is ours, and the folder when nothing is left in it. */
export async function removeBelongings(
  state: string,
  kept: readonly string[] = []
): Promise<Removal> {
  for (const name of await readdir(state)) {
    const path = join(state, name)
    if (names.has(name) && !kept.includes(path)) await rm(path, { recursive: true, force: true })
  }
  const left = await readdir(state)
  if (left.length > 0) return { left }
  try {
    await rmdir(state)
    return 'removed'
  } catch (thrown) {
    // A mount point, or a link to a folder elsewhere: not ours to take away.
    if (['EBUSY', 'ENOTDIR'].includes(codeOf(thrown) ?? '')) return 'emptied'
    throw thrown
  }
}
