/** What every part asks of files and their failures. */
import { access, open } from 'node:fs/promises'

/** The code of a failure of the operating system, such as ENOENT; undefined: it has none. */
export const codeOf = (thrown: unknown): string | undefined =>
  (thrown as { readonly code?: string } | undefined)?.code

/** Says whether there is something at a path; what may not be looked at counts as nothing. */
export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false
  )

/** Makes a file's content, or a folder's new and removed names, survive a power cut. */
export async function syncFile(path: string): Promise<void> {
  await using file = await open(path, 'r')
  await file.sync()
}
