/** How the keeper of a lab is started and found again. */
import { join } from 'node:path'
import type { DaemonSpec } from '#shared/daemon.ts'
import { folderOf } from './folder.ts'

/** Program of the keeper, which runs from its sources. */
export const keeperProgram = join(import.meta.dirname, 'keeper/main.ts')

/** Set for a keeper that ends with who started it; its arguments are those of any other. */
export const boundVariable = 'REMUDA_LAB_BOUND'

/** The keeper as a daemon. */
export function keeperDaemon(folder: string): DaemonSpec {
  const paths = folderOf(folder)
  return {
    name: 'the keeper of the lab',
    command: process.execPath,
    args: [keeperProgram, folder],
    recordFile: paths.keeperRecord,
    logFile: paths.keeperLog,
    readyFile: paths.keeperReady,
    readyMsMax: 60_000,
    stopMsMax: 30_000
  }
}
