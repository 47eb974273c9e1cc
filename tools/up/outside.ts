/**
 * What was changed outside of the state folder, written down before it is done, so that `down` can
 * undo exactly that and nothing that was so before.
 */
import { chmod, readFile, rename, stat, writeFile } from 'node:fs/promises'
import type { Layout } from './layout.ts'

/** What is not said here was as it is before `up` came. */
export type Outside = {
  /** Whether libvirtd was started by us. */
  readonly libvirtd?: boolean
  /** Whether its folder below /run was not there before. */
  readonly madeRun?: boolean
  /** Mode that a device had before we opened it. */
  readonly modes?: Readonly<Record<string, number>>
}

/** Reads what was changed. */
export async function readOutside(layout: Layout): Promise<Outside> {
  const text = await readFile(layout.ledger, 'utf8').catch(() => '{}')
  try {
    return JSON.parse(text) as Outside
  } catch {
    return {}
  }
}

/** Adds to what was changed. */
export async function noteOutside(layout: Layout, more: Outside): Promise<void> {
  const before = await readOutside(layout)
  const modes = { ...more.modes, ...before.modes }
  const part = `${layout.ledger}.new`
  await writeFile(part, `${JSON.stringify({ ...before, ...more, modes })}\n`, { mode: 0o600 })
  await rename(part, layout.ledger)
}

/** Opens a device to everybody, remembering the mode that it had. */
export async function openDevice(layout: Layout, path: string): Promise<boolean> {
  const seen = await stat(path).catch(() => undefined)
  if (!seen || (seen.mode & 0o666) === 0o666) return false
  await noteOutside(layout, { modes: { [path]: seen.mode & 0o7777 } })
  await chmod(path, 0o666)
  return true
}

/** Gives devices the modes that they had. */
export async function closeDevices(layout: Layout): Promise<void> {
  const { modes = {} } = await readOutside(layout)
  for (const [path, mode] of Object.entries(modes)) {
    await chmod(path, mode).catch(thrown => {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown
    })
  }
}
