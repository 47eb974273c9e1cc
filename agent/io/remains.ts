import { readdir } from 'node:fs/promises'

/** What the agent keeps of an instance is named by its id: a seed, a console log and its parts. */
const named = /^(i-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(?:iso|log(?:\..+)?)$/

/** Ids of the instances of which something lies in these folders; other files are nobody's. */
export async function findRemains(folders: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(folders.map(folder => readdir(folder)))
  const ids = found.flat().flatMap(name => named.exec(name)?.[1] ?? [])
  return [...new Set(ids)].toSorted()
}
