/** Room on the disk of the state folder, looked for before anything is begun. */
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Fault } from '#shared/fault.ts'
import { codeOf } from '#shared/files.ts'

/** Room that a cloud needs to start, and that the building of its images needs. Unit: MiB. */
export const roomMib = { start: 64, build: 512 } as const

/** Refuses to begin without room. Fault `unavailable`. */
export async function refuseFullDisk(folder: string, neededMib: number): Promise<void> {
  const { freeMib, sizeMib } = await roomAt(folder)
  if (freeMib >= neededMib) return
  throw new Fault('unavailable', `cannot bring a cloud up in ${folder}: its disk has no room`, {
    reasons: [`${freeMib} of ${sizeMib} MiB are free, ${neededMib} MiB are needed`],
    next: ['make room there', 'or name a folder on a larger disk: REMUDA_STATE=DIR npm run up']
  })
}

/** Says in our words that the disk is full; anything else is given back as it is. */
export async function explainFullDisk(thrown: unknown, folder: string): Promise<unknown> {
  if (codeOf(thrown) !== 'ENOSPC') return thrown
  const { freeMib, sizeMib } = await roomAt(folder)
  return new Fault('unavailable', `cannot write into ${folder}: its disk is full`, {
    cause: thrown,
    reasons: [`${freeMib} of ${sizeMib} MiB are free`],
    next: ['make room there, and run it again']
  })
}

/** The room at a folder, or where it will be. */
async function roomAt(
  folder: string
): Promise<{ readonly freeMib: number; readonly sizeMib: number }> {
  try {
    const { bavail, blocks, bsize } = await statfs(folder)
    const mib = (count: number): number => Math.floor((count * bsize) / 2 ** 20)
    return { freeMib: mib(bavail), sizeMib: mib(blocks) }
  } catch (thrown) {
    if (codeOf(thrown) !== 'ENOENT' || dirname(folder) === folder) throw thrown
    return await roomAt(dirname(folder))
  }
}
