/**
 * Takes a lab away, whatever state it is in: with its keeper, or what is left of it where the
 * keeper was killed half-way. What may be left is known from the plan alone, which was written
 * before anything was made.
 */
import { readdir, readFile, rm, rmdir } from 'node:fs/promises'
import { stopDaemon } from '#shared/daemon.ts'
import { codeOf } from '#shared/files.ts'
import { run } from '#shared/process.ts'
import { stateDefault } from '#shared/state-folder.ts'
import { askKeeper } from './client.ts'
import { folderOf } from './folder.ts'
import { Cgroup, hierarchies } from './keeper/cgroups.ts'
import { keeperDaemon } from './keeper-process.ts'
import type { LabPlan } from './plan.ts'

/** Reads the plan of the lab in a folder; undefined: there is none. */
export async function readPlan(folder: string): Promise<LabPlan | undefined> {
  try {
    return JSON.parse(await readFile(folderOf(folder).plan, 'utf8')) as LabPlan
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return undefined
    throw thrown
  }
}

/** Ends the lab in a folder and removes all that it made; false: there was nothing. */
export async function sweep(folder: string): Promise<boolean> {
  const plan = await readPlan(folder)
  if (plan === undefined) return false
  const spec = keeperDaemon(folder)
  await askKeeper(folder, { verb: 'down' }).catch(() => {}) // it may be gone, or hang
  await stopDaemon(spec)
  const controllers = await hierarchies()
  await Promise.all(
    plan.hosts.map(({ name }) => new Cgroup(`remuda-${plan.tag}-${name}`, controllers).remove())
  )
  if (plan.outside) {
    await run('ip', ['link', 'delete', plan.tag], { deadlineMs: 10_000, exitCodes: [0, 1] })
  }
  await removeFolder(folder)
  await removeMountPoint()
  return true
}

/** The plan goes last: as long as it is there, what is left can be found. */
async function removeFolder(folder: string): Promise<void> {
  const { folder: _, plan, ...paths } = folderOf(folder)
  for (const path of Object.values(paths)) await rm(path, { recursive: true, force: true })
  await rm(plan, { force: true })
  await rmdir(folder).catch(thrown => {
    if (!['ENOTEMPTY', 'ENOENT', 'EBUSY'].includes(codeOf(thrown) ?? '')) throw thrown
  })
}

/** Where hosts have their state the machine has a folder too: empty, unless it is in use. */
async function removeMountPoint(): Promise<void> {
  if (await isMountedAnywhere(stateDefault)) return
  await rmdir(stateDefault).catch(thrown => {
    if (!['ENOTEMPTY', 'ENOENT', 'EBUSY'].includes(codeOf(thrown) ?? '')) throw thrown
  })
}

/** Removing a folder would take a mount of another namespace away with it. */
async function isMountedAnywhere(path: string): Promise<boolean> {
  for (const pid of (await readdir('/proc')).filter(name => /^\d+$/.test(name))) {
    const text = await readFile(`/proc/${pid}/mountinfo`, 'utf8').catch(() => '')
    if (text.includes(` ${path} `)) return true
  }
  return false
}
