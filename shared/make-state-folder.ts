/** The state folder of a machine, which all of our programs there share, whichever starts first. */
import { chmod, mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** What is needed to pass through a folder, and no more. */
const passable = 0o711

/**
 * Makes it, and in it `run`, with the sockets and words of programs for each other. Programs that
 * are not root pass through both, such as what serves first files to machines that boot.
 */
export async function makeStateFolder(state: string): Promise<void> {
  const run = join(state, 'run')
  await mkdir(state, { recursive: true, mode: passable })
  await mkdir(run, { recursive: true, mode: passable })
  for (const folder of [state, run]) {
    const { mode } = await stat(folder)
    // Who wrote the first file may have made the folder for himself alone.
    if ((mode & 0o011) !== 0o011) await chmod(folder, (mode & 0o7777) | 0o011)
  }
}
