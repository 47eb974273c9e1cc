import { readdir } from 'node:fs/promises'
import type { Hands } from './act.ts'
import type { ConsoleHub } from './console/hub.ts'
import { removeLibvirtLog } from './libvirt-log.ts'

/** What the agent keeps of an instance is named by its id: a seed, a console log and its parts. */
const named = /^(i-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(?:iso|log(?:\..+)?)$/

/** Ids of the instances of which something lies in these folders; other files are nobody's. */
export async function findRemains(folders: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(folders.map(folder => readdir(folder)))
  const ids = found.flat().flatMap(name => named.exec(name)?.[1] ?? [])
  return [...new Set(ids)].toSorted()
}

/** What finds and forgets that which the agent keeps in these folders, and libvirt in its logs. */
export const remainsIn = (
  folders: readonly string[],
  consoles: Pick<ConsoleHub, 'forget'>
): Pick<Hands, 'findRemains' | 'forgetConsole'> => ({
  findRemains: () => findRemains(folders),
  forgetConsole: async ({ id, tenant, name }) => {
    await consoles.forget(id)
    if (tenant !== undefined && name !== undefined) await removeLibvirtLog({ tenant, name })
  }
})
